"""Nothing that the server has is undocumented."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pacspace_server

ROOT = Path(__file__).parents[2]
SOURCE = Path(pacspace_server.__file__).parent
sys.path.insert(0, str(ROOT / "docs"))


def test_the_reference_is_what_the_code_says() -> None:
    """docs/reference.md is exactly what `make docs` makes: routes, errors, limits, settings and commands."""
    import make_reference as page

    assert page.PAGE.read_text("utf-8") == page.reference(), "run `make docs`"


def test_every_route_says_what_it_does() -> None:
    """No route of the reference has an empty description."""
    rows = re.findall(
        r"^\| `(?:GET|POST) [^|]*\| *([^|]*?) *\|$", (ROOT / "docs/reference.md").read_text("utf-8"), re.M
    )
    assert len(rows) > 15
    assert all(rows)


def test_every_error_code_that_is_raised_is_in_the_table() -> None:
    """An upper-case code in a ServiceError, Refusal or ScopeError is one of the documented codes."""
    from pacspace_server.service.errors import CODES

    raised: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        raised |= set(re.findall(r'(?:ServiceError|Refusal)\(\s*[0-9]{3},\s*"([A-Z_]+)"', text))
        raised |= set(re.findall(r'ScopeError\([^)]*"([A-Z_]{5,})"', text))
    assert raised
    assert raised <= CODES.keys()


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a Markdown page names a file that is there."""
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "proofs").rglob("*.md")]:
        if ".venv" in page.parts:
            continue
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
