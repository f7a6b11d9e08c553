"""Rows, ids and the protocols that both engines implement."""
