"""What anyone can check without a key: roots, files, and the log."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testkit.logreader import assert_extends, check_tiles, fetch, read_log, signed_checkpoint, tile_path
from testkit.receipts import accept, log_key, origin_of, save, set_checks
from testkit.server import Client, Server, in_threads, verify_alone

from pacspace_proofs import Trust, canonical, parse_verifier_key, verify_receipts
from pacspace_proofs.tree import leaf_hash

SOURCES = ["db", "chain", "both"]


def settled(client: Client, root: str, source: str) -> dict[str, Any]:
    """The verdict once the log has taken the root up."""
    deadline = time.monotonic() + 30
    while True:
        data = client.verify(root, source).data
        if data["verified"] or time.monotonic() > deadline:
            return data
        time.sleep(0.1)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("locked", [True, False])
def test_a_root_verifies_without_a_key(client: Client, customer: str, source: str, locked: bool) -> None:
    """A locked or provisional root and its chk_ id verify from the rows, from the log and from both, with no key."""
    client.emit(customer, -5).data
    client.emit(customer, 2).data
    checkpoint = client.checkpoint(customer, **({"period": "2026-02"} if locked else {})).data
    for name in (checkpoint["proofRoot"], checkpoint["checkpointId"]):
        verdict = settled(client.server.public, name, source)
        assert verdict["verified"] is True, verdict
        assert verdict["proofRoot"] == checkpoint["proofRoot"] and verdict["records"] == []
        assert all(check["status"] == "ok" for check in verdict["verification"]["checks"])
        if source == "chain":
            assert not verdict["summary"], "the log has no totals"
        else:
            summary = verdict["summary"]
            assert (summary["recordCount"], summary["netChange"], summary["endingBalance"]) == (2, -3, -3)


def test_a_window_root_verifies(client: Client, customer: str) -> None:
    """The hash of a window verifies, and its file holds the months that it touches."""
    client.emit(customer, -1, occurredAt="2026-01-20T00:00:00Z").data
    client.emit(customer, -2).data
    window = client.checkpoint(customer, startDate="2026-01-21", endDate="2026-02-11").data
    assert (window["finalBalance"], window["deltaCount"]) == (-2, 1)
    verdict = settled(client.server.public, window["proofRoot"], "both")
    assert verdict["verified"] is True and verdict["summary"]["netChange"] == -2
    report = judge_window(client, client.bundle(window["checkpointId"]))
    assert report.result == "provisional-full"
    assert report.files[0].window is not None and report.files[0].window["total"] == "-2"
    assert report.files[0].window["windowHash"] == window["proofRoot"]


def judge_window(client: Client, bundle: bytes) -> Any:
    origin = json.loads(bundle)["receipts"][0]["head"]["origin"]
    return verify_receipts([bundle], Trust(((parse_verifier_key(log_key(client, origin)), None),)), 0)


def test_a_deltas_receipt_id_shows_status_and_no_amount(client: Client, customer: str) -> None:
    """The receiptId of a delta verifies with status and times only: no amount, reason, reference or customer."""
    recorded = client.emit(
        customer, -987654, "a secret reason", referenceId="secret-ref", metadata={"m": "secret-meta"}
    ).data
    deadline = time.monotonic() + 30
    while not (reply := client.server.public.verify(recorded["receiptId"])).data["verified"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for secret in ("987654", "secret", customer, recorded["recordId"]):
        assert secret not in reply.body.decode()
    assert reply.data["summary"] is None and reply.data["records"] == [] and reply.data["recordedAt"]
    delta = client.record(recorded["receiptId"]).data
    assert delta["status"] == "VERIFIED" and delta["verifiedAt"] and delta["verificationReference"] is not None


@pytest.mark.parametrize(
    "root", ["0x" + "ab" * 32, "0x" + "AB" * 32, "ab" * 32, "chk_" + "0" * 56, "nonsense", "0x", "%00"]
)
@pytest.mark.parametrize("source", SOURCES)
def test_an_unknown_root_is_not_verified(client: Client, root: str, source: str) -> None:
    """A root that was never handed out is a 404 that says `verified: false`."""
    reply = client.server.public.verify(root, source)
    assert reply.status == 404 and reply.json["verified"] is False and reply.error["code"] == "PROOF_NOT_FOUND"


def test_a_leaf_hash_or_content_hash_is_no_proof_root(client: Client, customer: str) -> None:
    """A hash that only occurs inside a tree does not verify as a root."""
    recorded = client.emit(customer, -1).data
    client.checkpoint(customer).data
    assert client.server.public.verify(recorded["contentHash"]).status == 404


def test_verify_says_which_sources_it_knows(client: Client, customer: str) -> None:
    """Another source is a 400 that names the three."""
    client.emit(customer, -1).data
    reply = client.server.public.verify(client.checkpoint(customer).data["proofRoot"], "moon")
    assert reply.status == 400 and all(source in reply.error["message"] for source in SOURCES)


def test_a_delta_becomes_verified(client: Client, customer: str) -> None:
    """A delta is QUEUED when it is acknowledged and becomes VERIFIED by itself, with its hash and receiptId unchanged."""
    recorded = client.emit(customer, -1).data
    assert recorded["status"] == "QUEUED"
    deadline = time.monotonic() + 30
    while (delta := client.record(recorded["recordId"]).data)["status"] != "VERIFIED":
        assert (
            delta["status"] in ("QUEUED", "PROCESSING") and delta["verifiedAt"] is None and time.monotonic() < deadline
        )
        time.sleep(0.02)
    for field in ("contentHash", "receiptId", "sequenceNumber", "period", "postedAt", "recordedAt"):
        assert delta[field] == recorded[field]
    assert client.derive(customer).data["verifiedCount"] == 1


def test_the_content_hash_is_the_leaf_hash(client: Client, customer: str) -> None:
    """contentHash is the RFC 6962 hash of the leaf in the receipt file, and the leaf says what the API says."""
    recorded = client.emit(customer, -7, referenceId="r", metadata={"a": 1}, occurredAt="2026-02-03T00:00:00Z").data
    bundle = json.loads(client.bundle(client.checkpoint(customer, period="2026-02").data["checkpointId"]))
    line = next(item for item in bundle["leaves"] if item["leaf"]["schema"] == "pacspace.delta.v1")
    assert "0x" + leaf_hash(canonical(line["leaf"])).hex() == recorded["contentHash"]
    leaf = line["leaf"]
    assert (leaf["recordId"], leaf["delta"], leaf["sequence"]) == (recorded["recordId"], "-7", "1")
    assert (leaf["postedAt"], leaf["recordedAt"], leaf["customerId"]) == (
        recorded["postedAt"],
        recorded["recordedAt"],
        customer,
    )
    context = json.loads(line["context"])
    assert (context["reason"], context["referenceId"], json.loads(context["metadata"])) == ("usage", "r", {"a": 1})


def test_summaries_show_totals_without_deltas(client: Client, customer: str) -> None:
    """A summary file verifies as a summary, shows no delta but the count and total, and is weaker than a full one."""
    for number in range(5):
        client.emit(customer, -number - 1).data
    checkpoint_id = client.checkpoint(customer, period="2026-02").data["checkpointId"]
    (facts,) = accept(client, "locked-summary", client.bundle(checkpoint_id, "summary"))
    assert (facts["total"], facts["deltaCount"]) == ("-15", 5)
    assert len(json.loads(client.bundle(checkpoint_id, "summary"))["leaves"]) == 2
    accept(client, "locked-full", client.bundle(checkpoint_id), client.bundle(checkpoint_id, "full"))


def test_one_changed_byte_is_refused(client: Client, customer: str, tmp_path: Path, rng: random.Random) -> None:
    """A saved receipt in which one byte is changed, anywhere, is refused with the number of the check that failed."""
    for number in range(6):
        client.emit(customer, -number - 1, f"reason {number}", referenceId=f"r{number}").data
    bundle = client.bundle(client.checkpoint(customer, period="2026-02").data["checkpointId"])
    key = log_key(client, origin_of(bundle))
    accept(client, "locked-full", bundle)
    trust = Trust(((parse_verifier_key(key), None),))
    numbers = set()
    for place in rng.sample(range(len(bundle)), 200):
        changed = bytearray(bundle)
        changed[place] ^= 1 << rng.randrange(8)
        report = verify_receipts([bytes(changed)], trust, 0)
        assert report.result == "refused", f"byte {place} of the file may be changed"
        numbers |= {c.number for file in report.files for m in file.months for c in m.checks if c.status == "failed"}
    assert len(numbers) > 2, "several checks find changes"
    # The same by the command, on an amount.
    tampered = save(tmp_path, "tampered.json", bundle.replace(b'"delta":"-3"', b'"delta":"-2"', 1))
    code, report = verify_alone(tmp_path, [tampered], "--key", key)
    assert code == 1 and report["result"] == "refused"
    failed = [check for check in report["files"][0]["months"][0]["checks"] if check["status"] == "failed"]
    assert len(failed) == 1 and failed[0]["number"] == 5 and failed[0]["detail"]


def test_another_logs_key_does_not_verify(
    client: Client, customer: str, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """A receipt is refused, or left undecided, with a key that is not its log's."""
    client.emit(customer, -1).data
    bundle = save(tmp_path, "a.json", client.bundle(client.checkpoint(customer, period="2026-02").data["checkpointId"]))
    other = start_server("--sandbox-clock", "2026-02-10T12:00:00Z").client
    other.emit("c", -1).data
    foreign = log_key(other, origin_of(other.bundle(other.checkpoint("c", period="2026-02").data["checkpointId"])))
    code, _ = verify_alone(tmp_path, [bundle], "--key", foreign)
    assert code == 1
    code, report = verify_alone(tmp_path, [bundle])
    assert code == 3 and report["result"] == "undecided"


def test_the_log_is_what_it_says_and_only_grows(client: Client, customer: str) -> None:
    """Entries and tiles lead to the signed root, and each later checkpoint extends each earlier one."""
    client.emit(customer, -1).data
    bundle = json.loads(client.bundle(client.checkpoint(customer).data["checkpointId"]))
    origin = bundle["head"]["origin"]
    seen = []
    for number in range(6):
        log = read_log(client, origin)
        for old in seen:
            assert_extends(old, log)
        seen.append(log.checkpoint)
        client.emit(f"{customer}_{number}", -1).data
        client.checkpoint(f"{customer}_{number}", period="2026-02").data
    assert len({checkpoint.size for checkpoint in seen}) > 3
    assert check_tiles(client, origin, read_log(client, origin)) >= 1
    schemas = {json.loads(entry)["schema"] for entry in log.entries}
    assert schemas <= {"pacspace.batch.v1", "pacspace.closed.v1", "pacspace.key.v1"}
    for entry in log.entries:
        assert canonical(json.loads(entry)) == entry and customer.encode() not in entry


def test_a_long_log_has_full_tiles(start_server: Callable[..., Server]) -> None:
    """A log of over 256 entries serves full and partial tiles of both levels, as C2SP tlog-tiles describes."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    client = server.client
    client.batch([{"customerId": f"c{number}", "delta": -1, "reason": "usage"} for number in range(300)]).data
    numbers = [range(start, 300, 16) for start in range(16)]
    in_threads(
        [lambda part=part: [client.checkpoint(f"c{n}", period="2026-02").data for n in part] for part in numbers]
    )
    origin = origin_of(client.bundle(client.checkpoint("c0", period="2026-02").data["checkpointId"]))
    early = signed_checkpoint(client, origin)
    assert early.size > 300
    log = read_log(client, origin)
    assert check_tiles(client, origin, log) >= 3
    closed = [entry for entry in log.entries if json.loads(entry)["schema"] == "pacspace.closed.v1"]
    assert len(closed) == 300 == len({json.loads(entry)["slot"] for entry in closed})
    for path in ("tile/0/001.p/256", "tile/0/999", "tile/0/1", "tile/0/x001", "tile/64/000", "tile/entries/000.p/0", "tile/0/000.p/257",
                 "tile/0/x000/000", "tile/../checkpoint", tile_path("0", 999_999, 256)):  # fmt: skip
        assert client.get(f"/log/{origin.rpartition('/')[2]}/{path}").status == 404, path
    server.kill()
    server.start()
    assert_extends(early, read_log(server.client, origin))


def test_the_two_environments_have_their_own_logs(start_server: Callable[..., Server]) -> None:
    """Sandbox and production have different origins, keys and logs, and a receipt says which it comes from."""
    server = start_server()
    origins = []
    for side, client in (("sandbox", server.client), ("production", server.with_key(server.new_key("live")))):
        client.emit("c", -1).data
        bundle = client.bundle(client.checkpoint("c").data["checkpointId"])
        (facts,) = accept(client, "provisional-full", bundle)
        assert facts["environment"] == side
        origins.append(origin_of(bundle))
    assert origins[0] != origins[1] and log_key(server.client, origins[0]) != log_key(server.client, origins[1])


def test_the_sandbox_clock_only_goes_forward(start_server: Callable[..., Server]) -> None:
    """A sandbox with deltas refuses to go back, by instant, by real time and at a start; an empty one takes any instant."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    client = server.client
    for instant in ("2020-01-01T00:00:00Z", "2030-05-05T05:05:05.000005Z", "2029-01-01T00:00:00Z"):
        assert client.clock(now=instant).status == 200
    client.emit("c", -1).data
    for body in ({"now": "2028-12-31T23:59:59.999999Z"}, {"now": None}):
        reply = client.clock(**body)
        assert reply.status == 400 and "forward" in reply.error["message"], reply.body
    assert client.clock(now="2029-01-01T00:00:00Z").status == 200
    assert client.clock(advanceSeconds=3600).status == 200
    assert client.emit("c", -1).data["recordedAt"] == "2029-01-01T01:00:00.000000Z"
    server.stop()
    with pytest.raises(AssertionError, match="forward"):
        server.start("--sandbox-clock", "2026-01-01T00:00:00Z")
    server.start("--sandbox-clock", "2029-01-02T00:00:00Z")
    assert server.client.emit("c", -1).data["recordedAt"] == "2029-01-02T00:00:00.000000Z"
    server.restart()
    assert server.client.emit("c", -1).data["recordedAt"] == "2029-01-02T00:00:00.000000Z", "a held clock stays held"


def test_the_clocks_answer_is_the_new_time(start_server: Callable[..., Server]) -> None:
    """Setting or advancing the clock answers with the instant that now holds."""
    client = start_server("--sandbox-clock", "2026-02-10T12:00:00Z").client
    assert client.clock(now="2026-03-01T00:00:00Z").data["now"] == "2026-03-01T00:00:00.000000Z"
    assert client.clock(advanceSeconds=61).data["now"] == "2026-03-01T00:01:01.000000Z"


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server whose clock may be moved."""
    server = Server(tmp_path_factory.mktemp("clocked")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    yield server.client
    server.close()


@pytest.mark.parametrize(
    "body", [{}, {"now": "x"}, {"now": 5}, {"advanceSeconds": -1}, {"advanceSeconds": 1.5}, {"advanceSeconds": "5"}, {"advanceSeconds": None},
             {"now": "2026-02-10T12:00:00Z", "advanceSeconds": 1}, {"now": "9999-12-31T23:59:59Z", "zone": "UTC"}, {"advanceSeconds": 10**12}],
    ids=str,
)  # fmt: skip
def test_a_clock_is_moved_in_one_way(clocked: Client, body: dict[str, Any]) -> None:
    """A clock request without exactly one usable field is a plain 400."""
    reply = clocked.clock(**body)
    assert reply.status == 400 and reply.error["type"] == "VALIDATION_ERROR"


def test_a_reset_starts_over_under_a_new_log(start_server: Callable[..., Server]) -> None:
    """After a reset the sandbox is empty under a new origin and key, takes any instant, and what was handed out is gone."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    client = server.client
    first = client.emit("c", -1, referenceId="r", key="k").data
    locked = client.checkpoint("c", period="2026-02").data
    bundle = client.bundle(locked["checkpointId"])
    old_key = log_key(client, origin_of(bundle))
    assert client.post("/api/v1/sandbox/reset", {}).status == 200
    assert client.derive("c").status == client.record(first["recordId"]).status == 404
    assert client.verify(locked["proofRoot"]).status == 404
    assert client.clock(now="2026-01-05T00:00:00Z").status == 200
    again = client.emit("c", -1, referenceId="r", key="k")
    assert again.status == 201 and again.data["recordId"] != first["recordId"] and again.data["sequenceNumber"] == 1
    fresh = client.bundle(client.checkpoint("c", period="2026-01").data["checkpointId"])
    assert origin_of(fresh) != origin_of(bundle) and log_key(client, origin_of(fresh)) != old_key
    accept(client, "locked-full", fresh)
    log = read_log(client, origin_of(fresh))
    assert log.checkpoint.size <= 4
    # A file that was saved before still verifies with the key that was saved with it.
    assert verify_receipts([bundle], Trust(((parse_verifier_key(old_key), None),)), 0).result == "locked-full"


def test_the_log_is_not_cached_where_it_changes(client: Client, customer: str) -> None:
    """Full tiles may be cached for ever, the checkpoint may not."""
    client.emit(customer, -1).data
    origin = origin_of(client.bundle(client.checkpoint(customer).data["checkpointId"]))
    name = origin.rpartition("/")[2]
    assert "immutable" not in client.get(f"/log/{name}/checkpoint").headers.get("cache-control", "")
    size = signed_checkpoint(client, origin).size
    assert fetch(client, origin, tile_path("entries", 0, min(size, 256)))


def test_a_file_of_a_growing_month_verifies(client: Client, customer: str) -> None:
    """A file that is downloaded while its month is written to verifies, full and summary, and fits every earlier one."""
    client.emit(customer, -1).data
    finished = threading.Event()

    def keep_writing() -> None:
        while not finished.wait(0.005):
            client.emit(customer, -1).data

    writers = [threading.Thread(target=keep_writing, daemon=True) for _ in range(3)]
    for writer in writers:
        writer.start()
    kept = []
    try:
        for _ in range(12):
            checkpoint_id = client.checkpoint(customer).data["checkpointId"]
            accept(client, "provisional-summary", client.bundle(checkpoint_id, "summary"))
            kept.append(client.bundle(checkpoint_id))
    finally:
        finished.set()
        for writer in writers:
            writer.join(60)
    kept.append(client.bundle(client.checkpoint(customer, period="2026-02").data["checkpointId"]))
    facts = accept(client, "provisional-full", *kept)
    counts = [fact["deltaCount"] for fact in facts]
    assert counts == sorted(counts) and counts[-1] > counts[0]
    assert set_checks(client, *kept)[11] == "ok"


def test_a_reset_under_load_breaks_nothing(start_server: Callable[..., Server]) -> None:
    """Resets beside writers and readers give answers before or after, never a 5xx, and leave a clean record."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    client = server.client
    finished = threading.Event()

    def write_and_read() -> int:
        statuses = set()
        while not finished.is_set():
            statuses |= {client.emit("c", -1).status, client.derive("c").status, client.checkpoint("c").status}
        assert max(statuses) < 500, statuses
        return len(statuses)

    def reset() -> None:
        try:
            for _ in range(8):
                finished.wait(0.1)
                assert client.post("/api/v1/sandbox/reset", {}).status == 200
        finally:
            finished.set()

    in_threads([write_and_read] * 3 + [reset])
    client.emit("c", -1).data
    accept(client, "provisional-full", client.bundle(client.checkpoint("c").data["checkpointId"]))
    assert server.run("fsck").returncode == 0
