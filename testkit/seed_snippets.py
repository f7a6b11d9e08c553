"""The Python snippets of the first interface document, whose indentation was lost: found by rule, indented by rule."""

from __future__ import annotations

import ast
import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "conformance" / "seeds" / "000_86f873610e3b41e1.txt"
# How a statement in this document begins.
STATEMENT = re.compile(r"import |from |try:|except |if |print\(|pac\.|[a-z_]+ = ")
OPENING, CLOSING = "([{", ")]}"


def depth_after(line: str, depth: int) -> int:
    """How many brackets are open after a line; the document's strings hold none."""
    return depth + sum(line.count(c) for c in OPENING) - sum(line.count(c) for c in CLOSING)


def split(text: str) -> tuple[list[list[str]], list[str]]:
    """The snippets, each a list of lines, and the lines that are in none of them."""
    snippets: list[list[str]] = [[]]
    prose: list[str] = []
    depth = 0
    for line in text.split("\n"):
        if depth or STATEMENT.match(line):
            snippets[-1].append(line)
            depth = depth_after(line, depth)
        else:
            prose.append(line)
            if snippets[-1]:
                snippets.append([])
    return [lines for lines in snippets if lines], prose


def indented(lines: list[str]) -> str:
    """The lines with their indentation: four spaces for each open bracket, and for the one statement after a colon."""
    made, depth, in_block = [], 0, False
    for line in lines:
        level = depth - (line[:1] in CLOSING) + in_block
        made.append("    " * level + line)
        depth = depth_after(line, depth)
        if depth == 0:
            in_block = line.endswith(":")
    return "\n".join(made) + "\n"


def snippets() -> list[str]:
    """Every snippet as Python source, in the order of the document."""
    return [indented(lines) for lines in split(DOCUMENT.read_text("utf-8"))[0]]


def looks_like_code(line: str) -> bool:
    """Whether a line is a statement of Python (other than a single word), or a part of one."""
    if line[:1] in (*OPENING, *CLOSING, '"', "'") and line:
        return True
    try:
        parsed = ast.parse(line)
    except SyntaxError:
        return (
            bool(re.search(r'[({\[,:]$|"[a-zA-Z]+":|^(def|class|with|for|else)\b.*:$', line)) and not line[0].isupper()
        )
    return any(not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Name)) for s in parsed.body)
