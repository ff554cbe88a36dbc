"""Compiled functions that return no tensors, and modules nested deeper than Python's stack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nngraph as ng
from nngraph import nn
from tests.support.backends import BACKENDS

FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "None": (lambda x: None, None),
    "a number": (lambda x: 3, 3),
    "text": (lambda x: "done", "done"),
    "no leaves": (lambda x: {"a": [], "b": ()}, {"a": [], "b": ()}),
    "a shape": (lambda x: x.shape[0], 2),
    "unused work": (lambda x: (x * 2).sum() is None, False),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_without_tensors_run(name: str, backend: str) -> None:
    function, result = FUNCTIONS[name]
    run = ng.compile(function, backend=backend, threads=1)
    assert [run(ng.ones(2)) for _ in range(3)] == [result] * 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_function_of_nothing_that_does_nothing(backend: str) -> None:
    seen: list[int] = []
    w = ng.ones(2)

    def look() -> None:
        seen.append(w.numel())

    run = ng.compile(lambda: look(), backend=backend, threads=1, check_finite=True)
    assert run() is None
    assert w.tolist() == [1, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_a_gradient_or_a_state_is_left(backend: str) -> None:
    w = ng.ones(2, requires_grad=True)
    count = ng.zeros(1)

    def both(x: Any) -> None:
        (w * x).sum().backward()
        count.add_(1)

    run = ng.compile(both, backend=backend, threads=1)
    for _ in range(3):
        assert run(ng.ones(2)) is None
    assert w.grad is not None
    assert w.grad.tolist() == [3, 3]
    assert count.tolist() == [3]


def test_a_file_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="returns no tensor and changes no state"):
        ng.export(lambda x: None, tmp_path / "nothing.onnx", ng.ones(2))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def stack() -> Iterator[None]:
    """Python's usual limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def nested(depth: int) -> Any:
    model: Any = nn.Linear(2, 2)
    for _ in range(depth):
        model = nn.Sequential(model)
    return model


@pytest.mark.usefixtures("stack")
def test_modules_nested_too_deeply_say_what_to_do() -> None:
    model = nested(300)
    x = ng.ones(1, 2)
    run = ng.compile(model, backend="reference")
    for call in (model, run):
        with pytest.raises(RecursionError, match=r"sys\.setrecursionlimit(.|\n)*nn\.Sequential"):
            call(x)
    assert len(model.state_dict()) == 2
    assert len(list(model.parameters())) == 2
    assert model.eval().train().training
    sys.setrecursionlimit(10_000)
    assert run(x).tolist() == model(x).tolist()
    assert repr(model).count("Sequential") == 300
