"""Recording and reading deltas, erasing contexts, gaps, readiness, the sandbox."""
