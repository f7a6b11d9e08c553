"""The running server: the context of all verbs, and the tasks around it. `process/wiring.py` composes it once."""

from __future__ import annotations

from dataclasses import dataclass

from ..delivery.sender import Sender
from .base.context import Context
from .closing.jobs import Jobs
from .sharing.visits import Visits


@dataclass(frozen=True)
class Running:
    """`jobs` lock months, `visits` records visits, `sender` sends webhooks."""

    context: Context
    jobs: Jobs
    visits: Visits
    sender: Sender
