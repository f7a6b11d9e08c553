"""What the command says to somebody who meets it for the first time: what happened, why, and what to do."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from testkit.command import run_command
from testkit.server import POSTGRES, Server, decode
from testkit.vendor import Vendor


@pytest.fixture
def vendor(server: Server, tmp_path: Path) -> Vendor:
    """On the server that tests share; its sandbox clock stands in February 2026."""
    return Vendor(server, tmp_path)


# ---------------------------------------------------------------- the server is not there


def test_a_server_that_does_not_run_is_told(vendor: Vendor) -> None:
    """A refused connection is said once, with the command that starts a server and the ways to name another one."""
    with socket.socket() as bound:  # it does not listen
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        said = vendor.refused("emit", "c", -1, "usage", "--url", url, code=3)
    assert said == (
        f"pacspace: {url} can't be reached: connection refused; is it running? `pacspace serve`; "
        "another address: --url or PACSPACE_BASE_URL\n"
    )


@pytest.mark.parametrize(
    ("url", "written"),
    [("127.0.0.1:8787", "http://127.0.0.1:8787"), ("localhost:8787", "http://localhost:8787"),
     ("billing.example.com", "https://billing.example.com")],
)  # fmt: skip
def test_an_address_without_a_scheme_is_spelled_out(vendor: Vendor, url: str, written: str) -> None:
    """--url without http:// ends with 2 and says how to write it."""
    assert vendor.refused("customers", "--url", url, code=2).endswith(f"; write {written}\n")


# ---------------------------------------------------------------- serve and its database


@pytest.mark.skipif(POSTGRES, reason="any number of processes serve one PostgreSQL database")
def test_a_second_server_is_told_what_to_do(start_server: Callable[..., Server]) -> None:
    """A database that is served already: stop that server, or name another database."""
    second = start_server().run("serve", "--port", "0")
    assert second.returncode == 3 and second.stderr.rstrip().endswith("stop it, or name another --database")


def test_a_database_is_a_url(tmp_path: Path) -> None:
    """--database with a bare path ends with 2, says how to write it, and makes no file."""
    done = run_command("serve", "--port", "0", "--database", f"{tmp_path}/y.db", folder=tmp_path)
    assert done.returncode == 2 and f"; write sqlite:///{tmp_path}/y.db" in done.stderr and not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_told_before_there_is_a_record(tmp_path: Path) -> None:
    """A first start on a busy port ends with 3, says which settings name another one, and makes no record and no key."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_command("serve", "--port", str(port), "--database", f"sqlite:///{tmp_path}/x.db", folder=tmp_path)
    assert done.returncode == 3 and not done.stdout
    assert done.stderr.splitlines()[-1] == (
        f"pacspace: port {port} is taken: name another with --port or PACSPACE_PORT; is another pacspace running?"
    )
    assert {file.name for file in tmp_path.iterdir()} <= {"x.db.lock"}


@pytest.mark.parametrize(
    ("url", "said"),
    [("postgresql://me:pa@ss@db/x", "write @ as %40 and / as %2F in a password"),
     ("postgresql://me:pa/ss@db/x", "write @ as %40 and / as %2F in a password"),
     ("mysql://me:pa@ss/x@db/x", "is neither sqlite:///PATH nor postgresql://USER@HOST/NAME\n"),
     ("postgres:me:pa/ss@db/x", "is neither sqlite:///PATH nor postgresql://USER@HOST/NAME\n"),
     ("me:pass@db", "is neither sqlite:///PATH nor postgresql://USER@HOST/NAME\n")],
)  # fmt: skip
def test_a_database_url_that_can_t_be_read_shows_no_password(tmp_path: Path, url: str, said: str) -> None:
    """A URL whose password holds @ or /, or that is no URL of ours, ends with 2 in words that hold no part of the password."""
    done = run_command("fsck", "--database", url, folder=tmp_path)
    assert done.returncode == 2 and said in done.stderr and ":***@db" in done.stderr
    assert "pa" not in done.stderr.replace("pacspace", "").replace("password", "").replace("PATH", "")
    shown = run_command("config", folder=tmp_path, environment={"PACSPACE_DATABASE": url})
    assert ":***@db" in shown.stdout and not {"pa@ss", "pa/ss", ":pass"} & set(shown.stdout.split())


@pytest.mark.skipif(not POSTGRES, reason="a SQLite file has no password")
def test_a_database_that_can_t_be_reached_says_why(tmp_path: Path) -> None:
    """The last line of a command has the reason that the database's client gives."""
    with socket.socket() as bound:  # it does not listen
        bound.bind(("127.0.0.1", 0))
        url = f"postgresql://me:secret@127.0.0.1:{bound.getsockname()[1]}/x"
        done = run_command("fsck", "--database", url, folder=tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 3 and last.startswith("pacspace: the database: it is unreachable: ")
    assert "refused" in last and "secret" not in done.stderr


@pytest.mark.parametrize(
    "words", [["serve", "--port", "0"], ["keys", "create", "--env", "test"], ["fsck"]], ids=" ".join
)
def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, words: list[str]) -> None:
    """A database in a folder that does not exist ends with 3 and names the folder; a mistyped path makes no new record."""
    done = run_command(*words, "--database", f"sqlite:///{tmp_path}/no/x.db", folder=tmp_path)
    assert done.returncode == 3 and f"the folder {tmp_path}/no does not exist" in done.stderr
    assert not done.stdout and not list(tmp_path.iterdir())


def test_a_start_clock_that_is_too_early_is_told(start_server: Callable[..., Server]) -> None:
    """--sandbox-clock before the data ends with 2 and names the ways out, and one of them works."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    server.client.emit("c", -1).data
    assert server.stop() == 0
    early = ["serve", "--port", "0", "--sandbox-clock", "2026-01-01T00:00:00Z"]
    refused = server.run(*early)
    assert refused.returncode == 2 and not refused.stdout
    assert (
        "start without --sandbox-clock and run `pacspace clock reset --yes`, or use another --database"
        in refused.stderr
    )
    server.start()
    Vendor(server, server.folder).text("clock", "reset", "--yes")
    server.restart("--sandbox-clock", "2026-01-01T00:00:00Z")
    assert server.client.emit("c", -1).data["period"] == "2026-01"


@pytest.mark.skipif(POSTGRES, reason="a PostgreSQL record is restored into a new database, as its owner")
def test_what_only_reads_makes_no_signing_folder(server: Server, tmp_path: Path) -> None:
    """fsck, backup and restore leave a signing folder that is not there as it is, and fsck's JSON has names as all JSON here."""
    missing = ["--signer-dir", str(tmp_path / "missing")]
    told = server.run("--json", "fsck", *missing)
    assert {"clean", "problems", "logEntries", "logCheckpoints"} <= decode(told.stdout).keys()
    assert server.run("backup", str(tmp_path / "file"), *missing).returncode == 0
    restored = ["--database", f"sqlite:///{tmp_path}/restored.db"]
    assert run_command("restore", str(tmp_path / "file"), *restored, *missing, folder=tmp_path).returncode in (0, 1)
    assert (tmp_path / "restored.db").exists() and not (tmp_path / "missing").exists()


# ---------------------------------------------------------------- clock


def test_the_clock_is_shown(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """`clock show` says whose clock it is and where it stands, held or not, and moves nothing."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, tmp_path)
    assert vendor.text("clock", "show") == "the sandbox clock is held at 2026-02-10T12:00:00Z\n"
    assert vendor.json("clock", "show")["held"] is True
    vendor.environment["PACSPACE_API_KEY"] = server.new_key("live")
    assert vendor.text("clock", "show").startswith("the production clock shows real time: 20")


def test_the_sandbox_starts_over(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """`clock reset` empties the sandbox after a yes or --yes, after no answer it does not; production refuses it."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, tmp_path)
    vendor.json("emit", "c", -1, "usage")
    assert "a reset can't be undone: confirm with --yes" in vendor.refused("clock", "reset", code=2)
    code, shown = vendor.on_terminal("clock", "reset", typed="n\n")
    assert code == 1 and "Delete all customers" in shown and "nothing was reset" in shown
    assert vendor.json("customers")["total"] == 1
    code, shown = vendor.on_terminal("clock", "reset", typed="y\n")
    assert code == 0 and "the sandbox is empty" in shown
    assert vendor.json("customers")["total"] == 0
    assert vendor.json("clock", "reset", "--yes")["reset"] is True
    vendor.environment["PACSPACE_API_KEY"] = server.new_key("live")
    assert "sandbox" in vendor.refused("clock", "reset", "--yes", code=3)


# ---------------------------------------------------------------- emit, receipt, customers, erase


def test_a_conflict_says_how_to_correct(vendor: Vendor, customer: str) -> None:
    """Another amount under a reference is refused with the command of a correction, and that command works."""
    vendor.json("emit", customer, -7, "usage", "--reference", "day 1")
    said = vendor.refused("emit", customer, -8, "usage", "--reference", "day 1", code=3)
    command = f"a correction is a new delta: pacspace emit {customer} AMOUNT REASON --adjusts 'day 1'"
    assert command in said
    assert vendor.json("emit", customer, -1, "fix", "--adjusts", "day 1")["adjusts"]


def test_queued_is_explained(vendor: Vendor, customer: str) -> None:
    """What QUEUED means stands beside it; VERIFIED needs no word."""
    text = vendor.text("emit", customer, -7, "usage")
    assert re.search(r"status +QUEUED \(recorded; the log includes it within a second\)$", text, re.M)
    assert re.search(r"status +VERIFIED$", vendor.text("emit", customer, -7, "usage", "--wait"), re.M)


def test_a_receipt_lists_its_corrections(vendor: Vendor, customer: str) -> None:
    """Each correction with what it corrects; the state of an open month is said once."""
    first = vendor.json("emit", customer, -7, "usage")["recordId"]
    fix = vendor.json("emit", customer, "2.5", "fix", "--adjusts", first)["recordId"]
    text = vendor.text("receipt", customer)
    assert re.search(
        rf"^corrections of earlier deltas:\ndelta +corrects +recorded +recordId\n +2\.5 +{first} +\S+ +{fix}$",
        text,
        re.M,
    )
    assert re.search(r"state +PROVISIONAL: it may still change$", text, re.M) and text.count("PROVISIONAL") == 1
    assert re.search(r"total +-4\.5 in 2 deltas$", text, re.M)


def test_a_month_of_customers_counts_that_month(vendor: Vendor, customer: str) -> None:
    """With --period the deltas are those of the month, under a head that names it; without it all of them."""
    vendor.json("emit", customer, -1, "usage", "--occurred-at", "2026-01-05T00:00:00Z")
    vendor.json("emit", customer, -2, "usage")
    text = vendor.text("customers", "--search", customer, "--period", "2026-01")
    assert "balance 2026-01  deltas 2026-01" in text and re.search(rf"{customer} +-1 +1 ", text)
    assert re.search(rf"{customer} +-2 +2 ", vendor.text("customers", "--search", customer))


def test_an_erased_delta_says_erased(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A replay of an erased delta, and its line, say (erased); a second erase says that nothing was left."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, tmp_path)
    again = ["emit", "c", -1, "usage", "--reference", "r1"]
    vendor.json(*again)
    assert "erased 1 context (reason" in server.run("erase", "c", "--yes").stdout
    assert "nothing was added: -1 for c, (erased)\n" in vendor.text(*again)
    assert re.search(r"-1 +\(erased\)", vendor.text("customer", "c"))
    second = server.run("erase", "c", "--yes")
    assert second.returncode == 0 and second.stdout.startswith("nothing left to erase of c\n")
    before = server.run("erase", "c", "--yes", "--before", "2026-02").stdout
    assert before.startswith("nothing left to erase of c in months before 2026-02\n")


def test_fsck_counts_one_as_one(start_server: Callable[..., Server]) -> None:
    """One customer and one delta are no customers and no deltas."""
    server = start_server()
    server.client.emit("c", -1).data
    assert "clean: 1 customer, 1 delta, " in server.run("fsck").stdout


def test_the_settings_stand_in_columns(tmp_path: Path) -> None:
    """However long a value is, what `config` says of each setting begins in one column."""
    text = run_command(
        "config", folder=tmp_path, environment={"PACSPACE_DATABASE": f"sqlite:///{'long/' * 20}x.db"}
    ).stdout
    head, *lines = text.splitlines()
    for word in ("value", "from", "meaning"):
        column = head.index(word)
        assert all(line[column - 1] == " " and line[column] != " " for line in lines), text


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "words", [["receipt", "--out", "nowhere/a.json"], ["export", "--out", "nowhere/a.csv"]], ids=" ".join
)
def test_a_folder_that_is_not_there_is_named(vendor: Vendor, customer: str, words: list[str]) -> None:
    """A file that can't be written for want of its folder ends with 3 and names the folder."""
    vendor.json("emit", customer, -1, "usage")
    said = vendor.refused(words[0], customer, *words[1:], code=3)
    assert said == f"pacspace: the folder nowhere does not exist; {words[-1].rpartition('/')[2]} was not written\n"


def test_export_knows_the_format_by_the_name(vendor: Vendor, customer: str) -> None:
    """--out x.csv and x.jsonl need no --format; another name or standard output does, and says so."""
    vendor.json("emit", customer, -1, "usage")
    assert vendor.text("export", customer, "--out", "x.csv") == "1 delta written to x.csv\n"
    assert (vendor.folder / "x.csv").read_text().startswith("customerId,delta,")
    vendor.text("export", customer, "--out", "x.jsonl")
    assert (vendor.folder / "x.jsonl").read_text().startswith("{")
    assert "--format" in vendor.refused("export", customer, "--out", "x.txt", code=2)
    assert "--format" in vendor.refused("export", customer, code=2)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_import_shows_the_first_rejected_rows(vendor: Vendor, customer: str, form: str) -> None:
    """Five of them, with line and reason, and how many more there are; as a document too."""
    rows = [(customer, "0" if n < 7 else "-1", f"row {n}") for n in range(8)]
    if form == "csv":
        text = "customerId,delta,reason\n" + "".join(f"{','.join(row)}\n" for row in rows)
    else:
        text = "".join(
            f'{{"customerId":"{name}","delta":{delta},"reason":"{reason}"}}\n' for name, delta, reason in rows
        )
    (vendor.folder / f"in.{form}").write_text(text)
    done = vendor.run("import", f"in.{form}")
    first = 2 if form == "csv" else 1
    assert re.findall(r"^line (\d+): delta: ", done.stdout, re.M) == [str(first + n) for n in range(5)], done.stdout
    assert "... and 2 more" in done.stdout
    problems = vendor.json("import", f"in.{form}", code=1)["problems"]
    assert [one["line"] for one in problems] == [first + n for n in range(5)] and all(
        "delta" in one["reason"] for one in problems
    )


def test_a_dry_run_finds_a_reference_with_other_values(vendor: Vendor, customer: str) -> None:
    """A referenceId that comes twice with other values is named; the same values again, spelled anyhow, or another customer's are not."""
    with (vendor.folder / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([
            ["customerId", "delta", "reason", "referenceId", "metadata", "occurredAt"],
            [customer, "-1", "u", "r1", '{"a": 1, "b": 2}', "2026-02-01T00:00:00Z"],
            [customer, "-1.0", "u", "r1", '{"b": 2.0, "a": 1}', "2026-02-01T01:00:00+01:00"],
            [customer, "-2", "u", "r1", "", ""], [f"{customer}.2", "-3", "u", "r1", "", ""], [customer, "-1", "u", "", "", ""],
        ])  # fmt: skip
    told = vendor.json("import", "in.csv", "--dry-run", code=1)
    assert told["problems"] == [{"line": 4, "reason": "referenceId: r1 is earlier in this file with other values"}]
    sent = vendor.json("import", "in.csv", code=1)
    assert [one["line"] for one in sent["problems"]] == [4] and (sent["recorded"], sent["alreadyThere"]) == (3, 1)
