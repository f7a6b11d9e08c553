"""`pacspace import`."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ... import exit_status
from ..command import Command, examples
from ..options import KEY, URL, open_client
from ..output import Output, WrongUse, counted

if TYPE_CHECKING:
    from ..client import Client
    from .imports.rejected import RejectedFile
    from .imports.repeats import Repeats
    from .imports.state import State

SHOWN, SHOWN_REJECTED = 100, 5
SHARED = """\
note: {rows} already recorded. If you did not expect this: files that begin with the same rows give them the
same references. Give each of these rows its own referenceId or occurredAt."""


@click.command(
    "import",
    cls=Command,
    epilog=examples(
        "pacspace import usage.csv",
        "pacspace import usage.jsonl --dry-run",
        "zcat usage.csv.gz | pacspace import - --format csv",
    ),
)
@click.argument("file")
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), help="The file's format, if its name doesn't say."
)
@click.option("--restart", is_flag=True, help="Read the file from its start and ignore an earlier run's state.")
@click.option("--dry-run", is_flag=True, help="Check every row and send nothing. Needs no server.")
@URL
@KEY
@click.pass_obj
def import_file(
    out: Output, /, file: str, form: str | None, restart: bool, dry_run: bool, url: str | None, key: str | None
) -> None:
    """Record the deltas of a CSV or JSONL file.

    FILE is .csv or .jsonl with one delta per row, or - for standard input.

    Columns: customerId, delta, reason; optional are referenceId, occurredAt, metadata (JSON), metadata.KEY (text),
    adjusts.recordId and adjusts.referenceId. An empty cell counts as absent. Amounts are recorded exactly as written.

    Safe to repeat: a row is recorded once, known by its referenceId. A row without one gets a referenceId from a hash
    of the file's rows up to and including it. So two equal rows in a file are two deltas, and importing the same file
    again, or a longer one that begins with it, records only the new rows. But all rows after a changed row are new, and
    files that begin with the same rows share them: give rows a referenceId if you can.

    You can stop it (Ctrl-C) and run it again: FILE.import-state has its progress. Rejected rows go to FILE.rejected.csv
    (or .jsonl) with line and reason: correct and import that file, not FILE.

    --dry-run checks each row on its own. It also finds repeated referenceIds with different values, among the first
    million references of the file.

    Exit status: 0 all recorded, 1 some rows rejected, 2 wrong use, 3 stopped or not done.
    """
    from .imports.rows import format_of

    if file == "-" and form is None:
        raise WrongUse("standard input needs --format csv or --format jsonl")
    form = form or format_of(file)
    with nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb") as opened:
        if dry_run:
            _check(out, file, opened, form)
        else:
            _import(out, file, opened, form, restart, open_client(url, key))


def _check(out: Output, file: str, opened: BinaryIO, form: str) -> None:
    from .imports.repeats import Repeats
    from .imports.rows import read_rows

    rows = bad = 0
    problems: list[dict[str, Any]] = []
    repeats = Repeats()
    for row in read_rows(opened, form):
        problem = row.problem or _problem(row.item, repeats)
        rows += 1
        bad += problem is not None
        if problem is not None and len(problems) < SHOWN:
            problems.append({"line": row.line, "reason": problem})
    lines = _problem_lines(problems, bad)
    lines.append(f"{file}: {counted(rows, 'row')}, {bad:,} can't be recorded; nothing was sent")
    out.show({"file": file, "dryRun": True, "rows": rows, "rejected": bad, "problems": problems}, "\n".join(lines))
    if bad:
        raise SystemExit(exit_status.NO)


def _problem(item: dict[str, Any], repeats: Repeats) -> str | None:
    """Why the server would reject a row."""
    from ...api.balance import EMIT
    from ...api.fields import parse_fields
    from ...service.base.errors import ServiceError

    try:
        parsed = parse_fields(EMIT, item)
    except ServiceError as error:
        return error.message
    if repeats.differs(parsed):
        return f"referenceId: {parsed['referenceId']} is earlier in this file with other values"
    return None


def _problem_lines(problems: list[dict[str, Any]], count: int) -> list[str]:
    lines = [f"line {one['line']}: {one['reason']}" for one in problems]
    return [*lines, f"... and {count - len(lines):,} more"] if count > len(lines) else lines


def _import(out: Output, file: str, opened: BinaryIO, form: str, restart: bool, client: Client) -> None:
    from .imports.meter import Meter
    from .imports.rejected import RejectedFile
    from .imports.rows import read_rows
    from .imports.run import Import

    _lock(file, opened)
    state_file = None if file == "-" else Path(file + ".import-state")
    state = _state(client, state_file, restart)
    stem = Path("stdin" if file == "-" else file)
    rejected = RejectedFile(stem.parent, stem.name, form, state)

    def save() -> None:
        if state_file:
            state.save(state_file)

    size = os.fstat(opened.fileno()).st_size if state_file else None
    with Meter(stem.name, size) as meter, _stopping(client):
        work = Import(client, state, save, rejected, meter, read_rows(opened, form))
        work.skip_done()
        if state.rows:
            meter.say(f"continuing after line {state.line}: {counted(state.rows, 'row is', 'rows are')} done")
        meter.begin(state.rows)
        finished, problem = _run(work)
    if finished:
        rejected.finish()
        if state_file:
            state_file.unlink(missing_ok=True)
        if work.has_derived and state.already_there:
            out.say(SHARED.format(rows=counted(state.already_there, "row was", "rows were")))
    _tell(out, file, state, rejected, finished)
    if not finished:
        again = (
            "run the same command again to continue"
            if state_file
            else "send the same input again: no row is recorded twice"
        )
        out.fail(f"{problem}; {file} is done up to line {state.line}: {again}", exit_status.NOT_DONE)
    if state.rejected:
        raise SystemExit(exit_status.NO)


def _run(work: Any) -> tuple[bool, str]:
    """Whether the import finished; if not, why."""
    from ..client import CallFailed

    try:
        return work.run(), "stopped"
    except CallFailed as error:
        return False, error.message


def _tell(out: Output, file: str, state: State, rejected: RejectedFile, finished: bool) -> None:
    from .imports.meter import results_text

    problems = rejected.first(SHOWN_REJECTED)
    value = {
        "file": file,
        "finished": finished,
        "rows": state.rows,
        "recorded": state.recorded,
        "alreadyThere": state.already_there,
        "rejected": state.rejected,
        "latePosting": state.late,
        "rejectedFile": str(rejected.path) if state.rejected else None,
        "problems": problems,
    }
    text = "\n".join(
        [f"{file}: {counted(state.rows, 'row')}: {results_text(state)}", *_problem_lines(problems, state.rejected)]
    )
    if state.rejected:
        then = "correct that file and import it" if finished else "don't change that file until the import is done"
        text += f"\nthe rejected rows are in {rejected.path}, with line and reason: {then}"
    out.show(value, text)


def _state(client: Client, path: Path | None, restart: bool) -> State:
    """An earlier run's state, or a new one. Raises WrongUse if that run had another target."""
    from .imports.state import State, load_state

    # The public half of the key identifies the environment; the secret half is not stored.
    target = f"{client.base_url} {client.api_key.partition('.')[0]}"
    found = None if restart or path is None else load_state(path)
    if found is not None and found.target != target:
        raise WrongUse(
            f"{path}: this import began with {found.target}, not {target}; --restart reads the file from its start"
        )
    return found or State(target)


def _lock(file: str, opened: BinaryIO) -> None:
    if file == "-":
        return
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WrongUse(f"{file} is being imported by another process") from error
    except OSError:  # a file system without locks
        return


@contextmanager
def _stopping(client: Client) -> Iterator[None]:
    """The first Ctrl-C waits for the requests in flight; a second one ends the command."""

    def stop(*_: object) -> None:
        client.stopped.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGINT, before)
