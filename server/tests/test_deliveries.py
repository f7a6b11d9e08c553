"""What is told to whom: the feed and its places on both engines, the schedule, which addresses are forbidden, whose certificate counts."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_server.delivery import schedule
from pacspace_server.delivery.addresses import ANY, PUBLIC, Forbidden, check_address, parse_target
from pacspace_server.delivery.feed import Event, Feed, Tail
from pacspace_server.delivery.http import AttemptFailed, Channel, HttpClient
from pacspace_server.domain.events import EVENTS, code_of, delta_subject, event_id, parse_event_id, sequence_of
from pacspace_server.log.signer import SigningRefused
from pacspace_server.service.base.context import Caller
from pacspace_server.service.webhooks.deliveries import locate
from pacspace_server.storage.model.outbox import DELIVERED, PENDING, Delivery, Endpoint, Place, Progress, told

ENDPOINT = "whk_" + "a" * 32
NOW = 1_800_000_000_000_000


def listen(book: Book, identity: str = ENDPOINT) -> Endpoint:
    endpoint = Endpoint(
        identity, SANDBOX, "https://receiver.example/", None, ("delta.verified",), True, 1, None, NOW, 0, 0
    )
    book.write(lambda unit: unit.add_endpoint(endpoint))
    return endpoint


def events(book: Book, place: Place = (0, 0), limit: int = 1_000) -> list[Event]:
    with book.storage.snapshot() as snapshot:
        return Feed(snapshot.environment(SANDBOX), "https://pacspace.example").after(snapshot, place, limit)[0]


def data(event: Event) -> dict[str, Any]:
    return dict(json.loads(event.body)["data"])


def caller(book: Book) -> Caller:
    return Caller(SANDBOX, "sandbox", book.workspace, ("admin",))


@BOTH
def test_a_feed_has_what_was_published_in_order(book: Book) -> None:
    """Each delta once, with its months' locks, in parts of any size; and each event is found again by its id."""
    listen(book)
    book.at("2026-01-10T10:00:00Z")
    records = [book.emit(f"cust_{n % 3}", -1 - n).delta.record_id for n in range(7)]
    book.integrate()
    records += [book.emit("cust_0", -10 - n).delta.record_id for n in range(20)]
    book.at("2026-02-10T10:00:00Z")
    book.lock("cust_0", "2026-01")
    book.integrate()
    found = events(book)
    assert sorted(data(e)["recordId"] for e in found if e.name == "delta.verified") == sorted(records)
    assert [e.name for e in found if e.name != "delta.verified"] == ["checkpoint.verified", "receipt.generated"]
    assert len({e.id for e in found}) == len(found) and [e.place for e in found] == sorted(e.place for e in found)
    for limit in (1, 2, 5):
        parts: list[Event] = []
        place: Place = (0, 0)
        while part := events(book, place, limit):
            assert len(part) <= limit + 1
            parts += part
            place = part[-1].place
        assert parts == found
    with book.storage.snapshot() as snapshot:
        assert [locate(snapshot, caller(book), e.id) for e in found] == [e.place for e in found]
        assert Feed(snapshot.environment(SANDBOX), "https://pacspace.example").at(
            snapshot, [e.place for e in found]
        ) == {e.place: e for e in found}


@BOTH
def test_nothing_is_written_while_nobody_listens(book: Book) -> None:
    """Without an endpoint or a follower the feed stays empty; a follower keeps it for as long as it said."""
    book.emit("cust", -1)
    book.integrate()
    assert book.engine.sql("SELECT count(*) FROM outbox") == [(0,)] and events(book) == []
    book.write(lambda unit: unit.follow(SANDBOX, 1))  # long ago
    book.emit("cust", -1)
    book.integrate()
    assert events(book) == []
    book.write(lambda unit: unit.follow(SANDBOX, 2**62))
    book.emit("cust", -1)
    book.integrate()
    assert len(events(book)) == 1


@BOTH
def test_nothing_is_told_before_it_is_published(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends between fixing entries and publishing them has told nobody; the next run tells, once."""
    listen(book)
    book.emit("cust", -1)

    def refuse(*args: Any) -> str:
        raise SigningRefused("not now")

    with monkeypatch.context() as unsigned:
        unsigned.setattr(book.signer, "sign", refuse)
        book.integrate()
    assert book.engine.sql("SELECT count(*) FROM outbox") == [(1,)] and events(book) == []
    book.integrate()
    assert [e.name for e in events(book)] == ["delta.verified"]


@BOTH
def test_a_damaged_delta_is_told(book: Book) -> None:
    """delta.failed names the first delta that does not match its hash, its customer and month, and what is wrong."""
    listen(book)
    book.emit("cust", -1_000_000_000)
    damaged = book.emit("cust", -2_500_000_000).delta
    book.engine.sql("UPDATE delta SET delta = ? WHERE sequence = 2", (book.engine.amount(-3_000_000_000),))
    book.integrate()
    (event,) = events(book)
    told_of = data(event)
    assert event.name == "delta.failed" and event.id == event_id(
        book.shard("cust"), delta_subject(damaged.record_id), code_of("delta.failed")
    )
    assert (told_of["recordId"], told_of["customerId"], told_of["delta"]) == (damaged.record_id, "cust", -3)
    assert "does not match its hash" in told_of["error"] and told_of["failedAt"].endswith("Z")
    with book.storage.snapshot(checked=False) as snapshot:
        assert locate(snapshot, caller(book), event.id) == event.place


@BOTH
def test_deliveries_are_kept_found_and_forgotten(book: Book) -> None:
    """What is due comes oldest first; an endpoint's place and counts move with the outcomes; what is repeated is due again; old rows and
    those of removed endpoints go, a piece at a time."""
    endpoint, other = listen(book), listen(book, "whk_" + "b" * 32)
    rows = [told(SANDBOX, "customer.created", None, "{}", NOW + n) for n in range(6)]
    book.write(lambda unit: unit.tell(SANDBOX, rows))
    assert [row.position for row in rows] == [1, 2, 3, 4, 5, 6]

    def delivery(position: int, status: int, due: int | None, to: Endpoint = endpoint) -> Delivery:
        return Delivery(SANDBOX, position, 0, to.id, status, 1, due, 500, "answered 500", NOW, NOW)

    made = [
        delivery(1, DELIVERED, None),
        delivery(2, PENDING, NOW + 9),
        delivery(3, PENDING, NOW + 5),
        delivery(1, PENDING, 1, other),
    ]
    moved = Progress(endpoint.id, 3, 0, 1, 2, NOW, NOW)
    book.write(lambda unit: (unit.set_deliveries(made), unit.move_endpoints([moved, moved])))
    with book.storage.snapshot() as snapshot:
        known = snapshot.endpoint(endpoint.id)
        assert known is not None and (known.place, known.success_count, known.failure_count) == ((3, 0), 2, 4)
        assert known.events == ("delta.verified",) and known.failing_since == NOW
        assert [d.position for d in snapshot.due(endpoint.id, NOW + 9, 9)] == [3, 2]
        assert [d.position for d in snapshot.due(endpoint.id, NOW + 8, 9)] == [3]
        assert [d.position for d in snapshot.deliveries(SANDBOX, endpoint.id, None, None, 9, 0)] == [3, 2, 1]
        assert [d.position for d in snapshot.deliveries(SANDBOX, endpoint.id, PENDING, (3, 0), 9, 0)] == [2]
        assert snapshot.count_deliveries(SANDBOX, None, None, 3) == 3
        assert [snapshot.count_waiting(SANDBOX, most) for most in (1, 9)] == [2, 3]  # one and two of them
        assert snapshot.count_waiting(SANDBOX + 1, 9) == 0
    part: tuple[int, Place | None] = book.storage.write(
        lambda unit: unit.repeat_deliveries(endpoint, NOW, NOW + 2, (-1, -1), 1, NOW)
    )
    assert part == (1, (1, 0))
    assert book.storage.write(lambda unit: unit.repeat_deliveries(endpoint, NOW, NOW + 2, (1, 0), 9, NOW)) == (1, None)
    with book.storage.snapshot() as snapshot:
        assert {d.position for d in snapshot.due(endpoint.id, NOW, 9)} == {1, 2}
    assert book.storage.write(lambda unit: unit.forget_told(SANDBOX, NOW + 2, 9)) == 2
    book.write(lambda unit: unit.remove_endpoint(endpoint.id))
    assert book.storage.write(lambda unit: unit.forget_strays(SANDBOX, 9)) == 1
    assert book.engine.sql("SELECT count(*) FROM delivery") == [(0,)] and len(events(book)) == 4


@BOTH
def test_positions_are_never_given_twice(book: Book) -> None:
    """An emptied sandbox has no feed, and what is told later has higher positions."""
    listen(book)
    book.emit("cust", -1)
    book.integrate()

    def reset(unit: Any) -> None:
        environment = unit.environment(SANDBOX)
        unit.empty(environment)
        unit.replace_log(environment, "pacspace.log/sandbox/" + "0" * 32, b"0" * 32)

    book.write(reset)
    assert events(book) == []
    row = told(SANDBOX, "customer.created", None, "{}", NOW)
    book.write(lambda unit: unit.tell(SANDBOX, [row]))
    assert row.position == 2 and len(events(book, (1, 0))) == 1


def test_a_tail_gives_each_reader_what_comes_next() -> None:
    """Readers at any place of a tail get the same events after it, in order, however it grows and is cut."""
    tail = Tail(None, (0, 0))  # type: ignore[arg-type]
    made = [Event((n // 3, n % 3), "e", str(n), b"x" * 1_000_000, 0) for n in range(3, 60)]
    for first in range(0, len(made), 10):
        part = made[first : first + 10]
        tail.extend(part, (part[-1].place[0], 99))
        for place in [event.place for event in made[: first + 10]]:
            if tail.covers(place):
                got, ends = tail.after(place, 4)
                assert got == [event for event in made[: first + 10] if event.place > place][:4]
                assert ends >= (got[-1].place if got else place)
    assert not tail.covers((0, 0)), "it holds a bounded number of bytes"


def test_ids_say_what_they_are_about() -> None:
    """An event's id is read back into its parts, differs with each of them, and anything else is none."""
    record = f"rec_{'ab' * 16}{7:012x}{'12345678'}"
    made = {event: event_id(b"\xab" * 16, delta_subject(record), code_of(event)) for event in EVENTS}
    assert len(set(made.values())) == len(EVENTS)
    for event, identity in made.items():
        parsed = parse_event_id(identity)
        assert parsed is not None and parsed[0] == b"\xab" * 16 and parsed[2] == code_of(event)
        assert sequence_of(parsed[1]) == 7
    for text in (
        "evt_1",
        made["delta.verified"][:-2] + "00",
        made["delta.verified"][:-2] + "ff",
        made["delta.verified"].upper(),
    ):
        assert parse_event_id(text) is None


def test_attempts_come_at_their_times_and_end() -> None:
    """After each failure the documented delay, up to a fifth longer; after the eighth attempt none."""
    for attempts, delay_s in enumerate(schedule.DELAYS_S, 1):
        assert schedule.next_attempt(attempts, NOW, 0.0) == NOW + delay_s * 1_000_000
        assert schedule.next_attempt(attempts, NOW, 1.0) == NOW + int(delay_s * 1.2) * 1_000_000
    assert schedule.next_attempt(8, NOW, 0.0) is None


def test_an_endpoint_that_is_down_is_asked_less() -> None:
    """Each success widens the window up to 64, each failure halves it; after five in a row it is 1, with pauses up to five seconds."""
    pace = schedule.Pace()
    for _ in range(100):
        pace.succeeded()
    assert pace.window == 64 and pace.pause_s(1.0) == 0
    pauses = []
    for _ in range(20):
        pace.failed()
        pauses.append(pace.pause_s(0.0))
    assert pace.window == 1 and pauses[:4] == [0, 0, 0, 0] and pauses[4] == 0.5 and pauses[-1] == 5
    pace.succeeded()
    assert not pace.is_down and pace.window == 2


FORBIDDEN_ADDRESSES = [
    "127.0.0.1",
    "127.255.255.255",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "2001:0:7f00:1::1",
]


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_the_servers_own_networks_are_forbidden(address: str) -> None:
    """No loopback, private, shared, link-local, multicast, reserved or documentation address, nor an IPv6 form that leads to one."""
    with pytest.raises(Forbidden, match="public addresses only"):
        check_address(address, PUBLIC)
    check_address(address, ANY)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"],
)
def test_public_addresses_are_allowed(address: str) -> None:
    """A public address is one, also in the form in which IPv6 hosts reach it."""
    check_address(address, PUBLIC)


def test_every_private_network_of_the_standard_library_is_forbidden() -> None:
    """First and last address of each network that `ipaddress` calls private or not global."""
    networks = [*ipaddress._IPv4Constants._private_networks, *ipaddress._IPv6Constants._private_networks]  # type: ignore[attr-defined]
    assert len(networks) > 20
    for network in networks:
        for address in (network[0], network[-1]):
            with pytest.raises(Forbidden):
                check_address(str(address), PUBLIC)


def test_a_url_becomes_the_target_it_says() -> None:
    """Scheme, host, port, path with query, and the Host header."""
    target = parse_target("https://Hook.example:8443/a/b?c=d", "production", PUBLIC)
    assert (target.scheme, target.host, target.port, target.path, target.authority) == (
        "https", "hook.example", 8443, "/a/b?c=d", "hook.example:8443",
    )  # fmt: skip
    assert parse_target("https://hook.example", "production", PUBLIC).authority == "hook.example"
    assert parse_target("http://[2606:4700::1]:81/", "sandbox", ANY).authority == "[2606:4700::1]:81"


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own authority, with its key, in one file."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("piece", [b"x" * 1000, b"a: b\r\n" * 100, b"a: b\r\n\r\nHTTP/1.1 100 Continue\r\n"])
def test_headers_without_end_are_not_kept(piece: bytes) -> None:
    """A reply whose headers, or whose interim replies, never end is cut off, before it fills the memory and the time of all others."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\nlong: ")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(piece)
                await writer.drain()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        channel = Channel(HttpClient(ANY, resolve), parse_target(f"http://hook.test:{port}/", "production", ANY))
        with pytest.raises(AttemptFailed, match=r"headers are too long|not HTTP"):
            await channel.post(b"", b"")
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    """The address is what was resolved and judged, the certificate is held against the name: of another name, or of nobody known, it is
    refused; asked for is the name's (SNI)."""
    file = certificate(tmp_path, "hook.test")
    asked: list[str | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run() -> None:
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(file)
        served.sni_callback = lambda _, name, __: asked.append(name)  # type: ignore[assignment]
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(ANY, resolve)
        with pytest.raises(AttemptFailed, match="certificate"):
            await Channel(client, parse_target(f"https://hook.test:{port}/", "production", ANY)).post(b"", b"")
        client.__dict__["_tls"] = ssl.create_default_context(cafile=file)
        with pytest.raises(AttemptFailed, match=r"certificate is not for other\.test"):
            await Channel(client, parse_target(f"https://other.test:{port}/", "production", ANY)).post(b"", b"")
        reply = await Channel(client, parse_target(f"https://hook.test:{port}/", "production", ANY)).post(b"", b"")
        assert reply.status == 204 and asked == ["hook.test", "other.test", "hook.test"]
        server.close()
        await server.wait_closed()

    asyncio.run(run())
