"""One endpoint's queue: events read from the feed in order, attempts under way, outcomes to be stored."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from pacspace_proofs.webhook import signed_headers

from ..storage.model.outbox import DELIVERED, FAILED, PENDING, Delivery, Endpoint, Place, Progress
from . import schedule
from .feed import Event
from .http import AttemptFailed, Channel, Reply

ATTEMPT_S = 10.0
MAX_AHEAD = 4_000  # events tried beyond the oldest attempt under way
READ_AHEAD = 2 * schedule.MAX_WINDOW
MAX_ERROR_CHARS = 200
AGENT = "pacspace-webhooks/1"

logger = structlog.get_logger("pacspace.deliveries")


def headers_of(event: Event, secrets: Sequence[str], now_s: int) -> bytes:
    """The headers of one attempt, without those of the connection."""
    headers = {
        "content-type": "application/json",
        "user-agent": AGENT,
        "x-webhook-event": event.name,
        "x-event-id": event.id,
        **signed_headers(secrets, event.id, now_s, event.body),
    }
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


async def attempt(channel: Channel, event: Event, secrets: Sequence[str], now_s: int) -> Reply:
    """One attempt, of ten seconds at most. Raises AttemptFailed."""
    try:
        async with asyncio.timeout(ATTEMPT_S):
            return await channel.post(headers_of(event, secrets, now_s), event.body)
    except TimeoutError as error:
        raise AttemptFailed(f"no reply within {ATTEMPT_S:.0f} s") from error


def problem_of(status: int) -> str | None:
    """The error for a reply with this status, or None."""
    if 200 <= status < 300:
        return None
    return "redirects are not followed" if 300 <= status < 400 else f"answered {status}"


class Line:
    """Lives on the event loop. `now` is the wall clock in microseconds; `on_done` gets each attempt."""

    def __init__(
        self,
        endpoint: Endpoint,
        channel: Channel,
        secrets: Sequence[str],
        now: Callable[[], int],
        on_done: Callable[[Event, str, int], None],
    ) -> None:
        self.endpoint, self.channel, self.secrets = endpoint, channel, secrets
        self._now, self._on_done = now, on_done
        self.pace = schedule.Pace()
        self.stopping = False
        self.read = endpoint.place  # the feed is read up to here
        self._new: deque[Event] = deque()
        self._due: deque[tuple[Event, Delivery]] = deque()
        # Taken from the feed, from the oldest event without an outcome on.
        self._order: deque[Place] = deque()
        self._done: set[Place] = set()
        self._outcomes: dict[Place, Delivery] = {}
        self.more_due = False  # more are due than it has taken
        self.busy: set[Place] = set()  # due deliveries under way, or with an unwritten outcome
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before_s = 0.0
        self._turn = False
        self._succeeded = self._failed = 0
        self._failing_since = endpoint.failing_since
        self._moved = False

    @property
    def wants_events(self) -> bool:
        return not self.stopping and len(self._new) < READ_AHEAD // 2 and len(self._order) < MAX_AHEAD

    @property
    def wants_due(self) -> int:
        """How many due deliveries it has room for."""
        return 0 if self.stopping else max(0, READ_AHEAD - len(self._due))

    @property
    def has_news(self) -> bool:
        """Whether something is to be written."""
        return bool(self._outcomes) or self._moved

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    def take(self, events: Sequence[Event], read: Place) -> None:
        """Takes the next events of the feed, and the place up to which it was read."""
        for event in events:
            if self.endpoint.wants(event.name):
                self._order.append(event.place)
                self._new.append(event)
        self.read, self._moved = read, True
        self.pump()

    def take_due(self, due: Sequence[tuple[Event | None, Delivery]]) -> None:
        """Takes deliveries to retry; one without its event has failed, because what it was about no longer exists."""
        for event, delivery in due:
            self.busy.add(delivery.place)
            if event is not None:
                self._due.append((event, delivery))
            else:
                delivery.status, delivery.next_attempt_at, delivery.error = FAILED, None, "the event no longer exists"
                self._outcomes[delivery.place] = delivery
        self.pump()

    def pump(self) -> None:
        """Starts attempts while there is room, alternating new and due ones."""
        if self.stopping or time.monotonic() < self._not_before_s:
            return
        while len(self._tasks) < self.pace.window and (self._new or self._due):
            self._turn = not self._turn
            if self._due and (self._turn or not self._new):
                event, earlier = self._due.popleft()
                task = asyncio.create_task(self._try(event, earlier))
            else:
                task = asyncio.create_task(self._try(self._new.popleft(), None))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            if self.pace.is_down:
                break

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.pump()

    async def _try(self, event: Event, earlier: Delivery | None) -> None:
        started = self._now()
        status, problem = None, None
        try:
            reply = await attempt(self.channel, event, self.secrets, started // schedule.SECOND_US)
            status, problem = reply.status, problem_of(reply.status)
        except AttemptFailed as error:
            problem = str(error)[:MAX_ERROR_CHARS]
        except Exception as error:
            logger.exception("an attempt ended in a mistake", endpoint=self.endpoint.id)
            problem = f"internal error: {type(error).__name__}"
        self._note(event, earlier, started, status, problem)

    def _note(
        self, event: Event, earlier: Delivery | None, started: int, status_code: int | None, problem: str | None
    ) -> None:
        """Records the outcome of an attempt."""
        attempts = 1 + (earlier.attempts if earlier else 0)
        status, again = DELIVERED, None
        if problem is not None:
            again = schedule.next_attempt(attempts, self._now(), random.random())  # noqa: S311 - spreads attempts
            status = FAILED if again is None else PENDING
        self._outcomes[event.place] = Delivery(
            self.endpoint.environment_id, *event.place, self.endpoint.id, status, attempts, again, status_code, problem,
            earlier.created_at if earlier else started, started,
        )  # fmt: skip
        if earlier is None:
            self._done.add(event.place)
        self._on_done(event, "delivered" if problem is None else "failed", attempts)
        if problem is None:
            self.pace.succeeded()
            self._succeeded, self._failing_since = self._succeeded + 1, None
        else:
            self.pace.failed()
            self._failed += 1
            self._failing_since = self._failing_since or started
            self._not_before_s = time.monotonic() + self.pace.pause_s(random.random())  # noqa: S311 - spreads attempts

    def progress(self) -> tuple[list[Delivery], Progress] | None:
        """Outcomes and the endpoint's progress to write, if there are any."""
        if not self.has_news:
            return None
        while self._order and self._order[0] in self._done:
            place = self._order.popleft()
            self._done.discard(place)
            self.endpoint.position, self.endpoint.item = place
        if not self._order:
            self.endpoint.position, self.endpoint.item = self.read
        outcomes = list(self._outcomes.values())
        latest = max((outcome.attempted_at for outcome in outcomes), default=None)
        moved = Progress(
            self.endpoint.id, *self.endpoint.place, self._succeeded, self._failed, latest, self._failing_since
        )
        now = self._now()
        if self._failing_since is not None and outcomes and now - self._failing_since >= schedule.SWITCH_OFF_US:
            moved.disabled_at = now
            moved.disabled_reason = f"no attempt succeeded for 5 days; the last error: {outcomes[-1].error}"
            self.stopping = True
        self._outcomes, self._succeeded, self._failed, self._moved = {}, 0, 0, False
        return outcomes, moved

    def written(self, outcomes: Sequence[Delivery]) -> None:
        self.busy.difference_update(outcome.place for outcome in outcomes)

    def take_back(self, outcomes: Sequence[Delivery], moved: Progress) -> None:
        """Takes unwritten outcomes back, to write them with the next ones."""
        self._outcomes = {outcome.place: outcome for outcome in outcomes} | self._outcomes
        self._succeeded, self._failed, self._moved = (
            self._succeeded + moved.succeeded,
            self._failed + moved.failed,
            True,
        )

    def stop(self) -> None:
        """Starts no further attempt."""
        self.stopping = True

    async def finish(self, seconds: float) -> None:
        """Waits so long for attempts under way; the rest is retried later."""
        self.stop()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            for task in left:
                task.cancel()
        self.channel.close()
