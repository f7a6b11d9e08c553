"""The sender: has a line for each endpoint in this process's slices, feeds it, and writes outcomes in groups.

A crash between an attempt and its outcome repeats the attempt, so delivery is at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import structlog

from ..clock import now_us
from ..storage.model.outbox import Delivery, Endpoint, Place, Progress
from ..storage.model.protocols import InDoubt, LeaseLost, Snapshot, Storage, Unavailable, Unit
from ..storage.writing.committer import NotWritten
from ..telemetry import SECONDS, Histogram, said
from . import schedule
from .addresses import Forbidden, parse_target
from .feed import Event, Feed, Tail
from .http import Channel, HttpClient
from .line import Line
from .slices import Slices

T = TypeVar("T")
TICK_S, FLUSH_S, LOOK_S, RETRY_S = 0.05, 0.1, 0.5, 1.0
CLEAN_S, CLEAN_ROWS = 600.0, 1_000
READ_EVENTS, READ_DUE = 500, 64
FINISH_S = 5.0
PROBLEMS = (Unavailable, InDoubt, NotWritten)

logger = structlog.get_logger("pacspace.deliveries")


class Written(Protocol):
    """Runs a transaction, in turn with others."""

    def __call__(self, work: Callable[[Unit], T]) -> Awaitable[T]: ...


class Sender:
    """Lives on one event loop. `secrets_of` an endpoint: the current one and, during a rotation, the previous one."""

    def __init__(
        self,
        storage: Storage,
        write: Written,
        client: HttpClient,
        secrets_of: Callable[[Endpoint, int], list[str]],
        public_url: str,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._storage, self._write, self.client = storage, write, client
        self._secrets_of, self._public_url, self._now = secrets_of, public_url, now or now_us
        self._slices = Slices(storage)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.lines: dict[str, Line] = {}
        self._tails: dict[int, Tail] = {}
        self._refused: dict[str, str] = {}
        self._feeds: dict[int, Feed] = {}
        self._looked_s = self._cleaned_s = self._flushed_s = -math.inf
        self.attempts: Counter[str] = Counter()  # by outcome
        self.delay = Histogram(SECONDS)  # from when an event could be sent to its success at the first attempt
        self.behind = 0  # feed rows that the slowest endpoint has not reached

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Wakes up, because there may be new events."""
        for tail in self._tails.values():
            tail.may_grow = True
        self._wake.set()

    def look_again(self) -> None:
        """Reads endpoints and deliveries again, because they were changed."""
        self._looked_s = -math.inf
        self.wake()

    async def stop(self) -> None:
        """Finishes attempts under way, or gives them back; then frees its slices for other processes."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await asyncio.gather(*(line.finish(FINISH_S) for line in self.lines.values()))
        with contextlib.suppress(*PROBLEMS):
            await self._flush()
            await asyncio.to_thread(self._slices.release)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                if time.monotonic() - self._looked_s >= LOOK_S:
                    self._looked_s = time.monotonic()
                    await self._look()
                await self._feed_lines()
                await self._take_due(
                    [line for line in self.lines.values() if line.more_due and line.wants_due > READ_DUE]
                )
                if time.monotonic() - self._flushed_s >= FLUSH_S:
                    self._flushed_s = time.monotonic()
                    await self._flush()
            except PROBLEMS as problem:
                logger.warning("the database is not there; tried again", problem=said(problem))
                await asyncio.sleep(RETRY_S)
            except Exception:
                logger.exception("sending failed; tried again")
                await asyncio.sleep(RETRY_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_S if self.lines else LOOK_S)
            self._wake.clear()
            for line in self.lines.values():
                line.pump()

    async def _read(self, work: Callable[[Snapshot], T]) -> T:
        def reading() -> T:
            with self._storage.snapshot(checked=False) as snapshot:
                return work(snapshot)

        return await asyncio.to_thread(reading) if self._storage.remote else reading()

    async def _look(self) -> None:
        """Reads current endpoints, their senders, and due deliveries."""
        endpoints, feeds = await self._read(self._endpoints)
        if not endpoints:
            if self._slices.held:
                await asyncio.to_thread(self._slices.release)
        elif self._storage.remote:
            await asyncio.to_thread(self._slices.look)
        else:
            self._slices.look()
        self._feeds = feeds
        wanted = {e.id: e for e in endpoints if e.enabled and self._slices.holds(e.id)}
        for endpoint_id in self.lines.keys() - wanted.keys():
            self._drop(endpoint_id)
        for endpoint in wanted.values():
            self._keep(endpoint)
        self.wake()
        await self._take_due(list(self.lines.values()))
        if time.monotonic() - self._cleaned_s >= CLEAN_S and 0 in self._slices.held:
            self._cleaned_s = time.monotonic()
            await self._clean()

    def _endpoints(self, snapshot: Snapshot) -> tuple[list[Endpoint], dict[int, Feed]]:
        endpoints = snapshot.endpoints()
        feeds = {}
        for environment_id in {endpoint.environment_id for endpoint in endpoints}:
            feeds[environment_id] = Feed(snapshot.environment(environment_id), self._public_url)
        behind = [snapshot.feed_position(e.environment_id) - e.position for e in endpoints if e.enabled]
        self.behind = max(behind, default=0)
        return endpoints, feeds

    def _keep(self, endpoint: Endpoint) -> None:
        """Creates or updates the endpoint's line."""
        line, now = self.lines.get(endpoint.id), self._now()
        name = self._feeds[endpoint.environment_id].environment.name
        if line is None:
            try:
                channel = Channel(self.client, parse_target(endpoint.url, name, self.client.targets))
            except Forbidden as forbidden:  # the operator's rule has changed since it was registered
                if self._refused.get(endpoint.id) != endpoint.url:  # logged once
                    logger.warning("an endpoint's URL is not allowed", endpoint=endpoint.id, problem=str(forbidden))
                self._refused[endpoint.id] = endpoint.url
                return
            self.lines[endpoint.id] = Line(endpoint, channel, self._secrets_of(endpoint, now), self._now, self._count)
            return
        if line.endpoint.url != endpoint.url or line.stopping:
            self._drop(endpoint.id)  # the next look starts again from what was written
            return
        line.secrets, line.endpoint.events = self._secrets_of(endpoint, now), endpoint.events

    def _drop(self, endpoint_id: str) -> None:
        """Ends a line after its attempts and writes have finished."""
        line = self.lines[endpoint_id]
        line.stop()
        if not self._slices.holds(endpoint_id) or not (line.under_way or line.has_news):
            line.channel.close()
            del self.lines[endpoint_id]

    def _count(self, event: Event, outcome: str, attempts: int) -> None:
        self.attempts[outcome] += 1
        if attempts == 1 and outcome == "delivered":
            self.delay.observe(max(0, self._now() - event.at) / schedule.SECOND_US)

    async def _take_due(self, lines: Sequence[Line]) -> None:
        """Takes deliveries that are due now."""
        for line in lines:
            wanted = line.wants_due
            if wanted:
                found = await self._read(partial(self._due, line))
                line.more_due = len(found) >= wanted
                line.take_due(found)

    def _due(self, line: Line, snapshot: Snapshot) -> list[tuple[Event | None, Delivery]]:
        limit = line.wants_due + len(line.busy)
        due = [d for d in snapshot.due(line.endpoint.id, self._now(), limit) if d.place not in line.busy]
        feed = self._feeds[line.endpoint.environment_id]
        events = feed.at(snapshot, [delivery.place for delivery in due]) if due else {}
        return [(events.get(d.place), d) for d in due]

    async def _feed_lines(self) -> None:
        """Gives the next events to every line with room; lines near the end of the feed share one read."""
        waiting = [line for line in self.lines.values() if line.wants_events]
        for environment_id in {line.endpoint.environment_id for line in waiting}:
            lines = [line for line in waiting if line.endpoint.environment_id == environment_id]
            feed = self._feeds[environment_id]
            tail, furthest = self._tails.get(environment_id), max(line.read for line in lines)
            if tail is None or furthest > tail.ends:
                tail = self._tails[environment_id] = Tail(feed, furthest)
            tail.feed = feed
            if tail.may_grow and furthest == tail.ends:
                events, ends = await self._read_after(feed, tail.ends)
                tail.may_grow = ends != tail.ends
                tail.extend(events, ends)
            for line in lines:
                await self._feed_line(line, tail)

    async def _feed_line(self, line: Line, tail: Tail) -> None:
        while line.wants_events and line.read != tail.ends:
            if tail.covers(line.read):
                events, read = tail.after(line.read, READ_EVENTS)
            else:
                events, read = await self._read_after(tail.feed, line.read)
            if read == line.read:
                return
            line.take(events, read)

    async def _read_after(self, feed: Feed, place: Place) -> tuple[list[Event], Place]:
        return await self._read(lambda snapshot: feed.after(snapshot, place, READ_EVENTS))

    async def _flush(self) -> None:
        """Writes each slice's outcomes in one transaction, which fails as a whole if the slice was lost."""
        by_slice: dict[int, list[tuple[Line, list[Delivery], Progress]]] = {}
        for line in list(self.lines.values()):
            number = self._slices.slice_of(line.endpoint.id)
            if number in self._slices.held and (made := line.progress()) is not None:
                by_slice.setdefault(number, []).append((line, *made))
        for number, groups in by_slice.items():
            await self._write_slice(number, groups)

    async def _write_slice(self, number: int, groups: Sequence[tuple[Line, list[Delivery], Progress]]) -> None:
        def work(unit: Unit) -> None:
            unit.set_deliveries([delivery for _, deliveries, _ in groups for delivery in deliveries])
            unit.move_endpoints([moved for _, _, moved in groups])

        try:
            await self._write(self._slices.guard(number, work))
        except LeaseLost:
            logger.warning("another process sends to these endpoints now", slice=number)
            self._slices.held.pop(number, None)
            return
        except BaseException:
            for line, deliveries, moved in groups:
                line.take_back(deliveries, moved)
            raise
        for line, deliveries, moved in groups:
            line.written(deliveries)
            if moved.disabled_at is not None:
                logger.warning("an endpoint was switched off", endpoint=moved.endpoint_id, reason=moved.disabled_reason)

    async def _clean(self) -> None:
        """Removes old rows of the feeds, a part at a time."""
        before = self._now() - schedule.KEPT_US
        for environment in await self._read(lambda snapshot: snapshot.environments()):
            for forget in (
                lambda u, e=environment: u.forget_told(e.id, before, CLEAN_ROWS),
                lambda u, e=environment: u.forget_strays(e.id, CLEAN_ROWS),
            ):
                while not self._stopping and await self._write(forget):
                    await asyncio.sleep(0)
