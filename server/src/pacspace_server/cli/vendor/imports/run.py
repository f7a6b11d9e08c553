"""Runs an import: sends rows in batches, a few at the same time, and saves progress in the file's order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from ....domain.exact_json import text_of
from ....service.base.limits import MAX_BATCH_ITEMS
from ...client import BALANCE, CallFailed, Client, not_ours
from ...output import WrongUse, counted
from .meter import Meter
from .rejected import RejectedFile
from .rows import Row
from .state import State

BATCH_BYTES = 4 << 20  # half of the server's limit
IN_FLIGHT = 4
PATIENCE_S = 60.0  # after the server's first reply: long enough for a restart

DERIVED = """\
note: rows without a referenceId get one from a hash of the file's rows up to and including them. So importing this
file again, or one that begins with the same rows, records no row twice; after a changed row, all later rows are new."""


class Result(Struct, rename="camel"):
    """The result of one row."""

    index: int
    status: str
    error: str | None = None
    idempotent: bool = False
    late_posting: bool = False


class _Data(Struct):
    results: list[Result]


class _Reply(Struct):
    data: _Data


_decode = Decoder(_Reply).decode


class Chain:
    """The running hash over a file's rows. Equal rows have the same hash, in CSV and in JSON."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"pacspace import\n")

    def add(self, row: Row) -> str:
        """Adds a row and returns the reference for its place in the file."""
        self._hash.update(b"%d:" % len(row.body) + row.body)
        return f"import_{self.text()[:32]}"

    def text(self) -> str:
        return self._hash.copy().hexdigest()


@dataclass
class Batch:
    """Rows with their derived references (None: the row has its own), and the running hash after them."""

    rows: list[tuple[Row, str | None]] = field(default_factory=list)
    size_bytes: int = 0
    chain: str = ""

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= MAX_BATCH_ITEMS or self.size_bytes >= BATCH_BYTES

    @property
    def refers_back(self) -> bool:
        """Whether a row corrects another one, which must be recorded first."""
        return any("adjusts" in row.item for row, _ in self.rows)


class Import:
    """One run over one file."""

    def __init__(
        self,
        client: Client,
        state: State,
        save: Callable[[], None],
        rejected: RejectedFile,
        meter: Meter,
        rows: Iterator[Row],
    ) -> None:
        self._client, self._state, self._save, self._rejected = client, state, save, rejected
        self._meter, self._rows = meter, rows
        self._chain = Chain()
        self._flying: deque[tuple[Batch, Future[list[Result]]]] = deque()
        self.has_derived = False

    def skip_done(self) -> None:
        """Skips the rows that are done. Raises WrongUse if they have changed."""
        for _ in range(self._state.rows):
            row = next(self._rows, None)
            if row is None:
                break
            self._chain.add(row)
        if self._state.rows and self._chain.text() != self._state.chain:
            raise WrongUse(
                f"the file has changed in its first {counted(self._state.rows, 'row')} (up to line {self._state.line}) "
                "since they were imported; restore it, or read it from its start with --restart: then changed rows, "
                "and rows without a referenceId after them, are recorded in addition to the old ones"
            )

    def run(self) -> bool:
        """Whether the whole file is done; False if it was stopped. Raises CallFailed if it can't continue."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            try:
                for batch in self._batches():
                    if batch.refers_back:
                        self._settle(0)
                    self._flying.append((batch, pool.submit(self._send, batch)))
                    self._settle(IN_FLIGHT - 1)
                    if self._client.stopped.is_set():
                        break
                self._settle(0)
            except CallFailed:
                if self._client.stopped.is_set():
                    return False
                raise
            finally:
                stopped = self._client.stopped.is_set()
                self._client.stopped.set()  # ends the threads that still wait for the server
        return not stopped

    def _batches(self) -> Iterator[Batch]:
        batch = Batch()
        for row in self._rows:
            reference: str | None = self._chain.add(row)
            if "referenceId" in row.item:
                reference = None
            elif not self.has_derived:
                self.has_derived = True
                self._meter.say(DERIVED)
            batch.rows.append((row, reference))
            batch.size_bytes += len(row.body)
            if batch.is_full:
                batch.chain = self._chain.text()
                yield batch
                batch = Batch()
        if batch.rows:
            batch.chain = self._chain.text()
            yield batch

    def _send(self, batch: Batch) -> list[Result]:
        bodies = [_body(row, reference) for row, reference in batch.rows if row.problem is None]
        return self._record(bodies) if bodies else []

    def _record(self, bodies: list[bytes]) -> list[Result]:
        """The result of each row. Halves a refused batch until it finds the bad row."""
        whole = b'{"deltas":[' + b",".join(bodies) + b"]}"
        try:
            # No Idempotency-Key: each row has a referenceId, and the record would store a key with each delta.
            reply = self._client.fetch("POST", f"{BALANCE}/delta/batch", whole, repeatable=True)
            self._client.patience_s = PATIENCE_S
            return _results(reply, len(bodies))
        except CallFailed as error:
            if error.status not in (400, 413):
                raise
            if len(bodies) == 1:
                return [Result(0, "REJECTED", error.message)]
            middle = len(bodies) // 2
            return self._record(bodies[:middle]) + self._record(bodies[middle:])

    def _settle(self, flying: int) -> None:
        """Waits until at most `flying` batches are in flight, and saves the results of the others in order."""
        while len(self._flying) > flying:
            batch, sent = self._flying.popleft()
            results = iter(sent.result())
            rejected: list[tuple[Row, str, str | None]] = []
            for row, reference in batch.rows:
                problem = row.problem or self._count(next(results))
                if problem:
                    rejected.append((row, problem, reference))
            # First the rejected rows, then the state: after a crash between the two, the rows are read again.
            self._rejected.add(rejected)
            state, last = self._state, batch.rows[-1][0]
            state.rejected += len(rejected)
            state.rows += len(batch.rows)
            state.line, state.chain = last.line, batch.chain
            self._save()
            self._meter.show(state, last.end_bytes)

    def _count(self, result: Result) -> str | None:
        """Counts a row; returns the reason if it was rejected."""
        if result.status == "REJECTED":
            return result.error or "rejected"
        if result.idempotent:
            self._state.already_there += 1
        else:
            self._state.recorded += 1
            self._state.late += result.late_posting
        return None


def _results(reply: bytes, count: int) -> list[Result]:
    try:
        results = _decode(reply).data.results
    except MsgspecError as error:
        raise not_ours(reply) from error
    if [result.index for result in results] != list(range(count)):
        raise not_ours(reply)
    return results


def _body(row: Row, reference: str | None) -> bytes:
    if reference is None:
        return row.body
    return row.body[:-1] + (b"," if len(row.body) > 2 else b"") + b'"referenceId":' + text_of(reference).encode() + b"}"
