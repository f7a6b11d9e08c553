"""What is noted of each request: a number for /metrics, a line for the log."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from ..http.messages import Call, Handler, Reply
from ..telemetry import SECONDS, Histogram

logger = structlog.get_logger("pacspace.api")
# The lowest status that has a line, by log level: a failure of ours is a warning, a refusal is of interest, a success is
# for whoever looks for something.
LINES_FROM = {logging.WARNING: 500, logging.INFO: 400, logging.DEBUG: 100}
NO_LINES = 1000


class Target:
    """Where a request goes: one method on one route, and how long its replies took, by status."""

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
    """The lowest status that the log wants a line of."""
    return min((status for level, status in LINES_FROM.items() if logger.is_enabled_for(level)), default=NO_LINES)


def log_request(call: Call, target: Target, reply: Reply, sent_bytes: int, seconds: float) -> None:
    """One line. It names the route, never what the path, the query, the headers or the body hold."""
    level = next(level for level, status in LINES_FROM.items() if reply.status >= status)
    about: dict[str, Any] = {"environment": call.environment} if call.environment else {}
    error = reply.value.get("error") if isinstance(reply.value, dict) else None
    if error is not None and "code" in error:
        about["code"] = error["code"]
    logger.log(
        level, "request", method=call.scope["method"], route=target.route, status=reply.status,
        duration_ms=round(seconds * 1000, 2), bytes=sent_bytes, **about,
    )  # fmt: skip
