"""What type checkers see of ``Tensor`` is what there is."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nngraph as ng
from nngraph.frontend.tensor import TensorBase

ROOT = Path(__file__).resolve().parent.parent.parent
STUB = ROOT / "nngraph" / "frontend" / "tensor.pyi"

USER = """
from __future__ import annotations
import nngraph as ng
from nngraph import exp, nn

def penalty(weights: list[nn.Parameter], x: ng.Tensor) -> ng.Tensor:
    total = weights[0].square().sum()
    total = total + exp(input=x).sum(dim=0)
    total += ng.sum(input=x, dim=0, out=x)
    values, places = x.max(dim=1)
    y = ng.permute(x, dims=(1, 0)).permute(1, 0).reshape(-1).float()
    return total + values[0] * y.exp_().sum() + 2 * weights[0] @ x.T
"""


def script() -> Any:
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "scripts" / "stubs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stub_is_what_the_functions_say() -> None:
    assert STUB.read_text(encoding="utf-8") == script().stub(), "run python scripts/stubs.py"


def test_stub_names_every_method() -> None:
    body = next(
        node
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "Tensor"
    )
    named = {node.name for node in body.body if isinstance(node, ast.FunctionDef)}
    there = {name for name in vars(ng.Tensor) if not name.startswith("__")}
    assert there <= named
    assert all(hasattr(ng.Tensor, name) for name in named)


def check(source: str, folder: Path) -> str:
    file = folder / "user.py"
    file.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(file)],  # with the cache of `make lint`
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.stdout


@pytest.mark.slow
def test_users_type_checker_sees_methods_and_functions(tmp_path: Path) -> None:
    wrong = "\n\ndef wrong(x: ng.Tensor) -> None:\n    x.expp()\n    ng.exp(inputt=x)\n"
    found = check(USER + wrong, tmp_path)
    assert '"Tensor" has no attribute "expp"' in found
    assert 'Unexpected keyword argument "inputt"' in found
    assert found.rstrip().endswith("Found 2 errors in 1 file (checked 1 source file)")


def test_core_has_no_method_of_its_own_that_a_function_hides() -> None:
    own = {n for n, v in vars(TensorBase).items() if callable(v) and not n.startswith("__")}
    assert not own & set(vars(ng.Tensor))
