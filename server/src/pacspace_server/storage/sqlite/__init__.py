"""The embedded engine: one SQLite file, write-ahead log, durable at every commit."""

from .database import SqliteStorage, UnusableDatabase

__all__ = ["SqliteStorage", "UnusableDatabase"]
