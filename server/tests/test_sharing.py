"""Links, notes and visits as they are stored, on both engines; and what a cookie is good for."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH
from testkit.inside.running import running

from pacspace_server.service.base.server_secret import ServerSecret
from pacspace_server.service.recording.erase import erase_customer
from pacspace_server.service.sharing import access, visits
from pacspace_server.service.sharing.access import Visitor, short
from pacspace_server.service.sharing.links import ALPHABET, CODE_CHARS, Shared, access_code, find, stored_link
from pacspace_server.service.sharing.remarks import remark_view
from pacspace_server.service.sharing.visits import EXPORTED, MAX_PER_DAY, ONE_VISIT_US, VIEWED, _Seen, _store
from pacspace_server.storage.model.records import Customer
from pacspace_server.storage.model.sharing import Link, Note, Visit

NOW = 1_800_000_000_000_000
VISITOR = Visitor(b"visitor1", False, False, "203.0.113.77", "Browser/1")


class Secret:
    """As much of a context as codes and cookies need."""

    def __init__(self, folder: Path, public_url: str = "http://127.0.0.1") -> None:
        self.server_secret, self.public_url = ServerSecret(folder), public_url


@pytest.fixture
def customer(book: Book) -> Customer:
    book.emit("cust_a", -1)
    return stored(book)


def stored(book: Book) -> Customer:
    with book.storage.snapshot() as snapshot:
        found = snapshot.customer(SANDBOX, book.shard("cust_a"))
    assert found is not None
    return found


def look(book: Book, work: Any) -> Any:
    with book.storage.snapshot() as snapshot:
        return work(snapshot)


@BOTH
def test_a_link_is_kept_as_it_was_set(book: Book, customer: Customer) -> None:
    """The first look makes a link, the next one finds it, and each change replaces all of it."""
    made = book.storage.write(lambda unit: stored_link(unit, customer))
    assert made == look(book, lambda snapshot: snapshot.link(customer)) and len(made.nonce) == 16
    assert book.storage.write(lambda unit: stored_link(unit, customer)) == made
    changed = Link(customer.id, b"n" * 16, 7, "GATED")
    book.write(lambda unit: unit.set_link(customer, changed))
    assert look(book, lambda snapshot: snapshot.link(customer)) == changed


@BOTH
def test_notes_are_kept_in_order_and_for_good(book: Book, customer: Customer) -> None:
    """Newest first, both sides'; writing one again changes nothing; on PostgreSQL the application may remove none."""
    notes = [
        Note(
            customer.id,
            NOW + n,
            bytes([n]) * 12,
            n % 2 == 1,
            "Ada" if n else None,
            "2026-02",
            None,
            f"said {n}\n\u2713",
        )
        for n in range(4)
    ]
    for note in [*notes, replace(notes[0], text="another")]:
        book.write(lambda unit, note=note: unit.add_note(customer, note))
    assert look(book, lambda snapshot: snapshot.notes(customer, 10, 0)) == notes[::-1]
    assert look(book, lambda snapshot: snapshot.notes(customer, 2, 1)) == notes[2:0:-1]
    assert look(book, lambda snapshot: snapshot.count_notes(customer, NOW + 1)) == (4, 1)
    if book.engine.__class__.__name__ == "PostgresEngine":
        for change in ("UPDATE note SET at = 1", "DELETE FROM note", "UPDATE visit SET at = 1", "DELETE FROM link"):
            with pytest.raises(Exception, match="permission denied"):
                book.write(lambda unit, change=change: unit.connection.execute(change))


@BOTH
def test_erasing_empties_notes_and_removes_visits(book: Book, customer: Customer) -> None:
    """After it nobody's words, name, address or browser are there; notes keep their place, and another customer everything."""
    book.emit("cust_b", -1)
    other = look(book, lambda snapshot: snapshot.customer(SANDBOX, book.shard("cust_b")))
    for whose in (customer, other):
        for n in range(5):
            note = Note(whose.id, NOW + n, bytes([n]) * 12, n == 0, "Ada", "2026-02", None, f"said {n}")
            visit = Visit(whose.id, NOW + n // 2, b"%08d" % n, VIEWED, NOW, 1, "203.0.113.0/24", "Browser/1")
            book.write(lambda unit, note=note: unit.add_note(whose, note))  # noqa: B023 - written at once
            book.write(lambda unit, visit=visit: unit.set_visit(whose, visit))  # noqa: B023
    before = look(book, lambda snapshot: (snapshot.notes(other, 10, 0), snapshot.visits(other, 10, 0)))
    assert book.storage.write(lambda unit: unit.erase_visits(customer, 2)) == 2
    assert 0 < look(book, lambda snapshot: snapshot.count_visits(customer, 0)) < 5
    erase_customer(book.storage, customer, "2026-03")
    assert look(book, lambda snapshot: snapshot.count_visits(customer, 0)) and look(
        book, lambda snapshot: snapshot.notes(customer, 1, 0)[0].text
    ), "only a whole customer's go"
    erase_customer(book.storage, customer, None)
    assert look(book, lambda snapshot: snapshot.visits(customer, 10, 0)) == []
    left = look(book, lambda snapshot: snapshot.notes(customer, 10, 0))
    assert [(note.at, note.by_vendor, note.period) for note in left] == [
        (NOW + n, n == 0, "2026-02") for n in (4, 3, 2, 1, 0)
    ]
    assert {(note.author, note.text) for note in left} == {(None, "")}
    shown = remark_view(left[0])
    assert shown["text"] is None and shown["dataPurged"] is True
    assert look(book, lambda snapshot: (snapshot.notes(other, 10, 0), snapshot.visits(other, 10, 0))) == before


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The events that are told, in order."""
    events: list[tuple[str, dict[str, Any]]] = []
    for module in (visits, access):
        monkeypatch.setattr(module, "queue_event", lambda unit, customer, event, data: events.append((event, data)))
    yield events


@BOTH
def test_a_visitor_of_half_an_hour_is_one_row(book: Book, customer: Customer, told: list[Any]) -> None:
    """Page views within 30 minutes are one row and one event; an export is told each time; later is another visit."""

    def seen(at: int, kind: str = VIEWED, visitor: Visitor = VISITOR) -> None:
        book.write(lambda unit: _store(unit, customer.shard_key, _Seen(visitor, kind, at)))

    for at in (NOW, NOW + 1, NOW + ONE_VISIT_US, NOW + ONE_VISIT_US + 1):
        seen(at)
    seen(NOW + 2, EXPORTED)
    seen(NOW + 3, EXPORTED)
    seen(NOW + 4, VIEWED, replace(VISITOR, id=b"visitor2"))
    rows = look(book, lambda snapshot: snapshot.visits(customer, 10, 0))
    assert [(row.kind, row.visitor, row.at - NOW, row.last_at - NOW, row.times) for row in rows] == [
        (VIEWED, b"visitor1", ONE_VISIT_US + 1, ONE_VISIT_US + 1, 1), (VIEWED, b"visitor2", 4, 4, 1),
        (EXPORTED, b"visitor1", 2, 3, 2), (VIEWED, b"visitor1", 0, ONE_VISIT_US, 3),
    ]  # fmt: skip
    assert {(row.address, row.agent) for row in rows} == {("203.0.113.0/24", "Browser/1")}
    assert [event.rpartition(".")[2] for event, _ in told] == [
        "shared_record_viewed", "shared_record_viewed", "export_downloaded", "export_downloaded", "shared_record_viewed",
    ]  # fmt: skip
    assert told[0][1]["customerId"] == "cust_a" and "203.0.113.77" not in json.dumps(told)


@BOTH
def test_a_door_that_shuts_is_told_once(book: Book, customer: Customer, told: list[Any]) -> None:
    """The fifth failure tells the vendor, once, although it shuts the door for the address and for the cookie."""
    shared = shared_of(book, customer)
    for tries in range(1, 8):
        book.write(lambda unit: access._fail(unit, shared, VISITOR, ["code:x:1", "code:x:2"]))
        assert len(told) == (tries >= 5)
    ((event, data),) = told
    assert event == "customer.step_up_failed_repeatedly"
    assert (data["customerId"], data["failures"], data["address"]) == ("cust_a", 5, "203.0.113.0/24")


def test_a_flood_of_visitors_is_bounded(book: Book, customer: Customer) -> None:
    """A customer gets at most a thousand new rows a day, whoever asks."""

    def flood(unit: Any) -> None:
        for number in range(MAX_PER_DAY + 5):
            visitor = replace(VISITOR, id=number.to_bytes(8, "big"))
            _store(unit, customer.shard_key, _Seen(visitor, VIEWED, NOW + number))

    book.write(flood)
    assert look(book, lambda snapshot: snapshot.count_visits(customer, 0)) == MAX_PER_DAY


@BOTH
def test_an_emptied_sandbox_has_no_links_notes_or_visits(book: Book, customer: Customer) -> None:
    """What was said and seen of an emptied sandbox is gone with its customers."""
    environment = look(book, lambda snapshot: snapshot.environment(SANDBOX))
    visit = Visit(customer.id, NOW, b"visitor1", VIEWED, NOW, 1, "", "")

    def fill(unit: Any) -> None:
        stored_link(unit, customer)
        unit.add_note(customer, Note(customer.id, NOW, b"i" * 12, False, None, None, None, "x"))
        unit.set_visit(customer, visit)

    book.write(fill)
    book.write(
        lambda unit: (unit.empty(environment), unit.replace_log(environment, "pacspace.log/sandbox/" + "0" * 32, b""))
    )
    for table in ("link", "note", "visit", "customer"):
        assert book.engine.sql(f"SELECT count(*) FROM {table}") == [(0,)], table


def shared_of(book: Book, customer: Customer) -> Shared:
    link = book.storage.write(lambda unit: stored_link(unit, customer))
    handle = f"cus_{customer.shard_key.hex()}{link.nonce.hex()}"
    return look(book, lambda snapshot: find(snapshot, handle.upper().replace("CUS", "cus")))


def test_codes_are_of_an_alphabet_without_look_alikes(tmp_path: Path) -> None:
    """Six of 31 characters, none of 0, O, 1, I and L; each version and each link has its own."""
    context: Any = Secret(tmp_path)
    codes = [access_code(context, f"cus_{handle}", version) for handle in range(40) for version in range(40)]
    assert len(ALPHABET) == 31 and not set("0O1IL") & set(ALPHABET)
    assert all(len(code) == CODE_CHARS and set(code) <= set(ALPHABET) for code in codes)
    assert len(set(codes)) == len(codes)
    assert set("".join(codes)) == set(ALPHABET)


def test_a_cookie_ends(book: Book, customer: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie is good until its time, for its link, its code's version and its server, and not after."""
    context: Any = Secret(tmp_path / "keys")
    shared = shared_of(book, customer)
    opened = replace(VISITOR, opened=True, has_cookie=True)
    token = access.visitor_token(context, shared, opened)

    def met(of: Shared = shared, by: Any = context) -> bool:
        return access.meet(by, of, [token], "203.0.113.77", None).opened

    assert met()
    assert not met(replace(shared, link=replace(shared.link, version=2)))
    assert not met(replace(shared, link=replace(shared.link, nonce=secrets.token_bytes(16))))
    assert not met(by=Secret(tmp_path / "other"))
    now = access.time.time()
    monkeypatch.setattr(access.time, "time", lambda: now + access.COOKIE_LIFE_S + 2)
    assert not met()


@pytest.mark.parametrize(
    "address, kept",
    [
        ("203.0.113.77", "203.0.113.0/24"), ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"), ("", ""), ("testclient", ""),
    ],
)  # fmt: skip
def test_addresses_are_kept_short(address: str, kept: str) -> None:
    """A /24 or a /48 is all that is kept of an address."""
    assert short(address) == kept


def _call(url: str, key: str, path: str, body: Any = None) -> Any:
    headers = {"X-Api-Key": key, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data, headers), timeout=20) as reply:
        return json.load(reply)["data"]


def test_cookies_are_secure_behind_https(tmp_path: Path) -> None:
    """With an https address cookies are Secure, bound to the path that customers see, and links name that address."""
    database = tmp_path / "record.db"

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    with running(database, "--public-url", "https://bills.example/pac") as started:
        local, key = started["url"], started["fullKey"]
        _call(local, key, "/api/v1/balance/delta", {"customerId": "cust", "delta": -1, "reason": "x"})
        receipt = _call(local, key, "/api/v1/balance/receipt/cust")
        handle = receipt["customerLinkUrl"].rpartition("/")[2]
        assert receipt["customerLinkUrl"] == f"https://bills.example/pac/c/{handle}"
        assert receipt["customerLinkHost"] == "bills.example"
        body = urllib.parse.urlencode({"code": receipt["accessHint"]}).encode()
        try:
            urllib.request.build_opener(Stay).open(f"{local}/c/{handle}/access", body, timeout=20)
            raise AssertionError("a right code leads on")
        except urllib.error.HTTPError as led:
            with led:
                assert (led.code, led.headers["location"]) == (303, f"/pac/c/{handle}")
                assert "; Secure" in led.headers["set-cookie"] and f"Path=/pac/c/{handle};" in led.headers["set-cookie"]
