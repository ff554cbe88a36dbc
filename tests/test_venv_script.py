"""scripts/venv.sh, which the make targets begin with, on machines that lack something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "venv.sh"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a POSIX shell script")


def make_python(folder: Path, name: str, refuses: tuple[str, ...]) -> None:
    """A Python that fails at `-c` programs that mention one of the words in `refuses`."""
    cases = "".join(f'case "$*" in *"{word}"*) exit 1;; esac\n' for word in refuses)
    path = folder / name
    path.write_text(f'#!/bin/sh\n{cases}exec {sys.executable} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with a shell and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shell = shutil.which("sh")
    assert shell is not None
    (folder / "sh").symlink_to(shell)
    return folder


def run(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(SCRIPT), str(machine.parent / "venv"), *arguments]
    environment = {"PATH": str(machine), "HOME": str(machine.parent)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_refuses_without_any_python(machine: Path) -> None:
    done = run(machine)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make demo PYTHON=" in done.stderr


def test_refuses_a_python_that_is_too_old(machine: Path) -> None:
    make_python(machine, "python3", ("version_info",))
    done = run(machine)
    assert done.returncode == 1
    assert "python3 on PATH is not that" in done.stderr
    assert "Found: Python 3." in done.stderr
    assert not (machine.parent / "venv").exists()


def test_refuses_to_empty_what_a_link_points_to(machine: Path) -> None:
    make_python(machine, "python3", ())
    shared = machine.parent / "shared"
    shared.mkdir()
    (shared / "kept").touch()
    (machine.parent / "venv").symlink_to(shared, target_is_directory=True)
    done = run(machine)
    assert done.returncode == 1
    assert "is a link" in done.stderr and (shared / "kept").exists()


def test_takes_a_newer_python_beside_an_old_one(machine: Path) -> None:
    make_python(machine, "python3", ("version_info",))
    make_python(machine, "python3.12", ("ensurepip", "import pip"))
    assert str(machine / "python3.12") in run(machine).stdout


def test_refuses_the_named_python_rather_than_take_another(machine: Path) -> None:
    make_python(machine, "python3", ())
    done = run(machine, "python-of-mine")
    assert done.returncode == 1
    assert "python-of-mine on PATH is not that" in done.stderr


def test_refuses_a_python_that_can_install_nothing(machine: Path) -> None:
    make_python(machine, "python3", ("ensurepip", "import pip"))
    done = run(machine)
    assert done.returncode == 1
    assert "neither ensurepip nor pip" in done.stderr
    assert "python3-venv" in done.stderr


def test_makes_an_environment_with_pip(machine: Path) -> None:
    make_python(machine, "python3", ())
    done = run(machine)
    assert done.returncode == 0, done.stderr
    made = machine.parent / "venv" / "bin" / "python"
    version = subprocess.run([made, "-m", "pip", "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("pip ")
