"""Locks periods, and reads the receipts of scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..options import SCOPE_KEYS, check_scope, pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call
from ..types import (
    CheckpointList,
    CheckpointOptions,
    CheckpointReply,
    CloseMonthOptions,
    DiffReply,
    JobReply,
    ListCheckpointsOptions,
    MonthReply,
    PageOptions,
    ReceiptReply,
    RequestOptions,
    ScopeOptions,
    TimelineReply,
)
from .waiting import single, wait_until

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import (
        CheckpointKeywords,
        CloseMonthKeywords,
        ListCheckpointsKeywords,
        PageKeywords,
        RequestKeywords,
        ScopeKeywords,
    )

JOB_DONE = "DONE"
# A receipt always has these fields, whatever the server sends.
RECEIPT_LINKS = ("verificationApiUrl", "accessHint", "customerLinkUrl", "customerLinkHost")


def checkpoint(
    core: Core,
    customer_id: str | None = None,
    options: CheckpointOptions | None = None,
    **keywords: Unpack[CheckpointKeywords],
) -> Operation[CheckpointReply]:
    """Locks the month in `period` permanently, and returns its proof root. Any other scope locks nothing.

    Without a customer_id, a job locks every customer with activity in the period; `preview=True` only lists them.
    """
    given = read_options(CheckpointOptions, options, keywords)
    check_scope(given)
    fields = {} if customer_id is None else {"customerId": customer_id}
    body = fields | pick(given, *SCOPE_KEYS, "invoiceReference", "preview")
    return call(core, Call("POST", balance_path("checkpoint"), body=body, options=given, keyed=True))


def close_month(
    core: Core, period: str, options: CloseMonthOptions | None = None, **keywords: Unpack[CloseMonthKeywords]
) -> Operation[MonthReply]:
    """Locks a month, `YYYY-MM`, permanently for every customer with deltas in it, and waits for the end.

    The reply lists the customers that could not be locked (`failed`) and the month's `totals`. `preview=True` locks
    nothing and lists what would be locked. `timeout` (60,000 ms) and `pollInterval` (2,000 ms) apply to the wait;
    `httpTimeout` to each request. Raises TimeoutError after the deadline; the server continues, and the same call finds
    its job again.
    """
    given = read_options(CloseMonthOptions, options, keywords)
    if not period:
        raise ValidationError(f"period must be a month such as '2026-05', is {period!r}")
    body = {"period": period, **pick(given, "preview")}
    return _close_month(
        core, Call("POST", balance_path("checkpoint"), body=body, options=single(given), keyed=True), given
    )


def _close_month(core: Core, asked: Call, given: Mapping[str, Any]) -> Operation[MonthReply]:
    found = yield from call(core, asked)
    if found.get("jobId") and found.get("status") != JOB_DONE:
        path = balance_path("jobs", found["jobId"])
        job = yield from wait_until(core, path, given, lambda job: job.get("status") == JOB_DONE, _unfinished)
        found |= {**job, "locked": not job["failedCount"], "warnings": []}
    reply: MonthReply = found
    reply.setdefault("failed", [])  # missing in a preview
    reply.setdefault("failedCount", 0)
    return reply


def _unfinished(job: Mapping[str, Any]) -> str:
    return (
        f"{job.get('done')} of {job.get('total')} customers are done; the server continues: call close_month again, or "
        f"checkpoint_job({job.get('jobId')!r})"
    )


def checkpoint_job(
    core: Core, job_id: str, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[JobReply]:
    """The progress of locking a period for all customers."""
    given = read_options(RequestOptions, options, keywords)
    return call(core, Call("GET", balance_path("jobs", job_id), options=given))


def list_checkpoints(
    core: Core, options: ListCheckpointsOptions | None = None, **keywords: Unpack[ListCheckpointsKeywords]
) -> Operation[CheckpointList]:
    """Checkpoints, newest first, of one customer or all."""
    given = read_options(ListCheckpointsOptions, options, keywords)
    check_scope(given)
    query = pick(given, "customerId", *SCOPE_KEYS, "limit", "offset")
    return call(core, Call("GET", balance_path("checkpoints"), query=query, options=given))


def checkpoint_timeline(
    core: Core, customer_id: str, options: PageOptions | None = None, **keywords: Unpack[PageKeywords]
) -> Operation[TimelineReply]:
    """The periods of a customer in order: checkpoint or open head, totals, count, root and previous root."""
    given = read_options(PageOptions, options, keywords)
    path = balance_path("customers", customer_id, "timeline")
    return call(core, Call("GET", path, query=pick(given, "limit", "offset"), options=given))


def diff_checkpoints(
    core: Core,
    from_checkpoint: str,
    to_checkpoint: str,
    options: PageOptions | None = None,
    **keywords: Unpack[PageKeywords],
) -> Operation[DiffReply]:
    """Compares two checkpoints (`chk_...`) of a customer: balances, counts, and the deltas between them, in pages."""
    given = read_options(PageOptions, options, keywords)
    query = {"from": from_checkpoint, "to": to_checkpoint, **pick(given, "limit", "offset")}
    return call(core, Call("GET", balance_path("checkpoints", "diff"), query=query, options=given))


def receipt(
    core: Core, customer_id: str, options: ScopeOptions | None = None, **keywords: Unpack[ScopeKeywords]
) -> Operation[ReceiptReply]:
    """The receipt of a scope (by default the current UTC month): totals, proof root, links, deltas."""
    given = read_options(ScopeOptions, options, keywords)
    kind = "invoice-proof" if pick(given, *SCOPE_KEYS) else "receipt"
    return _receipt(core, kind, customer_id, given)


def invoice_proof(
    core: Core, customer_id: str, options: ScopeOptions | None = None, **keywords: Unpack[ScopeKeywords]
) -> Operation[ReceiptReply]:
    """The same receipt under its older name."""
    return _receipt(core, "invoice-proof", customer_id, read_options(ScopeOptions, options, keywords))


def _receipt(core: Core, kind: str, customer_id: str, given: Mapping[str, Any]) -> Operation[ReceiptReply]:
    check_scope(given)
    path = balance_path(kind, customer_id)
    found = yield from call(core, Call("GET", path, query=pick(given, *SCOPE_KEYS), options=given))
    links = {name: found.get(name) for name in RECEIPT_LINKS} if isinstance(found, dict) else {}
    for name, link in links.items():
        found[name] = None if link is None else str(link)
    reply: ReceiptReply = found
    return reply
