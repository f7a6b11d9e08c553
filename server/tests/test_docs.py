"""Nothing that the server has is undocumented."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pacspace_server

ROOT = Path(__file__).parents[2]
SOURCE = Path(pacspace_server.__file__).parent


def test_the_reference_is_what_the_code_says() -> None:
    """docs/reference/ is exactly what `make docs` makes: routes, errors, events, metrics, limits, settings and commands."""
    # In a process of its own: click remembers how a command that ran here spells --help.
    program = "import json, make_reference; print(json.dumps(make_reference.reference()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "docs", check=True, capture_output=True, text=True
    )
    committed = {page.name: page.read_text("utf-8") for page in (ROOT / "docs/reference").iterdir()}
    assert committed == json.loads(done.stdout), "run `make docs`"


def test_the_benchmark_page_is_what_the_figures_say(tmp_path: Path) -> None:
    """docs/benchmark.md and its plots are, byte for byte, what `make bench-report` makes of bench/figures.json."""
    made, committed = tmp_path / "docs", ROOT / "docs"
    program, figures = ROOT / "bench/report.py", ROOT / "bench/figures.json"
    subprocess.run([sys.executable, program, figures, made], check=True)

    def images(folder: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (folder / "images/benchmark").iterdir()}

    assert (made / "benchmark.md").read_bytes() == (committed / "benchmark.md").read_bytes(), "run `make bench-report`"
    assert images(made) == images(committed), "run `make bench-report`"


def test_plots_are_sound_and_safe() -> None:
    """Each plot of the benchmark is well-formed SVG with a title, for dark and for light pages, without a script or an address."""
    plots = list((ROOT / "docs/images/benchmark").glob("*.svg"))
    assert len(plots) > 10
    for plot in plots:
        text = plot.read_text("utf-8")
        parsed = ElementTree.fromstring(text)
        assert parsed.findtext("{http://www.w3.org/2000/svg}title")
        assert "prefers-color-scheme: dark" in text
        assert "<script" not in text and "href" not in text and text.count("http") == 1  # the name of the format


def documented() -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Status and code of every refusal in the OpenAPI document, by method and path; a plain 400 has no code."""
    from pacspace_server.api.openapi import document

    made = document("http://127.0.0.1")
    schemas = made["components"]["schemas"]
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            codes = found[method.upper(), path] = set()
            for status, response in operation["responses"].items():
                if status in ("200", "201"):
                    continue
                schema = response["content"]["application/json"]["schema"]
                for part in schema.get("oneOf", [schema]):
                    error = schemas[part["$ref"].rpartition("/")[2]]["properties"]["error"]["properties"]
                    codes.add((status, error["code"]["const"] if "code" in error else ""))
    return found


def test_table_document_and_reference_agree() -> None:
    """Route table, OpenAPI document and docs/reference/ have the same routes, methods and codes, each under its status."""
    from pacspace_server.api.routes import ROUTES
    from pacspace_server.http.refusals import CODES

    found = documented()
    assert found.keys() == {(route.method, route.path.replace(":path}", "}")) for route in ROUTES}
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs/reference").iterdir() if page.name != "command.md")
    _, *sections = re.split(r"^## `(\w+) ([^`]+)`$", text, flags=re.M)
    assert {*zip(sections[::3], sections[1::3], strict=True)} == found.keys()
    for method, path, section in zip(sections[::3], sections[1::3], sections[2::3], strict=True):
        (line,) = re.findall(r"^Refuses with (.*)\.$", section, re.M)
        named = re.findall(r"([0-9]{3}) (?:`([A-Z_]+)`|\(fields\))", line)
        assert {*named} == found[method, path], path
        assert all(int(status) == (CODES[code].status if code else 400) for status, code in named)
    for route in ROUTES:
        assert len(route.says) > 10, route.path
        codes = {code for _, code in found[route.method, route.path.replace(":path}", "}")]}
        assert {*route.codes} <= codes <= {*CODES, ""}


def test_every_code_is_answered_somewhere() -> None:
    """Each documented error code belongs to a route, to a method that a path does not take, or to a page's form."""
    from pacspace_server.http.refusals import CODES

    answered = {code for codes in documented().values() for _, code in codes}
    assert answered | {"METHOD_NOT_ALLOWED", "ENVIRONMENT_CHANGED"} == {*CODES, ""}


def test_every_error_code_that_is_raised_is_in_the_table() -> None:
    """An upper-case code in a ServiceError, Refusal or ScopeError is one of the documented codes."""
    from pacspace_server.http.refusals import CODES

    raised: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        raised |= set(re.findall(r'(?:ServiceError|Refusal)\(\s*"([A-Z_]+)"', text))
        raised |= set(re.findall(r'ScopeError\([^)]*"([A-Z_]{5,})"', text))
    assert raised
    assert raised <= CODES.keys()


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    hidden = {part.name for part in ROOT.iterdir() if part.name.startswith(".")}
    return [page for page in ROOT.rglob("*.md") if page.relative_to(ROOT).parts[0] not in hidden]


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a Markdown page names a file that exists."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_paths_in_pages_exist() -> None:
    """Every path in backticks, and every Python file named there, is in the repository, whole or as the end of a path."""
    top = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    rooms = [folder for folder in SOURCE.iterdir() if folder.is_dir()]
    known = [f"/{path.relative_to(ROOT)}" for path in [*top, *(path for folder in top for path in folder.rglob("*"))]]
    first = {folder.name for folder in [*top, *rooms]}

    def is_path(text: str) -> bool:
        return text.endswith(".py") or ("/" in text and text.partition("/")[0] in first)

    named = [(page, text) for page in pages() for text in re.findall(r"`([\w./-]+)`", page.read_text("utf-8"))]
    paths = [(page, text) for page, text in named if is_path(text)]
    missing = [
        f"{page.relative_to(ROOT)}: {text}"
        for page, text in paths
        if not any(path.endswith(f"/{text.rstrip('/')}") for path in known)
    ]
    assert len(paths) > 50
    assert missing == []


def test_the_index_of_decisions_lists_every_page() -> None:
    """docs/decisions/README.md has a row per page: its number, its title, its status; a later page names what it changes."""
    folder = ROOT / "docs/decisions"
    rows = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| (.+) \|$", (folder / "README.md").read_text("utf-8"), re.M)
    texts = {page.name: page.read_text("utf-8") for page in sorted(folder.glob("[0-9]*.md"))}
    titles = [(name[:4], f"# {int(name[:4])}. ", name) for name in texts]
    assert [(number, f"# {int(number)}. ", name) for number, _, name, _ in rows] == titles
    for number, title, name, status in rows:
        assert texts[name].startswith(f"# {int(number)}. {title}\n"), name
        changed = re.search(r"^(Amended|Replaced) by \[\d{4}\]\((.+?)\)", texts[name], re.M)
        assert status == (changed[0].lower() if changed else "accepted"), name
        assert changed is None or number in texts[changed[2]], f"{changed[2]} does not name {number}"
