"""PacSpace: a record of usage that both sides of a bill can check.

from pacspace_sdk import PacSpace

pac = PacSpace("pk_test_...")
pac.balance.emit("cust_acme", -42.5, "compute_minutes")
"""

from .client import AsyncPacSpace, PacSpace
from .errors import (
    CadenceLimitError,
    ConflictError,
    ContractNotDeployedError,
    InsufficientCreditsError,
    InvalidApiKeyError,
    InvalidScopeCombinationError,
    NotFoundError,
    PacSpaceError,
    RateLimitError,
    ScopeTooWideError,
    ServiceUnavailableError,
    TimeoutError,
    ValidationError,
    WebhookVerificationError,
)
from .webhooks import Webhooks

__all__ = [
    "AsyncPacSpace",
    "CadenceLimitError",
    "ConflictError",
    "ContractNotDeployedError",
    "InsufficientCreditsError",
    "InvalidApiKeyError",
    "InvalidScopeCombinationError",
    "NotFoundError",
    "PacSpace",
    "PacSpaceError",
    "RateLimitError",
    "ScopeTooWideError",
    "ServiceUnavailableError",
    "TimeoutError",
    "ValidationError",
    "WebhookVerificationError",
    "Webhooks",
]
