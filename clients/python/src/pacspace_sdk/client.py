"""The two clients, `PacSpace` and `AsyncPacSpace`: settings, drivers for the effects, and the surfaces."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

from .balance import AsyncBalance, Balance
from .config import (
    LIVE_CHAIN_ID,
    TEST_CHAIN_ID,
    TEST_PREFIX,
    ClientConfig,
    check_api_key,
    choose_base_url,
)
from .customers import AsyncCustomers, Customers
from .drivers import drive, drive_async
from .errors import PacSpaceError
from .operations import workspace
from .protocol import Core, NoReply, Operation, Send, Wait
from .receipts import AsyncReceipts, Receipts
from .sandbox import AsyncSandbox, Sandbox
from .submission import AsyncSubmissionCoordinator, SubmissionCoordinator
from .summaries import Chunk
from .surface import AsyncSurface, Surface, awaitable, blocking
from .transport import (
    AsyncHttpxTransport,
    AsyncTransport,
    HttpResponse,
    HttpxTransport,
    Transport,
    TransportResponse,
)
from .types import BatchReply, SubmissionOptions
from .webhooks import Webhooks

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncHttpClient", "AsyncPacSpace", "ClientConfig", "HttpClient", "PacSpace", "TransportResponse", "time"]

P = ParamSpec("P")
C = TypeVar("C")
T = TypeVar("T")
TransportT = TypeVar("TransportT")


class HttpClient:
    """The blocking driver: sends with the transport, waits with `time.sleep`."""

    config: ClientConfig

    def __init__(self, config: ClientConfig, transport: Transport | None = None) -> None:
        self.config = config
        self._own = None if transport else HttpxTransport()
        self._transport: Transport = transport or self._own or HttpxTransport()

    def run(self, operation: Operation[T]) -> T:
        return drive(operation, self._perform)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def _perform(self, effect: Send | Wait) -> HttpResponse | None:
        if isinstance(effect, Wait):
            time.sleep(effect.seconds)
            return None
        try:
            return self._transport(effect.method, effect.url, effect.headers, effect.body, effect.timeout_ms)
        except Exception as error:
            raise NoReply(_reason(error)) from error


class AsyncHttpClient:
    """The driver on an event loop; a transport may also be a plain function."""

    config: ClientConfig

    def __init__(self, config: ClientConfig, transport: AsyncTransport | None = None) -> None:
        self.config = config
        self._own = None if transport else AsyncHttpxTransport()
        self._transport: AsyncTransport = transport or self._own or AsyncHttpxTransport()

    async def run(self, operation: Operation[T]) -> T:
        return await drive_async(operation, self._perform)

    async def close(self) -> None:
        if self._own is not None:
            await self._own.close()

    async def _perform(self, effect: Send | Wait) -> HttpResponse | None:
        if isinstance(effect, Wait):
            import asyncio

            await asyncio.sleep(effect.seconds)
            return None
        try:
            reply = self._transport(effect.method, effect.url, effect.headers, effect.body, effect.timeout_ms)
            return await reply if inspect.isawaitable(reply) else reply
        except Exception as error:
            raise NoReply(_reason(error)) from error


class Client(Generic[TransportT]):
    """The parameters of both clients.

    The address is `base_url`; else `sandbox_url` for a `pk_test_` key and `production_url` for any other, or the other
    of the two if only that is given; else PACSPACE_BASE_URL; else, for a test key, the local server at
    http://127.0.0.1:8787. `timeout` is in milliseconds, for one request; a request is sent at most `max_retries` + 1
    times. With `decimals`, every number in a reply is a Decimal. `submission` has the options for summaries
    (`types.SubmissionOptions`). `transport` replaces httpx2: it is called with method, url, headers, body text or None,
    and the time-out, and returns an object with `status_code`, `headers` (lower-case names) and `body` (bytes).

    Raises PacSpaceError with code MISSING_API_KEY, INVALID_URL or INVALID_SUBMISSION_PROFILE.
    """

    config: ClientConfig
    webhooks: Webhooks | None

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        sandbox_url: str | None = None,
        production_url: str | None = None,
        chain_id: int | str | None = None,
        credit_pool_id: int | str | None = None,
        max_retries: int = 2,
        timeout: int = 30_000,
        webhook_secret: str | None = None,
        submission: SubmissionOptions | None = None,
        transport: TransportT | None = None,
        decimals: bool = False,
    ) -> None:
        key = check_api_key(api_key)
        if max_retries < 0 or timeout <= 0:
            raise PacSpaceError(f"max_retries must be at least 0 ({max_retries}), timeout above 0 ({timeout})")
        standard_chain = TEST_CHAIN_ID if key.startswith(TEST_PREFIX) else LIVE_CHAIN_ID
        self.config = ClientConfig(
            api_key=key,
            base_url=choose_base_url(key, base_url, sandbox_url, production_url),
            chain_id=standard_chain if chain_id is None else chain_id,
            credit_pool_id=credit_pool_id,
            max_retries=max_retries,
            timeout=timeout,
            decimals=decimals,
        )
        self.webhooks = Webhooks(webhook_secret) if webhook_secret else None
        self._core = Core(self.config)
        self._connect(transport, submission)

    @classmethod
    def init(cls: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
        """The same as the constructor."""
        return cls(*args, **kwargs)

    def __repr__(self) -> str:
        key = self.config.api_key.partition(".")[0]
        return f"{type(self).__name__}({key!r}, base_url={self.config.base_url!r})"

    def _connect(self, transport: TransportT | None, submission: SubmissionOptions | None) -> None:
        raise NotImplementedError


class PacSpace(Client[Transport], Surface[Core]):
    """A client for one key, safe for several threads. Use it as a context manager, or call `shutdown()` at the end."""

    balance: Balance
    customers: Customers
    receipts: Receipts
    sandbox: Sandbox

    verify: Final = blocking(workspace.verify)

    def _connect(self, transport: Transport | None, submission: SubmissionOptions | None) -> None:
        self._http = HttpClient(self.config, transport)
        self._run = self._http.run
        coordinator = SubmissionCoordinator(submit_batch=self._submit, options=submission)
        self.balance = Balance(self._core, self._run, coordinator)
        self.customers = Customers(self._core, self._run)
        self.receipts = Receipts(self._core, self._run)
        self.sandbox = Sandbox(self._core, self._run)

    def _submit(self, chunk: Chunk) -> BatchReply:
        return self.balance.emit_batch(chunk, idempotencyKey=chunk.idempotency_key)  # type: ignore[arg-type]

    def close(self, reason: str = "SDK closed") -> None:
        """Stops the scheduler and closes connections without a flush; later calls raise CLIENT_CLOSED."""
        self.balance.submission.close(reason)
        self._core.closed = self._core.closed or reason
        self._http.close()

    def shutdown(self, reason: str = "SDK shutdown") -> None:
        """Flushes waiting summaries (unless `autoFlushOnShutdown` is False), then closes."""
        if self._core.closed is None:
            self.balance.submission.shutdown()
        self.close(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()


class AsyncPacSpace(Client[AsyncTransport], AsyncSurface[Core]):
    """The same client for an event loop. Use it with `async with`, or `await shutdown()` at the end."""

    balance: AsyncBalance
    customers: AsyncCustomers
    receipts: AsyncReceipts
    sandbox: AsyncSandbox

    verify: Final = awaitable(workspace.verify)

    def _connect(self, transport: AsyncTransport | None, submission: SubmissionOptions | None) -> None:
        self._http = AsyncHttpClient(self.config, transport)
        self._run = self._http.run
        coordinator = AsyncSubmissionCoordinator(submit_batch=self._submit, options=submission)
        self.balance = AsyncBalance(self._core, self._run, coordinator)
        self.customers = AsyncCustomers(self._core, self._run)
        self.receipts = AsyncReceipts(self._core, self._run)
        self.sandbox = AsyncSandbox(self._core, self._run)

    async def _submit(self, chunk: Chunk) -> BatchReply:
        return await self.balance.emit_batch(chunk, idempotencyKey=chunk.idempotency_key)  # type: ignore[arg-type]

    async def close(self, reason: str = "SDK closed") -> None:
        """Stops the scheduler and closes connections without a flush; later calls raise CLIENT_CLOSED."""
        await self.balance.submission.close(reason)
        self._core.closed = self._core.closed or reason
        await self._http.close()

    async def shutdown(self, reason: str = "SDK shutdown") -> None:
        """Flushes waiting summaries (unless `autoFlushOnShutdown` is False), then closes."""
        if self._core.closed is None:
            await self.balance.submission.shutdown()
        await self.close(reason)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.shutdown()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
