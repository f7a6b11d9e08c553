"""What the PostgreSQL engine may not use, so that a distributed PostgreSQL runs it unchanged; checked by a parser.

Row locks are pinned to a shard_key or to an ordered list of them: on a distributed engine a batch stays within one partition.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlglot
from sqlglot import exp
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import PostgresEngine, unseen

from pacspace_server.service.proving.fsck import fsck
from pacspace_server.service.proving.new_log import renew
from pacspace_server.service.recording.erase import erase_customer
from pacspace_server.storage import postgres, sql
from pacspace_server.storage.model.surveys import CustomerList
from pacspace_server.storage.postgres import migrating
from pacspace_server.storage.postgres.dialect import spelled

FAMILY = {
    "customer", "leaf", "period_head", "integrated_head", "changed_head", "day_total", "delta", "retention", "checkpoint",
    "idempotency", "profile", "replaced_tree", "link", "note", "visit",
}  # fmt: skip
# Reads over all customers, eventually consistent; none of them is unique.
ACROSS_CUSTOMERS = {"customer_name", "period_head_period", "checkpoint_created"}
VOLATILE = {
    "clock_timestamp",
    "statement_timestamp",
    "timeofday",
    "random",
    "nextval",
    "gen_random_uuid",
    "txid_current",
}
WITHOUT_A_GRAMMAR = ("BEGIN ", "DISCARD ")  # in the parser
FORBIDDEN_WORDS = (
    "advisory",
    "notify",
    "listen ",
    "lock table",
    "deferrable",
    "exclude using",
    "merge into",
    "nextval",
)


@pytest.fixture
def engine() -> Iterator[PostgresEngine]:
    record = PostgresEngine()
    yield record
    record.close()


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every statement that is sent from here on."""
    seen: set[str] = set()
    real = psycopg.Connection.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        seen.add(query if isinstance(query, str) else query.decode() if isinstance(query, bytes) else "")
        return real(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
    return seen


def broken(statement: exp.Expression) -> Iterator[str]:
    """The rules that a statement breaks."""
    for locked in statement.find_all(exp.Select):
        tables = {table.name for table in locked.find_all(exp.Table)}
        pinned = [c for c in (locked.args.get("where") or exp.Where()).find_all(exp.Column) if c.name == "shard_key"]
        if locked.args.get("locks") and tables & FAMILY and not pinned:
            yield "a row lock on the family of a customer without its shard_key"
    for conflict in statement.find_all(exp.OnConflict):
        if not conflict.args.get("conflict_keys") or conflict.args.get("constraint"):
            yield "ON CONFLICT without a column list"
    for values in statement.find_all(exp.Values):
        if values.find(exp.Subquery, exp.Select):
            yield "a sub-select in VALUES"
    for called in statement.find_all(exp.Func):
        name = called.sql(dialect="postgres").partition("(")[0].lower()
        if name in VOLATILE:
            yield f"the volatile function {name}"
    if statement.find(exp.Merge):
        yield "MERGE"
    for change in statement.find_all(exp.Update, exp.Delete):
        places = change.args.get("where") or exp.Where()
        if change.this.name in FAMILY and not any(c.name == "shard_key" for c in places.find_all(exp.Column)):
            yield f"a change of {change.this.name} that is not pinned to a shard_key"


def test_every_statement_keeps_the_rules(executed: set[str], book: Book, tmp_path: Path) -> None:
    """No statement of recording, locking, the log, erasing, jobs, fsck, a backup, a new log or a reset uses what a distributed engine lacks."""
    book.at("2026-01-10T10:00:00Z")
    book.emit("cust_a", -1, reference="r1", key="k1")
    book.emit("cust_a", -1, reference="r1", key="k1")
    book.emit("cust_b", -1)
    book.at("2026-02-10T10:00:00Z")
    book.lock("cust_a", "2026-01", key="lock")
    book.integrate()
    with book.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
        customer = snapshot.customer(SANDBOX, book.shard("cust_a"))
        snapshot.customers(SANDBOX, "a", "", 10, 0)
        for sort, after in (("id", ["a"]), ("name", ["a", "a"]), ("recent", [1, "a"])):
            snapshot.customer_rows(CustomerList(SANDBOX, "a", sort, after, 10), "2026-01", "2026-02")
        snapshot.checkpoints(SANDBOX, None, "2026-01", "2026-02", 10, 0)
        snapshot.active(SANDBOX, "2026-01", "", 10)
        snapshot.count_active(SANDBOX, "2026-01")
    assert customer is not None
    list(book.storage.write(lambda unit: list(unit.heads(customer, "", "~"))))
    book.storage.write(lambda unit: unit.erase_older(environment, 2**62, b"", 100))
    erase_customer(book.storage, customer, None)
    assert fsck(book.storage, book.signer).problems == []
    owner = book.engine.open_as_owner()
    renew(owner, book.signer, environment)
    owner.close()
    book.storage.back_up(tmp_path / "backup", unseen)
    assert fsck(book.storage, book.signer).problems == []
    book.storage.write(
        lambda unit: (unit.empty(environment), unit.replace_log(environment, "pacspace.log/sandbox/" + "0" * 32, b""))
    )  # type: ignore[func-returns-value]
    checked = 0
    for text in executed:
        assert not [word for word in FORBIDDEN_WORDS if word in text.lower()], text
        if text.startswith(WITHOUT_A_GRAMMAR) or text in UNPINNED:
            continue
        for statement in filter(None, sqlglot.parse(text.replace("%s", "NULL"), dialect="postgres")):
            if statement.sql("postgres", comments=False) not in UNPINNED:
                assert list(broken(statement)) == [], text
            checked += 1
    assert checked > 60


BEGINS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|LOCK|NOTIFY)\b")
# Over all customers and not within one, by design: clearing it after a clean fsck is the operator's.
UNPINNED = {
    "UPDATE integrated_head SET frozen = false WHERE frozen",
    # While migrating, alone.
    "UPDATE customer SET seal = NULL",
    "UPDATE integrated_head SET seal = NULL",
}


UNKNOWN = "\ufffd"


def texts(path: Path) -> Iterator[str]:
    """Every text of a module, with the module's own names filled in, as it is sent."""
    package = sql if path.parent == Path(sql.__path__[0]) else postgres
    names = vars(importlib.import_module(f"{package.__name__}.{path.stem}"))
    for text in filled_in(path, names):
        yield spelled(text) if BEGINS.match(text) else text


def filled_in(path: Path, names: dict[str, Any]) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else str(names.get(ast.unparse(part.value), UNKNOWN))  # type: ignore[attr-defined]
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def parsed(text: str) -> list[exp.Expression]:
    """The statements of a text; what only a running program knows is a name, a condition or nothing, whichever fits."""
    whole = text.replace("{rows}", "given").replace("%s", "NULL") + ("NULL)" if text.endswith("(") else "")
    for piece in ("x", " WHERE x", ""):
        try:
            return list(filter(None, sqlglot.parse(whole.replace(UNKNOWN, piece), dialect="postgres")))
        except sqlglot.ParseError as error:
            problem = error
    raise AssertionError(f"{problem}: {text}")


def test_every_statement_in_the_source_keeps_the_rules() -> None:
    """Whether a test runs it or not: each statement that the engine's modules and the shared ones spell out keeps the rules."""
    checked = 0
    paths = [path for room in (postgres, sql) for path in sorted(Path(room.__path__[0]).glob("[!_]*.py"))]
    for path in paths:
        assert "constraint_name" not in path.read_text("utf-8"), f"{path.name} matches on the name of a constraint"
        for text in texts(path):
            if BEGINS.match(text) and text not in UNPINNED:
                for statement in parsed(text):
                    assert list(broken(statement)) == [], text
                    checked += 1
    assert checked > 90


def test_every_migration_keeps_the_rules() -> None:
    """No migration makes what a distributed engine lacks; the catalogue of the schema they make is looked at below."""
    for file in migrating.known_migrations():
        text = re.sub(r"--.*", "", file.read_text("utf-8"))
        assert not [word for word in FORBIDDEN_WORDS if word in text.lower()], file.name
        for statement in filter(None, sqlglot.parse(text, dialect="postgres")):
            made = [c.sql(dialect="postgres") for c in statement.find_all(exp.ColumnConstraint)]
            assert not [c for c in made if "SERIAL" in c.upper() or "IDENTITY" in c.upper()], file.name
            if isinstance(statement, exp.Create):
                assert statement.kind in {"TABLE", "INDEX", "FUNCTION"}, statement.kind


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM delta WHERE sequence = 1",
        "UPDATE customer SET total = 0 WHERE customer_id = 'a'",
        "SELECT 1 FROM delta WHERE sequence = 1 FOR UPDATE",
        "INSERT INTO lease VALUES ('a') ON CONFLICT DO NOTHING",
        "INSERT INTO lease VALUES ((SELECT name FROM lease))",
        "UPDATE lease SET beat = random()",
        "UPDATE log SET size = 1 WHERE id = 1 RETURNING clock_timestamp()",
        "MERGE INTO lease USING log ON true WHEN MATCHED THEN DO NOTHING",
    ],
)
def test_the_lint_finds_what_it_looks_for(text: str) -> None:
    """A statement that breaks a rule is found."""
    assert [rule for statement in sqlglot.parse(text, dialect="postgres") if statement for rule in broken(statement)]


def test_the_shard_key_comes_first(engine: PostgresEngine) -> None:
    """In the family of a customer it is the first column of every primary, unique and foreign key and of every hot index."""
    indexes = engine.sql(
        "SELECT t.relname::text, i.relname::text, x.indisunique, a.attname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_class t ON t.oid = x.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] "
        "WHERE t.relnamespace = 'pacspace'::regnamespace"
    )
    assert {table for table, *_ in indexes} >= FAMILY
    for table, index, unique, first in indexes:
        if table in FAMILY:
            assert first == "shard_key" or (index in ACROSS_CUSTOMERS and not unique), index
    keys = engine.sql(
        "SELECT c.conrelid::regclass::text, p.relname::text, a.attname::text FROM pg_constraint c JOIN pg_class p ON p.oid = c.confrelid "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' "
        "AND c.connamespace = 'pacspace'::regnamespace"
    )
    assert len(keys) > 10
    for table, parent, first in keys:
        assert table.removeprefix("pacspace.") not in FAMILY or first == "shard_key" or parent == "environment", (
            table,
            parent,
        )


def test_the_schema_has_no_machinery(engine: PostgresEngine) -> None:
    """No sequences, identity columns, defaults that are computed, triggers, deferrable or exclusion constraints, and no
    function but the one that empties a sandbox."""
    where = "'pacspace'::regnamespace"
    assert engine.sql(f"SELECT 1 FROM pg_class WHERE relnamespace = {where} AND relkind NOT IN ('r', 'i', 't')") == []
    assert (
        engine.sql(
            f"SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = {where} AND attidentity <> ''"
        )
        == []
    )
    assert (
        engine.sql(
            f"SELECT 1 FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE c.relnamespace = {where} AND NOT tgisinternal"
        )
        == []
    )
    assert (
        engine.sql(f"SELECT 1 FROM pg_constraint WHERE connamespace = {where} AND (condeferrable OR contype = 'x')")
        == []
    )
    assert engine.sql(f"SELECT proname::text FROM pg_proc WHERE pronamespace = {where}") == [("empty_sandbox",)]
    defaults = engine.sql(
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid "
        f"WHERE c.relnamespace = {where}"
    )
    assert {text for (text,) in defaults} <= {"0", "false"}
