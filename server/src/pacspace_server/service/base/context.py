"""What every verb works with: storage, committer, log, and the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from ...domain import enumerations
from ...domain.scopes import ScopeError
from ...log.integrator import Integrator
from ...log.signer import Signer
from ...storage.model import ids
from ...storage.model.protocols import Snapshot, Storage
from ...storage.model.records import Customer
from ...storage.writing.committer import Committer
from .errors import ServiceError, invalid, unavailable
from .passwords import PasswordThreads
from .server_secret import ServerSecret

T = TypeVar("T")
LOG_WAIT_S = 2.0
SCOPES: tuple[enumerations.KeyScope, ...] = ("read", "write", "admin")
# The scopes of each role. `owner` is not a scope of API keys, and no other scope includes it.
SCOPES_OF: dict[str, tuple[str, ...]] = {
    "viewer": ("read",),
    "admin": SCOPES,
    "owner": (*SCOPES, "owner"),
}


@dataclass(frozen=True)
class Caller:
    """The sender of a request, its environment, and its permissions there.

    `actor` is `key:<id>`, `user:<e-mail>` or `command`; a user has a role too.
    """

    environment_id: int
    environment: enumerations.EnvironmentOrNone
    workspace_id: str
    scopes: tuple[str, ...]
    actor: str = ""
    role: str | None = None

    def require(self, scope: str) -> None:
        if scope in self.scopes or (scope != "owner" and "admin" in self.scopes):
            return
        if self.role is not None:
            raise ServiceError("FORBIDDEN", f"your role, {self.role}, does not allow this: ask an owner")
        raise ServiceError("FORBIDDEN", f"this API key has no {scope} scope")

    def require_sandbox(self) -> None:
        if self.environment != "sandbox":
            raise ServiceError("FORBIDDEN", "only the sandbox allows this: use a pk_test_ key")


@dataclass
class Context:
    """What every verb works with, complete from the start."""

    storage: Storage
    committer: Committer
    integrator: Integrator
    signer: Signer
    server_secret: ServerSecret
    public_url: str
    registration: bool = False  # whether anyone may create a workspace
    passwords: PasswordThreads = field(default_factory=PasswordThreads)
    key_uses: dict[str, int] = field(default_factory=dict)  # last use of each API key, not yet written
    _published: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._shard = lru_cache(maxsize=10_000)(
            lambda workspace, environment, customer: ids.shard_key(
                self.storage.secret, workspace, environment, customer
            )
        )

    def shard(self, caller: Caller, customer_id: str) -> bytes:
        return self._shard(caller.workspace_id, caller.environment, customer_id)

    def need_signing(self, environment_id: int) -> None:
        """503 while signing is stopped: a lock or root issued now would have to be issued again."""
        reason = self.integrator.refusals.get(environment_id)
        if reason is not None:
            raise unavailable(f"signing is stopped: {reason}")

    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """Reads without blocking the event loop: from a remote engine on a thread; from a file directly."""
        if self.storage.remote:
            return await asyncio.to_thread(work, *arguments)
        return work(*arguments)

    async def look(self, work: Callable[[Snapshot], T], checked: bool = True) -> T:
        """The same, with a new snapshot; unchecked, to say what is damaged."""

        def looking() -> T:
            with self.storage.snapshot(checked) as snapshot:
                return work(snapshot)

        return await self.read(looking)

    def announce_published(self) -> None:
        """Wakes all tasks that wait for the log. Call it on the event loop."""
        self._published.set()
        self._published = asyncio.Event()

    async def wait_for_log(self, is_there: Callable[[], bool]) -> bool:
        """Waits up to 2 s for `is_there` to hold."""
        deadline = time.monotonic() + LOG_WAIT_S
        while True:
            published = self._published
            if await self.read(is_there):
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            try:
                await asyncio.wait_for(published.wait(), remaining)
            except TimeoutError:
                return await self.read(is_there)


def find_customer(context: Context, snapshot: Snapshot, caller: Caller, customer_id: str) -> Customer:
    """The customer in the caller's environment; 404 CUSTOMER_NOT_FOUND."""
    customer = snapshot.customer(caller.environment_id, context.shard(caller, customer_id))
    if customer is None or customer.customer_id != customer_id:
        raise ServiceError("CUSTOMER_NOT_FOUND", f"no customer {customer_id} in the {caller.environment} environment")
    return customer


def scope_error(error: ScopeError) -> ServiceError:
    if error.code is None:
        return invalid((error.field, str(error)))
    return ServiceError(error.code, str(error))
