from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tvm import tirx

from nngraph.backends.tvm.codegen.common import Epilogue
from nngraph.backends.tvm.library import Kernel
from nngraph.backends.tvm.specs import GemmSpec, MatrixLayout
from tests.backends.tvm.kernel_case import Array, KernelCase, built, random

Batch = tuple[int, ...]
TRANSPOSES = tuple(itertools.product((False, True), repeat=2))


def operands(
    shape: tuple[int, int, int], ta: bool, tb: bool, a: Batch, b: Batch, dtype: str
) -> tuple[Array, Array]:
    m, n, k = shape
    return (
        random((*a, *((k, m) if ta else (m, k))), dtype),
        random((*b, *((n, k) if tb else (k, n))), dtype, seed=1),
    )


def product(a: Array, b: Array, ta: bool, tb: bool) -> Array:
    wide = np.int64 if a.dtype.kind in "iu" else np.float64
    a, b = a.astype(wide), b.astype(wide)
    return np.matmul(a.swapaxes(-1, -2) if ta else a, b.swapaxes(-1, -2) if tb else b)


def case(
    shape: tuple[int, int, int],
    ta: bool = False,
    tb: bool = False,
    batch: Batch = (),
    batch_a: Batch | None = None,
    batch_b: Batch | None = None,
    dtype: str = "float32",
) -> KernelCase:
    m, n, k = shape
    spec = GemmSpec.contiguous(
        m,
        n,
        k,
        transpose_a=ta,
        transpose_b=tb,
        batch=batch,
        batch_a=batch_a,
        batch_b=batch_b,
        dtype=dtype,
    )
    own_a = batch if batch_a is None else batch_a
    own_b = batch if batch_b is None else batch_b
    a, b = operands(shape, ta, tb, own_a, own_b, dtype)
    want = product(a, b, ta, tb).astype(a.dtype)
    return KernelCase(repr(spec), built(spec), (a, b), (want,))


def cases() -> Iterator[KernelCase]:
    for ta, tb in TRANSPOSES:
        for shape in ((64, 64, 32), (67, 100, 33), (1, 130, 70), (130, 1, 70), (5, 7, 1)):
            yield case(shape, ta, tb)
        yield case((9, 20, 17), ta, tb, (2, 3), (1, 3), (2, 3))
    yield case((33, 40, 20), batch=(2, 3), batch_b=(1, 1))
    yield case((70, 45, 100), ta=True)  # packed some rows at a time, and a rest
    yield case((12, 640, 24), tb=True)  # ten panels, which eight tasks do not divide
    yield case((20, 50, 2500))  # two passes over the inner extent
    yield case((3, 4, 0))
    for dtype in ("float64", "float16", "bfloat16", "int8", "int32", "int64"):
        for tb in (False, True):
            yield case((20, 50, 30), False, tb, dtype=dtype)
            yield case((1, 50, 40), False, tb, dtype=dtype)


def epilogue_case(name: str, inner: int, batch_b: Batch) -> KernelCase:
    """relu(a @ b + bias + residual), and a @ b as a second output."""
    shape, batch = (13, 40, inner), (2, 3)
    spec = GemmSpec.contiguous(*shape, batch=batch, batch_b=batch_b)
    a, b = operands(shape, False, False, batch, batch_b, "float32")
    bias, residual = random((40,)), random((*batch, 13, 40), seed=2)

    def apply(value: Any, index: list[Any], extras: list[Any]) -> Any:
        total = value + extras[0][index[-1]] + extras[1][tuple(index)]
        return tirx.max(total, tirx.const(0, "float32")), value

    epilogue = Epilogue(
        apply, (((40,), "float32"), (residual.shape, "float32")), more_outputs=("float32",)
    )
    plain = product(a, b, False, False)
    want = np.maximum(plain + bias + residual, 0)
    return KernelCase(
        name, built(spec, epilogue), (a, b, bias, residual), (want.astype("f4"), plain.astype("f4"))
    )


def passes_case() -> KernelCase:
    """The epilogue applies once, after the last pass over the inner extent."""
    spec = GemmSpec.contiguous(20, 50, 2500)
    a, b = operands((20, 50, 2500), False, False, (), (), "float32")
    epilogue = Epilogue(lambda v, i, e: v * tirx.const(2, "float32") + tirx.Cast("float32", i[1]))
    want = 2 * product(a, b, False, False) + np.arange(50)
    return KernelCase("passes", built(spec, epilogue), (a, b), (want.astype("f4"),))


def heads_case() -> KernelCase:
    """Q @ k' for q, k of (batch, time, heads, width), without a transposed copy."""
    n, t, h, d = 2, 24, 3, 16
    q, k = random((n, t, h, d)), random((n, t, h, d), seed=1)
    layout = (t * h * d, d)
    spec = GemmSpec(
        t,
        t,
        d,
        (n, h),
        MatrixLayout(h * d, 1, layout),
        MatrixLayout(1, h * d, layout),
        MatrixLayout(t, 1, (h * t * t, t * t)),
    )
    want = np.einsum("nihd,njhd->nhij", q.astype("f8"), k.astype("f8")).astype("f4")
    return KernelCase("heads", built(spec), (q, k), (want,))


CASES = [
    *cases(),
    epilogue_case("epilogue", 20, (2, 3)),
    epilogue_case("epilogue folded", 20, (1, 1)),
    passes_case(),
    heads_case(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_product(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    case.check(kernels[case.name])


def test_batch_that_b_ignores_becomes_rows() -> None:
    spec = GemmSpec.contiguous(8, 5, 3, batch=(4, 6), batch_b=(1, 1))
    assert (spec.folded().rows, spec.folded().batch) == (8 * 24, ())
    own = GemmSpec.contiguous(8, 5, 3, batch=(4, 6), batch_b=(4, 1))
    assert (own.folded().rows, own.folded().batch) == (8 * 6, (4,))


def test_operand_batch_has_to_broadcast() -> None:
    with pytest.raises(ValueError, match="batch shape is"):
        GemmSpec.contiguous(2, 2, 2, batch=(4,), batch_a=(3,))
