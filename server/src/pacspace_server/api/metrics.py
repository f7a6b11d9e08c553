"""`GET /metrics`: the server's counters in Prometheus' text format.

Counts nothing itself: reads each number where it is kept, on each request. Every sample names its server process; the
process that answers collects the samples of the others.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from itertools import accumulate
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ..log.watching import Watched
from ..service.base.context import Context
from ..service.running import Running
from ..storage.writing.committer import MAX_WAITING
from ..telemetry import Histogram
from .requests import Target

PROCESS = "process"
LOG = ("environment", "origin")
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KINDS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
Sample = tuple[tuple[str, ...], Any]


@dataclass
class Sources:
    """Where to read the numbers."""

    running: Running
    targets: list[Target] = field(default_factory=list)  # the routes, once known

    @property
    def context(self) -> Context:
        return self.running.context

    def logs(self, value: Callable[[Watched], float | None]) -> Iterator[Sample]:
        """One number per log that has it."""
        for log in self.context.integrator.watched.values():
            if (found := value(log)) is not None:
                yield (log.environment, log.origin), found

    def build(self) -> Iterator[Sample]:
        engine = "postgresql" if self.context.storage.remote else "sqlite"
        yield (metadata.version("pacspace-server"), platform.python_version(), engine), 1

    def requests(self) -> Iterator[Sample]:
        for target in self.targets:
            for status, seconds in list(target.by_status.items()):
                yield (target.method, target.route, str(status)), seconds

    def unverified_s(self) -> Iterator[Sample]:
        now_s = time.monotonic()
        return self.logs(lambda log: log.unverified_s(now_s))

    def attempts(self) -> Iterator[Sample]:
        for outcome in ("delivered", "failed"):
            yield (outcome,), self.running.sender.attempts[outcome]

    def refused(self) -> Iterator[Sample]:
        refusals = self.context.integrator.refusals
        return self.logs(lambda log: log.environment_id in refusals)


@dataclass(frozen=True)
class Metric:
    """One metric: name, kind, help, labels besides `process`, and the source of its samples."""

    name: str
    kind: str
    says: str
    labels: tuple[str, ...]
    read: Callable[[Sources], Iterable[Sample]]


def _one(read: Callable[[Running], Any]) -> Callable[[Sources], Iterable[Sample]]:
    """A metric without labels."""
    return lambda sources: [((), read(sources.running))]


METRICS = [
    Metric("pacspace_build_info", "gauge", "Always 1; the labels hold the versions and the engine.",
           ("version", "python", "engine"), Sources.build),
    Metric("pacspace_http_request_duration_seconds", "histogram",
           "Requests by route, method and status: seconds from the request's head to the reply's last byte.",
           ("method", "route", "status"), Sources.requests),
    Metric("pacspace_commit_duration_seconds", "histogram",
           "Seconds of each transaction of deltas and locks, from its first row to the disk.",
           (), _one(lambda running: running.context.committer.seconds)),
    Metric("pacspace_commit_batch_size", "histogram", "Deltas and locks per transaction.",
           (), _one(lambda running: running.context.committer.sizes)),
    Metric("pacspace_commit_failures_total", "counter", "Failed transactions of deltas and locks.",
           (), _one(lambda running: running.context.committer.failed)),
    Metric("pacspace_queue_depth", "gauge", "Deltas and locks that wait for their transaction.",
           (), _one(lambda running: running.context.committer.waiting)),
    Metric("pacspace_queue_capacity", "gauge", "The largest queue depth; a full queue refuses writes with 503.",
           (), _one(lambda running: MAX_WAITING)),
    Metric("pacspace_queue_refused_total", "counter", "Deltas and locks refused because the queue was full.",
           (), _one(lambda running: running.context.committer.refused)),
    Metric("pacspace_unverified_age_seconds", "gauge",
           "Upper bound of the age of the oldest delta that is not in the log; 0 if all are.",
           LOG, Sources.unverified_s),
    Metric("pacspace_unverified_deltas", "gauge", "Deltas that are not in the log, counted once a second.",
           LOG, lambda sources: sources.logs(lambda log: log.deltas)),
    Metric("pacspace_unverified_months", "gauge",
           "Customers' months with deltas that are not in the log, counted once a second.",
           LOG, lambda sources: sources.logs(lambda log: log.months)),
    Metric("pacspace_log_entries", "gauge", "Entries of the log.",
           LOG, lambda sources: sources.logs(lambda log: log.size)),
    Metric("pacspace_log_published_entries", "gauge", "Entries under the published log checkpoint.",
           LOG, lambda sources: sources.logs(lambda log: log.published_size)),
    Metric("pacspace_log_signing_refused", "gauge",
           "1 while this process refuses to sign the log; GET /readyz?for=verify has the reason.",
           LOG, Sources.refused),
    Metric("pacspace_log_lease_held", "gauge", "1 in the process that integrates the log, 0 in the others.",
           LOG, lambda sources: sources.logs(lambda log: log.fencing is not None)),
    Metric("pacspace_log_lease_fencing_number", "gauge", "The lease's fencing number, in the process that holds it.",
           LOG, lambda sources: sources.logs(lambda log: log.fencing)),
    Metric("pacspace_integrator_run_duration_seconds", "histogram",
           "Seconds of each integrator run that published, from reading to publication.",
           (), _one(lambda running: running.context.integrator.seconds)),
    Metric("pacspace_integrator_entries_total", "counter", "Log entries published by this process.",
           (), _one(lambda running: running.context.integrator.entries)),
    Metric("pacspace_jobs_running", "gauge", "Jobs of this process that lock a month for all customers.",
           (), _one(lambda running: len(running.jobs.held))),
    Metric("pacspace_webhook_attempts_total", "counter", "Attempts to deliver an event, by outcome.",
           ("outcome",), Sources.attempts),
    Metric("pacspace_webhook_delay_seconds", "histogram",
           "Seconds from when an event could be sent to its delivery, for deliveries with one attempt.",
           (), _one(lambda running: running.sender.delay)),
    Metric("pacspace_webhook_endpoints", "gauge", "Endpoints that this process sends to.",
           (), _one(lambda running: len(running.sender.lines))),
    Metric("pacspace_webhook_waiting_rows", "gauge",
           "Pending feed rows (an event, or a month's new deltas) of the endpoint that is furthest behind.",
           (), _one(lambda running: running.sender.behind)),
]  # fmt: skip


# From prometheus-client's own collector, on Linux only.
PROCESS_METRICS = {
    "process_virtual_memory_bytes": ("gauge", "Virtual memory size in bytes."),
    "process_resident_memory_bytes": ("gauge", "Resident memory size in bytes."),
    "process_start_time_seconds": ("gauge", "Start time of the process since unix epoch in seconds."),
    "process_cpu_seconds_total": ("counter", "Total user and system CPU time spent in seconds."),
    "process_open_fds": ("gauge", "Number of open file descriptors."),
    "process_max_fds": ("gauge", "Maximum number of open file descriptors."),
}


class Metrics:
    """The samples of this process and of the server's other processes."""

    def __init__(self, running: Running, number: int = 1) -> None:
        self._sources, self._number = Sources(running), str(number)
        # Memory, processor time and open files of this process, in a private registry.
        self._process = ProcessCollector(registry=CollectorRegistry())
        self.others: Callable[[], Awaitable[list[bytes]]] = _none

    def count(self, targets: Iterable[Target]) -> None:
        """Adds routes to count requests of."""
        self._sources.targets.extend(targets)

    def own(self) -> bytes:
        """The samples of this process, for another process to merge."""
        families = [
            (family.name, family.documentation, family.type, [(s.name, s.labels, s.value) for s in family.samples])
            for family in self._families()
        ]
        return msgspec.json.encode(families)

    def text(self, others: list[bytes]) -> bytes:
        """The reply: the samples of this process and the others."""
        merged: dict[str, Family] = {}
        for family in [*self._families(), *(family for other in others for family in _read(other))]:
            merged.setdefault(
                family.name, Family(family.name, family.documentation, family.type)
            ).samples += family.samples
        return generate_latest(_Collected(list(merged.values())))

    def _families(self) -> Iterator[Family]:
        for metric in METRICS:
            family: Any = KINDS[metric.kind](metric.name, metric.says, labels=(PROCESS, *metric.labels))
            for labels, value in metric.read(self._sources):
                add(family, [self._number, *labels], value)
            yield family
        for family in self._process.collect():
            family.samples = [s._replace(labels={PROCESS: self._number, **s.labels}) for s in family.samples]
            yield family


def add(family: Any, labels: list[str], value: Any) -> None:
    if isinstance(value, Histogram):
        bounds = [*map(str, value.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
    else:
        family.add_metric(labels, value)


def _read(data: bytes) -> Iterator[Family]:
    for name, says, kind, samples in msgspec.json.decode(data):
        family = Family(name, says, kind)
        for sample in samples:
            family.add_sample(*sample)
        yield family


class _Collected:
    """Families as a prometheus-client collector."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


async def _none() -> list[bytes]:
    return []
