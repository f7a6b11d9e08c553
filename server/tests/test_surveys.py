"""What pages show of an environment as a whole, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_server.domain.instants import day_of, parse_instant
from pacspace_server.storage.model.protocols import Snapshot
from pacspace_server.storage.model.records import Profile
from pacspace_server.storage.model.surveys import CustomerList, CustomerRow, UnitTotal
from pacspace_server.storage.writing.recording import new_customer

pytestmark = BOTH


def named(book: Book, customer_id: str, name: str, unit: str | None = None) -> None:
    """A customer that was made by hand."""

    def work(unit_of_work: Any) -> None:
        made = new_customer(unit_of_work.environment(SANDBOX), book.shard(customer_id), customer_id, 0)
        made.unit = unit
        unit_of_work.add_profile(Profile(unit_of_work.add_customer(made).id, name))

    book.write(work)


def day(date: str) -> int:
    return day_of(parse_instant(f"{date}T00:00:00Z"))


def listed(snapshot: Snapshot, search: str | None, sort: str, after: Any, limit: int) -> list[CustomerRow]:
    return snapshot.customer_rows(CustomerList(SANDBOX, search, sort, after, limit), "2026-03", "~")


def walk(page: Callable[[Any], list[Any]], place: Callable[[Any], Any]) -> list[Any]:
    """Every row, two at a time, each page after the last row of the one before."""
    rows: list[Any] = []
    after: Any = ()
    while found := page(after):
        rows += found
        after = place(found[-1])
    return rows


def test_days_count_what_was_posted_to_them(story: Book) -> None:
    """The days of an environment add up what its customers have in them, in order, from the first day to before the last."""
    with story.storage.snapshot() as snapshot:
        january, late, february, march = map(day, ("2026-01-10", "2026-02-01", "2026-02-03", "2026-03-03"))
        assert snapshot.posted_by_day(SANDBOX, january, march) == [(january, 3), (late, 1), (february, 1)]
        assert snapshot.posted_by_day(SANDBOX, january + 1, march + 1) == [(late, 1), (february, 1), (march, 2)]
        assert snapshot.posted_by_day(SANDBOX + 1, 0, march + 31) == []


def test_totals_are_apart_for_each_unit(story: Book) -> None:
    """A month's totals are exact, and customers that count different things are not added up together."""
    named(story, "cust_m", "Minutes", "minutes")
    story.emit("cust_m", 10**18, occurred_at="2026-03-02T00:00:00Z")
    for number in range(12):  # together more than 64 bits hold
        story.emit(f"cust_{number}", 10**18)
    with story.storage.snapshot() as snapshot:
        assert snapshot.totals_by_unit(SANDBOX, "2026-03") == [
            UnitTotal(None, 12 * 10**18 - 10 * 10**9, 14, 14),
            UnitTotal("minutes", 10**18, 1, 1),
        ]
        assert snapshot.totals_by_unit(SANDBOX, "2026-04") == []


def test_customers_after_name_go_on_after_the_last(story: Book) -> None:
    """By name in any case, else by customerId; pages neither repeat nor leave out anybody, also where names are equal."""
    for customer_id, name in (("cust_1", "Émile"), ("cust_2", "anna"), ("cust_3", "Anna"), ("cust_4", "Zoe")):
        named(story, customer_id, name)
    with story.storage.snapshot() as snapshot:
        rows = walk(
            lambda after: listed(snapshot, None, "name", after, 2), lambda row: (row.place, row.customer.customer_id)
        )
        ids = [row.customer.customer_id for row in rows]
        assert ids == ["cust_2", "cust_3", "cust_a", "cust_b", "cust_4", "cust_1"]
        found = listed(snapshot, "ANN", "name", (), 10)
        assert [row.customer.customer_id for row in found] == ["cust_2", "cust_3"]


def test_customers_after_activity_go_on_after_the_last(story: Book) -> None:
    """Who recorded last comes first; pages neither repeat nor leave out anybody."""
    for number in range(3):
        named(story, f"cust_{number}", "quiet")
    story.emit("cust_1", 1)
    with story.storage.snapshot() as snapshot:
        rows = walk(
            lambda after: listed(snapshot, None, "recent", after, 2), lambda row: (row.place, row.customer.customer_id)
        )
        ids = [row.customer.customer_id for row in rows]
        assert sorted(ids[:3]) == ["cust_1", "cust_a", "cust_b"] and ids[3:] == ["cust_0", "cust_2"]
        assert [row.customer.customer_id for row in listed(snapshot, "_A", "recent", (), 10)] == ["cust_a"]


def test_a_listed_customer_has_what_its_own_reads_say(story: Book) -> None:
    """A row of a list has the customer's profile, link, latest checkpoint, first and last delta, and exactly what the months
    asked for hold, also where a sum is longer than 64 bits."""
    named(story, "cust_m", "Minutes", "minutes")
    for _ in range(3):
        story.emit("cust_m", 4 * 10**18)
    with story.storage.snapshot() as snapshot:
        rows = {row.customer.customer_id: row for row in listed(snapshot, None, "id", (), 10)}
        assert [(rows[name].total, rows[name].deltas) for name in ("cust_a", "cust_b", "cust_m")] == [
            (-9 * 10**9, 1), (-(10**9), 1), (12 * 10**18, 3),
        ]  # fmt: skip
        for row in rows.values():
            heads = snapshot.heads(row.customer, "", "~")
            latest = snapshot.latest_checkpoint(row.customer)
            assert row.customer == snapshot.customer_at(row.customer.id)
            assert row.profile == snapshot.profile(row.customer)
            assert row.checkpoint_id == (latest.checkpoint_id if latest else None)
            assert row.first_recorded_at == min(head.first_recorded_at or 0 for head in heads)
            assert row.last_recorded_at == max(head.last_recorded_at or 0 for head in heads)
            assert snapshot.customer_row(row.customer, "2026-03", "~") == row


def test_checkpoints_go_on_after_the_last(story: Book) -> None:
    """Newest first, of everybody, of one customer, or the locks of one month; pages neither repeat nor leave out any."""
    story.lock("cust_b", "2026-01")
    story.lock("cust_b", "2026-03")
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None

        def pages(*of: Any) -> list[Any]:
            return walk(
                lambda last: snapshot.checkpoints_after(SANDBOX, *of, last or None, 2),
                lambda checkpoint: checkpoint,
            )

        everything = pages(None, None)
        assert len({c.checkpoint_id for c in everything}) == len(everything) == 4
        assert [c.created_at for c in everything] == sorted((c.created_at for c in everything), reverse=True)
        assert [c.period for c in pages(customer, None)] == ["2026-02", "2026-01"]
        assert len(pages(None, "2026-01")) == 2 and pages(customer, "2026-03") == []
        assert snapshot.checkpoints_after(SANDBOX + 1, None, None, None, 2) == []
