"""Replies of the sandbox's tools."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from .shapes import Environment, Instant


class Clock(TypedDict):
    """The ledger clock of an environment."""

    environment: Environment
    now: Instant
    held: Annotated[bool, Meta(description="Whether the clock is held; otherwise it follows real time.")]


class Reset(Clock):
    """The emptied sandbox and its new log."""

    logOrigin: str
    keyFingerprint: str
    reset: Literal[True]
