"""One word per thing: pages and messages say what docs/glossary.md says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("server/src/pacspace_server", "clients/python/src", "proofs/python/src")
GENERATED = ("docs/reference/*.md",)  # from messages in the source: clean when those are


def patterns() -> dict[str, re.Pattern[str]]:
    """What each row of the glossary's table replaces, by the word to say."""
    _, _, table = (ROOT / "docs/glossary.md").read_text("utf-8").partition("| say | not | pattern |\n")
    found = {}
    for say, _, cell in re.findall(r"^\| (.+?) \| (.+?) \| (`.+`) \|$", table, re.M):
        parts = re.findall(r"`(.+?)`", cell.replace("\\|", "|"))
        found[say] = re.compile("|".join(rf"\b(?:{part})" for part in parts), re.I)
    return found


SAY = patterns()


def listed(*globs: str) -> set[Path]:
    return {path for pattern in globs for path in ROOT.glob(pattern)}


def prose(text: str) -> str:
    """A page without its code, its addresses and the glossary's table of words."""
    text = text.partition("| say | not |")[0]
    return re.sub(r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)|<!--.*?-->", " ", text, flags=re.S | re.M)


def visible(text: str) -> str:
    """What a template shows: no tags, no expressions, no comments."""
    return re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<style.*?</style>|<[^>]*>", " ", text, flags=re.S)


def messages(source: str) -> str:
    """The texts of a module that have more than one word: messages, help, descriptions."""
    return "\n".join(_texts(ast.parse(source)))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.value


def pages() -> set[Path]:
    own = ("*.md", "docs/**/*.md", "proofs/**/*.md", "server/*.md", "clients/**/*.md", "bench/*.md", "soak/*.md")
    return listed(*own) - listed(*GENERATED)


def sources() -> set[Path]:
    return listed(*(f"{root}/**/*.{kind}" for root in SOURCES for kind in ("py", "html", "typ")))


def read(path: Path) -> str:
    text = path.read_text("utf-8")
    return {".md": prose, ".py": messages}.get(path.suffix, visible)(text)


def wrong_words(text: str) -> list[str]:
    """Each word to replace, with the one to say."""
    joined = re.sub(r"\s+", " ", text)
    return [f"{found[0]!r}: say {say}" for say, pattern in SAY.items() for found in pattern.finditer(joined)]


@pytest.mark.parametrize("path", sorted(pages() | sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_words_are_those_of_the_glossary(path: Path) -> None:
    """No page and no message uses a word that the glossary replaces by another."""
    assert wrong_words(read(path)) == []


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("The tenant has\ntwo orgs", "workspace"), ("a frozen month", "locked"), ("Whoever asks", "who (with a noun)"),
        ("It shows 3 records", "delta"), ("stopped at\nonce", "immediately, at the same time"), ("a batch entry", "log batch"),
    ],
)  # fmt: skip
def test_wrong_words_are_found(text: str, say: str) -> None:
    """A word to replace is found across line breaks and in any case."""
    assert any(found.endswith(f"say {say}") for found in wrong_words(text))


@pytest.mark.parametrize(
    "text", ["`tenantId`", "```\nat once\n```", "finalBalance of the workspace", "the record of a customer"]
)
def test_right_words_and_code_pass(text: str) -> None:
    """Code, JSON names and the words to say are no findings."""
    assert wrong_words(prose(text)) == []


def test_every_word_to_say_is_explained() -> None:
    """Each product word of the table has its meaning in the glossary above it."""
    table, _, _ = (ROOT / "docs/glossary.md").read_text("utf-8").partition("## Say / not")
    meanings = {word for cell in re.findall(r"^\| \*\*(.+?)\*\*", table, re.M) for word in cell.lower().split(", ")}
    plain = {
        "who (with a noun)",
        "own",
        "immediately, at the same time",
        "idempotency key",
        "log, log entry",
        "period, month",
    }
    said = {word for say in SAY if say not in plain for word in say.split(", ")}
    assert len(SAY) > 20
    assert said <= meanings
