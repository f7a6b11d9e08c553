"""Each wheel is built, installed alone into a clean environment and tried as a stranger would."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")

pytestmark = pytest.mark.wheels


def run(*command, cwd):
    """Run a command as a stranger would: nothing of this checkout in its environment."""
    ours = ("PYTHON", "VIRTUAL_ENV", "PACSPACE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [str(part) for part in command]
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{command} exited {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def oldest_python(floor_minor):
    """The oldest interpreter of this machine that the floor allows; at worst the one that runs the tests."""
    for minor in range(floor_minor, sys.version_info.minor):
        name = f"3.{minor}"
        env = {**os.environ, "PYENV_VERSION": name}  # a pyenv shim answers only when told which version
        try:
            command = [f"python{name}", "-c", "import sys; print(sys.executable)"]
            result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        except FileNotFoundError:
            continue
        if result.returncode == 0:
            return result.stdout.strip()
    return sys.executable


def build(member, into):
    run(UV, "build", "--wheel", "--quiet", "--out-dir", into, ROOT / member, cwd=ROOT)
    (wheel,) = into.glob("*.whl")
    return wheel


def clean_venv(path, floor_minor):
    run(UV, "venv", "--quiet", "--python", oldest_python(floor_minor), path, cwd=path.parent)
    return path / "bin" / "python"


@pytest.fixture(scope="module")
def proofs_wheel(tmp_path_factory):
    return build("proofs/python", tmp_path_factory.mktemp("proofs-wheel"))


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory):
    return build("server", tmp_path_factory.mktemp("server-wheel"))


@pytest.fixture(scope="module")
def sdk_wheel(tmp_path_factory):
    return build("clients/python", tmp_path_factory.mktemp("sdk-wheel"))


def assert_complete(wheel, package):
    in_source = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    assert f"{package.name}/py.typed" in in_source
    assert in_source <= in_wheel, f"not in the wheel: {sorted(in_source - in_wheel)}"


def test_the_proofs_wheel_carries_every_file_of_the_package(proofs_wheel):
    assert_complete(proofs_wheel, ROOT / "proofs/python/src/pacspace_proofs")


def test_the_server_wheel_carries_every_file_of_the_package_sql_and_pages_too(server_wheel):
    assert_complete(server_wheel, ROOT / "server/src/pacspace_server")


def test_the_sdk_wheel_carries_every_file_of_the_package(sdk_wheel):
    assert_complete(sdk_wheel, ROOT / "clients/python/src/pacspace_sdk")


def test_the_proofs_wheel_works_alone_on_its_oldest_python(proofs_wheel, tmp_path):
    python = clean_venv(tmp_path / "venv", floor_minor=10)
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-index", proofs_wheel, cwd=tmp_path)

    run(python, "-c", "import pacspace_proofs", cwd=tmp_path)
    assert "usage" in run(python, "-m", "pacspace_proofs", "--help", cwd=tmp_path).lower()


def test_the_server_wheel_works_with_the_locked_packages_and_nothing_else(proofs_wheel, server_wheel, tmp_path):
    python = clean_venv(tmp_path / "venv", floor_minor=11)
    lock = ("--constraints", ROOT / "requirements.lock")
    # The proofs wheel is named by its path, so that no index is asked for our own name.
    run(UV, "pip", "install", "--quiet", "--python", python, *lock, proofs_wheel, server_wheel, cwd=tmp_path)

    pacspace = python.parent / "pacspace"
    assert "serve" in run(pacspace, "--help", cwd=tmp_path)
    assert run(pacspace, "config", cwd=tmp_path).strip()


FIRST_LINES = """
import asyncio, sys
from pacspace_sdk import AsyncPacSpace, PacSpace

key, url = sys.argv[1:]
with PacSpace(key, base_url=url) as pac:
    print(pac.balance.emit("cust_wheel", -42.5, "compute_minutes")["period"])
    locked = pac.balance.checkpoint("cust_wheel", {"period": "2026-02"})
    file = pac.receipts.download(locked["receiptId"])
    print(pac.receipts.verify(file, trust=pac.receipts.get(locked["receiptId"])["verification"]["verifierKey"])["result"])

async def run():
    async with AsyncPacSpace(key, base_url=url) as pac:
        print((await pac.balance.derive("cust_wheel", period="2026-02"))["computedBalance"])

asyncio.run(run())
"""


def test_the_sdk_wheel_works_alone_on_its_oldest_python(proofs_wheel, sdk_wheel, tmp_path, start_server):
    """The client, the verifier and what they depend on are enough to record, lock and verify, on the oldest Python."""
    python = clean_venv(tmp_path / "venv", floor_minor=10)
    run(UV, "pip", "install", "--quiet", "--python", python, proofs_wheel, sdk_wheel, cwd=tmp_path)
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    printed = run(python, "-W", "error", "-c", FIRST_LINES, server.key, server.url, cwd=tmp_path).split()
    assert printed == ["2026-02", "locked-full", "-42.5"]
