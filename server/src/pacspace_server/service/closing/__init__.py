"""Locking months, for one customer or all, and comparing checkpoints."""
