"""Verifies receipt files from a command line: reads, judges, prints."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .canonical import FormatError
from .note import parse_verifier_key
from .receipt import FAILED, OK, Check
from .trust import Trust, parse_trust
from .verify import REFUSED, UNDECIDED, FileVerdict, Report, verify_receipts

MAX_FILE_BYTES = 1 << 30
EXIT_YES, EXIT_NO, EXIT_WRONG_USE, EXIT_NOT_DONE = 0, 1, 2, 3

MEANINGS = {
    "locked-full": "locked; every delta was shown, added up and found in the log",
    "locked-summary": "locked; the log proves the vendor's total, but the deltas were not shown",
    "provisional-full": "not locked yet; every delta so far was shown, added up and found in the log",
    "provisional-summary": "not locked yet; the log proves the vendor's total so far, but the deltas were not shown",
    UNDECIDED: "everything matches, but the signer is unknown without a trusted key; give --key or --trust",
    REFUSED: "see the check that FAILED",
}


class WrongUse(Exception):
    """The arguments are invalid."""


class NotDone(Exception):
    """A file can't be read, or is larger than this implementation accepts."""


def read(path: str) -> bytes:
    """A file's bytes; NotDone for one that can't be read or is over 1 GiB."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise NotDone(f"{path} can't be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise NotDone(f"too large: {path} has more than {MAX_FILE_BYTES} bytes")
    return data


def load_trust(keys: Iterable[str], trust_file: str | None) -> Trust:
    """The trust given on the command line. WrongUse names the file or key that can't be read."""
    try:
        trust = parse_trust(read(trust_file).decode()) if trust_file else Trust()
        given = tuple((parse_verifier_key(key), None) for key in keys)
    except (FormatError, UnicodeDecodeError) as error:
        raise WrongUse(str(error)) from error
    return Trust(trust.keys + given, trust.customers, trust.policy)


def exit_code(report: Report, allow_provisional: bool, allow_summary: bool) -> int:
    """0 if every month is as good as required, 1 if not, 3 if no key was given."""
    if report.result in (REFUSED, UNDECIDED):
        return EXIT_NO if report.result == REFUSED else EXIT_NOT_DONE
    results = [month.result for file in report.files for month in file.months]
    provisional = any(result.startswith("provisional") for result in results)
    summary = any(result.endswith("summary") for result in results)
    return EXIT_NO if (provisional and not allow_provisional) or (summary and not allow_summary) else EXIT_YES


def run(
    paths: Sequence[str], keys: Iterable[str], trust_file: str | None, allow_provisional: bool, allow_summary: bool
) -> tuple[Report, int]:
    """Reads and judges files. Raises WrongUse and NotDone."""
    trust = load_trust(keys, trust_file)
    gc.disable()  # a verdict makes no cycles, and searching a large file for them takes a sixth of the time
    try:
        report = verify_receipts([read(path) for path in paths], trust, int(time.time()))
    except FormatError as error:
        raise WrongUse(str(error)) from error
    except MemoryError as error:
        raise NotDone("too large: there is not enough memory for these files") from error
    finally:
        gc.enable()
    return report, exit_code(report, allow_provisional, allow_summary)


def as_object(names: Sequence[str], report: Report) -> dict[str, Any]:
    """The report as a JSON object; `names` are those of the files."""

    def shown(checks: list[Check]) -> list[dict[str, Any]]:
        return [asdict(check) for check in checks]

    files = [
        {
            "file": name,
            "result": file.result,
            "window": file.window,
            "months": [{"result": month.result, "checks": shown(month.checks), **month.facts} for month in file.months],
        }
        for name, file in zip(names, report.files)
    ]
    sets = [{"customerId": one.customer_id, "checks": shown(one.checks)} for one in report.sets]
    return {"result": report.result, "files": files, "sets": sets}


def as_json(paths: Sequence[str], report: Report, code: int) -> str:
    """The report as one JSON document, ASCII only."""
    return json.dumps({"accepted": code == EXIT_YES, **as_object(paths, report)}, indent=2)


def as_text(paths: Sequence[str], report: Report, code: int) -> str:
    """The report for people. Text from receipts is printed escaped."""
    lines: list[str] = []
    for path, file in zip(paths, report.files):
        lines += [printable(path), *_file_lines(file), ""]
    for one in report.sets:
        if len(paths) > 1 or any(check.status != "not applicable" for check in one.checks):
            lines += [f"together, for {printable(one.customer_id)}", *map(_check_line, one.checks), ""]
    lines.append(f"{'VERIFIED' if code == EXIT_YES else 'NOT VERIFIED'}: {report.result}")
    if code == EXIT_NO and report.result != REFUSED:
        lines.append(
            "this is less than a locked month with all its deltas; --allow-provisional, --allow-summary accept it"
        )
    return "\n".join(lines)


def _file_lines(file: FileVerdict) -> Iterator[str]:
    for month in file.months:
        if month.facts.get("environment") == "sandbox":
            yield "  SANDBOX: a test, not a bill"
        yield from map(_check_line, month.checks)
        yield from _fact_lines(month.facts)
        yield f"  => {month.result}: {MEANINGS[month.result]}"
    if file.window:
        yield f"  window from {file.window['startDate']} to {file.window['endDate']}"
        yield from _fact_lines(file.window)


def _fact_lines(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name == "notProven":
            yield from (f"  not proven: {printable(note)}" for note in value)
        elif name == "subtotals":
            for group in value:
                label = "(reason withheld)" if group["reason"] is None else printable(group["reason"])
                yield f"  {'subtotal':<16} {group['total']} in {group['count']}: {label}"
        elif name == "restoredFrom":
            yield f"  {name:<16} a backup with {value['size']} entries of {printable(value['origin'])}"
        elif value not in (None, []):
            yield f"  {name:<16} {f'{len(value)} lines' if isinstance(value, list) else printable(str(value))}"


def _check_line(check: Check) -> str:
    mark = "FAILED" if check.status == FAILED else check.status
    detail = f": {printable(check.detail)}" if check.detail and check.status != OK else ""
    return f"  {check.number:>2}  {mark:<14}  {check.name}{detail}"


def printable(text: str) -> str:
    """Text without control, bidirectional or other invisible characters: they appear as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.replace("\\", "\\\\"))
