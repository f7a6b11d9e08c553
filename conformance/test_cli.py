"""The `pacspace` command, as a person or a script uses it."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testkit.command import COMMAND, run_command
from testkit.receipts import log_key, origin_of, save
from testkit.server import BROKEN, POSTGRES, Client, Server, decode, in_threads
from testkit.waiting import wait_until


def test_keys_are_made_listed_and_revoked(start_server: Callable[..., Server]) -> None:
    """A key works as soon as it is made, is listed without its secret, and stops within about a second of its revocation."""
    server = start_server()
    made = server.run_json("keys", "create", "--env", "live", "--name", "billing", "--scopes", "read,write")
    assert re.fullmatch(r"pk_live_[0-9a-z]+\.[0-9A-Za-z_-]{20,}", made["fullKey"])
    client = server.with_key(made["fullKey"])
    assert client.emit("c", -1).status == 201
    listed = server.run("--json", "keys", "list")
    assert made["fullKey"].partition(".")[2] not in listed.stdout
    (row,) = [key for key in decode(listed.stdout) if key["id"] == made["id"]]
    assert (row["name"], row["environment"], row["active"]) == ("billing", "production", True)
    lines = server.run("keys", "list").stdout.splitlines()
    assert (
        len({line.index(word) for line, word in zip(lines, ["scopes", "read,write", "read,write"], strict=True)}) == 1
    )
    assert server.run("keys", "revoke", made["id"]).returncode == 0
    wait_until(lambda: client.derive("c").status == 401)
    assert client.emit("c", -1).error["code"] == "INVALID_API_KEY"
    assert client.derive("c").status == 401
    again = server.run("keys", "revoke", made["id"])
    assert again.returncode == 1 and made["id"] in again.stderr
    assert [key["active"] for key in server.run_json("keys", "list") if key["id"] == made["id"]] == [False]
    assert server.client.emit("c", -1).status == 201, "the other key is untouched"


@pytest.mark.parametrize(
    "arguments",
    [["keys", "create"], ["keys", "create", "--env", "staging"], ["keys", "create", "--env", "test", "--scopes", "root"],
     ["serve", "--port", "x"], ["serve", "--port", "70000"], ["serve", "--sandbox-clock", "yesterday"], ["serve", "--database", "oracle://x"],
     ["serve", "--public-url", "ftp://x"], ["surprise"], ["verify"], ["clock", "advance", "-5"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_exit_2(tmp_path: Path, arguments: list[str]) -> None:
    """What can't be understood ends with 2 and a line that says what is wrong, and writes no file."""
    done = run_command(*arguments, folder=tmp_path)
    assert done.returncode == 2 and done.stderr.strip() and "Traceback" not in done.stderr, done.stderr
    assert not done.stdout.strip() and not any(path.suffix == ".db" for path in tmp_path.iterdir())


def test_config_says_where_each_value_comes_from(tmp_path: Path) -> None:
    """`pacspace config` shows every setting with its source: environment over pacspace.toml over default, no secret."""
    (tmp_path / "pacspace.toml").write_text('port = 9001\nhost = "0.0.0.0"\n')
    done = run_command(
        "--json",
        "config",
        folder=tmp_path,
        environment={"PACSPACE_PORT": "9002", "PACSPACE_API_KEY": "pk_test_x.secret"},
    )
    assert done.returncode == 0 and "secret" not in done.stdout.replace('"secret"', "")
    settings = {row["name"]: row for row in decode(done.stdout)}
    assert (settings["port"]["value"], settings["port"]["source"]) == ("9002", "PACSPACE_PORT")
    assert settings["host"]["value"] == "0.0.0.0" and settings["host"]["source"].endswith("pacspace.toml")
    assert settings["database"]["source"] == "default"
    text = run_command("config", folder=tmp_path).stdout
    assert "9001" in text and "pacspace.toml" in text
    (tmp_path / "pacspace.toml").write_text("prot = 1\n")
    wrong = run_command("config", folder=tmp_path)
    assert wrong.returncode == 2 and "prot" in wrong.stderr


def test_help_and_version(tmp_path: Path) -> None:
    """--help names the commands and ends with 0, for every command."""
    text = run_command("--help", folder=tmp_path)
    assert text.returncode == 0
    for command in ("serve", "keys", "verify", "config", "clock", "fsck"):
        assert command in text.stdout
        one = run_command(command, "--help", folder=tmp_path)
        assert one.returncode == 0 and "Usage" in one.stdout


def test_the_clock_is_set_by_command(start_server: Callable[..., Server]) -> None:
    """`clock set` and `clock advance` move the sandbox clock and print where it now stands."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    to = ["--url", server.url, "--key", server.key or ""]
    set_to = run_command("--json", "clock", "set", "2026-03-01T00:00:00Z", *to, folder=server.folder)
    assert set_to.returncode == 0, set_to.stderr
    assert server.client.emit("c", -1).data["recordedAt"] == "2026-03-01T00:00:00.000000Z"
    assert run_command("clock", "advance", "90", *to, folder=server.folder).returncode == 0
    assert server.client.emit("c", -1).data["recordedAt"] == "2026-03-01T00:01:30.000000Z"
    assert decode(set_to.stdout)["now"] == "2026-03-01T00:00:00.000000Z"


def test_the_clock_command_says_when_it_can_not(start_server: Callable[..., Server]) -> None:
    """Without a server or a key, or with an instant that is none, the clock command ends with 3 or 2 and says why."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    key = ["--key", server.key or ""]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    gone = run_command("clock", "advance", "1", "--url", nobody, *key, folder=server.folder)
    assert gone.returncode == 3 and nobody in gone.stderr
    refused = run_command("clock", "set", "soon", "--url", server.url, *key, folder=server.folder)
    assert refused.returncode in (2, 3) and "soon" in refused.stderr
    keyless = run_command("clock", "advance", "1", "--url", server.url, folder=server.folder)
    assert keyless.returncode == 2 and "PACSPACE_API_KEY" in keyless.stderr


def test_verify_has_an_exit_status_for_each_answer(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """`pacspace verify`: 0 verified, 1 not, 2 wrong use, 3 could not be done; provisional and summary only when allowed."""
    client = start_server("--sandbox-clock", "2026-02-10T12:00:00Z").client
    client.emit("c", -5).data
    interim = client.bundle(client.checkpoint("c").data["checkpointId"])
    checkpoint_id = client.checkpoint("c", period="2026-02").data["checkpointId"]
    locked = client.bundle(checkpoint_id)
    key = ["--key", log_key(client, origin_of(locked))]
    good, early = save(tmp_path, "good.json", locked), save(tmp_path, "early.json", interim)
    short = save(tmp_path, "short.json", client.bundle(checkpoint_id, "summary"))
    bad = save(tmp_path, "bad.json", locked.replace(b'"-5"', b'"-6"', 1))
    junk = save(tmp_path, "junk.json", b"\xff\x00 not json")
    trust = tmp_path / "trust.txt"
    trust.write_text(f"# the log's key\n{key[1]}\n")
    expected: list[tuple[list[Any], int]] = [
        ([good, *key], 0), ([good, "--trust", trust], 0), ([early, good, *key, "--allow-provisional"], 0), ([early, *key], 1),
        ([early, *key, "--allow-provisional"], 0), ([short, *key], 1), ([short, *key, "--allow-summary"], 0), ([bad, *key], 1),
        ([junk, *key], 1), ([good, bad, *key], 1), ([good], 3), ([tmp_path / "missing.json", *key], 3),
        ([good, "--key", "no key"], 2), ([good, *key, "--trust", trust], 2), ([good, "--trust", junk], 2),
    ]  # fmt: skip
    for arguments, code in expected:
        done = run_command("verify", *map(str, arguments), folder=tmp_path)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr and (done.stdout or done.stderr)
    report = decode(run_command("--json", "verify", str(good), *key, folder=tmp_path).stdout)
    assert report["result"] == "locked-full" and report["accepted"] is True
    text = run_command("verify", str(good), *key, folder=tmp_path).stdout
    assert "SANDBOX" in text and "VERIFIED" in text


class Spoken:
    """A server started without --json; what it said until it was ready."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [*COMMAND, "serve", "--port", "0", "--database", f"sqlite:///{folder}/spoken.db", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
        self.text = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.text += line
            if line.startswith("listening on "):
                break
        self.url = self.text.rpartition("listening on ")[2].strip()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


def test_the_first_start_says_how_to_try_it(tmp_path: Path) -> None:
    """The first start prints the sandbox key once, a curl and a Python snippet that work; the second start prints no key."""
    first = Spoken(tmp_path)
    try:
        (key,) = set(re.findall(r"pk_test_[0-9a-z]+\.[\w-]+", first.text))
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]*", first.url) and first.text.endswith(
            f"listening on {first.url}\n"
        )
        curl = re.search(r"curl -X POST (\S+) -H 'X-Api-Key: (\S+)' \\\n\s+-H '([^']+)' -d '([^']+)'", first.text)
        assert curl is not None and curl[2] == key, first.text
        name, _, value = curl[3].partition(": ")
        request = urllib.request.Request(curl[1], curl[4].encode(), {"X-Api-Key": curl[2], name: value})
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert json.loads(reply.read())["data"]["delta"] == -42.5
        snippet = re.search(r"^  from pacspace_sdk import PacSpace\n(?:  .*\n)+", first.text, re.MULTILINE)
        assert snippet is not None
        exec(
            compile("\n".join(line[2:] for line in snippet[0].splitlines()), "snippet", "exec"),
            {"print": lambda *_: None},
        )
        with urllib.request.urlopen(
            urllib.request.Request(f"{first.url}/api/v1/balance/derive/cust_acme", headers={"X-Api-Key": key}),
            timeout=30,
        ) as reply:
            assert json.loads(reply.read())["data"]["deltaCount"] == 2
    finally:
        assert first.end() == 0
    second = Spoken(tmp_path)
    assert second.end(signal.SIGINT) == 0
    lost = rf"The dashboard has no users .*\n\n  {second.url}/app/setup\?token=\S+\n\nlost the key\? `pacspace (keys create --env test --database \S+)`\nlistening on {re.escape(second.url)}\n"
    found = re.fullmatch(lost, second.text)
    assert found is not None, second.text
    assert run_command(*found[1].split(), folder=tmp_path).stdout.startswith("pk_test_")
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key.partition(".")[2].encode() not in stored, "the secret is stored"


def test_sigterm_under_load_loses_nothing(start_server: Callable[..., Server], rng: random.Random) -> None:
    """SIGTERM under load ends with 0, and everything acknowledged is there after the next start."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    for attempt in range(3):
        acknowledged: list[dict[str, Any]] = []
        codes: list[int] = []
        client, known = server.client, threading.Lock()

        def write(
            number: int, attempt: int = attempt, client: Client = client, known: Any = known, told: Any = acknowledged
        ) -> None:
            for count in range(100_000):
                item = {"customerId": "c", "delta": -1, "reason": "usage", "referenceId": f"{attempt}-{number}-{count}"}
                try:
                    reply = client.batch([item, item]) if count % 5 == 0 else client.post("/api/v1/balance/delta", item)
                except BROKEN:
                    return
                if reply.status == 503:
                    return
                data = reply.data
                with known:
                    told.append(
                        data["results"][0] | {"referenceId": item["referenceId"]} if "results" in data else data
                    )

        terminator = threading.Timer(rng.uniform(0.3, 0.8), lambda codes=codes: codes.append(server.stop()))
        terminator.start()
        in_threads([lambda n=n: write(n) for n in range(8)])
        terminator.join()
        assert codes == [0], server.log_text()[-2000:]
        server.start()
        assert len(acknowledged) > 20
        held = {delta["recordId"]: delta["referenceId"] for delta in server.client.all_deltas("c", page=1000)}
        assert {one["recordId"]: one["referenceId"] for one in acknowledged}.items() <= held.items()
        assert len(set(held.values())) == len(held)


@pytest.mark.skipif(POSTGRES, reason="any number of processes serve one PostgreSQL database")
def test_one_server_per_database(start_server: Callable[..., Server]) -> None:
    """A second server on the same SQLite file is refused with the reason, and the first goes on."""
    server = start_server()
    second = server.run("serve", "--port", "0")
    assert second.returncode == 3 and "another process serves" in second.stderr and "Traceback" not in second.stderr
    assert server.client.emit("c", -1).status == 201
    server.kill()
    server.start()
    assert server.client.derive("c").data["deltaCount"] == 1, "a killed server leaves no lock behind"


def test_several_workers_are_refused_on_sqlite(tmp_path: Path) -> None:
    """--workers 2 is refused with the reason before anything is made."""
    done = run_command(
        "serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/x.db", "--workers", "2", folder=tmp_path
    )
    assert done.returncode == 2 and "SQLite" in done.stderr and not list(tmp_path.glob("x.db*"))


def test_a_port_in_use_is_said(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A port that is taken, or a folder that can't be written, ends with 3 and a line that says so."""
    port = start_server().url.rpartition(":")[2]
    done = run_command("serve", "--port", port, "--database", f"sqlite:///{tmp_path}/y.db", folder=tmp_path)
    assert done.returncode == 3 and "Traceback" not in done.stderr and done.stderr.strip()
    (tmp_path / "file").write_text("")
    nowhere = run_command("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/file/z.db", folder=tmp_path)
    assert nowhere.returncode == 3 and "Traceback" not in nowhere.stderr and nowhere.stderr.strip()


def test_an_ipv6_address_is_served(start_server: Callable[..., Server]) -> None:
    """`--host ::1` listens there, and the URL that is printed is one."""
    server = start_server("--host", "::1")
    assert server.url.startswith("http://[::1]:") and server.client.emit("c", -1).status == 201


def test_files_of_secrets_are_private(start_server: Callable[..., Server]) -> None:
    """Signing keys can be read by nobody else, and the secret of an API key is in no file."""
    server = start_server()
    server.client.emit("c", -1).data
    files = [path for path in server.folder.rglob("*") if path.is_file() and path != server.log_path]
    keys = [path for path in files if ".signer" in str(path)]
    assert keys and all(path.stat().st_mode & 0o077 == 0 for path in keys)
    secret = server.key.partition(".")[2] if server.key else ""
    assert all(secret.encode() not in path.read_bytes() for path in [*files, server.log_path])


def test_things_are_said_once_as_json(start_server: Callable[..., Server]) -> None:
    """With --json a command prints one JSON document on stdout and keeps its log lines on stderr."""
    server = start_server()
    for arguments in (["keys", "list"], ["keys", "create", "--env", "test"]):
        done = server.run("--json", *arguments)
        assert done.returncode == 0 and decode(done.stdout)
