"""Numbers beside 16-bit floats: PyTorch does not round them to 16 bits before it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.parity import cases
from tests.support.backends import BACKENDS

PROGRAMS = cases(r"""
    x * 0.1  0.1 * x  x / 0.3  0.3 / x  x * s  s * x  x / s  x.clone().mul_(0.1)
    x.clone().div_(s)  x.add(x, alpha=0.1)  x.sub(x, alpha=0.3)  x * w  x + 0.1  x * 3
    m.mul(x, 0.1)  m.div(x, 0.3)  x.abs() * x.max()
""")


def results(lib: Any, dtype: str, compiled: Any) -> list[np.ndarray[Any, Any]]:
    values = np.linspace(-3.1, 4.7, 101, dtype=np.float32)
    x = lib.tensor(values).to(getattr(lib, dtype))
    s, w = lib.tensor(0.1), lib.tensor(0.1).to(x.dtype)

    def step(x: Any, s: Any, w: Any) -> list[Any]:
        names = {"x": x, "s": s, "w": w, "m": lib}
        found = [eval(text, {}, names) for text in PROGRAMS]
        assert all(f.dtype == x.dtype for f in found)
        return [f.to(lib.float32) for f in found]

    return [found.numpy() for found in compiled(step)(x, s, w)]


@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_factors_are_not_rounded(dtype: str, backend: str | None) -> None:
    def compiled(step: Any) -> Any:
        return step if backend is None else ng.compile(step, backend=backend)

    wanted, found = results(torch, dtype, lambda f: f), results(ng, dtype, compiled)
    for text, one, two in zip(PROGRAMS, found, wanted, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=text)


def test_the_value_is_multiplied_first() -> None:
    """A product of the tensors alone would be infinite."""
    for library in (torch, ng):
        one, large, small = library.ones(1), library.full((1,), 1e25), library.full((1,), 1e-25)
        np.testing.assert_allclose(library.addcmul(one, large, large, value=1e-30), 1e20, 1e-6)
        np.testing.assert_allclose(library.addcdiv(one, large, small, value=1e-30), 1e20, 1e-6)
