"""One module per verb. Each takes the context, the caller and parsed input, and returns plain values."""
