"""One module per verb. Each takes the context, who asks, and parsed input, and returns plain values."""
