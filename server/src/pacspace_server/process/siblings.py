"""Exchanges metrics between the worker processes of one server, so that any of them answers for all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ANSWER_S = 1.0


@dataclass(frozen=True)
class Siblings:
    """Worker `number` of `count`; each listens on a Unix socket in a folder that only its user can enter."""

    folder: Path
    number: int
    count: int

    def _path(self, number: int) -> str:
        return str(self.folder / str(number))

    async def listen(self, tell: Callable[[], bytes]) -> asyncio.Server:
        """Answers until the returned server is dropped; the caller must keep it."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                writer.write(await asyncio.to_thread(tell))
                await writer.drain()

        return await asyncio.start_unix_server(answer, self._path(self.number))

    async def ask(self) -> list[bytes]:
        """The other workers' answers, without those of workers that have ended or take longer than a second."""
        others = [self._ask(number) for number in range(1, self.count + 1) if number != self.number]
        return [said for said in await asyncio.gather(*others) if said]

    async def _ask(self, number: int) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(self._path(number))
                with contextlib.closing(writer):
                    return await reader.read()
        except (OSError, TimeoutError):
            return b""
