"""The same usage, sent however often, is recorded once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from testkit.server import Client, Server, in_threads

REFERENCES, TIMES, THREADS = 1_000, 4, 16


def test_sixteen_threads_sending_the_same_references_record_each_once(
    client: Client, customer: str, rng: random.Random
) -> None:
    """16 threads that send the same 1,000 references, each four times, leave 1,000 records numbered without a gap."""
    amounts = [rng.randint(1, 10**6) for _ in range(REFERENCES)]
    # The four sendings of a reference lie close together, so that different threads send it at the same time.
    work = [number for number in range(REFERENCES) for _ in range(TIMES)]
    for start in range(0, len(work), 64):
        part = work[start : start + 64]
        rng.shuffle(part)
        work[start : start + 64] = part
    lock = threading.Lock()
    records: dict[int, list[dict[str, Any]]] = {number: [] for number in range(REFERENCES)}
    statuses: dict[int, list[int]] = {number: [] for number in range(REFERENCES)}

    def send() -> None:
        while True:
            with lock:
                if not work:
                    return
                number = work.pop()
            reply = client.emit(customer, -amounts[number], referenceId=f"ref-{number}")
            with lock:
                records[number].append(reply.data)
                statuses[number].append(reply.status)

    in_threads([send] * THREADS)
    for number in range(REFERENCES):
        assert sorted(statuses[number]) == [200] * (TIMES - 1) + [201]
        assert len({record["recordId"] for record in records[number]}) == 1
        assert sorted(record["idempotent"] for record in records[number]) == [False] + [True] * (TIMES - 1)
    derived = client.derive(customer).data
    assert (derived["deltaCount"], derived["computedBalance"]) == (REFERENCES, -sum(amounts))
    deltas = client.all_deltas(customer, page=300)
    assert [delta["sequenceNumber"] for delta in deltas] == list(range(1, REFERENCES + 1))
    assert sorted(delta["referenceId"] for delta in deltas) == sorted(f"ref-{number}" for number in range(REFERENCES))
    assert {delta["recordId"] for delta in deltas} == {found[0]["recordId"] for found in records.values()}


def test_batches_and_single_emits_share_references(client: Client, customer: str) -> None:
    """A reference counts once, whether it came in a batch, twice in one batch, or alone."""
    items = [{"customerId": customer, "delta": -n, "reason": "usage", "referenceId": f"r{n}"} for n in (1, 2, 2, 3)]
    results = client.batch(items).data["results"]
    assert [r["idempotent"] for r in results] == [False, False, True, False]
    assert results[1]["recordId"] == results[2]["recordId"]
    again = client.emit(customer, -3, referenceId="r3")
    assert again.status == 200 and again.data["recordId"] == results[3]["recordId"]
    assert client.derive(customer).data["computedBalance"] == -6


def test_the_same_reference_of_another_customer_is_another_record(client: Client, customer: str) -> None:
    """A referenceId is unique per customer, so two customers may use the same one."""
    first = client.emit(customer, -1, referenceId="day-1")
    second = client.emit(customer + "_b", -2, referenceId="day-1")
    assert first.status == second.status == 201
    assert first.data["recordId"] != second.data["recordId"]


ORIGINAL = {"delta": -10, "reason": "usage", "metadata": {"n": 1}, "occurredAt": "2026-02-05T10:00:00Z"}
CHANGES = [
    ("delta", -11, "-10", "-11"),
    ("reason", "other", "usage", "other"),
    ("metadata", {"n": 2}, '{"n":1}', '{"n":2}'),
    ("metadata", None, '{"n":1}', None),
    ("occurredAt", "2026-02-05T10:00:01Z", "2026-02-05T10:00:00.000000Z", "2026-02-05T10:00:01.000000Z"),
    ("occurredAt", None, "2026-02-05T10:00:00.000000Z", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "recorded", "sent"), CHANGES)
def test_a_used_reference_with_another_value_is_a_conflict(
    client: Client, customer: str, field: str, value: Any, recorded: str, sent: str | None
) -> None:
    """Another value under a used reference is a 409 that names the field with both values, and records nothing."""
    first = client.emit(customer, referenceId="ref", **ORIGINAL).data
    reply = client.emit(customer, referenceId="ref", **(ORIGINAL | {field: value}))
    assert reply.status == 409 and reply.error["code"] == "REFERENCE_ID_CONFLICT"
    assert reply.error["recordId"] == first["recordId"]
    (conflict,) = reply.error["conflicts"]
    assert (conflict["field"], conflict["recorded"], conflict["sent"]) == (field, recorded, sent)
    assert field in reply.error["message"]
    assert client.derive(customer).data["deltaCount"] == 1


def test_every_differing_field_is_named_at_once(client: Client, customer: str) -> None:
    """A conflict in all fields names all of them, also as an item of a batch."""
    client.emit(customer, referenceId="ref", **ORIGINAL).data
    other = {"delta": 1, "reason": "x", "metadata": {}, "occurredAt": "2026-02-06T00:00:00Z"}
    reply = client.emit(customer, referenceId="ref", **other)
    assert {conflict["field"] for conflict in reply.error["conflicts"]} == set(other)
    (result,) = client.batch([{"customerId": customer, "referenceId": "ref", **other}]).data["results"]
    assert (result["status"], result["code"]) == ("REJECTED", "REFERENCE_ID_CONFLICT")
    for field in other:
        assert field in result["error"]


def test_a_correction_is_the_same_by_either_name(client: Client, customer: str) -> None:
    """A retry may name the delta that it corrects by its recordId or its referenceId; a conflict shows recordIds."""
    first, second = (client.emit(customer, -5, referenceId=name).data["recordId"] for name in ("first", "second"))
    kept = client.emit(customer, 1, referenceId="fix", adjusts={"recordId": first}).data
    again = client.emit(customer, 1, referenceId="fix", adjusts={"referenceId": "first"})
    assert again.status == 200 and again.data["recordId"] == kept["recordId"]
    reply = client.emit(customer, 1, referenceId="fix", adjusts={"referenceId": "second"})
    assert reply.error["conflicts"] == [{"field": "adjusts", "recorded": first, "sent": second}]


@pytest.mark.parametrize(
    "same",
    [
        {"metadata": {"n": 1, "a": [1, {"b": None}]}},
        {"metadata": {"a": [1.0, {"b": None}], "n": 1e0}},
        {"occurredAt": "2026-02-05T11:00:00+01:00"},
        {"occurredAt": "2026-02-05T10:00:00.000000Z"},
    ],
)
def test_the_same_values_in_another_spelling_are_the_same(client: Client, customer: str, same: dict[str, Any]) -> None:
    """Numbers by value, keys in any order, an instant in any offset: the original record, with 200."""
    original = ORIGINAL | {"metadata": {"n": 1, "a": [1, {"b": None}]}}
    first = client.emit(customer, referenceId="ref", **original).data
    again = client.emit(customer, referenceId="ref", **(original | same))
    assert again.status == 200 and again.data["idempotent"] is True
    assert {**again.data, "idempotent": False, "status": None} == {**first, "status": None}


def test_a_key_replays_its_answer(client: Client, customer: str) -> None:
    """The same Idempotency-Key and body give the original answer with Idempotent-Replayed, another body a conflict."""
    first = client.emit(customer, -5, key="k1")
    again = client.emit(customer, -5, key="k1")
    assert first.status == again.status == 201 and first.data == again.data
    assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    for changed in (client.emit(customer, -6, key="k1"), client.emit(customer, -5, "other", key="k1")):
        assert changed.status == 409 and changed.error["code"] == "IDEMPOTENCY_CONFLICT"
    assert client.derive(customer).data["computedBalance"] == -5


def test_the_key_decides_before_the_reference(client: Client, customer: str) -> None:
    """With a used key the key's rule answers, whatever the reference would say."""
    first = client.emit(customer, -5, key="k1", referenceId="r1").data
    replayed = client.emit(customer, -5, key="k1", referenceId="r1")
    assert replayed.headers["idempotent-replayed"] == "true" and replayed.data["idempotent"] is False
    # A used reference with other values, under the used key: the key's conflict, not the reference's.
    assert client.emit(customer, -6, key="k1", referenceId="r1").error["code"] == "IDEMPOTENCY_CONFLICT"
    assert client.emit(customer, -5, key="k1", referenceId="r2").error["code"] == "IDEMPOTENCY_CONFLICT"
    # Another key: the reference decides.
    by_reference = client.emit(customer, -5, key="k2", referenceId="r1")
    assert by_reference.status == 200 and by_reference.data["recordId"] == first["recordId"]
    assert client.emit(customer, -6, key="k3", referenceId="r1").error["code"] == "REFERENCE_ID_CONFLICT"
    assert client.derive(customer).data["deltaCount"] == 1


def test_a_refused_request_does_not_use_its_key_up(client: Client, customer: str) -> None:
    """A 4xx is not stored under the key: the corrected request may use it again."""
    assert client.emit(customer, 0, key="k1").status == 400
    assert client.emit(customer, -1, key="k1").status == 201


def test_a_key_belongs_to_one_customer(client: Client, customer: str) -> None:
    """The same key for another customer is another key."""
    assert client.emit(customer, -1, key="k").status == client.emit(customer + "_b", -2, key="k").status == 201


def test_a_batch_key_acts_per_item(client: Client, customer: str) -> None:
    """A batch sent again under its key records nothing twice, and an item that was refused before may succeed."""
    good = [{"customerId": customer, "delta": -n, "reason": "usage"} for n in (1, 2, 3)]
    first = client.batch([good[0], {**good[1], "delta": 0}, good[2]], key="b")
    assert (first.data["totalQueued"], first.data["totalFailed"]) == (2, 1)
    second = client.batch(good, key="b")
    assert (second.data["totalQueued"], second.data["totalFailed"]) == (3, 0)
    records = [result.get("recordId") for result in first.data["results"]]
    assert [r["recordId"] for r in second.data["results"]][::2] == records[::2]
    third = client.batch(good, key="b")
    assert third.headers["idempotent-replayed"] == "true"
    changed = client.batch([good[0], {**good[1], "delta": -9}, good[2]], key="b").data
    assert [r["status"] for r in changed["results"]] == ["QUEUED", "REJECTED", "QUEUED"]
    assert changed["results"][1]["code"] == "IDEMPOTENCY_CONFLICT"
    assert client.derive(customer).data["computedBalance"] == -6


def test_racing_requests_with_one_key_record_once(client: Client, customer: str) -> None:
    """Sixteen requests with one key at the same time leave one record and sixteen equal answers."""
    answers = in_threads([lambda: client.emit(customer, -7, key="same").data] * 16)
    assert len({answer["recordId"] for answer in answers}) == 1
    assert client.derive(customer).data["deltaCount"] == 1


def test_a_checkpoint_key_replays(client: Client, customer: str) -> None:
    """A lock under a key is answered again under it; another month under the same key is a conflict."""
    client.emit(customer, -1).data
    first = client.checkpoint(customer, key="close", period="2026-02")
    again = client.checkpoint(customer, key="close", period="2026-02")
    assert again.headers["idempotent-replayed"] == "true" and again.data["proofRoot"] == first.data["proofRoot"]
    assert again.data["checkpointId"] == first.data["checkpointId"]
    assert client.checkpoint(customer, key="close", period="2026-01").error["code"] == "IDEMPOTENCY_CONFLICT"


def test_once_means_once_after_a_restart_and_a_kill(start_server: Callable[..., Server]) -> None:
    """References and keys are remembered over a restart and a kill -9."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    client = server.client
    by_reference = client.emit("c", -1, referenceId="r").data
    by_key = client.emit("c", -2, key="k")
    items = [{"customerId": "c", "delta": -3, "reason": "usage"}] * 2
    in_batch = client.batch(items, key="b").data
    locked = client.checkpoint("c", key="close", period="2026-02").data
    for end in (server.stop, server.kill):
        end()
        server.start()
        assert client.emit("c", -1, referenceId="r").data["recordId"] == by_reference["recordId"]
        assert client.emit("c", -9, referenceId="r").error["code"] == "REFERENCE_ID_CONFLICT"
        replayed = client.emit("c", -2, key="k")
        assert replayed.headers["idempotent-replayed"] == "true" and replayed.data == by_key.data
        assert client.emit("c", -9, key="k").error["code"] == "IDEMPOTENCY_CONFLICT"
        again = client.batch(items, key="b")
        assert [r["recordId"] for r in again.data["results"]] == [r["recordId"] for r in in_batch["results"]]
        lock = client.checkpoint("c", key="close", period="2026-02")
        assert lock.headers["idempotent-replayed"] == "true" and lock.data["proofRoot"] == locked["proofRoot"]
        assert client.derive("c", period="2026-02").data["deltaCount"] == 4
