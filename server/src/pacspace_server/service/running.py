"""The running server: the context that verbs work with, and what runs around it. Composed once, in `process/wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass

from ..delivery.sender import Sender
from .base.context import Context
from .closing.jobs import Jobs
from .sharing.visits import Visits


@dataclass(frozen=True)
class Running:
    """`jobs` lock months, `visits` waits to be written, `sender` sends webhooks."""

    context: Context
    jobs: Jobs
    visits: Visits
    sender: Sender
