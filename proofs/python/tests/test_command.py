"""`python -m pacspace_proofs`: exit status, JSON and text."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from proofs.vectors import cases_receipts as cases
from proofs.vectors import maker

from pacspace_proofs import command
from pacspace_proofs.__main__ import main

LOG = cases.vendor()
KEY = LOG.key.line
LOCKED = maker.month(LOG.origin, ["-42.5", "7"], invoice="INV-7")
FILES = {
    "locked-full": cases.made(cases.vendor(), LOCKED, withhold=(2,)),
    "locked-summary": cases.made(cases.vendor(), LOCKED, "summary"),
    "provisional-full": cases.made(cases.vendor(), LOCKED.first(3)),
    "provisional-summary": cases.made(cases.vendor(), LOCKED.first(3), "summary"),
}
FILES["refused"] = cases.put(FILES["locked-full"], "leaves/1/leaf/delta", "-42.4")
FILES["window"] = maker.window("2026-03-02T00:00:00.000000Z", "2026-03-03T00:00:00.000000Z", [FILES["locked-full"]])
ODD = {"schema": "pacspace.context.v1", "reason": "a\u202e\x1b[31m\\x\u00e9"}
FILES["odd"] = cases.made(cases.vendor(), maker.month(LOG.origin, [("-1", {"context": ODD})]))
sandbox = cases.vendor("sandbox vendor", "sandbox")
FILES["sandbox"] = cases.made(sandbox, maker.month(sandbox.origin, ["-1"]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in FILES.items():
        (tmp_path / f"{name}.json").write_bytes(maker.canonical(value))
    (tmp_path / "trust.txt").write_text(f"{KEY}\n{sandbox.key.line}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments, status",
    [
        ("locked-full.json --key KEY", 0),
        ("locked-full.json --trust trust.txt", 0),
        ("locked-full.json locked-full.json --trust trust.txt", 0),
        ("window.json --key KEY", 0),
        ("locked-summary.json --key KEY", 1),
        ("locked-summary.json --key KEY --allow-summary", 0),
        ("locked-summary.json --key KEY --allow-provisional", 1),
        ("provisional-full.json --key KEY", 1),
        ("provisional-full.json --key KEY --allow-summary", 1),
        ("provisional-full.json --key KEY --allow-provisional", 0),
        ("provisional-summary.json --key KEY --allow-provisional", 1),
        ("provisional-summary.json --key KEY --allow-provisional --allow-summary", 0),
        # The weakest file is provisional, but the other one is a summary all the same.
        ("locked-summary.json provisional-full.json --key KEY --allow-provisional", 1),
        ("refused.json --key KEY", 1),
        ("refused.json", 1),
        ("locked-full.json", 3),
        ("absent.json --key KEY", 3),
        (". --key KEY", 3),
        ("locked-full.json --trust absent.txt", 3),
        ("locked-full.json --trust locked-full.json", 2),
        ("locked-full.json --key KEYx", 2),
        ("locked-full.json --key KEY --trust trust.txt", 2),
        ("--key KEY", 2),
        ("locked-full.json --unknown", 2),
        ("locked-full.json " * 1001, 2),
    ],
)
def test_exit_status(folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, status: int) -> None:
    """0 verified as asked for, 1 not, 2 wrong use, 3 could not be done; and a message in every case but success."""
    try:
        found = main(arguments.replace("KEY", KEY).split())
    except SystemExit as exit_:
        found = exit_.code  # type: ignore[assignment]
    output = capsys.readouterr()
    assert found == status
    assert (status == 0) == output.out.rstrip().split("\n")[-1].startswith("VERIFIED")
    assert bool(output.err) == (status == 2 or "absent" in arguments or arguments.startswith(". "))


@pytest.mark.parametrize("name", FILES)
def test_json(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """--json prints one ASCII document with the result, every check and every fact."""
    status = main([f"{name}.json", "--trust", "trust.txt", "--json"])
    printed = capsys.readouterr().out
    document: dict[str, Any] = json.loads(printed)
    assert printed.isascii() and document["accepted"] == (status == 0)
    (file,) = document["files"]
    assert file["file"] == f"{name}.json" and file["result"] == document["result"]
    assert [check["number"] for check in file["months"][0]["checks"]] == list(range(1, 10))
    if name == "window":
        assert file["window"]["total"] == "-42.5" and file["window"]["deltaCount"] == 1
    if name == "locked-full":
        month = file["months"][0]
        assert (month["total"], month["withheld"], month["invoiceReference"]) == ("-35.5", [2], "INV-7")
        assert [check["number"] for check in document["sets"][0]["checks"]] == [10, 11, 12, 13]


def test_text_is_safe_to_print(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a vendor wrote can't move the cursor, turn the line around or pose as an escape."""
    assert main(["odd.json", "--key", KEY]) == 0
    printed = capsys.readouterr().out
    assert "a\\u202e\\x1b[31m\\\\x\u00e9" in printed
    assert all(c.isprintable() or c == "\n" for c in printed)


def test_text_says_what_matters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sandbox loudly, summaries in their words, failures with both values, and what was not proven."""
    main(["sandbox.json", "--trust", "trust.txt"])
    assert "SANDBOX: a test, not a bill" in capsys.readouterr().out
    main(["locked-summary.json", "--trust", "trust.txt"])
    words = "the vendor committed to total -35.5 over 2 deltas; the deltas were not shown or added up"
    assert words in capsys.readouterr().out
    main(["refused.json", "--trust", "trust.txt"])
    printed = capsys.readouterr().out
    assert FILES["refused"]["head"]["root"] in printed and "FAILED" in printed and "NOT VERIFIED: refused" in printed
    main(["window.json", "--trust", "trust.txt"])
    assert "window from 2026-03-02" in capsys.readouterr().out
    main(["locked-full.json", "provisional-full.json", "--trust", "trust.txt"])
    assert "together, for cust_acme" in capsys.readouterr().out


def test_too_large_is_not_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file beyond this implementation's limit, or its memory, is exit 3, never a verdict."""
    monkeypatch.setattr(command, "MAX_FILE_BYTES", 100)
    assert main(["locked-full.json"]) == 3
    assert "too large" in capsys.readouterr().err
    monkeypatch.setattr(command, "MAX_FILE_BYTES", 1 << 30)

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "verify_receipts", full)
    assert main(["locked-full.json"]) == 3
    assert "not enough memory" in capsys.readouterr().err


def test_as_a_process(folder: Path) -> None:
    """The module runs by itself, also on a terminal that knows ASCII only."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    call = [sys.executable, "-m", "pacspace_proofs", "odd.json", "--key", KEY]
    done = subprocess.run(call, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xe9" in done.stdout


def test_printing_to_something_else(folder: Path) -> None:
    """Whoever redirects the output in Python gets the same report."""
    target = io.StringIO()
    with contextlib.redirect_stdout(target):
        assert main(["locked-full.json", "--key", KEY]) == 0
    assert target.getvalue().endswith("VERIFIED: locked-full\n")


def test_main_exits_with_the_status(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's status is the verdict's."""
    monkeypatch.setattr(sys, "argv", ["pacspace_proofs", "absent.json"])
    with pytest.raises(SystemExit) as raised, pytest.warns(RuntimeWarning):
        runpy.run_module("pacspace_proofs.__main__", run_name="__main__")
    assert raised.value.code == 3
