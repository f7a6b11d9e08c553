"""Recording deltas, looking one up, erasing contexts, the sandbox."""
