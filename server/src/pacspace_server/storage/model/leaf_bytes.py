"""The canonical bytes of a delta's leaf and of its context (spec/period-tree.md), spelled out for speed."""

from __future__ import annotations

from json.encoder import encode_basestring

from pacspace_proofs.record import CONTEXT, DELTA

from ...domain.amounts import amount_text
from ...domain.instants import instant_text
from .records import Delta

_quoted = encode_basestring  # a JSON string as RFC 8785 spells it: escapes only what must be escaped


def delta_context(reason: str, reference_id: str | None, metadata: str | None) -> bytes:
    """The canonical bytes of a delta's context. Written out for speed, like the leaf below."""
    shown = f'"metadata":{_quoted(metadata)},' if metadata is not None else ""
    named = f'"referenceId":{_quoted(reference_id)},' if reference_id is not None else ""
    return f'{{{shown}"reason":{_quoted(reason)},{named}"schema":"{CONTEXT}"}}'.encode()


def delta_leaf(customer_id: str, delta: Delta) -> bytes:
    """The canonical bytes of a stored delta's leaf.

    Written out in key order, because this is the server's hottest line and none of these values needs an escape; a test
    compares it with `canonical`.
    """
    adjusts = f'"adjusts":"{delta.adjusts}",' if delta.adjusts is not None else ""
    occurred = f'"occurredAt":"{instant_text(delta.occurred_at)}",' if delta.occurred_at is not None else ""
    return (
        f'{{{adjusts}"contextHash":"{delta.context_hash.hex()}","customerId":"{customer_id}",'
        f'"delta":"{amount_text(delta.delta)}","index":"{delta.leaf_index}",{occurred}"period":"{delta.period}",'
        f'"periodTotal":"{amount_text(delta.period_total)}","postedAt":"{instant_text(delta.posted_at)}",'
        f'"recordId":"{delta.record_id}","recordedAt":"{instant_text(delta.recorded_at)}","schema":"{DELTA}",'
        f'"sequence":"{delta.sequence}"}}'
    ).encode()
