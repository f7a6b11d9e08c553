"""The progress of an import: a small file beside the input, replaced after each batch."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ...output import WrongUse

VERSION = 1


@dataclass
class State:
    """The rows that are done, their running hash `chain`, and the server and key they were sent with (`target`)."""

    target: str
    chain: str = ""
    rows: int = 0
    line: int = 0
    recorded: int = 0
    already_there: int = 0
    rejected: int = 0
    late: int = 0
    rejected_file: str = ""
    rejected_bytes: int = 0
    version: int = VERSION

    def save(self, path: Path) -> None:
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        os.replace(part, path)


def load_state(path: Path) -> State | None:
    """The state of an earlier import, None if there is none. Raises WrongUse if the file holds something else."""
    try:
        stated = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        stated = None
    kinds = {one.name: int if one.type == "int" else str for one in fields(State)}
    if (
        not isinstance(stated, dict)
        or stated.keys() != kinds.keys()
        or stated["version"] != VERSION
        or any(type(stated[name]) is not kind for name, kind in kinds.items())
    ):
        raise WrongUse(f"{path} is not an import's state; --restart reads the input from its start and replaces it")
    return State(**stated)
