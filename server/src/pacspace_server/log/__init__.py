"""The log: turns stored heads into signed, published log checkpoints."""
