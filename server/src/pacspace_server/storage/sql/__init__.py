"""Queries with the same text on both engines: all that are not hot."""
