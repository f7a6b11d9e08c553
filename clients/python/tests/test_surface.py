"""The names and signatures that programs are written against."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import pacspace_sdk
from pacspace_sdk import AsyncPacSpace, PacSpace
from pacspace_sdk.balance import AsyncBalance, Balance
from pacspace_sdk.customers import AsyncCustomers, Customers
from pacspace_sdk.receipts import AsyncReceipts, Receipts
from pacspace_sdk.sandbox import AsyncSandbox, Sandbox
from pacspace_sdk.submission import AsyncSubmissionCoordinator, SubmissionCoordinator

PAIRS = [
    (PacSpace, AsyncPacSpace), (Balance, AsyncBalance), (Customers, AsyncCustomers), (Receipts, AsyncReceipts),
    (Sandbox, AsyncSandbox), (SubmissionCoordinator, AsyncSubmissionCoordinator),
]  # fmt: skip
BALANCE = [
    "emit",
    "emit_batch",
    "emit_and_wait",
    "delta_status",
    "get_record_status",
    "wait_for_verified",
    "derive",
    "derive_current_month",
    "derive_for_period",
    "derive_months_back",
    "derive_days_back",
    "compare",
    "checkpoint",
    "list_checkpoints",
    "checkpoint_timeline",
    "diff_checkpoints",
    "receipt",
    "invoice_proof",
    "usage",
    "gaps",
    "customers",
    "customer",
    "iter_customers",
    "iter_deltas",
    "list_webhook_deliveries",
    "retry_webhook",
    "queue_summary",
    "queue_summaries",
    "flush_summaries",
    "start_summary_scheduler",
    "stop_summary_scheduler",
    "shutdown_summary_scheduler",
    "get_summary_queue_state",
    "checkpoint_job",
    "close_month",
]


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_exported_names() -> None:
    """What `from pacspace_sdk import ...` offers does not change by accident."""
    assert sorted(pacspace_sdk.__all__) == [
        "AsyncPacSpace", "CadenceLimitError", "ConflictError", "ContractNotDeployedError", "InsufficientCreditsError",
        "InvalidApiKeyError", "InvalidScopeCombinationError", "NotFoundError", "PacSpace", "PacSpaceError",
        "RateLimitError", "ScopeTooWideError", "ServiceUnavailableError", "TimeoutError", "ValidationError",
        "WebhookVerificationError", "Webhooks",
    ]  # fmt: skip
    assert all(hasattr(pacspace_sdk, name) for name in pacspace_sdk.__all__)


def test_names_that_existing_code_imports() -> None:
    """The names of the modules below the package that programs and their tests use."""
    from pacspace_sdk.client import ClientConfig, HttpClient, TransportResponse, time
    from pacspace_sdk.submission import SubmissionCoordinator
    from pacspace_sdk.webhooks.verify import Webhooks

    assert time.sleep and TransportResponse(200, {}, b"").status_code == 200
    assert all(map(callable, (ClientConfig, HttpClient, SubmissionCoordinator, Webhooks)))


def test_the_calls_of_a_client() -> None:
    """Every call of the interface is there."""
    assert public(Balance) == set(BALANCE)
    assert public(Receipts) == {"list", "get", "download", "verify", "email_body"}
    assert public(Customers) == {"create"} and public(Sandbox) == {"clock", "set_clock", "advance_clock", "reset"}
    pac = PacSpace.init("pk_test_a")
    assert isinstance(pac.balance.submission, SubmissionCoordinator) and pac.webhooks is None
    assert public(PacSpace) >= {"init", "verify", "close", "shutdown"}


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_both_forms_have_the_same_surface(blocking: type, asynchronous: type) -> None:
    """The two clients have the same names, with the same parameters and options; only waiting differs."""
    assert public(blocking) == public(asynchronous)
    for name in public(blocking) | {"__init__"}:
        one, other = getattr(blocking, name), getattr(asynchronous, name)
        if not callable(one):
            continue
        mine, theirs = (inspect.signature(method) for method in (one, other))
        if name != "__init__":
            assert described(mine) == described(theirs), name
            assert returned(mine) == returned(theirs), name
        if name not in ("init", "verify", "email_body", "iter_customers", "iter_deltas") or (
            name == "verify" and blocking is PacSpace
        ):
            assert inspect.iscoroutinefunction(other) or name == "__init__", name
        assert not inspect.iscoroutinefunction(one)


def described(signature: inspect.Signature) -> list[tuple[Any, ...]]:
    return [(p.name, p.kind, p.default, str(p.annotation)) for p in signature.parameters.values() if p.name != "self"]


def returned(signature: inspect.Signature) -> str:
    return str(signature.return_annotation).replace("AsyncIterator", "Iterator").replace("AsyncPacSpace", "PacSpace")


@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair], ids=lambda kind: kind.__name__)
def test_every_call_says_what_it_does(kind: type) -> None:
    """Each public call has a docstring of its own."""
    undocumented = [name for name in public(kind) if not inspect.getdoc(getattr(kind, name))]
    assert undocumented == []


def test_what_help_shows() -> None:
    """The signature that an editor shows is the call's own, with its result."""
    assert str(inspect.signature(Balance.derive)).startswith(
        "(self, /, customer_id: 'str', options: 'DeriveOptions | None'"
    )
    assert inspect.signature(Balance.derive).return_annotation == "DeriveReply"
    assert inspect.signature(AsyncBalance.iter_deltas).return_annotation == "AsyncIterator[Delta]"
    assert (
        Balance.derive.__name__ == "derive"
        and "self" not in inspect.signature(PacSpace("pk_test_a").balance.derive).parameters
    )


def test_importing_loads_little() -> None:
    """Importing the package loads neither the HTTP client, nor asyncio, ssl or cryptography."""
    code = "import sys, pacspace_sdk; pacspace_sdk.PacSpace('pk_test_a'); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "pacspace_sdk.client" in loaded
    assert (
        loaded & {"httpx2", "httpcore2", "asyncio", "ssl", "cryptography", "typing_extensions", "pacspace_server"}
        == set()
    )


def test_the_version_is_one() -> None:
    """The version that is sent is the distribution's."""
    from importlib.metadata import version

    from pacspace_sdk.config import VERSION

    assert version("pacspace-sdk") == VERSION == "0.2.0"
