"""`pac.balance`: the balance API, blocking and async. The operations are written once, in `operations`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar, overload

from .operations import balances, checkpoints, deltas, workspace
from .operations import customers as directory
from .protocol import Core
from .submission import AsyncSubmissionCoordinator, SubmissionCoordinator
from .surface import (
    AsyncRunner,
    AsyncSurface,
    Runner,
    Surface,
    async_iterating,
    awaitable,
    blocking,
    iterating,
)
from .types import (
    Amount,
    CompareOptions,
    CompareReply,
    CompareRequest,
    EmitOptions,
    EmitReply,
    EmitRequest,
    LongViews,
    ShortViews,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .types import CompareKeywords, EmitKeywords, RequestKeywords

P = ParamSpec("P")
T = TypeVar("T")


def submission(
    method: Callable[Concatenate[SubmissionCoordinator, P], T],
) -> Callable[Concatenate[Balance, P], T]:
    """Makes a method of the coordinator a method of the balance."""

    @wraps(method)
    def forwarded(self: Balance, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self.submission, *args, **kwargs)

    return forwarded


def async_submission(
    method: Callable[Concatenate[AsyncSubmissionCoordinator, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[AsyncBalance, P], Coroutine[Any, Any, T]]:
    """The same for the async surface."""

    @wraps(method)
    async def forwarded(self: AsyncBalance, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await method(self.submission, *args, **kwargs)

    return forwarded


class Balance(Surface[Core]):
    """The balance API. Every call takes its options as a dict last, or as keyword arguments."""

    def __init__(self, core: Core, run: Runner, submission: SubmissionCoordinator) -> None:
        super().__init__(core, run)
        self.submission = submission

    @overload
    def emit(self, customer_id: EmitRequest, **keywords: Unpack[RequestKeywords]) -> EmitReply: ...
    @overload
    def emit(
        self,
        customer_id: str,
        delta: Amount,
        reason: str,
        options: EmitOptions | None = None,
        **keywords: Unpack[EmitKeywords],
    ) -> EmitReply: ...
    def emit(
        self, customer_id: Any, delta: Any = None, reason: Any = None, options: Any = None, **keywords: Any
    ) -> EmitReply:
        """Records one signed amount (negative for a debit) and returns once it is durable and counted.

        Takes customer_id, delta and reason, or a single dict. Retries after a failure use the same idempotency key, so
        nothing is recorded twice. Raises ConflictError if the referenceId belongs to another delta, ValidationError,
        RateLimitError, ServiceUnavailableError and the other PacSpaceErrors.
        """
        return self._run(deltas.emit(self._core, *deltas.read_emit(customer_id, delta, reason, options, keywords)))

    @overload
    def compare(self, customer_id: CompareRequest, **keywords: Unpack[RequestKeywords]) -> CompareReply: ...
    @overload
    def compare(
        self,
        customer_id: str,
        views: ShortViews | LongViews,
        options: CompareOptions | None = None,
        **keywords: Unpack[CompareKeywords],
    ) -> CompareReply: ...
    def compare(self, customer_id: Any, views: Any = None, options: Any = None, **keywords: Any) -> CompareReply:
        """Reports which of two balances matches the record; with `theirRecords`, also the entries that differ."""
        return self._run(balances.compare(self._core, *balances.read_compare(customer_id, views, options, keywords)))

    emit_batch: Final = blocking(deltas.emit_batch)
    emit_and_wait: Final = blocking(deltas.emit_and_wait)
    delta_status: Final = blocking(deltas.delta_status)
    get_record_status: Final = blocking(deltas.delta_status)
    wait_for_verified: Final = blocking(deltas.wait_for_verified)

    derive: Final = blocking(balances.derive)
    derive_current_month: Final = blocking(balances.derive_current_month)
    derive_for_period: Final = blocking(balances.derive_for_period)
    derive_months_back: Final = blocking(balances.derive_months_back)
    derive_days_back: Final = blocking(balances.derive_days_back)
    iter_deltas: Final = iterating(balances.iter_deltas)

    checkpoint: Final = blocking(checkpoints.checkpoint)
    close_month: Final = blocking(checkpoints.close_month)
    checkpoint_job: Final = blocking(checkpoints.checkpoint_job)
    list_checkpoints: Final = blocking(checkpoints.list_checkpoints)
    checkpoint_timeline: Final = blocking(checkpoints.checkpoint_timeline)
    diff_checkpoints: Final = blocking(checkpoints.diff_checkpoints)
    receipt: Final = blocking(checkpoints.receipt)
    invoice_proof: Final = blocking(checkpoints.invoice_proof)

    customers: Final = blocking(directory.customers)
    customer: Final = blocking(directory.customer)
    iter_customers: Final = iterating(directory.iter_customers)
    usage: Final = blocking(workspace.usage)
    gaps: Final = blocking(workspace.gaps)
    list_webhook_deliveries: Final = blocking(workspace.list_webhook_deliveries)
    retry_webhook: Final = blocking(workspace.retry_webhook)

    queue_summary: Final = submission(SubmissionCoordinator.queue_summary)
    queue_summaries: Final = submission(SubmissionCoordinator.queue_summaries)
    flush_summaries: Final = submission(SubmissionCoordinator.flush_summaries)
    start_summary_scheduler: Final = submission(SubmissionCoordinator.start_scheduler)
    stop_summary_scheduler: Final = submission(SubmissionCoordinator.stop_scheduler)
    shutdown_summary_scheduler: Final = submission(SubmissionCoordinator.shutdown)
    get_summary_queue_state: Final = submission(SubmissionCoordinator.get_queue_state)


class AsyncBalance(AsyncSurface[Core]):
    """The balance API on an event loop. Every call takes its options as a dict last, or as keyword arguments."""

    def __init__(self, core: Core, run: AsyncRunner, submission: AsyncSubmissionCoordinator) -> None:
        super().__init__(core, run)
        self.submission = submission

    @overload
    async def emit(self, customer_id: EmitRequest, **keywords: Unpack[RequestKeywords]) -> EmitReply: ...
    @overload
    async def emit(
        self,
        customer_id: str,
        delta: Amount,
        reason: str,
        options: EmitOptions | None = None,
        **keywords: Unpack[EmitKeywords],
    ) -> EmitReply: ...
    async def emit(
        self, customer_id: Any, delta: Any = None, reason: Any = None, options: Any = None, **keywords: Any
    ) -> EmitReply:
        """Like `Balance.emit`."""
        request = deltas.read_emit(customer_id, delta, reason, options, keywords)
        return await self._run(deltas.emit(self._core, *request))

    @overload
    async def compare(self, customer_id: CompareRequest, **keywords: Unpack[RequestKeywords]) -> CompareReply: ...
    @overload
    async def compare(
        self,
        customer_id: str,
        views: ShortViews | LongViews,
        options: CompareOptions | None = None,
        **keywords: Unpack[CompareKeywords],
    ) -> CompareReply: ...
    async def compare(self, customer_id: Any, views: Any = None, options: Any = None, **keywords: Any) -> CompareReply:
        """Like `Balance.compare`."""
        request = balances.read_compare(customer_id, views, options, keywords)
        return await self._run(balances.compare(self._core, *request))

    emit_batch: Final = awaitable(deltas.emit_batch)
    emit_and_wait: Final = awaitable(deltas.emit_and_wait)
    delta_status: Final = awaitable(deltas.delta_status)
    get_record_status: Final = awaitable(deltas.delta_status)
    wait_for_verified: Final = awaitable(deltas.wait_for_verified)

    derive: Final = awaitable(balances.derive)
    derive_current_month: Final = awaitable(balances.derive_current_month)
    derive_for_period: Final = awaitable(balances.derive_for_period)
    derive_months_back: Final = awaitable(balances.derive_months_back)
    derive_days_back: Final = awaitable(balances.derive_days_back)
    iter_deltas: Final = async_iterating(balances.iter_deltas)

    checkpoint: Final = awaitable(checkpoints.checkpoint)
    close_month: Final = awaitable(checkpoints.close_month)
    checkpoint_job: Final = awaitable(checkpoints.checkpoint_job)
    list_checkpoints: Final = awaitable(checkpoints.list_checkpoints)
    checkpoint_timeline: Final = awaitable(checkpoints.checkpoint_timeline)
    diff_checkpoints: Final = awaitable(checkpoints.diff_checkpoints)
    receipt: Final = awaitable(checkpoints.receipt)
    invoice_proof: Final = awaitable(checkpoints.invoice_proof)

    customers: Final = awaitable(directory.customers)
    customer: Final = awaitable(directory.customer)
    iter_customers: Final = async_iterating(directory.iter_customers)
    usage: Final = awaitable(workspace.usage)
    gaps: Final = awaitable(workspace.gaps)
    list_webhook_deliveries: Final = awaitable(workspace.list_webhook_deliveries)
    retry_webhook: Final = awaitable(workspace.retry_webhook)

    queue_summary: Final = async_submission(AsyncSubmissionCoordinator.queue_summary)
    queue_summaries: Final = async_submission(AsyncSubmissionCoordinator.queue_summaries)
    flush_summaries: Final = async_submission(AsyncSubmissionCoordinator.flush_summaries)
    start_summary_scheduler: Final = async_submission(AsyncSubmissionCoordinator.start_scheduler)
    stop_summary_scheduler: Final = async_submission(AsyncSubmissionCoordinator.stop_scheduler)
    shutdown_summary_scheduler: Final = async_submission(AsyncSubmissionCoordinator.shutdown)
    get_summary_queue_state: Final = async_submission(AsyncSubmissionCoordinator.get_queue_state)
