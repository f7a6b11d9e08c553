"""What every part of a snapshot reads with."""

from __future__ import annotations

from typing import Any

import apsw


class Reads:
    """Reads on one connection inside one transaction."""

    def __init__(self, connection: apsw.Connection, secret: bytes) -> None:
        self._connection = connection
        self.secret = secret

    def _one(self, sql: str, values: tuple[Any, ...]) -> Any:
        return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()
