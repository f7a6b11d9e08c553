"""What an auditor has to read: this package and the standard library."""

import ast
import sys
from pathlib import Path

import pytest

import pacspace_proofs

PACKAGE = Path(pacspace_proofs.__file__).parent
ALLOWED = sys.stdlib_module_names | {"pacspace_proofs", "cryptography"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_the_standard_library_and_cryptography(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}

    assert {name.partition(".")[0] for name in imported} <= ALLOWED
