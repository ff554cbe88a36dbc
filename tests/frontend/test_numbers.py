"""Numbers on their way into tensors are rounded to the result's dtype only, which is PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.parity import cases
from tests.frontend.parity import plain as facts

DATA = cases(r"""
    0.1  1e300  2**53+1  [0.1, 16777217.0]  [2**53+1, 1]  [2**53+1, 1.5]  [1e-300, 1e300]
    [16777217]  [True, 2]  [True, 0.5]  [[1, 2.5], [3, 4]]  []  [[]]  [2.0**53 + 2]  [2**62+1]
    wide  [wide]  [wide, wide]  [wide[0], 1.0]  [1.0, wide[0]]  [[wide[0], wide[1]]]  [wide[:0]]
    [narrow, narrow]  [narrow[0], wide[0]]  [narrow[0], 1]  [ints, ints]  [ints[0], 1.5]  ints[0]
    [shorts[0]]  [shorts[0], 1]  [halves[0]]  [halves[0], wide[0]]  [np.bool_(True)]  tensor
    [tensor[0], 2.0]  [tensor[0], tensor[1]]  [whole[0], 2**53+1]  np.float64(0.1)  np.float32(0.1)
    range(3)
""")


def _made(library: Any, text: str, dtype: str | None, function: str) -> Any:
    wide = np.array([0.1, 16777217.0])
    names = {
        "np": np,
        "wide": wide,
        "narrow": wide.astype("f4"),
        "halves": np.array([0.1, 2], "f2"),
        "ints": np.array([2**53 + 1, 2]),
        "shorts": np.array([3, 4], "i4"),
        "tensor": library.tensor(wide),
        "whole": library.tensor([2**53 + 1]),
    }
    kind = {} if dtype is None else {"dtype": getattr(library, dtype)}
    if function == "new_tensor":
        return library.ones(1).new_tensor(eval(text, names), **kind)
    return getattr(library, function)(eval(text, names), **kind)


def _check(text: str, dtype: str | None, function: str) -> None:
    got, wanted = (facts(_made(m, text, dtype, function)) for m in (ng, torch))
    assert got[:2] == wanted[:2]
    np.testing.assert_array_equal(got[2], wanted[2])


@pytest.mark.filterwarnings("ignore")  # PyTorch's word on lists of arrays, and on copies
@pytest.mark.parametrize("dtype", [None, "float64", "float32", "bfloat16"])
@pytest.mark.parametrize("text", DATA)
def test_data_keeps_its_digits(text: str, dtype: str | None) -> None:
    _check(text, dtype, "tensor")
    _check(text, dtype, "as_tensor")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ["0.1", "[0.1, 16777217.0]", "wide", "[wide, wide]"])
def test_new_tensors_keep_their_digits(text: str) -> None:
    _check(text, "float64", "new_tensor")


def test_a_list_of_traced_tensors_keeps_their_dtype() -> None:
    compiled = ng.compile(lambda x: ng.tensor([x[0], 0.5]), backend="reference")
    out = compiled(ng.tensor([0.1, 2.0], dtype=ng.float64))
    assert out.dtype is ng.float64 and out.tolist() == [0.1, 0.5]
