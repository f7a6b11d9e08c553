"""Log lines on stderr: for people on a terminal, one JSON document per line elsewhere. No line contains a secret."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from ..telemetry import doing, said

LEVELS = logging.getLevelNamesMapping()
# Removed from each line, whatever its source: keys, tokens, and passwords in URLs and connection strings.
_SECRETS = (
    (re.compile(r"(pk_(?:test|live)_[0-9A-Za-z]+)\.[0-9A-Za-z_~-]+"), r"\1.***"),
    (re.compile(r"(?i)(bearer\s+)[0-9A-Za-z._~+/=-]+"), r"\1***"),
    (re.compile(r"(://[^/@\s\"']*?):[^@\s\"']*@"), r"\1:***@"),
    (re.compile(r"(?i)(password\s*[=:]\s*)[^\s&\"'\\]+"), r"\1***"),
)
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logging(level: str) -> None:
    """Sets up all log lines of this process, and those of libraries from warnings upwards."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(default=repr)
    )
    structlog.configure(
        processors=[
            _add_doing,
            _add_logger,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.ExceptionRenderer(traceback_text),
            renderer,
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level.upper(), logging.INFO)),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # input that is not HTTP has our own line


class _Lines:
    """Writes lines. If that fails (a full disk, a closed pipe), the line is lost and the server continues."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = log = msg


class _Bridge(logging.Handler):
    """Lines of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        lines = structlog.get_logger(record.name)
        lines.log(min(record.levelno, logging.CRITICAL), record.getMessage().strip(), exc_info=record.exc_info)


def _add_doing(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the request at hand."""
    return {**doing.get(), **event}


def _add_logger(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the part of the server that logs the line."""
    return {**event, "logger": logger.name} if logger.name else event


def _without_secrets(logger: Any, method: str, line: Any) -> str:
    """The rendered line without secrets."""
    text: str = line
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def traceback_text(exc_info: _ExcInfo) -> str:
    """A traceback, first cause first, without local variables and without values from a database server's message."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        place = "".join(traceback.format_tb(error.__traceback__))
        parts.insert(0, f"{place}{type(error).__module__}.{type(error).__qualname__}: {said(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to\n".join(parts)
