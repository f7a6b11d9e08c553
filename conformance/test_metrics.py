"""GET /metrics: what an operator watches, in a form that Prometheus' own parser reads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from testkit.server import BALANCE, Server

REFERENCE = Path(__file__).parents[1] / "docs/reference/metrics.md"
Families = dict[str, Metric]


def scrape(server: Server) -> Families:
    reply = server.public.get("/metrics")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(reply.body.decode())}


def value(families: Families, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    family = families[re.sub(r"_(total|count|sum)$", "", name)]
    return sum(s.value for s in family.samples if s.name == name and labels.items() <= s.labels.items())


def until(server: Server, name: str, wanted: Callable[[float], bool], **labels: str) -> Families:
    """Scrapes until a value is as wanted."""
    deadline = time.monotonic() + 30
    while not wanted(value(families := scrape(server), name, **labels)):
        assert time.monotonic() < deadline, [(s.labels, s.value) for s in families[name].samples]
        time.sleep(0.05)
    return families


def test_requests_commits_and_the_log_are_counted(start_server: Callable[..., Server]) -> None:
    """Three deltas and a refusal show under their routes, as commits, and in the log; nothing waits in the end."""
    server = start_server()
    client = server.client
    client.batch([{"customerId": f"cust_{n}", "delta": -1, "reason": "u"} for n in range(3)]).data
    client.emit("cust_0", 0)
    client.derive("cust_0").data
    families = until(server, "pacspace_log_published_entries", bool, environment="sandbox")
    requests = "pacspace_http_request_duration_seconds_count"
    assert value(families, requests, method="POST", route=f"{BALANCE}/delta/batch", status="201") == 1
    assert value(families, requests, route=f"{BALANCE}/delta", status="400") == 1
    assert value(families, requests, method="GET", route=f"{BALANCE}/derive/{{customerId}}", status="200") == 1
    assert value(families, "pacspace_commit_batch_size_sum") == 3
    assert (
        value(families, "pacspace_commit_batch_size_count")
        == value(families, "pacspace_commit_duration_seconds_count")
        == 1
    )
    families = until(server, "pacspace_unverified_age_seconds", lambda found: found == 0)
    assert value(families, "pacspace_unverified_deltas") == value(families, "pacspace_queue_depth") == 0
    assert value(families, "pacspace_log_entries") == value(families, "pacspace_log_published_entries")
    assert value(families, "pacspace_integrator_entries_total") == value(families, "pacspace_log_entries", process="1")
    assert value(families, "pacspace_log_lease_held") == 2  # both environments
    assert value(families, "pacspace_log_signing_refused") == 0
    assert value(families, "process_resident_memory_bytes") > 1e7 and value(families, "process_cpu_seconds_total") > 0


def test_every_metric_is_documented_and_the_other_way_round(server: Server) -> None:
    """What a server shows is what the reference lists: the same names, kinds and labels."""
    text = REFERENCE.read_text("utf-8")
    listed = {
        name.removesuffix("_total"): (kind, set(re.findall(r"`(\w+)`", labels)) | {"process"})
        for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", text, re.M)
    }
    server.client.emit("cust_metrics", -1).data
    shown = {}
    for name, family in until(server, "pacspace_log_lease_held", bool).items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown[name] = family.type, labels
        assert family.documentation and f"| {family.documentation} |" in text
    assert shown == listed


def test_labels_are_few_and_name_nobody(start_server: Callable[..., Server]) -> None:
    """However many customers, paths and methods are asked for, no label holds one, and there are no more series than before."""
    server = start_server()
    client = server.client
    receipt = client.emit("cust_0", -1).data["receiptId"]

    def ask(number: int) -> None:
        client.emit(f"cust_secret_{number}", -1).data
        client.derive(f"cust_secret_{number}").data
        client.record(receipt).data
        client.get(f"/path_secret_{number}")
        client.get(f"{BALANCE}/derive/nobody_secret_{number}")
        client.call(["PURGE", "REPORT", "MKCOL", "LOCK"][number % 4], "/healthz")

    def series() -> set[str]:
        samples = [sample for family in scrape(server).values() for sample in family.samples]
        assert not [s for s in samples for text in s.labels.values() if "secret" in text or receipt in text]
        return {f"{s.name}{sorted(s.labels.items())}" for s in samples}

    ask(0)
    series()
    before = series()
    for number in range(1, 12):
        ask(number)
    assert series() == before


def log_size(families: Families, process: str) -> tuple[float, float]:
    """Entries of the sandbox's log, and those that are published, as one worker sees them."""
    names = "pacspace_log_entries", "pacspace_log_published_entries"
    found = [value(families, name, environment="sandbox", process=process) for name in names]
    return found[0], found[1]


def test_one_worker_answers_for_all(on_postgres: Callable[..., Server]) -> None:
    """Whichever of two workers is asked shows both, each under its number, and exactly one of them holds the lease of each log."""
    server = on_postgres("--workers", "2")
    for number in range(30):
        server.client.emit(f"cust_{number}", -1).data
        server.client.close()  # the next one may reach the other worker
        server.clients.clear()
    until(server, "pacspace_log_lease_held", lambda found: found == 2)
    deadline = time.monotonic() + 30
    # The log takes them up in one run or more, and each worker looks for itself.
    while (
        len(sizes := {log_size(families := scrape(server), process) for process in ("1", "2")}) > 1 or not min(sizes)[1]
    ):
        assert time.monotonic() < deadline, sizes
        time.sleep(0.05)
    ((size, published),) = sizes
    for name in ("pacspace_build_info", "process_resident_memory_bytes", "pacspace_queue_depth"):
        assert {s.labels["process"] for s in families[name].samples} == {"1", "2"}
    sent = "pacspace_http_request_duration_seconds_count"
    assert value(families, sent, route=f"{BALANCE}/delta", status="201") == 30
    assert value(families, "pacspace_commit_batch_size_sum") == 30
    held = families["pacspace_log_lease_held"].samples
    for origin in {s.labels["origin"] for s in held}:
        assert sorted(s.value for s in held if s.labels["origin"] == origin) == [0, 1]
    assert size == published
