"""`pacspace demo`: two months of billing on a real server, in a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pacspace_proofs

from .client import Client
from .output import counted

if TYPE_CHECKING:
    from .output import Output

CUSTOMER, RATE = "cust_acme_001", Decimal("0.002")
START = "2026-02-01T23:00:00Z"
MONTHS = {
    "2026-02": [("2026-02-01", 420), ("2026-02-02", 390), ("2026-02-03", 437)],
    "2026-03": [("2026-03-01", 512), ("2026-03-02", 498)],
}
AFTER = {"2026-02": "2026-03-01T09:00:00Z", "2026-03": "2026-04-01T09:00:00Z"}
RULE = "=" * 60
START_TIMEOUT_S = 30


class DemoFailed(Exception):
    """A step of the demo failed; the message says which."""


def run_demo(out: Output, keep: bool) -> int:
    """Runs the demo; exit status 0 if every step succeeds."""
    demo = Demo(out)
    with tempfile.TemporaryDirectory(prefix="pacspace-demo-") as folder, demo_server(Path(folder)) as (client, process):
        try:
            demo.run(client, Path(folder))
        except DemoFailed as error:
            out.fail(f"the demo failed: {error}")
        if keep:
            _keep(out, demo, client, process)
    if out.as_json:
        out.show(demo.result, "")
    return 0


@contextmanager
def demo_server(folder: Path) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """A server process with its sandbox clock in February 2026."""
    arguments = ["--json", "serve", "--port", "0", "--sandbox-clock", START]
    settings = {"PACSPACE_DATABASE": f"sqlite:///{folder / 'pacspace.db'}", "PACSPACE_LOG_LEVEL": "error"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PACSPACE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pacspace_server", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | settings,
        cwd=folder,
    )
    try:
        assert process.stdout is not None
        started = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        yield Client(started["url"], started["fullKey"]), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_TIMEOUT_S)


class Demo:
    """The steps of the demo."""

    def __init__(self, out: Output) -> None:
        self.quiet = out.as_json
        self.result: dict[str, Any] = {"invoices": []}

    def say(self, text: str = "") -> None:
        if not self.quiet:
            print(text, flush=True)

    def run(self, client: Client, folder: Path) -> None:
        self.say(f"A server runs at {client.base_url}, in a temporary folder, its sandbox clock in February 2026.\n")
        self.february(client)
        receipt = self.invoice(client, "2026-02")
        saved = folder / "receipt-2026-02.json"
        key = receipt["verification"]["verifierKey"]
        self.save(client, receipt, saved)
        self.verify_offline(folder, [saved], key)
        self.verify_online(client, receipt)
        self.tamper(folder, saved, key)
        self.march(client)
        second = self.invoice(client, "2026-03")
        later = folder / "receipt-2026-03.json"
        self.save(client, second, later)
        self.verify_offline(folder, [saved, later], key)
        self.say("Next: `make serve`, or `pacspace demo --keep` to look at the pages.")

    def flush(self, client: Client, period: str) -> None:
        for day, calls in MONTHS[period]:
            client.post("/api/v1/sandbox/clock", {"now": f"{day}T23:00:00Z"})
            body = {
                "customerId": CUSTOMER,
                "delta": -calls,
                "reason": f"daily_usage_flush:{day}",
                "referenceId": f"usage:{CUSTOMER}:{day}",
            }
            recorded = client.post("/api/v1/balance/delta", body)
            self.say(f"  {day}  recorded {calls} calls as {recorded['recordId'][:16]}..., {recorded['status']}")

    def february(self, client: Client) -> None:
        self.say("1. The vendor records one amount per day:")
        self.flush(client, "2026-02")
        balance = client.get(f"/api/v1/balance/derive/{CUSTOMER}")
        units = abs(balance["computedBalance"])
        self.say(f"  so far: {units:,} calls in {counted(balance['deltaCount'], 'delta')}, derived from the record\n")
        _expect(units == 1247, f"derive gives {units}, not 1247")
        self.say("2. At the end of the month the vendor locks it under one proof root and prints that on the invoice:")

    def march(self, client: Client) -> None:
        self.say("6. A second month. Its invoice bills only that month, and its lock is linked to the first:")
        self.flush(client, "2026-03")

    def invoice(self, client: Client, period: str) -> dict[str, Any]:
        client.post("/api/v1/sandbox/clock", {"now": AFTER[period]})
        client.post("/api/v1/balance/checkpoint", {"customerId": CUSTOMER, "period": period})
        receipt: dict[str, Any] = client.get(f"/api/v1/balance/receipt/{CUSTOMER}?period={period}")
        units = abs(receipt["finalBalance"])
        _expect(units == sum(calls for _, calls in MONTHS[period]), f"{period} bills {units} units")
        subtotal = (units * RATE).quantize(Decimal("0.01"))
        lines = {
            "Customer": CUSTOMER,
            "Period": period,
            "Usage Units": f"{units:,}",
            "Recorded Days": receipt["deltaCount"],
            "Rate": f"${RATE:.4f} / call",
            "Subtotal": f"${subtotal}",
            "Proof root": receipt["proofRoot"],
            "Verify at": receipt["verifyUrl"],
        }
        self.say(f"{RULE}\n  INVOICE: inv-{CUSTOMER}-{period}\n{RULE}")
        for name, value in lines.items():
            self.say(f"  {name + ':':<19} {value}")
        self.say(f"{RULE}\n  The link shows the totals; with the access code {receipt['accessHint']}, everything.\n")
        self.result["invoices"].append({name: str(value) for name, value in lines.items()})
        return receipt

    def save(self, client: Client, receipt: dict[str, Any], path: Path) -> None:
        path.write_bytes(client.fetch("GET", receipt["bundleUrl"].removeprefix(client.base_url)))

    def verify_offline(self, folder: Path, files: list[Path], key: str) -> None:
        names = " ".join(file.name for file in files)
        number = 3 if len(files) == 1 else 7
        self.say(f"{number}. The customer verifies offline, with only the verifier package and the vendor's key:")
        self.say(f"  $ python -m pacspace_proofs {names} --key ...")
        code, text = verify_alone(folder, files, key)
        # The first file's own report was printed before.
        self.say(_indent(text if len(files) == 1 else text[text.find("together") :]) + "\n")
        _expect(code == 0, f"offline verification of {names} ended with exit status {code}")
        self.result[f"offline{len(files)}"] = text.rstrip().splitlines()[-1]

    def verify_online(self, client: Client, receipt: dict[str, Any]) -> None:
        verdict = client.get(f"/api/v1/verify/{receipt['proofRoot']}?source=both")
        self.say("4. Anyone with the proof root can have the server recompute it, without a key:")
        self.say(f"  verified: {str(verdict['verified']).lower()} - {verdict['message']}\n")
        _expect(verdict["verified"], "the public route does not verify the root")

    def tamper(self, folder: Path, saved: Path, key: str) -> None:
        self.say("5. Tampering: one byte of the saved receipt is changed (-390 becomes -391):")
        forged = folder / "forged.json"
        forged.write_bytes(saved.read_bytes().replace(b'"delta":"-390"', b'"delta":"-391"', 1))
        code, text = verify_alone(folder, [forged], key)
        refused = next((line for line in text.splitlines() if "FAILED" in line), "")
        self.say(f"{_indent(refused.strip())}\n  {text.rstrip().splitlines()[-1]}\n")
        _expect(code == 1 and bool(refused), f"a forged receipt ended with exit status {code}")
        self.result["forged"] = refused.strip()


def verify_alone(folder: Path, files: list[Path], key: str) -> tuple[int, str]:
    """Runs the verifier in a process that has only its package and the standard library."""
    alone = folder / "verifier"
    if not alone.exists():
        source = Path(pacspace_proofs.__file__).parent
        shutil.copytree(source, alone / "pacspace_proofs", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "pacspace_proofs", *map(str, files), "--key", key],
        cwd=alone,
        env={"PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).replace(f"{folder}/", "")


def _keep(out: Output, demo: Demo, client: Client, process: subprocess.Popen[str]) -> None:
    demo.say(f"\nThe server keeps running at {client.base_url} until Ctrl-C. Its sandbox key: {client.api_key}")
    for invoice in demo.result["invoices"]:
        demo.say(f"  {invoice['Period']}: {invoice['Verify at']}")
    try:
        process.wait()
    except KeyboardInterrupt:
        demo.say("stopping")


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise DemoFailed(problem)
