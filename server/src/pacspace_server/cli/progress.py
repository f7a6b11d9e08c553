"""Progress of long work on deltas: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def deltas_progress(doing: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with each number of deltas done."""
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("deltas"), TimeRemainingColumn())
    silent = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=silent, transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda deltas: progress.advance(task, deltas)
