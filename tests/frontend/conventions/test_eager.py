"""Values and derivatives at joints, ties, NaN, infinities, signed zeros and in half precision.

PyTorch is the oracle; ``table`` says what is left out, and why.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.frontend.conventions.compare import HALVES, Arrays, Outcome, as_array, compare, kind_of
from tests.frontend.conventions.table import (
    FIRST_ONLY,
    LEFT_OUT,
    ONE,
    PAIR,
    POINTS,
    SQUARES,
    TWO,
    UNSIGNED,
)


def limits(dtype: str) -> list[float]:
    """The least and the greatest numbers of a type: its bounds decide what overflows."""
    info = ng.finfo(getattr(ng, dtype))
    sizes = (info.max, info.tiny, info.tiny / 8)
    return [sign * size for size in sizes for sign in (1, -1)]


def pairs(dtype: str, name: str = "") -> Arrays:
    """Each number with each; fewer where every pair is a call of its own."""
    step = 5 if name.endswith("of all") else 1
    x, y = (a.ravel()[::step] for a in np.meshgrid(PAIR, PAIR))
    return x.astype(kind_of(dtype)), y.astype(kind_of(dtype))


def check(name: str, text: str, arrays: Arrays, dtype: str, order: int) -> None:
    parts, _ = LEFT_OUT.get(name, ((), ""))
    order = 1 if name in FIRST_ONLY else order
    ours, theirs = compare(name, text, arrays, dtype, order, parts)
    if name not in UNSIGNED and dtype in ("float32", "float64"):
        signs_agree(name, ours, theirs)


def signs_agree(name: str, ours: Outcome, theirs: Outcome) -> None:
    got, wanted = ours["y"], theirs["y"]
    different = (wanted == 0) & (np.signbit(got) != np.signbit(wanted))
    assert not different.any(), f"{name}: signs of zero at {np.argwhere(different)}"


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_operand(name: str) -> None:
    """Second derivatives in float64: float32's cancel. Half precision over the whole range."""
    check(name, ONE[name], [np.asarray(POINTS)], "float64", 2)
    points = [*POINTS, *(() if name.startswith(SQUARES) else limits("float32"))]
    check(name, ONE[name], [np.asarray(points, "f4")], "float32", 1)
    for dtype in HALVES:
        check(name, ONE[name], [whole_range(name, dtype)], dtype, 1)


def whole_range(name: str, dtype: str) -> np.ndarray:
    every = np.arange(0, 1 << 16, 31, dtype=np.uint16).view(kind_of(dtype))
    size = np.abs(every.astype("f4"))  # beyond, PyTorch's own float32 sums overflow
    fit = every[size < (1e18 if name.startswith(SQUARES) else 1e37)]
    return np.concatenate([fit, np.asarray(POINTS).astype(kind_of(dtype))])


@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_operands(name: str) -> None:
    check(name, TWO[name], pairs("float64", name), "float64", 2)
    for dtype in ("float32", *HALVES):
        check(name, TWO[name], pairs(dtype, name), dtype, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_median_of_what_has_nan_is_nan(dtype: str) -> None:
    rows = np.asarray([[1, np.nan, 0], [np.inf, 2, -np.inf], [np.nan, np.nan, 1]], dtype)
    theirs, ours = torch.tensor(rows).median(1), ng.tensor(rows).median(1)
    np.testing.assert_array_equal(as_array(ours.values), as_array(theirs.values))
    np.testing.assert_array_equal(as_array(ours.indices), as_array(theirs.indices))
    assert np.isnan(float(ng.tensor(rows).median()))
    kept = ng.tensor(rows).median(0, keepdim=True)
    assert kept.values.shape == kept.indices.shape == (1, 3)


def test_exceptions_are_of_programs_in_the_table() -> None:
    names: list[Any] = [*LEFT_OUT, *FIRST_ONLY, *UNSIGNED]
    assert {*names} <= {*ONE, *TWO}
