"""Where an in-place or ``out=`` form may not write, and what may be scattered: as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def _pair(library: Any, dtype: str, key: Any, *numbers: float) -> Any:
    x = library.zeros(4, dtype=getattr(library, dtype))
    x[key] = library.tensor(list(numbers))
    return x


def _put(library: Any, accumulate: bool) -> Any:
    x = library.zeros(4, dtype=library.int64)
    return x.index_put((library.tensor([0]),), library.tensor([1.5]), accumulate)


def _one_number_by_a_mask(library: Any) -> Any:
    x = library.zeros(4, dtype=library.int64)
    x[library.tensor([True, False, False, True])] = library.tensor(1.5)
    return x


def _out_that_is_an_operand(library: Any) -> Any:
    x = library.ones(7)
    return library.mul(library.ones(3, 1), x, out=x)


def _out_that_shows_an_operand(library: Any) -> Any:
    x = library.ones(6)
    return library.mul(x.view(2, 3), 2, out=x)


def _empty_part_of_repeated_elements(library: Any) -> Any:
    return library.ones(3).expand(2, 3)[:, 3:].mul_(2)


def _assigned_in_each_step(library: Any) -> Any:
    w, s = library.ones(2, requires_grad=True), library.zeros(2)
    for _ in range(3):
        s.copy_(w)
        s.backward(library.ones(2))
    return w.grad


def _scaled_in_each_step(library: Any) -> Any:
    w, s = library.ones(2, requires_grad=True), library.zeros(2)
    for _ in range(3):
        s.add_(w, alpha=2)
        s.backward(library.ones(2))
    return w.grad


def _gradient_in_place(library: Any) -> Any:
    x = library.ones(2, 3, requires_grad=True)
    (g,) = library.autograd.grad(x.mean(1).sin().sum(), x)
    return g.view(3, 2).mul_(2)


def _weight_of_three_axes(library: Any) -> Any:
    f = library.nn.functional if library is torch else ng.nn.functional
    return f.linear(library.ones(2, 3), library.ones(1, 2, 3))


def _empty_part_assigned(library: Any) -> Any:
    w, s = library.ones(2, requires_grad=True), library.zeros(2)
    s[2:] *= w[:1]
    return library.tensor([s.requires_grad])


def _input_of_soft_margin_loss(library: Any) -> Any:
    f = library.nn.functional if library is torch else ng.nn.functional
    return f.soft_margin_loss(library.ones(7), library.ones(4, 2, 1))


def _no_width(library: Any) -> Any:
    f = library.nn.functional if library is torch else ng.nn.functional
    empty = library.zeros(2, 3, 0)
    return f.scaled_dot_product_attention(empty, empty, library.ones(2, 3, 2))


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "bool": lambda lib: _pair(lib, "bool", lib.tensor([0, 1]), 1.0, 0.0),
    "int64": lambda lib: _pair(lib, "int64", lib.tensor([0, 1]), 1.0, 0.0),
    "float64": lambda lib: _pair(lib, "float64", lib.tensor([0, 1]), 1.0, 0.0),
    "mask": lambda lib: _pair(lib, "int64", lib.tensor([True, False, False, True]), 1.0, 0.0),
    "same": lambda lib: _pair(lib, "float32", lib.tensor([0, 1]), 1.0, 0.0),
    "slice": lambda lib: _pair(lib, "int64", slice(0, 2), 1.0, 0.0),
    "index_put": lambda lib: _put(lib, False),
    "index_put, accumulate": lambda lib: _put(lib, True),
    "one number by a mask": _one_number_by_a_mask,
    "out that is an operand": _out_that_is_an_operand,
    "out that shows an operand": _out_that_shows_an_operand,
    "empty part": _empty_part_of_repeated_elements,
    "assigned in each step": _assigned_in_each_step,
    "scaled in each step": _scaled_in_each_step,
    "gradient in place": _gradient_in_place,
    "weight of three axes": _weight_of_three_axes,
    "empty part assigned": _empty_part_assigned,
    "soft_margin_loss": _input_of_soft_margin_loss,
    "no width": _no_width,
    "flatten(0, 1)": lambda lib: lib.tensor(1.0).flatten(0, 1),
    "flatten(-2)": lambda lib: lib.tensor(1.0).flatten(-2),
    "flatten(-1, 0)": lambda lib: lib.tensor(1.0).flatten(-1, 0),
}


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_in_pytorch(name: str, backend: str) -> None:
    program = PROGRAMS[name]

    def ours() -> Any:
        return program(ng)

    run = ours if backend == "eager" else ng.compile(ours, backend=backend)
    try:
        wanted = program(torch).numpy()
    except (RuntimeError, IndexError) as error:
        with pytest.raises(type(error)):
            run()
    else:
        found = run().numpy()
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, 1e-6)
