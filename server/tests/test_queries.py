"""What lists cost: as many statements for many rows as for few. Counted where they are sent, on both engines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import psycopg
import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH
from testkit.inside.running import in_context

from pacspace_server.domain.scopes import Scope
from pacspace_server.log import logtree
from pacspace_server.service.balances import customers, overview
from pacspace_server.service.balances.derive import Page, derive
from pacspace_server.service.base import audit
from pacspace_server.service.base.context import Caller, Context
from pacspace_server.service.closing import checkpoint, jobs, timeline
from pacspace_server.service.people import keys
from pacspace_server.service.portal import reading
from pacspace_server.service.receipts import listing, receipt
from pacspace_server.service.sharing import remarks, visits
from pacspace_server.service.sharing.links import Shared
from pacspace_server.service.webhooks import deliveries, endpoints
from pacspace_server.storage.model.outbox import Delivery, Endpoint
from pacspace_server.storage.model.people import AuditFilter, User, audit_entry
from pacspace_server.storage.model.protocols import Snapshot, Unit
from pacspace_server.storage.model.records import ApiKey, Job, JobFailure, Profile
from pacspace_server.storage.model.sharing import Link, Note, Visit
from pacspace_server.storage.writing.recording import new_customer

FEW, MANY, PAGE = 3, 11, 50
MAIN, LAST = "cust_main", "2026-12"
UNCOUNTED = ("BEGIN", "ROLLBACK", "DISCARD", "PRAGMA", "SET", "\nSET")  # they begin and end a transaction


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that an engine is sent from here on."""
    seen: list[str] = []

    def see(text: Any) -> None:
        if not str(text).startswith(UNCOUNTED):
            seen.append(str(text))

    def trace(cursor: Any, text: str, bindings: Any) -> bool:
        see(text)
        return True

    def hook(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    real = psycopg.Connection.execute

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        see(query)
        return real(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
    apsw.connection_hooks.append(hook)
    yield seen
    apsw.connection_hooks.remove(hook)


def fill(book: Book, numbers: range) -> None:
    """A row more of everything for each number: customers, months, deltas of one month, locks, and so on."""
    book.write(lambda unit: [add(book, unit, number) for number in numbers])
    for number in numbers:
        book.at(f"2025-{number + 1:02}-10T10:00:00Z")
        book.emit(MAIN, -1)
        book.lock(MAIN, f"2025-{number + 1:02}")
        book.integrate()
    book.at(f"{LAST}-10T10:00:00Z")
    for number in numbers:
        book.emit(MAIN, -1)
        book.emit(f"cust_{number}", -1)
    book.integrate()
    book.write(lambda unit: hang(book, unit, numbers))


def add(book: Book, unit: Unit, number: int) -> None:
    name, workspace = f"{number:02}", book.workspace
    made = new_customer(unit.environment(SANDBOX), book.shard(f"cust_{number}"), f"cust_{number}", 0)
    made.unit = f"unit {name}"
    unit.add_profile(Profile(unit.add_customer(made).id, f"Customer {name}"))
    unit.add_endpoint(Endpoint(f"whk_{name}", SANDBOX, "https://a.example", None, None, True, 1, None, number, 0, 0))
    unit.add_api_key(
        ApiKey(f"key_{name}", SANDBOX, "sandbox", f"public{name}", b"h" * 32, name, ("read",), number, None)
    )
    unit.add_user(User(f"usr_{name}", f"{name}@a.example", name, None, number))
    unit.set_role(f"usr_{name}", workspace, "viewer")
    unit.add_audit_entry(audit_entry(workspace, "sandbox", "command", "a.change", name, {}))
    unit.add_job(Job(f"job_{name}", SANDBOX, "2025-01", "DONE", 1, number))
    unit.add_job_failures(f"job_{name}", [JobFailure("cust_x", "FAILED", "it failed")])


def hang(book: Book, unit: Unit, numbers: range) -> None:
    """What refers to the customer, to its log, and to what its feed tells."""
    customer = main(book, unit)
    log_id = unit.environment(SANDBOX).log_id
    for number in numbers:
        unit.add_note(customer, Note(customer.id, number, b"%016d" % number, True, None, None, None, "hello"))
        unit.set_visit(customer, Visit(customer.id, number, b"v" * 16, "viewed", number, 1, "", ""))
        unit.add_log_node(log_id, 1, number, b"n" * 32)
    rows = unit.feed(SANDBOX, 1, 1_000)
    unit.set_deliveries(
        [Delivery(SANDBOX, row.position, row.first, "whk_00", 0, 1, 1, None, None, row.position, 1) for row in rows]
    )


def main(book: Book, snapshot: Snapshot) -> Any:
    customer = snapshot.customer(SANDBOX, book.shard(MAIN))
    assert customer is not None
    return customer


def shared(book: Book, snapshot: Snapshot) -> Shared:
    customer = main(book, snapshot)
    return Shared(customer, snapshot.environment(SANDBOX), Link(customer.id, b"n" * 16, 1, "OPEN"), "OPEN", None)


def listed(sort: str) -> Callable[..., Any]:
    asked = customers.Listing("cust", sort, [], PAGE)
    return lambda book, context, caller, snapshot: customers.listing(context, caller, asked)["customers"]


# Each gives the rows that it shows; with a snapshot of its own or with the one that is given.
LISTS: dict[str, Callable[[Book, Context, Caller, Any], Any]] = {
    "customers by id": listed("id"),
    "customers by name": listed("name"),
    "customers by activity": listed("recent"),
    "customers, numbered": lambda b, c, who, s: customers.numbered(c, who, customers.Listing(None, "id", [], PAGE), 1)[
        "customers"
    ],
    "activity": lambda b, c, who, s: customers.get_customer(c, who, MAIN, None, 1, PAGE)["recentActivity"]["items"],
    "deltas": lambda b, c, who, s: customers.deltas_before(c, who, MAIN, None, None, PAGE)["deltas"],
    "deltas of a balance": lambda b, c, who, s: derive(
        c, who, MAIN, Scope("period", LAST, LAST), 0, "day", Page(PAGE, 0)
    )["deltas"],
    "overview": lambda b, c, who, s: overview.overview(c, who)["units"],
    "checkpoints": lambda b, c, who, s: checkpoint.list_checkpoints(c, who, None, None, PAGE, 0)["checkpoints"],
    "checkpoints after one": lambda b, c, who, s: listing.checkpoints_page(c, who, listing.CheckpointList())[
        "checkpoints"
    ],
    "receipts": lambda b, c, who, s: receipt.list_receipts(c, who, MAIN, PAGE, 0)["receipts"],
    "timeline": lambda b, c, who, s: timeline.timeline(c, who, MAIN, PAGE, 0)["periods"],
    "months behind a link": lambda b, c, who, s: reading.periods(c, s, shared(b, s))["periods"],
    "records behind a link": lambda b, c, who, s: reading.activity(s, shared(b, s), reading.ActivityPage(PAGE))[
        "records"
    ],
    "jobs": lambda b, c, who, s: jobs.recent_jobs(c, who, PAGE),
    "endpoints": lambda b, c, who, s: endpoints.list_endpoints(c, who, 1, PAGE),
    "health of endpoints": lambda b, c, who, s: range(endpoints.health(c, who)["endpoints"]),
    "deliveries": lambda b, c, who, s: deliveries.list_deliveries(c, who, None, PAGE, 0)["deliveries"],
    "deliveries of an endpoint": lambda b, c, who, s: deliveries.list_of_endpoint(c, who, "whk_00", None, PAGE, None)[
        "deliveries"
    ],
    "visits": lambda b, c, who, s: visits.list_visits(c, who, MAIN, PAGE, 0),
    "notes": lambda b, c, who, s: remarks.list_remarks(s, main(b, s), PAGE, 0)["notes"],
    "keys": lambda b, c, who, s: keys.list_keys(s, who, 1, PAGE)["items"],
    "users": lambda b, c, who, s: s.members(who.workspace_id),
    "audit": lambda b, c, who, s: audit.list_audit(s, who.workspace_id, PAGE, AuditFilter())["entries"],
    "a tile of the log": lambda b, c, who, s: logtree._tile_hashes(s, s.environment(SANDBOX).log_id, 1, 0, 256),
}


def cost(book: Book, sent: list[str], name: str) -> tuple[int, list[str]]:
    """How many rows a list shows, and the statements that it sends for them."""
    caller = Caller(SANDBOX, "sandbox", book.workspace, ("admin",), "user:a@a.example")

    async def work(context: Context) -> tuple[int, list[str]]:
        with book.storage.snapshot() as snapshot:
            sent.clear()
            rows = LISTS[name](book, context, caller, snapshot)
            if inspect.isawaitable(rows):
                rows = (await rows)[name if name == "visits" else "webhooks"]
            return len(rows), list(sent)

    found: tuple[int, list[str]] = in_context(book, work)
    return found


@BOTH
def test_no_list_costs_more_the_longer_it_is(sent: list[str], book: Book) -> None:
    """Each list shows more rows when there are more, and sends no more statements for them."""
    fill(book, range(FEW))
    few = {name: cost(book, sent, name) for name in LISTS}
    fill(book, range(FEW, MANY))
    for name, (rows, statements) in few.items():
        more_rows, more_statements = cost(book, sent, name)
        assert more_rows >= rows + MANY - FEW, name
        assert 0 < len(more_statements) == len(statements), (name, more_statements)


@BOTH
def test_a_page_of_fifty_customers_costs_five_statements_at_most(sent: list[str], book: Book) -> None:
    """In every order, with numbers and with a total."""
    book.write(lambda unit: [add(book, unit, number) for number in range(PAGE + 5)])
    for name in ("customers by id", "customers by name", "customers by activity", "customers, numbered"):
        rows, statements = cost(book, sent, name)
        assert rows == PAGE and len(statements) <= 5, (name, statements)
