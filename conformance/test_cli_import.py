"""`pacspace import`: every row once, however often it is stopped, killed and repeated."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from testkit.flaky import flaky
from testkit.server import Server, decode
from testkit.vendor import Vendor

HEADER = ["customerId", "delta", "reason"]


@pytest.fixture
def vendor(server: Server, tmp_path: Path) -> Vendor:
    """On the server that tests share; its sandbox clock stands in February 2026."""
    return Vendor(server, tmp_path)


def write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def counts(told: Any) -> tuple[int, int, int]:
    return told["recorded"], told["alreadyThere"], told["rejected"]


def held(server: Server, customer: str) -> Counter[Decimal]:
    return Counter(Decimal(delta["delta"]) for delta in server.client.all_deltas(customer, page=1000))


# ---------------------------------------------------------------- what a row may hold


def test_every_column_arrives(vendor: Vendor, server: Server, customer: str) -> None:
    """Each column of a CSV file arrives as the emit body has it: amounts digit for digit, empty cells as absent."""
    header = [*HEADER, "referenceId", "metadata", "metadata.region", "occurredAt", "adjusts.referenceId"]
    write_csv(vendor.folder / "in.csv", header, [
        [customer, "-1.123456789", 'a "b",\nc', "r1", '{"n": 1.50, "big": 123456789012345678901}', "eu", "2026-02-01T00:00:00Z", ""],
        [customer, "1e2", "ünï", "r2", "", "", "", "r1"],
        ["", "", "", "", "", "", "", ""],
    ])  # fmt: skip
    assert counts(vendor.json("import", "in.csv")) == (2, 0, 0)
    first, second = server.client.all_deltas(customer)
    assert (first["delta"], first["reason"], first["referenceId"]) == (Decimal("-1.123456789"), 'a "b",\nc', "r1")
    assert first["metadata"] == {"n": Decimal("1.5"), "big": 123456789012345678901, "region": "eu"}
    assert first["occurredAt"] == "2026-02-01T00:00:00.000000Z"
    assert (second["delta"], second["reason"], second["metadata"]) == (100, "ünï", None)
    assert second["adjusts"] == {"recordId": first["recordId"]}


def test_csv_and_json_lines_are_the_same_rows(vendor: Vendor, customer: str) -> None:
    """The same rows as CSV, as JSON lines, and with other line ends, marks, quotes and order of columns are there already."""
    write_csv(
        vendor.folder / "a.csv",
        [*HEADER, "metadata"],
        [[customer, "-1.5", "u", '{"a":1}'], [customer, "-1.5", "u", ""]],
    )
    assert counts(vendor.json("import", "a.csv")) == (2, 0, 0)
    lines = [f'{{"reason":"u","metadata":{{"a":1.0}},"delta":-1.50,"customerId":"{customer}"}}', "",
             f'{{"customerId": "{customer}", "delta": -1.5, "reason": "u", "occurredAt": null}}']  # fmt: skip
    (vendor.folder / "a.jsonl").write_text("\n".join(lines))
    assert counts(vendor.json("import", "a.jsonl")) == (0, 2, 0)
    other = f'\ufeffdelta,"reason",customerId,metadata\r\n-1.5,"u",{customer},"{{""a"": 1}}"\r\n\r\n-1.5,u,{customer},'
    (vendor.folder / "b.csv").write_bytes(other.encode())
    assert counts(vendor.json("import", "b.csv")) == (0, 2, 0)


def test_standard_input_is_taken(vendor: Vendor, customer: str) -> None:
    """`-` reads standard input in the format that is named, and is as safe to repeat."""
    text = f"customerId,delta,reason\n{customer},-1,u\n{customer},-1,u\n"
    for expected in ((2, 0, 0), (0, 2, 0)):
        done = vendor.run("--json", "import", "-", "--format", "csv", given=text)
        assert done.returncode == 0 and counts(decode(done.stdout)) == expected
    assert "--format" in vendor.refused("import", "-", code=2)
    assert not list(vendor.folder.iterdir())


# ---------------------------------------------------------------- safe to repeat


def test_equal_rows_stay_two_records(vendor: Vendor, server: Server, customer: str) -> None:
    """Rows without a referenceId: equal ones are two deltas, the same file adds nothing, a longer one what is new."""
    rows: list[list[Any]] = [[customer, "-1", "u"], [customer, "-1", "u"], [customer, "-2", "u"]]
    write_csv(vendor.folder / "in.csv", HEADER, rows)
    first = vendor.run("--json", "import", "in.csv")
    assert counts(decode(first.stdout)) == (3, 0, 0)
    assert first.stderr.count("rows without a referenceId get one") == 1
    (vendor.folder / "in.csv").rename(vendor.folder / "copy.csv")
    assert counts(vendor.json("import", "copy.csv")) == (0, 3, 0)
    write_csv(vendor.folder / "in.csv", HEADER, [*rows, [customer, "-2", "u"]])
    again = vendor.run("--json", "import", "in.csv")
    assert counts(decode(again.stdout)) == (1, 3, 0)
    assert "3 rows were already recorded" in again.stderr
    assert held(server, customer) == {Decimal(-1): 2, Decimal(-2): 2}
    assert not list(vendor.folder.glob("*.import-state")), "a finished import leaves no state"


def test_rows_keep_their_own_reference(vendor: Vendor, customer: str) -> None:
    """A row with a referenceId is known by it in whatever file; other values under it are rejected with both."""
    write_csv(
        vendor.folder / "a.csv", [*HEADER, "referenceId"], [[customer, "-1", "u", "r1"], [customer, "-2", "u", "r2"]]
    )
    done = vendor.run("--json", "import", "a.csv")
    assert counts(decode(done.stdout)) == (2, 0, 0) and "get one" not in done.stderr
    write_csv(
        vendor.folder / "b.csv", [*HEADER, "referenceId"], [[customer, "-2", "u", "r2"], [customer, "-3", "u", "r1"]]
    )
    assert counts(vendor.json("import", "b.csv", code=1)) == (0, 1, 1)
    (row,) = read_csv(vendor.folder / "b.csv.rejected.csv")
    assert "recorded -1, sent -3" in row["rejected.reason"] and row["rejected.line"] == "3"


def test_a_correction_finds_an_earlier_row(vendor: Vendor, server: Server, customer: str) -> None:
    """A row may correct one of any earlier row of the same file, in the same batch or in another."""
    rows = [[customer, "-5", "u", f"r{n}", ""] for n in range(1500)]
    rows += [[customer, "1", "fix", "f1", "r0"], [customer, "2", "fix", "f2", "f1"]]
    write_csv(vendor.folder / "in.csv", [*HEADER, "referenceId", "adjusts.referenceId"], rows)
    assert counts(vendor.json("import", "in.csv")) == (1502, 0, 0)
    known = {delta["referenceId"]: delta for delta in server.client.all_deltas(customer, page=1000)}
    assert known["f1"]["adjusts"]["recordId"] == known["r0"]["recordId"]
    assert known["f2"]["adjusts"]["recordId"] == known["f1"]["recordId"]


# ---------------------------------------------------------------- rejected rows


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rejected_rows_are_kept_mended_and_imported(vendor: Vendor, server: Server, customer: str, form: str) -> None:
    """Rows that can't be recorded go to a file with line and reason; mended, that file records them, once."""
    if form == "csv":
        bad = ["{c},0,zero", "{c},-1", '{c},-1,"a"b', "{c},abc,word", "{c},-1,"]
        text = "customerId,delta,reason\n{c},-1,good\n" + "\n".join(bad) + "\n{c},-2,good\n"
    else:
        fields = [
            '"delta":0,"reason":"zero"',
            '"dleta":-1,"reason":"u"',
            "broken",
            '"delta":"-1","reason":"word"',
            '"delta":-1',
        ]
        bad = [f'{{"customerId":"{{c}}",{one}}}' for one in fields]
        good = '{"customerId":"{c}","delta":-1,"reason":"good"}'
        text = "\n".join(["", good, *bad, good.replace("-1", "-2"), ""])
    (vendor.folder / f"in.{form}").write_text(text.replace("{c}", customer))
    done = vendor.run("import", f"in.{form}")
    assert done.returncode == 1 and "2 recorded, 0 already there, 5 rejected" in done.stdout
    file = f"in.{form}.rejected.{form}"
    assert file in done.stdout
    rows = read_rejected(vendor.folder / file)
    assert [int(row["line"]) for row in rows] == [3, 4, 5, 6, 7] and all(row["reason"] for row in rows)
    before = (vendor.folder / file).read_bytes()
    assert counts(vendor.json("import", f"in.{form}", code=1)) == (0, 2, 5), "it may be repeated"
    assert (vendor.folder / file).read_bytes() == before and len(list(vendor.folder.glob("*rejected*"))) == 1
    assert counts(vendor.json("import", file, code=1)) == (0, 0, 5), "as it stands it is rejected again"
    mend(vendor.folder / file, customer)
    assert counts(vendor.json("import", f"in.{form}", code=1)) == (0, 2, 5)
    assert (vendor.folder / f"in.{form}.rejected-2.{form}").exists(), "a mended file is not written over"
    assert counts(vendor.json("import", file)) == (5, 0, 0)
    assert counts(vendor.json("import", file)) == (0, 5, 0)
    assert held(server, customer) == {Decimal(-1): 1, Decimal(-2): 1, Decimal("-7.5"): 5}


def read_rejected(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return [{name.partition(".")[2]: row[name] for name in row if "rejected." in name} for row in read_csv(path)]
    return [decode(line)["rejected"] for line in path.read_text().splitlines()]


def mend(path: Path, customer: str) -> None:
    mended = {"customerId": customer, "delta": "-7.5", "reason": "mended"}
    if path.suffix == ".csv":
        rows = [row | mended for row in read_csv(path)]
        write_csv(path, list(rows[0]), [list(row.values()) for row in rows])
        return
    rows = [decode(line) | mended | {"delta": -7.5} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({n: v for n, v in row.items() if n != "dleta"}) + "\n" for row in rows))


def test_one_bad_row_never_hides_a_good_one(vendor: Vendor, server: Server, customer: str) -> None:
    """Rows that make a whole batch unreadable (nested too deep) are found one by one; every other row is recorded."""
    nested = "[" * 14 + "]" * 14
    deep = f'{{"customerId":"{customer}","delta":-1,"reason":"u","metadata":{{"a":{nested}}}}}'
    good = f'{{"customerId":"{customer}","delta":-1,"reason":"u"}}'
    lines = [good] * 50
    lines[7] = lines[31] = deep
    (vendor.folder / "in.jsonl").write_text("\n".join(lines))
    assert counts(vendor.json("import", "in.jsonl", code=1)) == (48, 0, 2)
    assert [row["line"] for row in read_rejected(vendor.folder / "in.jsonl.rejected.jsonl")] == [8, 32]
    assert held(server, customer) == {Decimal(-1): 48}


def test_what_is_not_utf_8_is_told(vendor: Vendor, customer: str) -> None:
    """A line that is not UTF-8 is rejected with its line; a UTF-16 file is refused as a whole."""
    (vendor.folder / "in.csv").write_bytes(b"customerId,delta,reason\nx,-1,caf\xe9\n" + customer.encode() + b",-1,u\n")
    assert counts(vendor.json("import", "in.csv", code=1)) == (1, 0, 1)
    (row,) = read_csv(vendor.folder / "in.csv.rejected.csv")
    assert "not UTF-8" in row["rejected.reason"] and row["rejected.text"] == "x,-1,caf\\xe9"
    (vendor.folder / "wide.csv").write_text("customerId,delta,reason\n", encoding="utf-16")
    assert "UTF-16" in vendor.refused("import", "wide.csv", code=2)


# ---------------------------------------------------------------- refused before anything is sent


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("in.csv", "customer_id,delta,reason\n", ["'customer_id'", "did you mean customerId?"]),
     ("in.csv", "customerId,delta,reason,period\n", ["period comes from the record"]),
     ("in.csv", "customerId,delta,delta,reason\n", ["the column delta is repeated"]),
     ("in.csv", "customerId,delta\n", ["no column reason"]), ("in.csv", "", ["the file is empty"]), ("in.jsonl", "\n", ["the file is empty"]),
     ("in.csv", "customerId;delta;reason\n", ["commas"]),
     ("in.jsonl", '{"customerId":"c","delta":-1,"reason":"u","refrenceId":"x"}\n', ["did you mean referenceId?"]),
     ("in.txt", "customerId,delta,reason\n", ["--format"]),
     ("in.csv", "customerId,delta,reason\nc,-1," + "x" * (1 << 20), ["line 2 is longer"])],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_none_of_deltas_is_refused(vendor: Vendor, name: str, text: str, words: list[str]) -> None:
    """Unknown, repeated and missing columns end with 2, named with the nearest known one; nothing is sent."""
    (vendor.folder / name).write_text(text)
    with flaky(vendor.environment["PACSPACE_BASE_URL"]) as network:
        vendor.environment["PACSPACE_BASE_URL"] = network.url
        said = vendor.refused("import", name, code=2)
    assert all(word in said for word in words) and not network.seen, said


def test_a_dry_run_sends_nothing(vendor: Vendor, customer: str) -> None:
    """--dry-run needs no server, judges every row as the server would, and writes no file."""
    vendor.environment["PACSPACE_BASE_URL"] = "http://127.0.0.1:1"
    vendor.environment["PACSPACE_API_KEY"] = ""
    rows = [[customer, "-1", "u"], [customer, "-1", "x" * 501], ["c d", "-1", "u"], [customer, "1.0000000001", "u"]]
    write_csv(vendor.folder / "in.csv", HEADER, rows)
    told = vendor.json("import", "in.csv", "--dry-run", code=1)
    assert (told["rows"], told["rejected"]) == (4, 3)
    assert [(one["line"], one["reason"].partition(":")[0]) for one in told["problems"]] == [
        (3, "reason"), (4, "customerId"), (5, "delta"),
    ]  # fmt: skip
    assert "line 4: customerId: " in vendor.run("import", "in.csv", "--dry-run").stdout
    write_csv(vendor.folder / "in.csv", HEADER, rows[:1])
    assert "1 row, 0 can't be recorded; nothing was sent" in vendor.text("import", "in.csv", "--dry-run")
    assert [path.name for path in vendor.folder.iterdir()] == ["in.csv"]


# ---------------------------------------------------------------- stopped, killed, resumed


ROWS = 12_000


@pytest.fixture
def big(vendor: Vendor, customer: str) -> list[list[str]]:
    """A file of rows among which many are equal, and some can't be recorded."""
    rows = [[customer, "0" if n % 1000 == 999 else f"-{n % 5 + 1}", "u"] for n in range(ROWS)]
    write_csv(vendor.folder / "big.csv", HEADER, rows)
    return rows


def expected(rows: list[list[str]]) -> Counter[Decimal]:
    return Counter(Decimal(row[1]) for row in rows if row[1] != "0")


def wait_for(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.002)


def text_of(file: Path) -> str:
    """What a file holds that may come and go at any instant."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def test_killed_at_random_instants_it_records_each_row_once(
    vendor: Vendor, server: Server, customer: str, big: list[list[str]], rng: random.Random
) -> None:
    """SIGKILL at random instants, run again until it ends: each row is one delta, each rejected row is listed once."""
    kills = 0
    while True:
        process = vendor.start("--json", "import", "big.csv")
        state = vendor.folder / "big.csv.import-state"
        before = text_of(state)
        if kills < 6:
            wait_for(lambda: process.poll() is not None or text_of(state) not in ("", before))
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
        text, errors = process.communicate(timeout=120)
        if process.returncode >= 0:
            break
        kills += 1
    assert kills > 0 and process.returncode == 1, errors
    told = decode(text)
    assert told["rows"] == ROWS and told["recorded"] + told["alreadyThere"] == ROWS - 12 and told["rejected"] == 12
    assert held(server, customer) == expected(big)
    lines = [int(row["rejected.line"]) for row in read_csv(vendor.folder / "big.csv.rejected.csv")]
    assert lines == list(range(1001, ROWS + 2, 1000))
    assert counts(vendor.json("import", "big.csv", code=1)) == (0, ROWS - 12, 12), "repeated it records nothing new"
    assert {path.name for path in vendor.folder.iterdir()} == {"big.csv", "big.csv.rejected.csv"}


def stop_half_way(vendor: Vendor) -> tuple[int, str]:
    """Starts the import of big.csv and presses Ctrl-C once it has written some state."""
    process = vendor.start("import", "big.csv")
    wait_for((vendor.folder / "big.csv.import-state").exists)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(
    vendor: Vendor, server: Server, customer: str, big: list[list[str]]
) -> None:
    """Ctrl-C ends with 3, without a traceback, and says where it stands; the next run goes on there and not before."""
    code, errors = stop_half_way(vendor)
    assert code == 3 and "Traceback" not in errors
    assert "run the same command again to continue" in errors
    state = json.loads((vendor.folder / "big.csv.import-state").read_text())
    assert 0 < state["rows"] < ROWS
    done = vendor.run("--json", "import", "big.csv")
    assert f"{state['rows']:,} rows are done" in done.stderr
    told = decode(done.stdout)
    assert told["recorded"] == ROWS - 12 and told["alreadyThere"] == 0, "what was done is not sent again"
    assert held(server, customer) == expected(big)


def test_a_file_that_changed_is_not_gone_on_with(vendor: Vendor, big: list[list[str]]) -> None:
    """A change before the position is refused, with --restart as the way on; a change after it is imported."""
    assert stop_half_way(vendor)[0] == 3
    rows = json.loads((vendor.folder / "big.csv.import-state").read_text())["rows"]
    for changed in ([["other", "-1", "u"], *big[1:]], big[: rows - 1]):
        write_csv(vendor.folder / "big.csv", HEADER, changed)
        said = vendor.refused("import", "big.csv", code=2)
        assert "has changed" in said and "--restart" in said
    write_csv(vendor.folder / "big.csv", HEADER, [*big[:rows], *big[rows + 1 :]])
    assert vendor.json("import", "big.csv", code=1)["rows"] == ROWS - 1
    assert counts(vendor.json("import", "big.csv", "--restart", code=1))[0] == 0


def test_a_state_goes_with_its_server(vendor: Vendor, server: Server, big: list[list[str]], tmp_path: Path) -> None:
    """A stopped import is not gone on with on another server or key, and a broken state file is named."""
    assert stop_half_way(vendor)[0] == 3
    good = vendor.environment["PACSPACE_API_KEY"]
    vendor.environment["PACSPACE_API_KEY"] = server.new_key("test")
    said = vendor.refused("import", "big.csv", code=2)
    assert "this import began with" in said and "--restart" in said and good.partition(".")[2] not in said
    state = vendor.folder / "big.csv.import-state"
    assert good.partition(".")[2] not in state.read_text(), "the secret is not written down"
    state.write_text("{}")
    assert "big.csv.import-state" in vendor.refused("import", "big.csv", code=2)
    assert vendor.json("import", "big.csv", "--restart", code=1)["rows"] == ROWS


def test_two_imports_of_one_file_do_not_meet(vendor: Vendor, server: Server, big: list[list[str]]) -> None:
    """While a file is imported, a second import of it is refused."""
    with flaky(server.url) as network:
        network.faults = [503] * 2
        vendor.environment["PACSPACE_BASE_URL"] = network.url
        first = vendor.start("import", "big.csv")
        wait_for(lambda: network.seen)
        assert "another process" in vendor.refused("import", "big.csv", code=2)
        first.communicate(timeout=120)
    assert first.returncode == 1


def test_it_waits_for_a_server_that_starts_anew(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """The server is killed and started again in the middle: the import waits for it, and each row is there once."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    with flaky(server.url) as network:
        vendor = Vendor(server, tmp_path, network.url)
        rows = [["c", f"-{n % 5 + 1}", "u"] for n in range(30_000)]
        write_csv(tmp_path / "in.csv", HEADER, rows)
        process = vendor.start("--json", "import", "in.csv")
        wait_for((tmp_path / "in.csv.import-state").exists)
        server.kill()
        network.target = server.start().url
        text, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    told = decode(text)
    assert told["recorded"] + told["alreadyThere"] == 30_000
    assert held(server, "c") == expected(rows)


def test_an_unreachable_server_ends_it_with_words(vendor: Vendor, customer: str) -> None:
    """Without a server, or with an unknown key, nothing is done, it ends with 3 and says why; then it starts from line 1."""
    write_csv(vendor.folder / "in.csv", HEADER, [[customer, "-1", "u"]])
    good = dict(vendor.environment)
    vendor.environment["PACSPACE_BASE_URL"] = "http://127.0.0.1:1"
    done = vendor.run("--json", "import", "in.csv")
    assert done.returncode == 3 and "http://127.0.0.1:1 can't be reached" in done.stderr
    assert decode(done.stdout)["finished"] is False
    vendor.environment = good | {"PACSPACE_API_KEY": "pk_test_0.x"}
    assert "API key" in vendor.run("import", "in.csv").stderr
    vendor.environment = good
    assert counts(vendor.json("import", "in.csv")) == (1, 0, 0)


# ---------------------------------------------------------------- long files


def test_a_long_file_in_bounded_memory_with_progress(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Ten times the rows take hardly more memory; progress is shown on a terminal, and now and then elsewhere."""
    vendor = Vendor(start_server("--sandbox-clock", "2026-02-10T12:00:00Z"), tmp_path)
    peaks = []
    for rows in (11_000, 110_000):
        items = [[f"c{n % 50}", "-1", "u", f"{rows}-{n}"] for n in range(rows)]
        write_csv(tmp_path / f"{rows}.csv", [*HEADER, "referenceId"], items)
        peaks.append(_peak_kb(vendor, f"{rows}.csv", rows))
    assert peaks[1] - peaks[0] < 16_000, peaks
    code, shown = vendor.on_terminal("import", "11000.csv")
    assert code == 0 and "100%" in shown and "11,000 already there" in shown


def _peak_kb(vendor: Vendor, file: str, rows: int) -> int:
    """Imports a file; the most memory that its process held."""
    program = (
        "import resource, sys\nfrom pacspace_server.cli import main\n"
        "try: main(['--json', 'import', sys.argv[1]])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file], cwd=vendor.folder, env=vendor.environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    document, _, peak = done.stdout.strip().rpartition("\n")
    assert counts(decode(document)) == (rows, 0, 0), done.stderr
    assert ("100,000 rows, " in done.stderr) == (rows > 100_000)
    return int(peak)


def test_files_of_many_batches_keep_their_order_of_lines(vendor: Vendor, server: Server, customer: str) -> None:
    """Whatever order batches arrive in, rejected rows are listed in the file's order, each with its own line."""
    rows = [[customer, "0" if n % 7 == 0 else "-1", f"row {n}"] for n in range(5000)]
    write_csv(vendor.folder / "in.csv", HEADER, rows)
    vendor.json("import", "in.csv", code=1)
    listed = read_csv(vendor.folder / "in.csv.rejected.csv")
    assert [int(row["rejected.line"]) for row in listed] == [n + 2 for n in range(0, 5000, 7)]
    assert all(int(row["rejected.line"]) - 2 == int(row["reason"].removeprefix("row ")) for row in listed)
