"""Recomputing what is stored: verify a root, check the whole record, begin a new log."""
