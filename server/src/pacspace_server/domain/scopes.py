"""Scopes: which deltas a request covers. Exactly one way to state one; months in UTC, the end exclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .enumerations import ScopeMode
from .instants import (
    InstantError,
    month_number,
    parse_instant,
    parse_period,
    period_end,
    period_of,
    period_start,
)

MAX_MONTHS = 36
LAST_PERIOD = "9999-12"
SCOPE_FIELDS = ("period", "timePreset", "startDate", "endDate")
STARTING_FIELDS = ("startingCheckpoint", "startingCheckpointType")
CHECKPOINT_TYPES = ("proofRoot", "recordId", "itemsRoot", "anchorId")


class ScopeError(ValueError):
    """The scope is invalid. `code` is None for an invalid field."""

    def __init__(self, message: str, code: str | None = None, field: str = "scope") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Scope:
    """`current_month`, `period`: months first to last. `custom`: instants start to end. `checkpoint`: all later."""

    mode: ScopeMode
    first: str = ""
    last: str = ""
    start: int | None = None
    end: int | None = None
    after: str | None = None

    @property
    def names_period(self) -> bool:
        return self.mode == "period"


def parse_scope(given: Mapping[str, str | None], now: int) -> Scope:
    """The scope of request fields; absent fields and None count as not given. Raises ScopeError."""
    period, preset, start, end = (given.get(name) for name in SCOPE_FIELDS)
    after, after_type = (given.get(name) for name in STARTING_FIELDS)
    if after_type is not None and after_type not in CHECKPOINT_TYPES:
        raise ScopeError(f"expected one of {', '.join(CHECKPOINT_TYPES)}", field="startingCheckpointType")
    if preset not in (None, "current_month", "custom"):
        raise ScopeError("expected current_month or custom", field="timePreset")
    if after is not None:
        if any(value is not None for value in (period, preset, start, end)):
            raise _mix("startingCheckpoint excludes all other scope fields")
        return Scope("checkpoint", after=after)
    if period is not None:
        if any(value is not None for value in (preset, start, end)):
            raise _mix("period excludes timePreset, startDate and endDate")
        try:
            return Scope("period", parse_period(period), period)
        except InstantError as error:
            raise ScopeError(str(error), field="period") from error
    if start is not None or end is not None:
        return _window(preset, start, end)
    if preset == "custom":
        raise _mix("timePreset custom needs startDate and endDate")
    return Scope("current_month", period_of(now), LAST_PERIOD)


def _mix(message: str) -> ScopeError:
    return ScopeError(message, "INVALID_SCOPE_COMBINATION")


def _window(preset: str | None, start: str | None, end: str | None) -> Scope:
    if preset == "current_month":
        raise _mix("timePreset current_month excludes startDate and endDate")
    if start is None or end is None:
        raise _mix("startDate and endDate need each other")
    instants = []
    for field, text in (("startDate", start), ("endDate", end)):
        try:
            instants.append(parse_instant(text, allow_date=True))
        except InstantError as error:
            raise ScopeError(str(error), field=field) from error
    if instants[1] <= instants[0]:
        raise ScopeError("endDate is not after startDate (the end is exclusive)", field="endDate")
    first, last = period_of(instants[0]), period_of(instants[1] - 1)
    if month_number(last) - month_number(first) >= MAX_MONTHS:
        raise ScopeError(f"the window touches more than {MAX_MONTHS} months", "SCOPE_TOO_WIDE")
    return Scope("custom", first, last, instants[0], instants[1])


def scope_bounds(scope: Scope, last_period: str) -> tuple[int, int]:
    """The first and the first excluded instant of a scope; last_period closes an open end."""
    if scope.start is not None and scope.end is not None:
        return scope.start, scope.end
    last = max(scope.first, min(scope.last, last_period))
    return period_start(scope.first), period_end(last)
