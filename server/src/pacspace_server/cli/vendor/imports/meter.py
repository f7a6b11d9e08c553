"""Progress of an import on stderr: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from ...output import counted
from .state import State

LINE_EVERY_ROWS = 100_000


def results_text(state: State) -> str:
    """The counts, in words."""
    late = f", {state.late:,} of them in a later month (theirs is locked)" if state.late else ""
    return f"{state.recorded:,} recorded{late}, {state.already_there:,} already there, {state.rejected:,} rejected"


class _Bar(Progress):
    """A bar with the counts on a separate line, to fit a narrow terminal."""

    counts = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.counts, no_wrap=True, overflow="ellipsis")


class Meter:
    """Shows rows, rate, remaining time and results."""

    def __init__(self, name: str, total_bytes: int | None) -> None:
        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._progress = _Bar(*columns, console=self._console, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task(escape(name), total=total_bytes)
        self._began_at, self._began_rows, self._next_line = time.monotonic(), 0, LINE_EVERY_ROWS

    def __enter__(self) -> Meter:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, message: str) -> None:
        self._console.print(message, markup=False, soft_wrap=True)

    def begin(self, rows: int) -> None:
        """Starts the rate: earlier rows are already done."""
        self._began_at, self._began_rows = time.monotonic(), rows
        self._next_line = rows + LINE_EVERY_ROWS

    def show(self, state: State, end_bytes: int) -> None:
        rate = (state.rows - self._began_rows) / max(time.monotonic() - self._began_at, 0.001)
        text = f"{counted(state.rows, 'row')}, {rate:,.0f}/s: {results_text(state)}"
        self._progress.counts = text
        self._progress.update(self._task, completed=end_bytes)
        if self._progress.disable and state.rows >= self._next_line:
            self.say(text)
            self._next_line += LINE_EVERY_ROWS
