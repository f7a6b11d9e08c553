"""How far an import has come: a small file beside the input, replaced as a whole after each batch."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ...output import WrongUse

VERSION = 1


@dataclass
class State:
    """What is done: so many rows of the file, whose running hash was `chain` then. `target` is where they went."""

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
    """The state that an import left, None if there is none. Raises WrongUse for something else under its name."""
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
        raise WrongUse(
            f"{path} is not the state of an import; --restart reads the input from its start and replaces it"
        )
    return State(**stated)
