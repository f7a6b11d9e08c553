"""The log: stored heads become signed, published log checkpoints."""
