"""What crosses the seam between service and the rooms above is typed: `views/` says of what each reply consists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[1] / "src/pacspace_server/service"
UNTYPED = re.compile(r"\bAny\b|\bobject\b|\b[Dd]ict\b(?!\[)|\bMapping\b(?!\[)")


def returned(source: str) -> Iterator[tuple[str, str]]:
    """The public functions and methods of a module, each with the type that it returns."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, ast.unparse(node.returns) if node.returns else "Any"


def untyped(source: str) -> list[str]:
    return [f"{name} -> {type_}" for name, type_ in returned(source) if UNTYPED.search(type_)]


@pytest.mark.parametrize("path", sorted(SERVICE.rglob("*.py")), ids=lambda path: str(path.relative_to(SERVICE)))
def test_services_return_what_has_a_type(path: Path) -> None:
    """No public function of a service returns a bare dictionary or Any."""
    assert untyped(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "returns", ["dict[str, Any]", "tuple[dict[str, Any], bool]", "list[dict]", "Mapping[str, object]", "Any", ""]
)
def test_untyped_replies_are_found(returns: str) -> None:
    """The check finds each way of returning what has no type."""
    arrow = f" -> {returns}" if returns else ""
    assert untyped(f"class A:\n    async def reply(self){arrow}: ...")
