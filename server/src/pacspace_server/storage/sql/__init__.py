"""Queries that are one text on every engine: all that is not hot."""
