"""The contents of the page of a proof root or of one delta. It never names the customer."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pacspace_proofs.command import printable

from ..domain.amounts import amount_text
from ..domain.enumerations import VerifySource
from ..service.base.context import Context
from ..service.base.lookup import find_checkpoint, find_delta, log_in_use, log_of, verifier_key
from ..service.proving import verify as verify_service
from ..service.proving.verify import UNREADABLE, is_locked_anew
from ..service.receipts.receipt import integrated, is_integrated
from ..storage.model.protocols import Snapshot
from ..storage.model.records import Checkpoint, Customer, Log
from ..views.public import Check, DeltaVerdict, RootVerdict
from ..views.shapes import Restored
from . import words
from .words import Moment

# States of a verdict. LOCKED and OPEN: recomputed from the stored deltas and from the log, with equal results.
# ANEW: a root from before a restore, which was not in the published log of the backup.
LOCKED, OPEN, OUTGROWN, WAITING, DIFFERS, ANEW = "locked", "open", "outgrown", "waiting", "differs", "anew"
CHECKS = {
    "rows": "Every delta was read and hashed again",
    "root": "The hashes result in exactly this proof root",
    "totals": "The amounts add up to this total, over this number of deltas",
    "shown": "Instants, balances and the lock\u2019s details are those of the hashed deltas",
    "seals": "The rows shown are those that were written",
    "log checkpoint": "The log\u2019s newest checkpoint is signed by the log\u2019s key",
    "log entry": "The month\u2019s root is in the log under that checkpoint",
    "restored": "The record was restored from a backup before this root was in the published log",
    "db": "Recomputed from the stored deltas",
    "chain": "Recomputed from the published log",
}
SHOWN_DETAILS = ("log entry",)
# A delta's status -> its word on the page.
DELTA_WORDS = {"QUEUED": "recording", "PROCESSING": "recording", "VERIFIED": "recorded"}


@dataclass(frozen=True)
class CheckLine:
    """One check of the recomputation."""

    ok: bool
    title: str
    detail: str


@dataclass(frozen=True)
class LogFacts:
    """The log that a page refers to."""

    environment: str
    origin: str
    verifier_key: str
    fingerprint: str
    size: int


@dataclass(frozen=True)
class ProofView:
    """The page of a proof root."""

    state: str
    locked: bool
    period: str
    whole_month: bool
    total: str
    total_exact: str
    unit: str | None
    records: int
    handed_out: Moment
    first: Moment | None
    last: Moment | None
    root: str
    entry: int | None
    log: LogFacts
    checks: list[CheckLine]
    checked: Moment
    commands: list[str]
    restored: Restored | None
    frozen: bool


@dataclass(frozen=True)
class DeltaView:
    """The page of one delta: status and times, without the amount."""

    word: str
    receipt_id: str
    recorded: Moment
    verified: Moment | None
    entry: int | None
    intact: bool
    log: LogFacts


async def look_up(context: Context, verifier: verify_service.Verifier, text: str) -> ProofView | DeltaView:
    """The verdict on a proof root, a checkpointId or a delta's receiptId. Raises as verify does."""
    checkpoint = await context.look(lambda snapshot: find_checkpoint(snapshot, text), checked=False)
    if checkpoint is None:
        return await context.read(_delta, context, text, await verify_service.verify_delta(context, text))
    outgrown = await context.read(_outgrown, context, checkpoint)
    waiting = not outgrown and not await context.wait_for_log(lambda: is_integrated(context, checkpoint))
    waiting = waiting and not await context.read(_damaged, context, checkpoint)
    source: VerifySource = "db" if outgrown or waiting else "both"
    verdict = await verify_service.verify_checkpoint(context, verifier, checkpoint, text, source)
    if is_locked_anew(checkpoint, text):
        state = ANEW
    elif not verdict["verified"]:
        state = DIFFERS
    elif outgrown or waiting:
        state = OUTGROWN if outgrown else WAITING
    else:
        state = LOCKED if checkpoint.locked else OPEN
    return await context.look(lambda snapshot: _proof(context, snapshot, checkpoint, state, verdict), checked=False)


def _outgrown(context: Context, checkpoint: Checkpoint) -> bool:
    """Whether an open month has grown since this root was issued: the log has only its newest root."""
    if checkpoint.locked:
        return False
    with context.storage.snapshot(checked=False) as snapshot:
        customer = snapshot.customer_at(checkpoint.customer)
        for part in checkpoint.parts:
            head = snapshot.head(customer, part.period)
            if head is None:
                continue
            replaced = head.frontier.root != part.root and snapshot.replaced_trees(customer, part.period)
            if replaced or head.size > part.size:
                return True
    return False


def _damaged(context: Context, checkpoint: Checkpoint) -> bool:
    """Whether a month is missing or damaged: then waiting for the log is not the problem."""
    with context.storage.snapshot(checked=False) as snapshot:
        if integrated(snapshot, checkpoint):
            return False
        customer = snapshot.customer_at(checkpoint.customer)
        heads = [snapshot.head(customer, part.period) for part in checkpoint.parts]
    return any(
        head is None or head.damaged or head.size < part.size
        for head, part in zip(heads, checkpoint.parts, strict=True)
    )


def _proof(context: Context, snapshot: Snapshot, checkpoint: Checkpoint, state: str, verdict: RootVerdict) -> ProofView:
    customer = snapshot.customer_at(checkpoint.customer)
    head = snapshot.head(customer, checkpoint.parts[-1].period)
    log = facts_of(context, log_of(snapshot, head) if head is not None else log_in_use(snapshot, customer))
    reference = verdict["verification"]["verificationReference"]
    if checkpoint.start is None or checkpoint.end is None:
        period = words.month_text(checkpoint.period or checkpoint.parts[0].period)
    else:
        period = words.window_text(checkpoint.start, checkpoint.end)
    return ProofView(
        state=state,
        locked=checkpoint.locked,
        period=period,
        whole_month=checkpoint.start is None,
        total=words.amount(checkpoint.net_change),
        total_exact=amount_text(checkpoint.net_change),
        unit=printable(customer.unit) if customer.unit else None,
        records=checkpoint.delta_count,
        handed_out=words.moment(checkpoint.created_at),
        first=_moment(checkpoint.first_recorded_at),
        last=_moment(checkpoint.last_recorded_at),
        root=verdict["proofRoot"],
        entry=None if reference is None or state == OUTGROWN else int(reference),
        log=log,
        checks=[_check_line(check, customer) for check in verdict["verification"]["checks"]],
        checked=words.moment_of(verdict["checkedAt"]),
        # Only a state in the current log has a receipt file.
        commands=commands(context.public_url, checkpoint, log.verifier_key) if state in (LOCKED, OPEN, DIFFERS) else [],
        restored=verdict["verification"]["restored"],
        frozen=log.origin != log_in_use(snapshot, customer).origin,
    )


def _moment(at_us: int | None) -> Moment | None:
    return None if at_us is None else words.moment(at_us)


def _check_line(check: Check, customer: Customer) -> CheckLine:
    """A check in words. It names the difference, but never quotes a whole stored row or names the customer."""
    ok, name = check["status"] == "ok", check["name"]
    detail = printable(check["detail"])
    if ok and name not in SHOWN_DETAILS:
        detail = ""
    elif not ok and (customer.customer_id in detail or detail.startswith(UNREADABLE)):
        detail = detail.partition(":")[0]
    return CheckLine(ok, CHECKS.get(name, name), detail)


def commands(public_url: str, checkpoint: Checkpoint, verifier_key: str) -> list[str]:
    """The commands that verify the totals offline: fetch the summary receipt, recompute it."""
    url = f"{public_url}/receipts/0x{checkpoint.proof_root.hex()}.json?kind=summary"
    allowed = "--allow-summary" if checkpoint.locked else "--allow-summary --allow-provisional"
    return [
        f"curl -o receipt.json {shlex.quote(url)}",
        f"python -m pacspace_proofs receipt.json --key '{verifier_key}' {allowed}",
    ]


def log_facts(context: Context, snapshot: Snapshot, environment_id: int) -> LogFacts:
    return facts_of(context, snapshot.log(snapshot.environment(environment_id).log_id))


def facts_of(context: Context, log: Log) -> LogFacts:
    key = verifier_key(context.signer, log)
    return LogFacts(log.environment, log.origin, str(key), key.fingerprint, log.published_size)


def _delta(context: Context, text: str, verdict: DeltaVerdict) -> DeltaView:
    verification = verdict["verification"]
    intact = all(check["status"] == "ok" for check in verification["checks"])
    reference, verified_at = verification["verificationReference"], verification["verifiedAt"]
    with context.storage.snapshot(checked=False) as snapshot:
        found = find_delta(snapshot, text)
        assert found is not None, "verify has just found it"
        log = log_facts(context, snapshot, found[0].environment_id)
    return DeltaView(
        word=DELTA_WORDS.get(verdict["status"], "held back") if intact else "held back",
        receipt_id=text,
        recorded=words.moment_of(verdict["recordedAt"]),
        verified=words.moment_of(verified_at) if verified_at else None,
        entry=None if reference is None else int(reference),
        intact=intact and verdict["status"] in DELTA_WORDS,
        log=log,
    )
