"""Locking months, for one customer or all, and comparing what was locked."""
