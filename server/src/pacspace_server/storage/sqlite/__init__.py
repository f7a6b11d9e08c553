"""The embedded engine: one SQLite file, write-ahead log, durable at every commit."""

from .database import SqliteStorage

__all__ = ["SqliteStorage"]
