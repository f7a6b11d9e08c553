"""Recomputing the record: verify a root, check everything (fsck), continue in a new log."""
