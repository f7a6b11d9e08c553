"""Records each request: durations for /metrics, a line for the log."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from ..http.messages import Call, Handler, Reply
from ..telemetry import SECONDS, Histogram

logger = structlog.get_logger("pacspace.api")
# The lowest status that is logged, by log level: server errors are warnings, refusals info, successes debug.
LINES_FROM = {logging.WARNING: 500, logging.INFO: 400, logging.DEBUG: 100}
NO_LINES = 1000


class Target:
    """One method on one route: its handler, and the durations of its replies by status."""

    __slots__ = ("answer", "by_status", "method", "route")

    def __init__(self, method: str, route: str, answer: Handler) -> None:
        self.method, self.route, self.answer = method, route, answer
        self.by_status: dict[int, Histogram] = {}

    def observe(self, status: int, seconds: float) -> None:
        found = self.by_status.get(status)
        if found is None:
            found = self.by_status[status] = Histogram(SECONDS)
        found.observe(seconds)


def lines_from() -> int:
    """The lowest status that the current log level includes."""
    return min((status for level, status in LINES_FROM.items() if logger.is_enabled_for(level)), default=NO_LINES)


def log_request(call: Call, target: Target, reply: Reply, sent_bytes: int, seconds: float) -> None:
    """Logs one line. It names the route, never values of the path, the query, the headers or the body."""
    level = next(level for level, status in LINES_FROM.items() if reply.status >= status)
    about: dict[str, Any] = {"environment": call.environment} if call.environment else {}
    error = reply.value.get("error") if isinstance(reply.value, dict) else None
    if error is not None and "code" in error:
        about["code"] = error["code"]
    logger.log(
        level, "request", method=call.scope["method"], route=target.route, status=reply.status,
        duration_ms=round(seconds * 1000, 2), bytes=sent_bytes, **about,
    )  # fmt: skip
