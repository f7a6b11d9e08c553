"""The server engine: PostgreSQL 15 or newer, any number of server processes on one database."""

from .database import PostgresStorage
from .migrating import migrate

__all__ = ["PostgresStorage", "migrate"]
