"""Records deltas, and waits until they are verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import PacSpaceError, ValidationError
from ..exact import exact_amount
from ..instants import instant_text
from ..options import camel_case, nearest, pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call
from ..types import (
    Amount,
    BatchItem,
    BatchReply,
    DeltaStatus,
    EmitAndWaitOptions,
    EmitOptions,
    EmitReply,
    PollOptions,
    RequestOptions,
)
from .waiting import single, wait_until

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import EmitAndWaitKeywords, PollKeywords, RequestKeywords

DELTA_FIELDS = ("referenceId", "metadata", "occurredAt", "adjusts")
TERMINAL = ("VERIFIED", "FAILED")


def emit(core: Core, customer_id: Any, delta: Any, reason: Any, given: Mapping[str, Any]) -> Operation[EmitReply]:
    """Records one delta. Both surfaces read its arguments, which may also be a single dict."""
    body = _delta({"customerId": customer_id, "delta": delta, "reason": reason, **pick(given, *DELTA_FIELDS)})
    return call(core, Call("POST", balance_path("delta"), body=body, options=given, keyed=True))


def read_emit(
    request: Any, delta: Any, reason: Any, options: EmitOptions | None, keywords: Mapping[str, Any]
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """customer_id, delta, reason and options of `emit`, from positional arguments or one dict."""
    if not isinstance(request, Mapping):
        named = {"customer_id": request, "delta": delta, "reason": reason}
        if missing := [name for name, value in named.items() if value is None]:
            raise TypeError(f"emit() needs {', '.join(missing)}")
        return request, delta, reason, read_options(EmitOptions, options, keywords)
    if delta is not None or reason is not None or options is not None:
        raise TypeError("emit() takes one dict, or customer_id, delta and reason")
    rest = {camel_case(name): value for name, value in request.items()}
    required = [rest.pop(name, None) for name in ("customerId", "delta", "reason")]
    if None in required:
        raise TypeError("emit() needs customerId, delta and reason in its dict")
    return required[0], required[1], required[2], read_options(EmitOptions, rest, keywords)


def emit_batch(
    core: Core,
    deltas: Sequence[BatchItem],
    options: RequestOptions | None = None,
    **keywords: Unpack[RequestKeywords],
) -> Operation[BatchReply]:
    """Records up to 1,000 deltas in one request, each judged separately: `results` has the outcome of each.

    Retries after a failure use the same idempotency key, so nothing is recorded twice.
    """
    given = read_options(RequestOptions, options, keywords)
    if isinstance(deltas, Mapping | str):
        raise TypeError("emit_batch() takes a list of deltas")
    body = {"deltas": [_batch_item(index, item) for index, item in enumerate(deltas)]}
    return call(core, Call("POST", balance_path("delta", "batch"), body=body, options=given, keyed=True))


def emit_and_wait(
    core: Core,
    customer_id: str,
    delta: Amount,
    reason: str,
    options: EmitAndWaitOptions | None = None,
    **keywords: Unpack[EmitAndWaitKeywords],
) -> Operation[EmitReply | DeltaStatus]:
    """Records one delta and waits until it is VERIFIED or FAILED (which is returned, not raised).

    `timeout` (60,000 ms) and `pollInterval` (2,000 ms) apply to the wait; `httpTimeout` to each request.
    Raises TimeoutError after the deadline; the delta is recorded nevertheless.
    """
    given = read_options(EmitAndWaitOptions, options, keywords)
    emitted = yield from emit(core, customer_id, delta, reason, single(given, *DELTA_FIELDS))
    if emitted.get("status") in TERMINAL:
        return emitted
    record_id = emitted.get("recordId")
    if not record_id:
        raise PacSpaceError("the reply to emit has no recordId to wait for", code="API_ERROR")
    return (yield from _wait_for_verified(core, record_id, given))


def delta_status(
    core: Core, record_id: str, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[DeltaStatus]:
    """One delta by recordId or receiptId, with its status: QUEUED, PROCESSING, VERIFIED or FAILED."""
    given = read_options(RequestOptions, options, keywords)
    return call(core, Call("GET", balance_path("delta", record_id), options=given))


def wait_for_verified(
    core: Core, record_id: str, options: PollOptions | None = None, **keywords: Unpack[PollKeywords]
) -> Operation[DeltaStatus]:
    """Waits until a delta is VERIFIED or FAILED and returns it; options and TimeoutError as in `emit_and_wait`."""
    return _wait_for_verified(core, record_id, read_options(PollOptions, options, keywords))


def _wait_for_verified(core: Core, record_id: str, given: Mapping[str, Any]) -> Operation[DeltaStatus]:
    return wait_until(
        core,
        balance_path("delta", record_id),
        given,
        lambda found: found.get("status") in TERMINAL,
        lambda found: f"{record_id} is {found.get('status')}; it is recorded, and may be verified later",
    )


def _delta(fields: dict[str, Any], where: str = "") -> dict[str, Any]:
    """One delta for the request. `where` is its place in the request, for errors."""
    adjusts = fields.get("adjusts")
    if adjusts is not None and not isinstance(adjusts, Mapping):
        field, problem = f"{where}adjusts", 'a dict such as {"referenceId": "d1"}'
        raise ValidationError(
            f"{field}: {problem}, not {type(adjusts).__name__}", details=[{"field": field, "problem": problem}]
        )
    return {**fields, "delta": exact_amount(fields.get("delta"), f"{where}delta")}


def _batch_item(index: int, item: Any) -> dict[str, Any]:
    where = f"deltas[{index}]"
    if not isinstance(item, Mapping):
        raise ValidationError(f"{where} must be a dict, is {type(item).__name__}")
    known = {**BatchItem.__annotations__}
    fields = {camel_case(name): value for name, value in item.items()}
    for name in fields:
        if name not in known:
            raise TypeError(f"{where} has no field {name!r}{nearest(name, known)}")
    fields = {name: instant_text(value, f"{where}.{name}") for name, value in fields.items() if value is not None}
    return _delta(fields, f"{where}.")
