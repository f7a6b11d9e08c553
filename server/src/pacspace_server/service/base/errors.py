"""The one error that services raise, by code. `http/refusals.py` maps each code to HTTP."""

from __future__ import annotations

from typing import Unpack

from ...storage.model.commands import Refusal
from ...views.shapes import ErrorDetails, FieldConflict, FieldProblem


class ServiceError(Exception):
    """A refusal: code (None for invalid fields, which `details` names), message, extra fields."""

    def __init__(self, code: str | None, message: str, **extra: Unpack[ErrorDetails]) -> None:
        super().__init__(message)
        self.code, self.message, self.extra = code, message, extra


def invalid(*problems: tuple[str, str]) -> ServiceError:
    """The refusal of invalid fields, each with its problem."""
    message = "; ".join(f"{field}: {problem}" for field, problem in problems)
    return ServiceError(None, message, details=_details(*problems))


def unavailable(message: str, retry_after_s: int = 1) -> ServiceError:
    return ServiceError("SERVICE_UNAVAILABLE", message, retryAfterSeconds=retry_after_s)


def refused(outcome: Refusal) -> ServiceError:
    """The error for a refusal by the rules of writing."""
    extra: ErrorDetails = {"details": _details(outcome.problem)} if outcome.problem else {}
    if outcome.earlier:
        differing: list[FieldConflict] = [
            {"field": c.field, "recorded": c.recorded, "sent": c.sent} for c in outcome.conflicts
        ]
        extra = {"recordId": outcome.earlier, "conflicts": differing}
    return ServiceError(outcome.code, outcome.message, **extra)


def _details(*problems: tuple[str, str]) -> list[FieldProblem]:
    return [{"field": field, "problem": problem} for field, problem in problems]
