"""What every part of a snapshot reads with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

Values = Sequence[Any]
Sql = Any  # psycopg wants literals; these are made of constant column lists


class Reads:
    """Reads on one connection inside one transaction."""

    def __init__(self, connection: psycopg.Connection[Any], secret: bytes) -> None:
        self.connection = connection
        self.secret = secret

    def _all(self, sql: Sql, values: Values = ()) -> list[Any]:
        return self.connection.execute(sql, values, binary=True).fetchall()

    def _one(self, sql: Sql, values: Values = ()) -> Any:
        return self.connection.execute(sql, values, binary=True).fetchone()
