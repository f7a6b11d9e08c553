"""The journal: what was queued is on disk, whatever happens to the process, and is sent once."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from testkit.scripted import Blocking, Make, Request, Script, refusal, reply

from pacspace_sdk import PacSpaceError, journal
from pacspace_sdk.journal import HEADER, Journal
from pacspace_sdk.submission import SubmissionCoordinator

BARE = {"customerId": "c", "delta": -100, "referenceId": "r"}


def accept(request: Request) -> Any:
    results = [{"index": n, "status": "QUEUED"} for n, _ in enumerate(request.json["deltas"])]
    return reply({"results": results}, 201)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.journal"


@pytest.fixture
def open_client(make: Make, path: Path, script: Script, sleeps: list[float]) -> Any:
    """Opens a client on the journal; the one opened before is as if it had been killed."""
    opened: list[Blocking] = []

    def open_client() -> Blocking:
        for client in opened:
            client.client.balance.submission._core.queue.close()
        opened.append(make(submission={"autoStart": False, "journal": str(path)}, max_retries=0))
        return opened[-1]

    script.replies = [accept]
    return open_client


def queued(pac: Blocking) -> int:
    found: int = pac.call("balance.get_summary_queue_state")["queuedCount"]
    return found


def test_what_was_queued_survives(open_client: Any, script: Script) -> None:
    """After a restart the same summaries wait, under the same references, with amounts and metadata to the last digit."""
    pac = open_client()
    items = [
        {"customerId": "a", "delta": 0.1 + 0.2, "metadata": {"rate": 0.1, "big": 1e22, "n": [1, None, True, "ü"]}},
        {"customerId": "b", "delta": Decimal("1.50"), "reason": "x"},
        {"customerId": "b", "delta": -7, "windowStart": "2026-05-01", "windowEnd": "2026-05-02"},
    ]
    before = [pac.call("balance.queue_summary", item) for item in items]
    after = open_client()
    assert queued(after) == 3
    after.call("balance.flush_summaries")
    sent = script.last.json["deltas"]
    assert [delta["referenceId"] for delta in sent] == [item["referenceId"] for item in before]
    assert [delta["delta"] for delta in sent] == [0.3, 1.5, -7] and '"delta":1.50,' in (script.last.body or "")
    assert sent[0]["metadata"]["rate"] == 0.1 and sent[0]["metadata"]["n"] == [1, None, True, "ü"]
    assert queued(open_client()) == 0


def test_what_was_in_flight_is_sent_again_as_it_was(open_client: Any, script: Script) -> None:
    """A request whose outcome was not known keeps its members, its bytes and its idempotency key over a restart."""
    pac = open_client()
    for number in range(3):
        pac.call("balance.queue_summary", {**BARE, "referenceId": f"r{number}"})
    script.replies = [refusal(500)]
    pac.call("balance.flush_summaries")
    pac.call("balance.queue_summary", {**BARE, "referenceId": "r1", "delta": -120})  # waits for the one in flight
    again = open_client()
    assert queued(again) == 4
    script.replies = [accept]
    again.call("balance.flush_summaries")
    first, second, third = script.requests
    assert (first.body, first.headers["Idempotency-Key"]) == (second.body, second.headers["Idempotency-Key"])
    assert [delta["delta"] for delta in third.json["deltas"]] == [-120] and queued(again) == 0


def test_the_profile_of_a_summary_is_that_of_its_queueing(make: Make, path: Path, script: Script, sleeps: Any) -> None:
    """Other settings after a restart do not change what is sent: that would be a conflict with what was recorded."""
    options = {"autoStart": False, "journal": str(path)}
    first = make(submission=options)
    first.call("balance.queue_summary", BARE)
    first.call("close")
    script.replies = [accept]
    second = make(submission={**options, "profile": "sub_daily", "enterprise": True, "defaultReason": "other"})
    second.call("balance.flush_summaries")
    (delta,) = script.last.json["deltas"]
    assert delta["metadata"]["summaryProfile"] == "daily" and delta["reason"] == "usage_summary"


def test_rejected_summaries_survive(open_client: Any, script: Script) -> None:
    """What was refused for good is still listed after a restart."""
    script.replies = [
        reply({"results": [{"index": 0, "status": "REJECTED", "error": "no", "code": "REFERENCE_ID_CONFLICT"}]})
    ]
    pac = open_client()
    pac.call("balance.queue_summary", BARE)
    pac.call("balance.flush_summaries")
    (rejected,) = open_client().call("balance.get_summary_queue_state")["rejected"]
    assert (rejected["referenceId"], rejected["code"]) == ("r", "REFERENCE_ID_CONFLICT")


def run(coordinator: SubmissionCoordinator, steps: int) -> None:
    """A life of queueing, replacing, failing and flushing; whatever is on disk at any byte of it can be opened."""
    for number in range(steps):
        coordinator.queue_summary({"customerId": "c", "delta": number + 1, "referenceId": f"r{number % 3}"})
        if number % 4 == 3:
            coordinator.flush_summaries()


def cuts(data: bytes) -> list[int]:
    """Every byte of the head and of the first record of each kind, and every edge between records with a byte around it."""
    kinds, sizes, start = set[bytes](), set[int](), 0
    for line in data.splitlines(keepends=True):
        end = start + len(line)
        kind = line.split(b'"')[1]
        sizes |= set(range(start, end + 1)) if kind not in kinds else {start, start + 1, end - 1, end}
        kinds.add(kind)
        start = end
    return sorted(sizes)


def test_a_crash_at_any_byte(tmp_path: Path, sleeps: list[float]) -> None:
    """Cut off at any byte of a record of each kind, or at the edge of any record, the journal opens with every record before the cut,
    and can be written to."""
    replies = iter(["lost", {"results": [{"index": 0, "status": "QUEUED"}]}, "lost", {"results": []}] * 5)

    def submit(deltas: Any) -> Any:
        found = next(replies)
        if found == "lost":
            raise RuntimeError("lost")
        return found

    whole = tmp_path / "whole"
    coordinator = SubmissionCoordinator(submit_batch=submit, options={"autoStart": False, "journal": str(whole)})
    run(coordinator, 8)
    coordinator.close("done")
    data = whole.read_bytes()
    assert data.count(b"\n") > 10
    assert {line.split(b'"')[1] for line in data.splitlines()} == {b"journal", b"queue", b"send", b"settle"}
    for size in cuts(data):
        cut = tmp_path / "cut"
        cut.write_bytes(data[:size])
        opened = SubmissionCoordinator(
            submit_batch=lambda deltas: {"results": []}, options={"autoStart": False, "journal": str(cut)}
        )  # type: ignore[typeddict-item]
        opened.queue_summary({"customerId": "new", "delta": 1})
        opened.close("done")
        lines = cut.read_bytes().split(b"\n")
        assert lines[: max(1, data[:size].count(b"\n"))] == data.split(b"\n")[: max(1, data[:size].count(b"\n"))]
        reread = Journal(cut)
        assert reread.records[-1]["queue"]["summary"]["customerId"] == "new"
        reread.close()


@pytest.mark.parametrize("change", ["flip", "drop", "twice"])
def test_damage_is_refused(path: Path, change: str) -> None:
    """A journal that is damaged anywhere but at its end is refused and left as it is."""
    coordinator = SubmissionCoordinator(
        submit_batch=lambda deltas: {"results": []}, options={"autoStart": False, "journal": str(path)}
    )  # type: ignore[typeddict-item]
    run(coordinator, 3)
    coordinator.close("done")
    lines = path.read_bytes().split(b"\n")
    if change == "flip":
        lines[2] = lines[2].replace(b"c", b"d", 1)
    elif change == "drop":
        lines[2] = lines[2][:-3]
    else:
        lines[0] = b""
    damaged = b"\n".join(lines)
    path.write_bytes(damaged)
    with pytest.raises(PacSpaceError, match="damaged") as error:
        Journal(path)
    assert error.value.code == "JOURNAL_DAMAGED" and path.read_bytes() == damaged
    Journal(path.with_name("other")).close()  # and the lock was given free


def test_another_file_is_not_taken_for_a_journal(path: Path) -> None:
    """A file that is something else is refused, not overwritten."""
    text = b"an important file\n" * 20
    path.write_bytes(text)
    with pytest.raises(PacSpaceError) as error:
        Journal(path)
    assert error.value.code == "JOURNAL_DAMAGED" and path.read_bytes() == text


def test_a_journal_belongs_to_one_client(make: Make, path: Path) -> None:
    """A second client, in this process or another, is refused clearly; after close it may have the journal."""
    options = {"autoStart": False, "journal": str(path)}
    first = make(submission=options)
    with pytest.raises(PacSpaceError, match="in use by another client") as error:
        make(submission=options)
    assert error.value.code == "JOURNAL_IN_USE"
    code = f"from pacspace_sdk import PacSpace; PacSpace('pk_test_a', submission={{'journal': {str(path)!r}}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in use by another client" in done.stderr
    first.call("close")
    make(submission=options).call("close")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_write(path: Path) -> None:
    """A child that inherits a client can't queue into its parent's journal."""
    coordinator = SubmissionCoordinator(
        submit_batch=lambda deltas: {"results": []}, options={"autoStart": False, "journal": str(path)}
    )  # type: ignore[typeddict-item]
    child = os.fork()
    if child == 0:
        try:
            coordinator.queue_summary({"customerId": "c", "delta": 1})
        except PacSpaceError as error:
            os._exit(7 if error.code == "JOURNAL_IN_USE" else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    coordinator.close("done")


def test_it_stays_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand summaries that come and go leave a short file, and a rewrite keeps what waits, flies and was refused."""
    monkeypatch.setattr(journal, "MIN_LINES", 50)
    refused = {"index": 0, "status": "REJECTED", "error": "no", "code": "VALIDATION_ERROR"}
    outcomes: list[Any] = [{"results": [refused]}, {"results": [{"index": 0, "status": "QUEUED"}]}]

    def submit(deltas: Any) -> Any:
        if deltas[0]["referenceId"] == "lost":
            raise RuntimeError("lost")
        return outcomes[0] if len(outcomes) == 1 else outcomes.pop(0)

    options: Any = {"autoStart": False, "journal": str(path)}
    coordinator = SubmissionCoordinator(submit_batch=submit, options=options)
    for reference in ("refused", "lost", "kept"):
        coordinator.queue_summary({"customerId": "c", "delta": 1, "referenceId": reference})
        if reference != "kept":
            coordinator.flush_summaries()
    outcomes[:] = [{"results": [{"index": 0, "status": "QUEUED"}]}]
    for number in range(1_000):
        coordinator.queue_summary({"customerId": "c", "delta": number + 1, "referenceId": "again"})
        assert path.read_bytes().count(b"\n") <= 56
    coordinator.close("done")
    reopened = SubmissionCoordinator(submit_batch=submit, options=options)
    state = reopened.get_queue_state()
    assert state["queuedCount"] == 3 and [one["referenceId"] for one in state["rejected"]] == ["refused"]
    reopened.close("done")
    assert not path.with_name("queue.journal.new").exists()


def test_a_full_disk_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary that can't be written is not queued; the journal is used no more, and the next start is sound."""
    options: Any = {"autoStart": False, "journal": str(path)}
    coordinator = SubmissionCoordinator(submit_batch=lambda deltas: {"results": []}, options=options)  # type: ignore[typeddict-item]
    coordinator.queue_summary({"customerId": "c", "delta": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(PacSpaceError, match="No space left") as error:
            coordinator.queue_summary({"customerId": "c", "delta": 2})
    assert error.value.code == "JOURNAL_FAILED" and coordinator.get_queue_state()["queuedCount"] == 1
    with pytest.raises(PacSpaceError, match="create a new client"):
        coordinator.queue_summary({"customerId": "c", "delta": 3})
    coordinator.close("done")
    reopened = SubmissionCoordinator(submit_batch=lambda deltas: {"results": []}, options=options)  # type: ignore[typeddict-item]
    assert reopened.get_queue_state()["queuedCount"] == 1
    reopened.close("done")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A journal that can't be opened is an error when the client is made."""
    with pytest.raises(PacSpaceError, match="No such file") as error:
        Journal(tmp_path / "missing" / "journal")
    assert error.value.code == "JOURNAL_FAILED"


def test_only_the_owner_reads_it(path: Path) -> None:
    """The file holds what customers used: nobody else on the machine may read it, also after a rewrite."""
    opened = Journal(path)
    opened.rewrite([{"queue": {}}])
    assert path.stat().st_mode & 0o777 == 0o600 and opened.lines == 2
    opened.close()
    assert HEADER["version"] == 1


def test_it_is_synced_before_queueing_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When queue_summary returns, the summary has been written and the file synced, in this order."""
    options: Any = {"autoStart": False, "journal": str(path)}
    coordinator = SubmissionCoordinator(submit_batch=lambda deltas: {"results": []}, options=options)  # type: ignore[typeddict-item]
    synced: list[bytes] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.read_bytes())

    monkeypatch.setattr("os.fsync", fsync)
    coordinator.queue_summary({"customerId": "c", "delta": 1, "referenceId": "here"})
    assert b'"here"' in synced[-1]
    coordinator.close("done")
