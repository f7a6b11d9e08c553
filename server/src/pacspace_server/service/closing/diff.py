"""Diff: two checkpoints of one customer, the deltas between them, and whether they share one history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

from pacspace_proofs.canonical import parse_canonical
from pacspace_proofs.record import CLOSING, check_structure
from pacspace_proofs.tree import leaf_hash, prefix_roots

from ...storage.model.leaf_bytes import delta_leaf
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta, Part, PeriodHead, ReplacedTree
from ...views.checkpoints import Diff
from ..balances.derive import delta_views
from ..base import showing
from ..base.context import Caller, Context
from ..base.errors import ServiceError, invalid
from ..base.lookup import log_in_use
from .checkpoint import checkpoint_view


def diff(context: Context, caller: Caller, earlier_id: str, later_id: str, limit: int, offset: int) -> Diff:
    """The deltas that the later checkpoint covers and the earlier one does not.

    404 CHECKPOINT_NOT_FOUND; a plain 400 for two customers, a window (it has no tree), or the wrong order.
    """
    with context.storage.snapshot() as snapshot:
        earlier, later = (_find(snapshot, caller, text) for text in (earlier_id, later_id))
        customer = snapshot.customer_at(later.customer)
        first, last = _in_order(earlier, later)
        heads = snapshot.heads(customer, first.period, last.period)
        spans = [_span(head, first, last) for head in heads]
        problems = _problems(snapshot, customer, heads, earlier, later, spans)
        page = islice(_between(snapshot, heads, spans), offset, offset + limit)
        log = log_in_use(snapshot, customer)
        return {
            "customerId": customer.customer_id,
            "from": checkpoint_view(snapshot, earlier),
            "to": checkpoint_view(snapshot, later),
            "difference": {
                "deltaCount": later.delta_count - earlier.delta_count,
                "netChange": showing.number(later.net_change - earlier.net_change),
                "carriedForward": showing.number(_carried(later) - _carried(earlier)),
            },
            "consistent": not problems,
            "problems": problems,
            "deltas": delta_views(customer, list(page), heads, log),
            "pagination": {"limit": limit, "offset": offset, "total": sum(map(len, spans))},
        }


def _find(snapshot: Snapshot, caller: Caller, text: str) -> Checkpoint:
    found = snapshot.checkpoint(text)
    if found is None or snapshot.customer_at(found.customer).environment_id != caller.environment_id:
        message = f"no checkpoint {text[:80]} in the {caller.environment} environment"
        raise ServiceError("CHECKPOINT_NOT_FOUND", message)
    return found


def _in_order(earlier: Checkpoint, later: Checkpoint) -> tuple[Part, Part]:
    """The month of each checkpoint."""
    if earlier.customer != later.customer:
        raise invalid(("to", "is a checkpoint of another customer than from"))
    for name, checkpoint in (("from", earlier), ("to", later)):
        if checkpoint.start is not None:
            raise invalid((name, "is the checkpoint of a window; a diff needs checkpoints of single months"))
    first, last = earlier.parts[0], later.parts[0]
    if (first.period, first.size) > (last.period, last.size):
        raise invalid(("to", "is earlier than from: swap them"))
    return first, last


def _carried(checkpoint: Checkpoint) -> int:
    return checkpoint.brought_forward + checkpoint.net_change


def _span(head: PeriodHead, first: Part, last: Part) -> range:
    """The places in a month's tree of the deltas between two states."""
    begin = first.size if head.period == first.period else 1
    end = last.size if head.period == last.period else head.size
    return range(begin, min(end, head.delta_count + 1))


def _between(snapshot: Snapshot, heads: list[PeriodHead], spans: list[range]) -> Iterator[Delta]:
    for head, span in zip(heads, spans, strict=True):
        yield from snapshot.deltas_in_period(head, span.start, span.stop)


def _problems(
    snapshot: Snapshot,
    customer: Customer,
    heads: list[PeriodHead],
    earlier: Checkpoint,
    later: Checkpoint,
    spans: list[range],
) -> list[str]:
    """Why the two don't share one history; empty for an intact record. Hashes each month again."""
    problems = []
    for head in heads:
        wanted = {c.parts[0].size: c for c in (earlier, later) if c.parts[0].period == head.period}
        # After a restore, a state may belong to the replaced tree: the same deltas between other first and last leaves.
        trees: list[PeriodHead | ReplacedTree] = (
            [head, *snapshot.replaced_trees(customer, head.period)] if wanted else []
        )
        roots = [_roots_at(snapshot, customer, head, tree.opening, tree.closing, set(wanted)) for tree in trees]
        for size, checkpoint in wanted.items():
            if checkpoint.proof_root not in (found.get(size) for found in roots):
                problems.append(
                    f"{checkpoint.checkpoint_id}: its root differs from the root of the first {size} leaves"
                )
    moved = sum(delta.delta for delta in _between(snapshot, heads, spans)) if earlier.locked and later.locked else None
    if moved is not None and moved != _carried(later) - _carried(earlier):
        problems.append("the deltas between do not add up to the difference of the amounts carried forward")
    locked = [head for head in heads if head.closing is not None]
    for before, after in pairwise(locked):
        closing = check_structure(parse_canonical(after.closing or b""), CLOSING)
        if (closing.get("previousPeriod"), closing.get("previousRoot")) != (before.period, (before.root or b"").hex()):
            problems.append(f"{after.period} is not linked to {before.period}")
    return problems


def _roots_at(
    snapshot: Snapshot, customer: Customer, head: PeriodHead, opening: bytes, closing: bytes | None, sizes: set[int]
) -> dict[int, bytes]:
    """The roots over a month's first leaves, recomputed from the rows in one pass."""

    def leaves() -> Iterator[bytes]:
        yield leaf_hash(opening)
        for delta in snapshot.deltas_in_period(head, 1, head.delta_count + 1):
            yield leaf_hash(delta_leaf(customer.customer_id, delta))
        if closing is not None:
            yield leaf_hash(closing)

    return prefix_roots(islice(leaves(), max(sizes)), sizes)
