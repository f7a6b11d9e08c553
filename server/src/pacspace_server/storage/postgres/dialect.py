"""PostgreSQL's dialect."""

from __future__ import annotations

from functools import cache, partial
from string import Template
from typing import Any

import psycopg

from ..sql.statements import Dialect, Statements, Values
from .columns import column
from .rows import CUSTOMER, customer_of, stored, units_of

Sql = Any  # psycopg expects literals; these contain constant column lists
WORDS = {
    "customer": "shard_key",  # a table's column for its customer
    "own": "shard_key",  # the same in the customer's own table
    "integrated": "integrated_head",  # the table that says how far the log has a month
    "customer_columns": CUSTOMER,
    "for_update": " FOR UPDATE",
    "among": "= ANY(?)",
    "each": "unnest(?) AS n(value)",
    "instr": "strpos",
    "folded_name": "n.folded_name",
    "name": 'coalesce(n.folded_name, lower(c.customer_id)) COLLATE "C"',
    "latest_checkpoint": "(SELECT 'chk_' || encode(k.shard_key || k.nonce, 'hex') FROM checkpoint k "
    "WHERE k.shard_key = c.shard_key ORDER BY k.number DESC LIMIT 1)",
    "shard_of_o": "coalesce(o.shard_key, decode(repeat('00', 16), 'hex'))",
    "outbox": "outbox o",
}


def _plain(text: str) -> str:
    """Text without U+0000, which PostgreSQL does not accept and no stored text contains."""
    return text.replace("\x00", "\ufffd")


@cache
def spelled(text: Sql) -> Sql:
    """A statement in psycopg's form."""
    return Template(text).substitute(WORDS).replace("?", "%s")


class PostgresStatements(Statements):
    """Statements on one connection in one transaction."""

    dialect = Dialect(
        customer_of,
        units_of,
        stored,
        _plain,
        numbers=partial(column, "bigint"),
        texts=partial(column, "text"),
        keys=partial(column, "bytea"),
    )

    def __init__(self, connection: psycopg.Connection[Any], secret: bytes) -> None:
        self.connection = connection
        self.secret = secret

    def _all(self, sql: Sql, values: Values = ()) -> list[Any]:
        return self.connection.execute(spelled(sql), values, binary=True).fetchall()

    def _one(self, sql: Sql, values: Values = ()) -> Any:
        return self.connection.execute(spelled(sql), values, binary=True).fetchone()

    def _run(self, sql: Sql, *values: Any) -> int:
        return self.connection.execute(spelled(sql), values).rowcount
