from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nngraph

ROOT = Path(__file__).resolve().parent.parent
NEVER = {"onnx", "onnxruntime", "tvm", "tvm_ffi", "torch", "networkx", "safetensors", "scipy"}

LIST_MODULES = """
import json, sys
before = set(sys.modules)
import {module}
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""


def loaded_by(module: str) -> set[str]:
    """The top-level packages that importing `module` loads in a fresh interpreter."""
    command = [sys.executable, "-c", LIST_MODULES.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_import_loads_no_backend() -> None:
    loaded = loaded_by("nngraph")
    assert "nngraph" in loaded
    assert not loaded & NEVER


def test_this_check_sees_what_an_import_loads() -> None:
    assert "networkx" in loaded_by("networkx")


@pytest.mark.parametrize("module", ["nngraph.nn", "nngraph.optim", "nngraph.nn.functional"])
def test_submodules_load_no_backend(module: str) -> None:
    assert not loaded_by(module) & NEVER


def test_version_is_read_from_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", nngraph.__version__)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in settings["project"]
    source = ROOT / settings["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{nngraph.__version__}"' in source.read_text(encoding="utf-8")
