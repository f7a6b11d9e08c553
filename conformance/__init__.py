"""Black-box tests: HTTP, files and commands, never internals."""
