"""The verifiable receipt file: canonical JSON, streamed in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pacspace_proofs.canonical import canonical
from pacspace_proofs.receipt import RECEIPT, WINDOW_RECEIPT
from pacspace_proofs.tree import leaf_hash

from ...domain.instants import instant_text
from ...domain.tree import Frontier, inclusion_path, subtrees_of, unpack
from ...log import logtree
from ...log.rehashing import head_object, head_salt
from ...storage.model.leaf_bytes import delta_leaf
from ...storage.model.protocols import Snapshot, Storage
from ...storage.model.records import Checkpoint, Customer, PeriodHead, delta_count
from ..base.errors import ServiceError, unavailable
from ..base.lookup import find_checkpoint, log_of
from ..closing.leaves import Leaves, is_stored

CHUNK_BYTES = 64 * 1024


def bundle(
    storage: Storage, receipt_id: str, kind: str, refusals: Mapping[int, str] = MappingProxyType({})
) -> Iterator[bytes]:
    """The receipt file of a checkpoint: its months in their current state in the log.

    A receiptId gives the full file; a proof root, which is printed on invoices, gives only the summary receipt.
    404 RECEIPT_NOT_FOUND; 503 before the first integration, with the reason if signing is stopped. Both are raised
    before the first byte.
    """
    with storage.snapshot() as snapshot:
        checkpoint = find_checkpoint(snapshot, receipt_id)
        if checkpoint is None or not (receipt_id.startswith("chk_") or kind == "summary"):
            raise ServiceError("RECEIPT_NOT_FOUND", f"no receipt {receipt_id[:80]}")
        customer = snapshot.customer_at(checkpoint.customer)
        reason = refusals.get(customer.environment_id)
        months = [_month(snapshot, customer, part.period, kind, reason) for part in checkpoint.parts]
    return _stream(_pieces(Leaves(storage, is_stored(checkpoint)), checkpoint, months))


def month_file(
    storage: Storage, snapshot: Snapshot, customer: Customer, period: str, reason: str | None = None
) -> Iterator[bytes]:
    """The full receipt file of one month in a snapshot, locked or not. 503 before the first integration."""
    month = _month(snapshot, customer, period, "full", reason)
    shard_key, row = customer.shard_key, customer.id

    def is_there(later: Snapshot) -> bool:
        found = later.customer_by_shard(shard_key)
        return found is not None and found.id == row

    return _stream(month(Leaves(storage, is_there)))


Month = Callable[[Leaves], Iterator[bytes]]


def _stream(made: Iterator[bytes]) -> Iterator[bytes]:
    """Gathers small pieces into chunks."""
    pieces: list[bytes] = []
    size = 0
    for piece in made:
        pieces.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join(pieces)


def _pieces(leaves: Leaves, checkpoint: Checkpoint, months: list[Month]) -> Iterator[bytes]:
    if checkpoint.start is None or checkpoint.end is None:
        yield from months[0](leaves)
        return
    start, end = instant_text(checkpoint.start), instant_text(checkpoint.end)
    yield b'{"endDate":%b,"receipts":[' % canonical(end)
    for number, month in enumerate(months):
        yield b"," if number else b""
        yield from month(leaves)
    yield b'],"schema":%b,"startDate":%b}' % (canonical(WINDOW_RECEIPT), canonical(start))


def _month(snapshot: Snapshot, customer: Customer, period: str, kind: str, reason: str | None) -> Month:
    """One month's receipt: everything but the leaves is read now, from one snapshot."""
    head = snapshot.head(customer, period)
    log = log_of(snapshot, head) if head is not None else None
    if (
        head is None
        or log is None
        or head.entry_index is None
        or head.entry_index >= log.published_size
        or not log.note
    ):
        raise unavailable(f"signing is stopped: {reason}" if reason else "this month is not in the log yet; ask again")
    size, closed = head.integrated_size, head.closed and head.integrated_size == head.size
    stated = head_object(customer, head, log.origin, size, head.integrated_root, closed)
    (entry,) = snapshot.log_entries(log.id, head.entry_index, head.entry_index + 1)
    path = logtree.path_of(snapshot, log.id, head.entry_index, log.published_size)
    before: dict[str, Any] = {}
    if head.batch_index is not None and head.batch_size is not None and entry.commitments is not None:
        members = [leaf_hash(member) for member in unpack(entry.commitments)]
        steps = inclusion_path(head.batch_index, head.batch_size, subtrees_of(members))
        before["batch"] = {"index": str(head.batch_index), "size": str(head.batch_size), "path": _hex(steps)}
    prefix = b"".join(b'"%b":%b,' % (name.encode(), canonical(value)) for name, value in before.items())
    note = {"index": str(head.entry_index), "path": _hex(path), "checkpoint": log.note}

    def pieces(read: Leaves) -> Iterator[bytes]:
        yield b'{%b"entry":%b,"head":%b,"headSalt":%b,"kind":%b,"leaves":[' % (
            prefix,
            entry.entry,
            canonical(stated),
            canonical(head_salt(log, stated).hex()),
            canonical(kind),
        )
        items = (
            _full(read, customer, head, size, closed)
            if kind == "full"
            else _summary(read, customer, head, size, closed)
        )
        for number, item in enumerate(items):
            yield b"," + item if number else item
        yield b'],"log":%b,"schema":%b}' % (canonical(note), canonical(RECEIPT))

    return pieces


def _hex(hashes: list[bytes]) -> list[str]:
    return [value.hex() for value in hashes]


def _full(read: Leaves, customer: Customer, head: PeriodHead, size: int, closed: bool) -> Iterator[bytes]:
    yield b'{"leaf":%b}' % head.opening
    for delta in read.deltas(head, delta_count(size, closed) + 1):
        leaf = delta_leaf(customer.customer_id, delta)
        if delta.context is None or delta.salt is None:
            yield b'{"leaf":%b}' % leaf
        else:
            context = canonical(delta.context.decode())
            yield b'{"context":%b,"leaf":%b,"salt":"%b"}' % (context, leaf, delta.salt.hex().encode())
    if closed and head.closing is not None:
        yield b'{"leaf":%b}' % head.closing


def _summary(read: Leaves, customer: Customer, head: PeriodHead, size: int, closed: bool) -> Iterator[bytes]:
    if size == head.size:
        first_path, last_path = head.frontier.first_path(), head.frontier.last_path()
    else:
        # The month has grown since its integration: rebuild the integrated state from the leaf hashes.
        frontier = Frontier()
        frontier.append(leaf_hash(head.opening))
        with read.snapshot() as snapshot:
            for hashed in snapshot.leaf_hashes(head, 1, size):
                frontier.append(hashed)
        first_path, last_path = frontier.first_path(), frontier.last_path()
    yield b'{"leaf":%b,"path":%b}' % (head.opening, canonical(_hex(first_path)))
    if closed and head.closing is not None:
        yield b'{"leaf":%b,"path":%b}' % (head.closing, canonical(_hex(last_path)))
        return
    with read.snapshot() as snapshot:
        last = snapshot.delta_in_period(head, size - 1)
    if last is None:
        raise unavailable("the last delta is missing; run fsck")
    leaf, path = delta_leaf(customer.customer_id, last), canonical(_hex(last_path))
    # Without the context: a proof root is enough to read a summary receipt.
    yield b'{"leaf":%b,"path":%b}' % (leaf, path)
