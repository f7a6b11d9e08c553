"""Fills the examples of ../spec from the vectors: `python -m proofs.vectors.spec_examples` writes them, with `--check` it compares.

In a page, `<!-- example: topic/situation where -->` stands above a fenced block; `where` is the way to a value in the vector.
JSON is shown with line breaks; what is hashed has none.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from .generate import all_files

SPEC = Path(__file__).resolve().parents[1] / "spec"
BLOCK = re.compile(r"(<!-- example: (\S+) (\S+) -->\n```[a-z]*\n)(.*?)(```\n)", re.DOTALL)


def render(files: dict[str, str], name: str, where: str) -> str:
    """A value of a vector as a page shows it."""
    value = json.loads(files[f"{name}.json"])
    for step in where.split("/"):
        if isinstance(value, str):
            value = json.loads(value)
        value = value[int(step)] if isinstance(value, list) else value[step]
    if isinstance(value, str) and value[:1] not in "{[":
        return value.rstrip("\n")
    value = json.loads(value) if isinstance(value, str) else value
    return json.dumps(value, indent=2, ensure_ascii=False)


def filled(page: str, files: dict[str, str]) -> str:
    return BLOCK.sub(lambda match: match[1] + render(files, match[2], match[3]) + "\n" + match[5], page)


def main() -> int:
    files, different = all_files(), []
    for path in sorted(SPEC.glob("*.md")):
        text = filled(path.read_text("utf-8"), files)
        if text != path.read_text("utf-8"):
            different.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    print("\n".join(different) or "all as made")
    return 1 if different and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
