from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from nngraph.backends.tvm.codegen.scan import cumulative
from nngraph.backends.tvm.codegen.scatter import (
    gather_elements,
    scatter_elements,
    scatter_rows,
    take_rows,
)
from nngraph.backends.tvm.codegen.sort import sort_rows
from nngraph.backends.tvm.library import Kernel
from nngraph.backends.tvm.specs import ElementsSpec, ScanSpec, SortSpec, TakeSpec
from nngraph.ops.index.scattering import COMBINATIONS
from tests.backends.tvm.kernel_case import LOOPS, Array, KernelCase, random

UFUNCS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def indices(shape: tuple[int, ...], low: int, high: int) -> Array:
    result = random(shape, "int64")
    result[...] = np.random.default_rng(4).integers(low, high, shape)
    return result


def combined(data: Array, at: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    out = data.astype("f8" if data.dtype.kind == "f" else data.dtype)
    if reduction == "none":
        for place, value in zip(np.stack([a.ravel() for a in at], 1), updates.ravel(), strict=True):
            out[tuple(place)] = value
    else:
        UFUNCS[reduction].at(out, at, updates.astype(out.dtype))
    return out.astype(data.dtype)


def row_cases() -> Iterator[KernelCase]:
    for dtype in ("float32", "float16", "int64"):
        for o, r, i, c in ((1, 50, 32, 60), (3, 7, 5, 9), (1, 10, 1, 30), (2, 4, 3, 0)):
            spec = TakeSpec(o, r, i, c, dtype)
            label = f"{dtype} {(o, r, i, c)}"
            data, updates = random((o, r, i), dtype), random((o, c, i), dtype, 1)
            updates[...] = np.abs(updates) % 2 if dtype == "float16" else updates
            index = indices((c,), -r, r)
            if c:
                taken = np.ascontiguousarray(data[:, index])
                yield KernelCase(
                    f"take {label}", lambda s=spec: take_rows(s, LOOPS), (data, index), (taken,)
                )
            at = tuple(
                np.broadcast_arrays(
                    np.arange(o)[:, None, None], index[None, :, None] % r, np.arange(i)
                )
            )
            for reduction in COMBINATIONS:
                want = combined(data, at, updates, reduction)
                yield KernelCase(
                    f"{reduction} rows {label}",
                    lambda s=spec, d=reduction: scatter_rows(s, LOOPS, d),
                    (data, index, updates),
                    (want,),
                )
            zero = combined(np.zeros_like(data), at, updates, "add")
            yield KernelCase(
                f"gradient rows {label}",
                lambda s=spec: scatter_rows(s, LOOPS, from_zero=True),
                (index, updates),
                (zero,),
            )


def element_cases() -> Iterator[KernelCase]:
    shapes = (
        ((5, 6, 7), (5, 9, 7), 1),
        ((5, 6, 7), (3, 6, 4), 2),
        ((5, 6, 7), (4, 6, 7), 0),
        ((8,), (20,), 0),
    )
    for dtype in ("float32", "int32"):
        for shape, index_shape, axis in shapes:
            data, updates = random(shape, dtype), random(index_shape, dtype, 1)
            index = indices(index_shape, -shape[axis], shape[axis])
            at = list(np.indices(index_shape))
            at[axis] = index % shape[axis]
            label = f"{dtype} {shape} {index_shape} {axis}"
            spec = ElementsSpec(shape, index_shape, axis, "none", dtype)
            gathered = np.ascontiguousarray(data[tuple(at)])
            yield KernelCase(
                f"gather {label}",
                lambda s=spec: gather_elements(s, LOOPS),
                (data, index),
                (gathered,),
            )
            for reduction in COMBINATIONS:
                want = combined(data, tuple(at), updates, reduction)
                spec = ElementsSpec(shape, index_shape, axis, reduction, dtype)
                yield KernelCase(
                    f"{reduction} elements {label}",
                    lambda s=spec: scatter_elements(s, LOOPS),
                    (data, index, updates),
                    (want,),
                )


def outside_cases() -> Iterator[KernelCase]:
    """Indices out of range: read from the edge, written nowhere."""
    data, index = random((1, 4, 3)), random((2,), "int64")
    index[...] = (4, -5)
    spec = TakeSpec(1, 4, 3, 2)
    yield KernelCase(
        "take outside", lambda: take_rows(spec, LOOPS), (data, index), (data[:, [3, 0]].copy(),)
    )
    yield KernelCase(
        "scatter outside",
        lambda: scatter_rows(spec, LOOPS),
        (data, index, random((1, 2, 3))),
        (data,),
    )


def sort_cases() -> Iterator[KernelCase]:
    for dtype in ("float32", "float64", "float16", "int32", "uint8"):
        for rows, columns, keep, descending in (
            (3, 1, 1, False),
            (5, 17, 17, False),
            (5, 100, 100, True),
            (4, 300, 5, True),
        ):
            x = random((rows, columns), dtype)
            if x.dtype.kind == "f":
                x[...] = np.round(x * 2) / 2  # ties, and both zeros
                x.reshape(-1)[::9] = np.nan
                x.reshape(-1)[1::11] = -np.inf
            values, order = torch.sort(torch.from_numpy(x), stable=True, descending=descending)
            spec = SortSpec(rows, columns, keep, descending, dtype)
            want = [np.ascontiguousarray(a.numpy()[:, :keep]) for a in (values, order)]
            yield KernelCase(
                f"sort {dtype} {columns} {keep} {descending}",
                lambda s=spec: sort_rows(s, LOOPS),
                (x,),
                want,
            )


def running(x: Array, spec: ScanSpec) -> Array:
    start = np.full_like(x[:, :1], int(spec.product), np.float64)
    x = x[:, ::-1] if spec.reverse else x
    total = (np.cumprod if spec.product else np.cumsum)(np.concatenate([start, x], 1), 1)
    total = total[:, :-1] if spec.exclusive else total[:, 1:]
    return np.ascontiguousarray(total[:, ::-1] if spec.reverse else total)


def scan_cases() -> Iterator[KernelCase]:
    for shape in ((4, 30, 1), (3, 20, 70), (1, 5, 64)):
        for exclusive, reverse, product in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1), (0, 0, 1)):
            for dtype in ("float32", "bfloat16", "int64"):
                spec = ScanSpec(*shape, dtype, dtype, bool(exclusive), bool(reverse), bool(product))
                x = random(shape, dtype)
                want = running(x, spec).astype(x.dtype)
                yield KernelCase(repr(spec), lambda s=spec: cumulative(s, LOOPS), (x,), (want,))


CASES = [*row_cases(), *element_cases(), *outside_cases(), *sort_cases(), *scan_cases()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_kernel(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    case.check(kernels[case.name])


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one of"):
        ElementsSpec((3,), (3,), 0, "average")
    with pytest.raises(ValueError, match="wanted one of"):
        scatter_rows(TakeSpec(1, 2, 3, 4), LOOPS, "average")


def test_index_may_exceed_the_data_along_its_axis_only() -> None:
    with pytest.raises(ValueError, match="along `axis` only"):
        ElementsSpec((3, 4), (4, 4), 1)
