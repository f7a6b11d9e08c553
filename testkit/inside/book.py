"""A record on a real database, written by the real recording code, without HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pacspace_server.domain.instants import parse_instant
from pacspace_server.log.integrator import Integrator
from pacspace_server.log.signer import Signer
from pacspace_server.log.standing import give_keys
from pacspace_server.storage.model import ids
from pacspace_server.storage.model.commands import Locked, LockPeriod, RecordDelta, Recorded
from pacspace_server.storage.model.leaf_bytes import delta_context
from pacspace_server.storage.model.protocols import Unit
from pacspace_server.storage.writing.locking import lock_period
from pacspace_server.storage.writing.recording import record_delta
from testkit.inside.engines import Engine, SqliteEngine

SANDBOX = 1


class Book:
    """A small record, by default in a file: emits, locks and integrates, all synchronously."""

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.folder, self.path = folder, folder / "record.db"
        self.engine: Engine = engine or SqliteEngine(folder)
        self.storage = self.engine.open()
        self.signer = Signer(folder / "signer")
        with self.storage.snapshot() as snapshot:
            self.workspace = snapshot.environment(SANDBOX).workspace_id
        give_keys(self.storage, self.signer)
        self.integrator = Integrator(self.storage, self.signer, self.storage.write, lambda: None)

    def at(self, instant: str) -> None:
        self.storage.write(lambda unit: unit.set_clock(unit.environment(SANDBOX), parse_instant(instant)))

    def shard(self, customer: str) -> bytes:
        return ids.shard_key(self.storage.secret, self.workspace, "sandbox", customer)

    def command(
        self,
        customer: str,
        delta: int,
        reference: str | None = None,
        reason: str = "usage",
        metadata: str | None = None,
        occurred_at: str | None = None,
        key: str | None = None,
        adjusts: str | None = None,
    ) -> RecordDelta:
        secret, shard = self.storage.secret, self.shard(customer)
        context = delta_context(reason, reference, metadata)
        return RecordDelta(
            SANDBOX,
            shard,
            customer,
            delta,
            context,
            ids.body_mac(secret, context + b"%d" % delta),
            ids.reference_mac(secret, shard, reference) if reference is not None else None,
            ids.idempotency_hash(shard, key) if key is not None else None,
            parse_instant(occurred_at) if occurred_at is not None else None,
            ("recordId", adjusts, b"") if adjusts is not None else None,
        )

    def emit(self, customer: str, delta: int, **fields: str | None) -> Recorded:
        command = self.command(customer, delta, **fields)
        outcome = self.storage.write(lambda unit: record_delta(unit, command))
        assert isinstance(outcome, Recorded), outcome
        return outcome

    def lock(self, customer: str, period: str, key: str | None = None) -> Locked:
        shard = self.shard(customer)
        hashed = ids.idempotency_hash(shard, key) if key is not None else None
        command = LockPeriod(SANDBOX, shard, customer, period, "inv-1", hashed, b"b" * 16)
        outcome = self.storage.write(lambda unit: lock_period(unit, command))
        assert isinstance(outcome, Locked), outcome
        return outcome

    def integrate(self) -> None:
        with self.storage.snapshot() as snapshot:
            environment = snapshot.environment(SANDBOX)
        while self.integrator.run(environment):
            pass

    def close(self) -> None:
        self.integrator.release()
        self.storage.close()
        self.engine.close()

    def write(self, work: Callable[[Unit], object]) -> None:
        self.storage.write(work)
