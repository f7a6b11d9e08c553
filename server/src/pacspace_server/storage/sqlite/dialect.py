"""SQLite's dialect."""

from __future__ import annotations

import json
from functools import cache
from string import Template
from typing import Any

import apsw

from ..sql.statements import Dialect, Statements, Values
from .rows import CUSTOMER, customer_of, stored_total, total_of

WORDS = {
    "customer": "customer",  # a table's column for its customer
    "own": "id",  # the same in the customer's own table
    "integrated": "period_head",  # the table that says how far the log has a month
    "customer_columns": CUSTOMER,
    "for_update": "",  # the only writer needs no row locks
    "among": "IN (SELECT value FROM json_each(?))",
    "each": "json_each(?) AS n",
    "instr": "instr",
    "folded_name": "casefold(n.display_name)",
    "name": "casefold(coalesce(n.display_name, c.customer_id))",
    "latest_checkpoint": "(SELECT k.checkpoint_id FROM checkpoint k WHERE k.customer = c.id "
    "ORDER BY k.id DESC LIMIT 1)",
    "shard_of_o": "coalesce(c.shard_key, zeroblob(16))",
    "outbox": "outbox o LEFT JOIN customer c ON c.id = o.customer",
}


@cache
def _spelled(text: str) -> str:
    return Template(text).substitute(WORDS)


class SqliteStatements(Statements):
    """Statements on one connection in one transaction."""

    dialect = Dialect(customer_of, total_of, stored_total, str, json.dumps, json.dumps, json.dumps)

    def __init__(self, connection: apsw.Connection, secret: bytes) -> None:
        self._connection = connection
        self.secret = secret

    def _all(self, sql: str, values: Values = ()) -> list[Any]:
        return self._connection.execute(_spelled(sql), values).fetchall()

    def _one(self, sql: str, values: Values = ()) -> Any:
        return self._connection.execute(_spelled(sql), values).fetchone()

    def _run(self, sql: str, *values: Any) -> int:
        self._connection.execute(_spelled(sql), values)
        return self._connection.changes()
