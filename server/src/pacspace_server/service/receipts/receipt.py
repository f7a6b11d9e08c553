"""The receipt: the totals of a month or window, with its proof root and links."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ...clock import now_us
from ...domain.instants import instant_text
from ...domain.scopes import Scope
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta, PeriodHead
from ...views.receipts import ListedReceipt, Receipt, Receipts, ReceiptTotals
from ...views.shapes import DocumentLinks, ProofLinks
from ..balances.derive import computed, counted, delta_views
from ..balances.sums import Sums, sums_view
from ..base import showing
from ..base.context import Caller, Context, find_customer
from ..base.lookup import all_months, log_in_use, log_of, verifier_key
from ..base.restored import restored_view
from ..closing.checkpoint import (
    brought_forward,
    checkpoint_status,
    checkpoint_views,
    issue,
    refuse_damaged,
    span,
)
from ..closing.leaves import heads_of, lines_of
from ..sharing.links import NO_LINK, at_month, ensure_link, receipt_links

MAX_DELTAS = 1_000
ON_THE_LOOP = 100  # up to so many deltas, a receipt needs no thread


async def receipt(context: Context, caller: Caller, customer_id: str, scope: Scope) -> Receipt:
    """The current receipt of a scope, after a short wait for the log. Locks nothing."""
    await ensure_link(context, caller.environment_id, context.shard(caller, customer_id))
    checkpoint = await context.read(_locked, context, caller, customer_id, scope)
    if checkpoint is None or not await context.read(is_integrated, context, checkpoint):
        context.need_signing(caller.environment_id)
    if checkpoint is None:
        checkpoint = await context.committer.run(lambda unit: issue(context, unit, caller, customer_id, scope))
    if checkpoint is not None:
        found = checkpoint
        await context.wait_for_log(lambda: is_integrated(context, found))

    def view() -> Receipt:
        with context.storage.snapshot() as snapshot:
            customer = find_customer(context, snapshot, caller, customer_id)
            return receipt_view(context, snapshot, customer, scope, checkpoint)

    # Subtotals need every line, and a long month must not block the event loop.
    short = checkpoint is None or checkpoint.delta_count <= ON_THE_LOOP
    return await (context.read(view) if short else asyncio.to_thread(view))


def _locked(context: Context, caller: Caller, customer_id: str, scope: Scope) -> Checkpoint | None:
    """The lock of a named month, if it is locked; then no root needs to be issued."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        if not scope.names_period or customer.locked_through is None or scope.first > customer.locked_through:
            return None
        month = customer.id, scope.first
        is_closed = any(head.period == scope.first and head.closed for head in all_months(snapshot, customer))
        return snapshot.locks_of([month])[month] if is_closed else None


def is_integrated(context: Context, checkpoint: Checkpoint) -> bool:
    """Whether the published log covers every part of the checkpoint."""
    with context.storage.snapshot() as snapshot:
        return integrated(snapshot, checkpoint)


def integrated(snapshot: Snapshot, checkpoint: Checkpoint) -> bool:
    customer = snapshot.customer_at(checkpoint.customer)
    log = log_in_use(snapshot, customer)
    heads = (snapshot.head(customer, part.period) for part in checkpoint.parts)
    return all(
        head is not None and head.verified_size(log) >= part.size
        for head, part in zip(heads, checkpoint.parts, strict=True)
    )


def receipt_view(
    context: Context,
    snapshot: Snapshot,
    customer: Customer,
    scope: Scope,
    checkpoint: Checkpoint | None,
    sums: Sums | None = None,
    with_link: bool = True,
) -> Receipt:
    """The reply: every field is always there, null where nothing applies.

    `sums` saves a second pass over lines that were read before. The customer's link and code are for the vendor only.
    """
    environment = snapshot.environment(customer.environment_id)
    log = snapshot.log(environment.log_id)
    heads = heads_of(snapshot, checkpoint) if checkpoint else []
    refuse_damaged(heads)
    own = log_of(snapshot, heads[-1]) if heads else log
    stated = span(checkpoint or scope)
    shared = receipt_links(context, snapshot, customer) if with_link else NO_LINK
    root = showing.hash_text(checkpoint.proof_root) if checkpoint else None
    links = links_of(context, root, checkpoint)
    if shared["customerLinkUrl"] is not None:
        links["verifyUrl"] = at_month(shared["customerLinkUrl"], stated["period"])
    newer = sum(head.size - part.size for head, part in zip(heads, checkpoint.parts)) if checkpoint else 0
    if sums is None:
        sums = Sums.of(checkpoint_deltas(snapshot, heads, checkpoint) if checkpoint else (), MAX_DELTAS)
    shown = sums.lines[:MAX_DELTAS]
    return {
        "customerId": customer.customer_id,
        **stated,
        "generatedAt": instant_text(now_us()),
        "proofRoot": root,
        "provisional": checkpoint is None or not checkpoint.locked,
        **_totals(snapshot, customer, scope, checkpoint),
        **sums_view(sums),
        "unit": customer.unit,
        "status": checkpoint_status(snapshot, checkpoint) if checkpoint else showing.PROVISIONAL,
        "locked": bool(checkpoint and checkpoint.locked),
        "environment": environment.name,
        "receiptId": checkpoint.checkpoint_id if checkpoint else None,
        "checkpointId": checkpoint.checkpoint_id if checkpoint else None,
        "invoiceReference": checkpoint.invoice_reference if checkpoint else None,
        "firstRecordAt": showing.instant(checkpoint.first_recorded_at) if checkpoint else None,
        "lastRecordAt": showing.instant(checkpoint.last_recorded_at) if checkpoint else None,
        **links,
        **shared,
        "keyFingerprint": verifier_key(context.signer, own).fingerprint,
        "deltas": delta_views(customer, shown, heads, log),
        "asOf": {"sequence": customer.last_sequence, "logSize": own.published_size, "newer": newer},
        "verification": {
            **links,
            "verifierKey": str(verifier_key(context.signer, own)),
            "logOrigin": own.origin,
            "logSize": own.published_size,
            "restored": restored_view(snapshot, log),
            "inLog": bool(checkpoint and integrated(snapshot, checkpoint)),
            "itemHashes": [showing.hash_text(delta.leaf_hash) for delta in shown],
        },
    }


def _totals(snapshot: Snapshot, customer: Customer, scope: Scope, checkpoint: Checkpoint | None) -> ReceiptTotals:
    net = checkpoint.net_change if checkpoint else 0
    brought = checkpoint.brought_forward if checkpoint else brought_forward(snapshot, customer, scope)
    return {
        **counted(checkpoint.delta_count if checkpoint else 0),
        "startingBalance": showing.number(0),
        **computed(net),
        "netChange": showing.number(net),
        "broughtForward": showing.number(brought),
        "carriedForward": showing.number(brought + net),
    }


def document_links(context: Context, checkpoint: Checkpoint) -> DocumentLinks:
    """The links to a receipt: page, verifiable file, PDF, CSV."""
    page = f"{context.public_url}/receipt/{checkpoint.checkpoint_id}"
    file = f"{context.public_url}/receipts/{checkpoint.checkpoint_id}"
    return {"permalink": page, "page": page, "json": f"{file}.json", "pdf": f"{file}.pdf", "csv": f"{file}.csv"}


def list_receipts(context: Context, caller: Caller, customer_id: str, limit: int, offset: int) -> Receipts:
    """A customer's receipts, newest first: locked months and issued interim roots."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        rows, total = snapshot.checkpoints(caller.environment_id, customer, None, None, limit, offset)
        shown: list[ListedReceipt] = [
            {**view, "provisional": not row.locked, "links": document_links(context, row)}
            for view, row in zip(checkpoint_views(snapshot, rows), rows, strict=True)
        ]
    return {"receipts": shown, "pagination": {"limit": limit, "offset": offset, "total": total}}


def links_of(context: Context, root: str | None, checkpoint: Checkpoint | None) -> ProofLinks:
    """The links to a receipt's proof and file."""
    base = context.public_url
    return {
        "verifyUrl": f"{base}/verify/{root}" if root else None,
        "verificationApiUrl": f"{base}/api/v1/verify/{root}" if root else None,
        "verificationExplorerUrl": f"{base}/verify/{root}" if root else None,
        "bundleUrl": f"{base}/receipts/{checkpoint.checkpoint_id}.json" if checkpoint else None,
    }


def checkpoint_deltas(snapshot: Snapshot, heads: list[PeriodHead], checkpoint: Checkpoint) -> Iterator[Delta]:
    """The deltas of a checkpoint as issued."""
    for head, part in zip(heads, checkpoint.parts, strict=True):
        end = min(part.size, head.delta_count + 1)
        yield from lines_of(checkpoint, snapshot.deltas_in_period(head, 1, end))
