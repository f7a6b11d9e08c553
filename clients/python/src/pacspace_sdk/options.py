"""Options: a dict with the route's own names, or keyword arguments in either spelling; unknown names are errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import InvalidScopeCombinationError
from .instants import instant_text

SCOPE_KEYS = ("period", "timePreset", "startDate", "endDate")
STARTING_KEYS = ("startingCheckpoint", "startingCheckpointType")
REQUEST_KEYS = ("idempotencyKey", "chainId", "creditPoolId", "dashboardToken", "headers", "timeout")


def camel_case(name: str) -> str:
    """`start_date` in the API's spelling: `startDate`."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others) if first else name


def read_options(kind: type, options: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """All given options by the API's names, without None; a datetime as ISO text.

    `kind` is the TypedDict of the known names. Raises TypeError for an unknown name or one given twice, ValidationError
    for a datetime without a time zone.
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict, not {type(options).__name__}")
    given: dict[str, Any] = {}
    for name, value in [*(options or {}).items(), *keywords.items()]:
        known = camel_case(str(name))
        if known not in kind.__annotations__:
            raise TypeError(f"there is no option {name!r}{nearest(known, kind.__annotations__)}")
        if known in given:
            raise TypeError(f"the option {known!r} is given twice")
        given[known] = value
    return {name: instant_text(value, name) for name, value in given.items() if value is not None}


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the most similar known name, or with all names."""
    import difflib

    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return f"; did you mean {close[0]!r}?"
    return f"; the known names are {', '.join(names)}"


def pick(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The given options with these names, in this order."""
    return {name: given[name] for name in names if name in given}


def check_scope(given: Mapping[str, Any]) -> None:
    """Raises InvalidScopeCombinationError for combinations that no server accepts; the server checks the rest."""
    scope = pick(given, *SCOPE_KEYS)
    preset, dates = scope.get("timePreset"), [name for name in ("startDate", "endDate") if name in scope]
    if "startingCheckpoint" in given and scope:
        _refuse(f"startingCheckpoint excludes {', '.join(scope)}")
    if "period" in scope and len(scope) > 1:
        _refuse(f"period excludes {', '.join(name for name in scope if name != 'period')}")
    if dates and preset not in (None, "custom"):
        _refuse(f"timePreset {preset!r} excludes {', '.join(dates)}")
    if len(dates) == 1:
        _refuse(f"startDate and endDate need each other; only {dates[0]} is given")
    if preset == "custom" and not dates:
        _refuse("timePreset 'custom' needs startDate and endDate")


def _refuse(message: str) -> None:
    raise InvalidScopeCombinationError(message)
