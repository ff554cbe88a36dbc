from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.arrays import aligned_copy
from nngraph.backends.tvm import fast_math
from nngraph.backends.tvm.library import Kernel
from tests.backends.tvm.kernel_case import LOOPS, Array, KernelCase, poisoned, tensor

# Largest error in units in the last place, as the module states it.
ULPS = {"exp": 1.0, "expm1": 2.0, "log": 1.0, "log1p": 2.5, "tanh": 4.6, "erf": 6.1, "sigmoid": 2.4}
SPECIAL = (
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1.0,
    -1.0,
    -0.5,
    88.7,
    89.0,
    104.0,
    -104.0,
    -87.3,
    -88.0,
    -95.0,
    -103.9,
    1e-44,
    1e-38,
    1e-42,
    3e38,
    -3e38,
)


def arguments(dtype: str) -> Array:
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(4000) * scale for scale in (1e-3, 0.5, 3.0, 30.0)]
    x = np.concatenate([np.asarray(SPECIAL), *parts])
    with np.errstate(over="ignore"):
        return aligned_copy(x[: len(x) // 16 * 16].astype(dtype))


def function(name: str, dtype: str, count: int, lanes: int) -> Any:
    with LOOPS.kernel(name) as k:
        x, y = k.argument("x", (count,), dtype), k.argument("y", (count,), dtype)
        apply = fast_math.expm1 if name == "expm1" else getattr(tirx, name)
        loop = T.vectorized if lanes > 1 else T.serial
        with T.serial(0, count // lanes) as i, loop(0, lanes) as j:
            T.buffer_store(y, apply(x[i * lanes + j]), [i * lanes + j])
    return k.finish()


def case(name: str, dtype: str, lanes: int) -> KernelCase:
    x = arguments(dtype)
    exact = getattr(torch.special if name == "expm1" else torch, name)
    want = exact(torch.from_numpy(x.astype(np.float64))).numpy()
    return KernelCase(
        f"{name} {dtype} x{lanes}", lambda: function(name, dtype, x.size, lanes), (x,), (want,)
    )


CASES = [
    case(name, dtype, lanes)
    for name in ULPS
    for dtype, lanes in (("float32", 1), ("float32", 16), ("float64", 8), ("float16", 16))
    if not (name == "expm1" and dtype == "float16")  # made for float32 and float64
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_function(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    (x,), (exact,) = case.inputs, case.expected
    got = poisoned(x)
    with np.errstate(over="ignore"):
        want = exact.astype(x.dtype)
    kernels[case.name](tensor(x), tensor(got))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    infinite = np.isinf(want)
    np.testing.assert_array_equal(got[infinite], want[infinite])
    np.testing.assert_array_equal(np.isinf(got), infinite)
    normal = np.isfinite(want) & (np.abs(exact) >= np.finfo(x.dtype).tiny)
    error = np.abs(got[normal].astype("f8") - exact[normal]) / np.spacing(np.abs(want[normal]))
    limit = ULPS[case.name.split()[0]] if x.dtype == np.float32 else 2.0
    assert error.max() <= limit, f"{error.max()} at {x[normal][error.argmax()]}"
    tiny = np.isfinite(want) & ~normal
    unit = np.finfo(x.dtype).smallest_subnormal
    if case.name.startswith("sigmoid"):  # as PyTorch's: 1 / inf
        unit = np.finfo(x.dtype).tiny
    assert np.abs(got[tiny].astype("f8") - exact[tiny]).max() <= unit
    if case.name.startswith(("tanh", "erf")):
        assert np.abs(got[~np.isnan(got)]).max() == 1.0
        np.testing.assert_array_equal(got[np.abs(x) > 20], np.sign(x[np.abs(x) > 20]))
