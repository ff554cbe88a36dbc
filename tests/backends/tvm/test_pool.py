from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from nngraph.backends.tvm.library import Kernel
from nngraph.backends.tvm.specs import (
    AveragePool,
    AveragePoolGradient,
    MaxPool,
    MaxPoolGradient,
    PoolSpec,
)
from tests.backends.tvm.kernel_case import Array, KernelCase, built, random

Extents = int | tuple[int, ...]
F = torch.nn.functional


def full(x: Extents, rank: int) -> tuple[int, ...]:
    return (x,) * rank if isinstance(x, int) else x


WINDOWS: dict[str, dict[str, Any]] = {
    "2x2": {"size": (32, 32), "kernel": 2, "stride": 2},
    "overlapping": {"size": (33, 31), "kernel": 3, "stride": 2, "pad": 1},
    "ceil": {"size": (33, 31), "kernel": 3, "stride": 2, "pad": 1, "ceil": True},
    "stride 1": {"size": (9, 10), "kernel": 3, "pad": 1, "planes": 70},
    "dilated": {"size": (20, 10), "kernel": 3, "stride": 2, "pad": 1, "dilation": 2, "ceil": True},
    "1-d": {"size": (20,), "kernel": 4, "stride": 3, "pad": 1, "ceil": True},
    "3-d": {"size": (6, 7, 40), "kernel": (2, 3, 2), "stride": (1, 2, 3), "pad": 1, "ceil": True},
    "global": {"size": (4, 4), "kernel": 4, "stride": 4},
    "float64": {"size": (9, 20), "kernel": 3, "stride": 2, "pad": 1, "dtype": "float64"},
    "float16": {"size": (12, 12), "kernel": 2, "stride": 2, "dtype": "float16"},
}


def windows(
    size: tuple[int, ...],
    kernel: Extents,
    stride: Extents = 1,
    pad: Extents = 0,
    dilation: Extents = 1,
    ceil: bool = False,
    planes: int = 6,
    dtype: str = "float32",
    include: bool = True,
) -> tuple[PoolSpec, bool]:
    n = len(size)
    k, s, p, d = (full(x, n) for x in (kernel, stride, pad, dilation))
    pool = getattr(F, f"max_pool{n}d")
    out = pool(torch.zeros(1, 1, *size), k, s, p, d, ceil_mode=ceil).shape[2:]
    return PoolSpec(planes, size, tuple(out), k, s, p, p, d, include, dtype), ceil


def special(x: Array) -> Array:
    """With NaN, and windows of minus infinity only."""
    x.reshape(-1)[::7] = np.nan
    x.reshape(-1)[: x.size // 2] = -np.inf
    return x


def max_cases() -> Iterator[KernelCase]:
    for name, arguments in WINDOWS.items():
        spec, ceil = windows(**arguments)
        for label in ("", " special"):
            x = random((1, spec.planes, *spec.size), spec.dtype)
            x = special(x) if label else x
            tx = torch.from_numpy(x.astype("f8")).requires_grad_()
            pool = getattr(F, f"max_pool{len(spec.size)}d")
            y, i = pool(tx, spec.kernel, spec.stride, spec.pad_low, spec.dilation, ceil, True)
            dy = random(y.shape, spec.dtype, 1)
            y.backward(torch.from_numpy(dy.astype("f8")))
            want, dx = y.detach().numpy().astype(x.dtype), tx.grad.numpy().astype(x.dtype)
            indices = np.ascontiguousarray(i.numpy())
            yield from max_case(f"{name}{label}", spec, (x, dy), (want, indices, dx))


def max_case(
    name: str, spec: PoolSpec, inputs: tuple[Array, Array], want: tuple[Array, Array, Array]
) -> Iterator[KernelCase]:
    (x, dy), (y, indices, dx) = inputs, want
    yield KernelCase(f"max {name}", built(MaxPool(spec)), (x,), (y,))
    yield KernelCase(f"max indices {name}", built(MaxPool(spec, indices=True)), (x,), (y, indices))
    yield KernelCase(f"max dx {name}", built(MaxPoolGradient(spec)), (x, dy), (dx,))


def average_cases() -> Iterator[KernelCase]:
    for name, arguments in WINDOWS.items():
        if "dilation" in arguments:
            continue
        for include in (True, False):
            spec, ceil = windows(**arguments, include=include)
            x = random((1, spec.planes, *spec.size), spec.dtype)
            tx = torch.from_numpy(x.astype("f8")).requires_grad_()
            pool = getattr(F, f"avg_pool{len(spec.size)}d")
            y = pool(tx, spec.kernel, spec.stride, spec.pad_low, ceil, include)
            dy = random(y.shape, spec.dtype, 1)
            y.backward(torch.from_numpy(dy.astype("f8")))
            want, dx = y.detach().numpy().astype(x.dtype), tx.grad.numpy().astype(x.dtype)
            label = f"{name} {'with' if include else 'without'} padding"
            yield KernelCase(f"average {label}", built(AveragePool(spec)), (x,), (want,))
            yield KernelCase(f"average dx {label}", built(AveragePoolGradient(spec)), (dy,), (dx,))


def divisor_case() -> KernelCase:
    spec = PoolSpec(2, (8, 8), (4, 4), (2, 2), (2, 2), (0, 0), (0, 0), (1, 1), divisor=3)
    x = random((1, 2, 8, 8))
    want = F.avg_pool2d(torch.from_numpy(x), 2, divisor_override=3).numpy()
    return KernelCase("divisor", built(AveragePool(spec)), (x,), (want,))


CASES = [*max_cases(), *average_cases(), divisor_case()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_pooling(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    case.check(kernels[case.name])
