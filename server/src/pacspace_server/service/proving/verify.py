"""Public verification: recompute an issued root from the rows, from the published log, or both."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from pacspace_proofs.canonical import FormatError, canonical, parse_canonical
from pacspace_proofs.note import LogCheckpoint, parse_log_checkpoint, signed_by
from pacspace_proofs.record import BATCH, CLOSED, CLOSING, check_structure, commitment, context_hash, window_hash
from pacspace_proofs.tree import leaf_hash, prefix_roots, root_from_inclusion, root_of_leaves

from ...domain.amounts import amount_text
from ...domain.enumerations import VerifySource
from ...domain.instants import instant_text
from ...domain.tree import unpack
from ...log import logtree
from ...log.rehashing import head_object, head_salt
from ...storage.model.leaf_bytes import delta_leaf
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta, Log, LogEntry, Part, PeriodHead
from ...storage.model.sealing import delta_seal
from ...views.public import CheckedSummary, DeltaVerdict, RootVerdict
from ..base import showing
from ..base.context import Context
from ..base.errors import ServiceError
from ..base.lookup import find_checkpoint, find_delta, log_in_use, log_of, verifier_key
from ..base.restored import lost_words, restored_view
from ..recording.delta import progress

SOURCES = ("db", "chain", "both")
CACHE_S = 60.0
CACHE_ENTRIES = 1_000
PARALLEL = 2
UNREADABLE = "a stored row can't be read"


@dataclass
class Step:
    """One check of a recomputation."""

    name: str
    ok: bool
    detail: str = ""


class Failure(Exception):
    """Ends a recomputation; the message names the difference."""


class Verifier:
    """Runs recomputations, two at a time and one per root, and keeps verdicts for a minute."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running: dict[tuple[str, str], asyncio.Task[list[Step]]] = {}
        self._verdicts: OrderedDict[tuple[str, str], tuple[float, list[Step]]] = OrderedDict()
        self._places = asyncio.Semaphore(PARALLEL)

    async def steps(self, checkpoint: Checkpoint, source: str) -> tuple[float, list[Step]]:
        """The time of the check (Unix seconds), and the result of each step."""
        key = checkpoint.checkpoint_id, source
        known = self._verdicts.get(key)
        if known is not None and time.time() - known[0] < CACHE_S:
            return known
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(checkpoint, source))
            self._running[key].add_done_callback(lambda _: self._running.pop(key, None))
        steps = await asyncio.shield(self._running[key])
        verdict = time.time(), steps
        # Failures are not kept: a new lock may enter the log in the next moment.
        if all(step.ok for step in steps) or source == "db":
            self._verdicts[key] = verdict
            while len(self._verdicts) > CACHE_ENTRIES:
                self._verdicts.popitem(last=False)
        return verdict

    async def _run(self, checkpoint: Checkpoint, source: str) -> list[Step]:
        async with self._places:
            return await asyncio.to_thread(recompute, self._context, checkpoint, source)


def recompute(context: Context, checkpoint: Checkpoint, source: str) -> list[Step]:
    """Checks a checkpoint against the rows (`db`), the log (`chain`), or both."""
    steps: list[Step] = []
    with context.storage.snapshot(checked=False) as snapshot:
        customer = snapshot.customer_at(checkpoint.customer)
        for wanted in ("db", "chain"):
            if source not in (wanted, "both"):
                continue
            try:
                if wanted == "db":
                    steps += _from_rows(context, snapshot, customer, checkpoint)
                else:
                    steps += _from_log(context, snapshot, customer, checkpoint, source)
            except Failure as failure:
                steps.append(Step(wanted, False, str(failure)))
            except (FormatError, ValueError, LookupError, TypeError, AssertionError) as error:
                # A damaged row may fail to parse.
                steps.append(Step(wanted, False, f"{UNREADABLE}: {error}"))
    return steps


def _from_rows(context: Context, snapshot: Snapshot, customer: Customer, checkpoint: Checkpoint) -> list[Step]:
    recomputed = [_recompute_part(context, snapshot, customer, checkpoint, part) for part in checkpoint.parts]
    net, count = sum(part.net for part in recomputed), sum(part.count for part in recomputed)
    roots = [part.root.hex() for part in checkpoint.parts]
    steps = [Step("rows", True, f"{len(checkpoint.parts)} months recomputed from every delta")]
    if checkpoint.start is not None and checkpoint.end is not None:
        start, end = instant_text(checkpoint.start), instant_text(checkpoint.end)
        found = window_hash(customer.customer_id, start, end, roots)
    else:
        found = checkpoint.parts[0].root
    _same("proof root", found.hex(), checkpoint.proof_root.hex())
    steps.append(Step("root", True, found.hex()))
    _same("net change", amount_text(net), amount_text(checkpoint.net_change))
    _same("number of deltas", count, checkpoint.delta_count)
    steps.append(Step("totals", True, f"{amount_text(net)} over {count} deltas"))
    _compare_shown(checkpoint, recomputed)
    steps.append(Step("shown", True, "the instants, the balances and the lock's details are those of the leaves"))
    return steps


@dataclass
class _Recomputed:
    """What a month's leaves say of the deltas that a checkpoint covers."""

    net: int = 0
    count: int = 0
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None
    closing: dict[str, str] | None = None

    def add(self, delta: Delta) -> None:
        self.net, self.count = self.net + delta.delta, self.count + 1
        if self.first_recorded_at is None:
            self.first_recorded_at = delta.recorded_at
        self.last_recorded_at = delta.recorded_at


def _compare_shown(checkpoint: Checkpoint, months: list[_Recomputed]) -> None:
    """The columns of a checkpoint that pages show, against the leaves."""
    firsts = [month.first_recorded_at for month in months if month.first_recorded_at is not None]
    lasts = [month.last_recorded_at for month in months if month.last_recorded_at is not None]
    _same("first record", min(firsts, default=None), checkpoint.first_recorded_at)
    _same("last record", max(lasts, default=None), checkpoint.last_recorded_at)
    _same("starting balance", 0, checkpoint.starting_balance)
    closing = months[0].closing if checkpoint.locked else None
    if closing is not None:
        _same("brought forward", closing["broughtForward"], amount_text(checkpoint.brought_forward))
        _same("invoice reference", closing.get("invoiceReference"), checkpoint.invoice_reference)
        _same(
            "lock",
            (closing["checkpointId"], closing["closedAt"], closing["period"]),
            (checkpoint.checkpoint_id, instant_text(checkpoint.created_at), checkpoint.period),
        )


def _damage(damaged: Damaged) -> Step:
    return Step("seals", False, f"the stored {damaged.kind} is not what was written")


def _same(what: str, found: object, stated: object) -> None:
    if found != stated:
        raise Failure(f"{what}: recomputed {found}, stored {stated}")


def _recompute_part(
    context: Context, snapshot: Snapshot, customer: Customer, checkpoint: Checkpoint, part: Part
) -> _Recomputed:
    """Checks a month as issued and as the log has it; returns what its leaves say of the covered deltas."""
    head = snapshot.head(customer, part.period)
    if head is None or head.size < part.size:
        raise Failure(f"{part.period}: the month has fewer leaves than when the root was issued")
    sizes = {part.size, head.integrated_size} - {0}
    leaves: list[bytes] = [leaf_hash(head.opening)]
    total, found_in = 0, _Recomputed()
    for delta in snapshot.deltas_in_period(head, 1, min(max(sizes), head.delta_count + 1)):
        where = f"{part.period}, line {delta.leaf_index}"
        total += delta.delta
        _same(f"{where}: index", len(leaves), delta.leaf_index)
        hashed = leaf_hash(delta_leaf(customer.customer_id, delta))
        _same(f"{where}: leaf hash", hashed.hex(), delta.leaf_hash.hex())
        _same(f"{where}: running total", amount_text(total), amount_text(delta.period_total))
        if delta.context is not None:
            found = context_hash(delta.salt or b"", delta.context)
            _same(f"{where}: context hash", found.hex(), delta.context_hash.hex())
        _same(f"{where}: seal", delta_seal(context.storage.secret, delta).hex(), delta.seal.hex())
        inside = checkpoint.start is None or checkpoint.start <= delta.posted_at < (checkpoint.end or 0)
        if len(leaves) < part.size and inside:
            found_in.add(delta)
        leaves.append(hashed)
    if head.closing is not None and len(leaves) < max(sizes):
        closing = check_structure(parse_canonical(head.closing), CLOSING)
        _same(f"{part.period}: closing total", closing["periodTotal"], amount_text(total))
        _same(f"{part.period}: closing count", closing["deltaCount"], str(len(leaves) - 1))
        leaves.append(leaf_hash(head.closing))
        found_in.closing = closing
    _same(f"{part.period}: leaves", len(leaves), max(sizes))
    roots = prefix_roots(leaves, sizes)
    if not _was_replaced(snapshot, customer, head, checkpoint, part, leaves):
        _same(f"{part.period}: root", roots[part.size].hex(), part.root.hex())
    if head.integrated_size:
        _same(f"{part.period}: root in the log", roots[head.integrated_size].hex(), head.integrated_root.hex())
    return found_in


def _was_replaced(
    snapshot: Snapshot, customer: Customer, head: PeriodHead, checkpoint: Checkpoint, part: Part, leaves: list[bytes]
) -> bool:
    """Whether a state belongs to a tree that a restore replaced: the same deltas between other end leaves."""
    for tree in snapshot.replaced_trees(customer, part.period) if not checkpoint.locked else ():
        then = [leaf_hash(tree.opening), *leaves[1 : min(part.size, head.delta_count + 1)]]
        if tree.closing is not None and len(then) < part.size:
            then.append(leaf_hash(tree.closing))
        if prefix_roots(then, {part.size}).get(part.size) == part.root:
            return True
    return False


def _from_log(
    context: Context, snapshot: Snapshot, customer: Customer, checkpoint: Checkpoint, source: str
) -> list[Step]:
    """Checks the log's entries against the stored heads.

    The log has only the newest state of an open month; whether it contains an earlier one, the rows show (`both`).
    """
    steps: list[Step] = []
    notes: dict[str, LogCheckpoint] = {}
    for part in checkpoint.parts:
        head = snapshot.head(customer, part.period)
        log = log_of(snapshot, head) if head is not None else log_in_use(snapshot, customer)
        if log.origin not in notes:
            notes[log.origin] = _signed_note(context, log)
            steps.append(Step("log checkpoint", True, f"size {notes[log.origin].size}, signed"))
        note = notes[log.origin]
        if head is None or head.entry_index is None or head.entry_index >= note.size:
            raise Failure(f"{part.period}: not in the published log yet")
        _same_state(snapshot, customer, head, checkpoint, part, source)
        row = _log_entry(snapshot, customer, head, log)
        path = logtree.path_of(snapshot, log.id, row.index, note.size)
        reached = root_from_inclusion(leaf_hash(row.entry), row.index, note.size, path)
        _same("log root", reached.hex() if reached else None, note.root.hex())
        steps.append(Step("log entry", True, f"{part.period}: entry {row.index}"))
    return steps


def _same_state(
    snapshot: Snapshot, customer: Customer, head: PeriodHead, checkpoint: Checkpoint, part: Part, source: str
) -> None:
    """The month's state in the log is the issued one, or a later one of an open month."""
    replaced = bool(snapshot.replaced_trees(customer, part.period)) and head.integrated_root != part.root
    outgrown = not checkpoint.locked and (replaced or head.integrated_size > part.size)
    if outgrown and source == "chain":
        restored = "the record was restored from a backup, or " if replaced else ""
        problem = f"{restored}the month has grown since; source=both checks whether it still contains this state"
        raise Failure(f"{part.period}: {problem}")
    if not outgrown:
        _same(f"{part.period}: leaves in the log", head.integrated_size, part.size)
        _same(f"{part.period}: root in the log", head.integrated_root.hex(), part.root.hex())


def _log_entry(snapshot: Snapshot, customer: Customer, head: PeriodHead, log: Log) -> LogEntry:
    """The head's log entry, if it commits to the head."""
    assert head.entry_index is not None
    closed = head.closed and head.integrated_size == head.size
    stated = head_object(customer, head, log.origin, head.integrated_size, head.integrated_root, closed)
    committed = commitment(head_salt(log, stated), stated)
    (row,) = snapshot.log_entries(log.id, head.entry_index, head.entry_index + 1)
    entry = check_structure(parse_canonical(row.entry), BATCH, CLOSED)
    if closed:
        expected = canonical({"schema": CLOSED, "slot": stated["slot"], "commitment": committed.hex()})
        _same(f"{head.period}: closed entry", canonical(entry).decode(), expected.decode())
        return row
    members = unpack(row.commitments or b"")
    if committed not in members:
        raise Failure(f"{head.period}: the log batch does not contain the head's commitment")
    root = root_of_leaves([leaf_hash(member) for member in members])
    _same(f"{head.period}: batch root", root.hex(), entry.get("root"))
    return row


def _signed_note(context: Context, log: Log) -> LogCheckpoint:
    """The newest log checkpoint, if its signature is valid."""
    if log.note is None:
        raise Failure("no log checkpoint has been published yet")
    note = parse_log_checkpoint(log.note)
    _same("log origin", note.origin, log.origin)
    if not signed_by(verifier_key(context.signer, log), note):
        raise Failure("the published log checkpoint is not signed by the log's key")
    return note


async def verify(context: Context, verifier: Verifier, text: str, source: VerifySource) -> RootVerdict | DeltaVerdict:
    """The verdict on a proof root, a checkpointId, or a delta's receiptId. 404 PROOF_NOT_FOUND."""
    checkpoint = await context.look(lambda snapshot: find_checkpoint(snapshot, text), checked=False)
    if checkpoint is None:
        return await verify_delta(context, text)
    return await verify_checkpoint(context, verifier, checkpoint, text, source)


async def verify_checkpoint(
    context: Context, verifier: Verifier, checkpoint: Checkpoint, text: str, source: VerifySource
) -> RootVerdict:
    """The verdict on the checkpoint of a proof root or checkpointId."""
    checked_at, steps = await verifier.steps(checkpoint, source)
    if is_locked_anew(checkpoint, text):
        steps = [*steps, Step("restored", False, _locked_anew(checkpoint))]

    def verdict(snapshot: Snapshot) -> RootVerdict:
        shown = checkpoint if not snapshot.checks else snapshot.checkpoint(checkpoint.checkpoint_id) or checkpoint
        return _verdict(context, snapshot, shown, source, checked_at, steps)

    try:
        return await context.look(verdict)
    except Damaged as damaged:  # perhaps since the steps were taken: they are kept for a minute
        steps = [*steps, _damage(damaged)]
        try:
            return await context.look(verdict, checked=False)
        except (ValueError, LookupError, TypeError):  # not even readable
            raise damaged from None


async def verify_delta(context: Context, text: str) -> DeltaVerdict:
    """The verdict on a delta's receiptId. 404 PROOF_NOT_FOUND."""
    try:
        return await context.look(lambda snapshot: _verdict_on_delta(context, snapshot, text))
    except Damaged as damaged:
        step = _damage(damaged)
        return await context.look(lambda snapshot: _verdict_on_delta(context, snapshot, text, step), checked=False)


def is_locked_anew(checkpoint: Checkpoint, text: str) -> bool:
    """Whether the text is a former proof root of this checkpoint."""
    return text.startswith("0x") and bytes.fromhex(text[2:]) != checkpoint.proof_root


def _locked_anew(checkpoint: Checkpoint) -> str:
    """Why a root that a restored backup contained, but its published log did not, is not valid."""
    return (
        "the record was restored from a backup before this root was in the published log; the month is now locked "
        f"under 0x{checkpoint.proof_root.hex()} with the same deltas: ask for its receipt"
    )


def _verdict(
    context: Context,
    snapshot: Snapshot,
    checkpoint: Checkpoint,
    source: VerifySource,
    checked_at: float,
    steps: list[Step],
) -> RootVerdict:
    customer = snapshot.customer_at(checkpoint.customer)
    environment = snapshot.environment(customer.environment_id)
    head = snapshot.head(customer, checkpoint.parts[-1].period) if checkpoint.parts else None
    log = log_of(snapshot, head) if head is not None else snapshot.log(environment.log_id)
    key = verifier_key(context.signer, log)
    failed = next((step for step in steps if not step.ok), None)
    root = showing.hash_text(checkpoint.proof_root)
    state = "locked" if checkpoint.locked else "provisional: the month is not locked"
    summary: CheckedSummary | None = None
    if source != "chain":
        summary = {
            "recordCount": checkpoint.delta_count,
            "netChange": showing.number(checkpoint.net_change),
            "startingBalance": showing.number(checkpoint.starting_balance),
            "endingBalance": showing.number(checkpoint.starting_balance + checkpoint.net_change),
            "firstRecordAt": showing.instant(checkpoint.first_recorded_at),
            "lastRecordAt": showing.instant(checkpoint.last_recorded_at),
        }
    return {
        "verified": failed is None,
        "proofRoot": root,
        "recordedAt": instant_text(checkpoint.created_at),
        "message": f"not verified: {failed.detail}" if failed else f"recomputed and equal; {state}",
        "locked": checkpoint.locked,
        "period": checkpoint.period,
        "environment": environment.name,
        "source": source,
        "checkedAt": instant_text(int(checked_at * 1_000_000)),
        "summary": summary,
        "records": [],
        "verification": {
            "verificationReference": _reference(head, log),
            "verificationExplorerUrl": f"{context.public_url}/verify/{root}",
            "logCheckpoint": log.note,
            "logOrigin": log.origin,
            "verifierKey": str(key),
            "keyFingerprint": key.fingerprint,
            "restored": restored_view(snapshot, snapshot.log(environment.log_id)),
            "checks": [{"name": s.name, "status": "ok" if s.ok else "failed", "detail": s.detail} for s in steps],
        },
    }


def _reference(head: PeriodHead | None, log: Log) -> str | None:
    if head is None or head.entry_index is None or head.entry_index >= log.published_size:
        return None
    return str(head.entry_index)


def _verdict_on_delta(context: Context, snapshot: Snapshot, text: str, damage: Step | None = None) -> DeltaVerdict:
    """Status and times only: a delta's receiptId never shows amounts."""
    found = find_delta(snapshot, text) if text.startswith("0x") else None
    if found is None:
        lost = lost_words(snapshot)
        message = f"this server never issued this proof root{f', or {lost}' if lost else ''}"
        raise ServiceError("PROOF_NOT_FOUND", message, verified=False)
    customer, delta = found
    head, log = snapshot.head(customer, delta.period), log_in_use(snapshot, customer)
    if head is None:
        raise Damaged("month", delta.period)
    status = showing.FAILED if damage else showing.delta_status(delta, head, log)
    verified = status == showing.VERIFIED
    message = "recorded, and in the published log" if verified else f"recorded; status {status}"
    where = progress(snapshot, head, status)
    return {
        "verified": verified,
        "proofRoot": text,
        "recordedAt": instant_text(delta.recorded_at),
        "status": status,
        "message": f"not verified: {damage.detail}" if damage else message,
        "summary": None,
        "records": [],
        "verification": {
            "verificationReference": where["verificationReference"],
            "verificationExplorerUrl": f"{context.public_url}/verify/{text}",
            "verifiedAt": where["verifiedAt"],
            "checks": [
                {"name": "leaf hash", "status": "failed" if damage else "ok", "detail": damage.detail if damage else ""}
            ],
        },
    }
