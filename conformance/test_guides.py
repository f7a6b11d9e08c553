"""Every example of the guides runs as it is written, and prints what the page says it prints."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest
from testkit.cluster import OWNER, shared_cluster
from testkit.server import POSTGRES, Server, signer_of

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "docs/quickstart.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.S | re.M)
SERVER = re.compile(r"^> \*\*Follow along\*\*[^`]*`pacspace serve(.*?)`", re.M)


def said(pattern: str) -> re.Pattern[str]:
    """What a block of output matches: `...` stands for anything in a line, alone on a line for any lines."""
    lines = [
        ".*" if line == "..." else r"[^\n]*".join(map(re.escape, line.split("..."))) for line in pattern.splitlines()
    ]
    joined = r"\n".join(lines).replace(r".*\n", r"(?:.*\n)?").replace(r"\n.*", r"(?:\n.*)?")
    return re.compile(rf"^{joined}$", re.S | re.M)


class Reader:
    """Somebody who types a page's examples into one terminal and one Python session."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder, self.session = folder, {"__name__": "guide"}
        self.shells: list[int] = []
        self.environment = {
            "PACSPACE_BASE_URL": server.url, "PACSPACE_API_KEY": server.key or "", "PACSPACE_DATABASE": server.database,
            "PACSPACE_SIGNER_DIR": str(signer_of(server)), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip

    def on_postgres(self) -> None:
        """Somebody with an empty database and its two roles."""
        name = shared_cluster().new_database()
        self.environment |= {
            "OWNER_URL": shared_cluster().url(name, OWNER), "APPLICATION_URL": shared_cluster().url(name),
        }  # fmt: skip

    def run(self, language: str, code: str) -> str:
        return self.shell(code) if language == "sh" else self.python(code)

    def shell(self, code: str) -> str:
        with subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", code], cwd=self.folder, env=os.environ | self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as shell:  # fmt: skip
            self.shells.append(shell.pid)
            try:
                output, _ = shell.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                os.killpg(shell.pid, signal.SIGKILL)
                raise
        assert shell.returncode == 0, f"{code}\nended with {shell.returncode}:\n{output}"
        return output

    def python(self, code: str) -> str:
        output = io.StringIO()
        with redirect_stdout(output):
            exec(compile(code, "guide", "exec"), self.session)
        return output.getvalue()

    def close(self) -> None:
        """Ends the Python session, and what the shells left running."""
        pac: Any = self.session.pop("pac", None)
        if pac is not None:
            pac.close()
        for shell in self.shells:
            with suppress(ProcessLookupError):
                os.killpg(shell, signal.SIGKILL)
        self.shells.clear()


@pytest.fixture
def reader(
    start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Reader]:
    page = request.getfixturevalue("page").read_text("utf-8")
    if POSTGRES and "drill.db" in page:
        pytest.skip("this page restores a SQLite record; test_restore does all of it on PostgreSQL")
    options = SERVER.search(page)
    server = start_server(*(options[1].split() if options else ()))
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.chdir(folder)
    typing = Reader(server, folder)
    if "OWNER_URL" in page:
        typing.on_postgres()
    for name in ("PACSPACE_BASE_URL", "PACSPACE_API_KEY"):
        monkeypatch.setenv(name, typing.environment[name])
    yield typing
    typing.close()


def follow(reader: Reader, page: Path) -> None:
    """Types a page's examples in order, and looks at what each shown output says."""
    output, ran = "", 0
    for language, name, code in BLOCK.findall(page.read_text("utf-8")):
        if name:
            (reader.folder / name).write_text(code)
        elif language == "text":
            assert said(code).search(output), f"{page.name} shows\n{code}\nbut it was\n{output}"
        else:
            assert language in ("sh", "python"), f"{page.name} has a block of {language}, which nobody runs"
            output, ran = reader.run(language, code), ran + 1
    assert ran > 0


@pytest.mark.parametrize("page", GUIDES[1:], ids=lambda page: page.stem)
def test_the_guide_runs_as_written(page: Path, reader: Reader) -> None:
    """Each shell and Python example ends well, in order, and each shown output is what the example before it printed."""
    follow(reader, page)


@pytest.mark.parametrize("page", GUIDES[:1], ids=lambda page: page.stem)
@pytest.mark.parametrize("readme_first", [True, False])
def test_the_readme_and_the_quickstart_share_a_server(page: Path, reader: Reader, readme_first: bool) -> None:
    """The quickstart runs as written too, and before or after the README it meets no conflict."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.S | re.M)
    if readme_first:
        reader.python(program)
        reader.close()
    follow(reader, page)
    reader.close()
    if not readme_first:
        reader.python(program)


def test_every_guide_is_linked_from_the_quickstart() -> None:
    """A guide that nobody finds is no guide."""
    text = (ROOT / "docs/quickstart.md").read_text("utf-8")
    assert [guide.name for guide in GUIDES[1:] if f"how-to/{guide.name}" not in text] == []
