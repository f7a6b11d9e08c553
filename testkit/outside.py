"""The program of a server whose outside is a file's: the names that there are, where addresses lead, and how late it is for deliveries.

outside.json: {"names": {host: [address]}, "ways": {address: port of this machine}, "laterS": seconds}. Each address that the server
connects to is a line of connected.txt. Which of them it may connect to is decided by the server's own code.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from pacspace_server import cli
from pacspace_server.delivery import http, sender
from pacspace_server.process import wiring

FILE, CONNECTED = Path("outside.json"), Path("connected.txt")
PROGRAM = "testkit.outside:main"  # for the forkserver
known = socket.getaddrinfo


def set_outside(folder: Path, **outside: Any) -> None:
    """For tests: what the server in the folder finds outside from now on."""
    whole = {"names": {}, "ways": {}, "laterS": 0} | outside
    temporary = folder / "outside.new"
    temporary.write_text(json.dumps(whole))
    temporary.rename(folder / FILE)


def connected(folder: Path) -> list[str]:
    """For tests: the addresses that were connected to."""
    file = folder / CONNECTED
    return file.read_text().split() if file.exists() else []


def outside() -> Any:
    return json.loads(FILE.read_text())


class Outside(http.HttpClient):
    """Goes where the file says."""

    async def _connect_to(self, address: str, target: http.Target) -> http.Connection:
        with CONNECTED.open("a") as file:
            file.write(f"{address}\n")
        way = outside()["ways"].get(address)
        if way is not None:
            address, target = "127.0.0.1", http.Target("http", target.host, way, target.path)
        return await super()._connect_to(address, target)


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    if host in outside()["names"]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in outside()["names"][host]]
    return known(host, port, *args, **kwargs)


def main() -> None:
    socket.getaddrinfo = getaddrinfo
    wiring.HttpClient = Outside
    sender.now_us = lambda: time.time_ns() // 1000 + int(outside()["laterS"] * 1_000_000)
    cli.main()
