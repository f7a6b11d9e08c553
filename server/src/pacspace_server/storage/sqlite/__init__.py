"""The embedded engine: one SQLite file, write-ahead log, durable at every commit."""

from .backup import check, restore
from .database import SqliteStorage

__all__ = ["SqliteStorage", "check", "restore"]
