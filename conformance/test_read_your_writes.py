"""What is acknowledged is in the next answer."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from testkit.chance import SEED
from testkit.extent import times
from testkit.server import Client, Server, in_threads

THREADS = 8
ROUNDS = times(200, 1_000)
ROUNDS_PER_CUSTOMER = 25


def one_readers_rounds(client: Client, number: int) -> int:
    """Three emits, then derive, compare and a checkpoint at once; all must have all three, in every round."""
    rng = random.Random(f"{SEED}:{number}")
    rounds = ROUNDS // THREADS
    for done in range(rounds):
        if done % ROUNDS_PER_CUSTOMER == 0:
            customer = f"reader_{number}_{done}"
            total, count = Decimal(0), 0
            months: dict[str, list[Decimal]] = defaultdict(list)
        for _ in range(3):
            delta = Decimal(rng.randint(-(10**6), 10**6) or 1).scaleb(-3)
            recorded = client.emit(customer, delta).data
            months[recorded["period"]].append(delta)
            total, count = total + delta, count + 1
        derived = client.derive(customer).data
        assert (derived["computedBalance"], derived["deltaCount"]) == (total, count)
        assert derived["verifiedCount"] + derived["pendingCount"] == count
        compared = client.compare(customer, total, total + 1).data
        assert (compared["neutralBalance"], compared["matchesYours"], compared["matchesTheirs"]) == (total, True, False)
        if rng.random() < 0.15:
            # Locking the running month sends what comes later to the next one, which holds deltas and may be locked too.
            period = recorded["period"]
            locked = client.checkpoint(customer, period=period).data
            assert locked["locked"] is True and not locked["idempotent"]
            assert (locked["finalBalance"], locked["deltaCount"]) == (sum(months[period]), len(months[period]))
        else:
            interim = client.checkpoint(customer).data
            assert interim["locked"] is False
            assert (interim["finalBalance"], interim["deltaCount"]) == (total, count)
    return rounds


def test_every_answer_has_what_was_acknowledged_before_it(start_server: Callable[..., Server]) -> None:
    """Three emits are in the very next derive, compare and checkpoint, in every round beside other writers."""
    print(f"CONFORMANCE_SEED={SEED}")
    client = start_server("--sandbox-clock", "2026-02-10T12:00:00Z").client
    finished = threading.Event()
    written = [0, 0]

    def keep_writing(number: int) -> None:
        while not finished.is_set():
            if number:
                client.batch([{"customerId": f"busy_{i}", "delta": -1, "reason": "usage"} for i in range(20)]).data
                written[number] += 20
            else:
                client.emit("busy_0", -1).data
                written[number] += 1

    writers = [threading.Thread(target=keep_writing, args=(number,), daemon=True) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        rounds = in_threads([lambda n=n: one_readers_rounds(client, n) for n in range(THREADS)])
    finally:
        finished.set()
        for writer in writers:
            writer.join(60)
    assert sum(rounds) == ROUNDS
    assert all(written), "the other writers did not write"
    others = sum(client.derive(f"busy_{i}").data["deltaCount"] for i in range(20))
    assert others == sum(written)


def test_a_known_customer_without_deltas_in_scope_answers_zeros(client: Client, customer: str) -> None:
    """A month without deltas reads as zeros without a proof root, and reading it writes nothing."""
    client.emit(customer, -5).data
    derived = client.derive(customer, period="2026-01").data
    assert (derived["computedBalance"], derived["deltaCount"], derived["latestReceiptId"]) == (0, 0, None)
    receipt = client.receipt(customer, period="2026-01").data
    assert (receipt["proofRoot"], receipt["finalBalance"], receipt["deltaCount"]) == (None, 0, 0)
    assert client.checkpoint(customer, startDate="2026-01-01", endDate="2026-01-31").data["proofRoot"] is None
    assert client.derive(customer).data["computedBalance"] == -5
