"""Linkers: from object files to a shared object, for this machine and for others."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from nngraph.backends.errors import BackendError

__all__ = ["architecture", "find_linker", "link", "need_linker"]

_NAMES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


def architecture() -> str:
    """Of this machine, as compilers name it: ``"x86_64"``, ``"aarch64"``."""
    name = platform.machine().lower()
    return _NAMES.get(name, name)


def find_linker(of: str = "") -> tuple[str, ...] | None:
    """The command that links objects, without its arguments; None if there is none on PATH.

    Args:
        of: an architecture, whose shared objects are Linux's; empty for this machine's own.
    """
    if of and (of != architecture() or platform.system() != "Linux"):
        names = [f"{of.replace('_', '-')}-linux-gnu-{tool}" for tool in ("ld", "g++", "gcc")]
    else:
        names = ["ld", "cc", "gcc", "clang"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is not None:
        return (found,)
    if of and find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc", "-target", f"{of}-linux-gnu.2.28")
    return None


def need_linker(of: str) -> tuple[str, ...]:
    """The linker for an architecture, whose shared objects are Linux's.

    Raises:
        BackendError: if there is none, with what to install.
    """
    linker = find_linker(of)
    if linker is None:
        package = "g++" if of == architecture() else f"g++-{of.replace('_', '-')}-linux-gnu"
        raise BackendError(
            f"kernels for {of} need a linker for it, and there is none on PATH: apt install "
            f"{package}, or pip install ziglang; or leave the linking to the other machine: "
            "link=False (on the command line --no-link) writes kernels.o"
        )
    return linker


def link(linker: Sequence[str], objects: Sequence[Path], library: Path) -> None:
    """Links object files into a shared object.

    Raises:
        subprocess.CalledProcessError: if the linker fails; its ``stderr`` says why.
    """
    command = [*linker, "-shared", *map(str, objects), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True, text=True)
