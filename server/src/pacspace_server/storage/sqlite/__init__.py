"""The embedded engine: one SQLite file with a write-ahead log, durable at every commit."""

from .backup import check, restore
from .database import SqliteStorage, sole_process

__all__ = ["SqliteStorage", "check", "restore", "sole_process"]
