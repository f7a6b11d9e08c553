"""The examples in the specification are the ones that the vectors hold."""

from __future__ import annotations

import pytest
from proofs.vectors import generate, spec_examples

PAGES = sorted(path.name for path in spec_examples.SPEC.glob("*.md"))
FILES = generate.all_files()


def test_pages() -> None:
    """There is one page for each format."""
    assert PAGES == ["canonical.md", "log.md", "period-tree.md", "receipt.md", "trust-file.md", "webhook.md"]


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str) -> None:
    """Every page has examples, each as generated, and no other block before its grammar."""
    text = (spec_examples.SPEC / page).read_text("utf-8")
    assert spec_examples.filled(text, FILES) == text
    blocks = text.split("\n## ")[1].count("```") // 2
    assert blocks == len(spec_examples.BLOCK.findall(text.split("\n## ")[1])) > 0
