"""The server engine: PostgreSQL 15 or newer, with any number of server processes on one database."""

from .backup import check, logs_of, restore
from .database import PostgresStorage
from .migrating import migrate

__all__ = ["PostgresStorage", "check", "logs_of", "migrate", "restore"]
