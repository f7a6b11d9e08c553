"""A server on which some customers fail inside the locking transaction, with their trees closed: the committer halves
their groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = str(Path(__file__).parent)


class MadeToFail(Exception):
    pass


def serve(spacing: int) -> None:
    """`pacspace`, with one customer of so many failing."""
    from pacspace_server.cli import main
    from pacspace_server.storage.writing import committer

    real = committer.lock_period

    def lock(unit: Any, command: Any) -> Any:
        outcome = real(unit, command)
        if int(command.customer_id.rpartition("-")[2]) % spacing == spacing // 2:
            raise MadeToFail("made to fail")
        return outcome

    committer.lock_period = lock
    main()


def program(spacing: int) -> str:
    """What Python is to be given to run it."""
    return f"import sys; sys.path.insert(0, {HERE!r}); from failing import serve; serve({spacing})"
