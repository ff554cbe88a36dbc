"""Whole scripts, run under PyTorch and, with only their imports replaced, under nngraph."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tolerances import TRAJECTORY

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


def replaced(source: str) -> str:
    """The script with nngraph's imports for PyTorch's."""
    source = re.sub(r"^import torch$", "import nngraph as torch", source, flags=re.M)
    source = re.sub(r"^import torch\.([\w.]+) as", r"import nngraph.\1 as", source, flags=re.M)
    return re.sub(r"^from torch\b", "from nngraph", source, flags=re.M)


def run(source: str, name: str) -> Any:
    space: dict[str, Any] = {"__name__": "script"}
    exec(compile(source, name, "exec", dont_inherit=True), space)
    return space["results"]


@cache
def wanted(path: Path) -> Any:
    before, torch.compile = torch.compile, _plain  # type: ignore[assignment]
    try:
        return run(path.read_text(encoding="utf-8"), str(path))
    finally:
        torch.compile = before


def _plain(function: Any = None, **options: Any) -> Any:
    return (lambda f: f) if function is None else function


def close(got: Any, known: Any, where: str) -> None:
    if isinstance(known, list | tuple):
        assert len(got) == len(known), where
        for i, (a, b) in enumerate(zip(got, known, strict=True)):
            close(a, b, f"{where}[{i}]")
    elif isinstance(known, float):
        relative, absolute = TRAJECTORY["float64"]
        np.testing.assert_allclose(got, known, relative, absolute, err_msg=where)
    else:
        assert got == known, where


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_give_pytorchs_numbers(
    path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "eager":
        monkeypatch.setattr(ng, "compile", _plain)
    else:
        monkeypatch.setattr("nngraph.frontend.compile._DEFAULT.backend", backend)
    found = run(replaced(path.read_text(encoding="utf-8")), f"{path} under nngraph")
    close(found, wanted(path), path.stem)
