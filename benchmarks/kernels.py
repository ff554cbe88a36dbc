"""TVM kernels against PyTorch's, one thread, interleaved: time and ratio (below 1 ours is faster).

    python -m benchmarks.kernels            # all
    python -m benchmarks.kernels conv dw    # cases whose name contains one of these

Times are CPU times of the thread, the least of several rounds, so other processes disturb little.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import tvm_ffi

from nngraph.backends.arrays import aligned_copy
from nngraph.backends.tvm.library import KernelRequest, compile_library
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.specs import (
    AveragePool,
    ConvForward,
    ConvInputGradient,
    ConvSpec,
    ConvWeightGradient,
    GemmSpec,
    MaxPool,
    MaxPoolGradient,
    PoolSpec,
)
from nngraph.backends.tvm.strategies.table import build
from nngraph.backends.tvm.threads import ThreadCount

Array = npt.NDArray[Any]
ROUNDS = 5
MACHINE = Machine.host()


@dataclass(frozen=True)
class Case:
    """One kernel on its arrays, and the same in PyTorch; `work` is in multiply-adds."""

    name: str
    build: Callable[[], Any]
    arrays: tuple[Array, ...]
    reference: Callable[[], Any]
    work: float


def built(spec: Any) -> Callable[[], Any]:
    """Builds the kernel of a spec for this machine."""
    return lambda: build(spec, MACHINE)


def random(*shape: int) -> Array:
    """Aligned normal numbers."""
    return aligned_copy(np.random.default_rng(0).standard_normal(shape).astype("f4"))


def products() -> Iterator[Case]:
    """Layer shapes, few rows or columns, and attention."""
    plain = ((128, 512, 784), (512, 512, 512), (1024, 256, 1024))
    small = ((128, 10, 512), (8, 512, 784), (1, 512, 784))
    attention = ((128, 64, 128), (128, 128, 64))
    batches = [*(((), s) for s in plain + small), *(((32,), s) for s in attention)]
    for (batch, (m, n, k)), (ta, tb) in itertools.product(batches, ((0, 0), (0, 1), (1, 0))):
        spec = GemmSpec.contiguous(m, n, k, transpose_a=bool(ta), transpose_b=bool(tb), batch=batch)
        a = random(*batch, *((k, m) if ta else (m, k)))
        b = random(*batch, *((n, k) if tb else (k, n)))
        c = random(*batch, m, n)
        x, y, out = map(torch.from_numpy, (a, b, c))
        x, y = x.mT if ta else x, y.mT if tb else y
        name = f"gemm {'x'.join(map(str, (*batch, m, n, k)))} {'NT'[ta]}{'NT'[tb]}"
        yield Case(
            name,
            built(spec),
            (a, b, c),
            lambda x=x, y=y, out=out: torch.matmul(x, y, out=out),
            c.size * k,
        )


def square(
    batch: int, channels: int, out: int, size: int, kernel: int, stride: int = 1, groups: int = 1
) -> ConvSpec:
    """A square window, padded so that stride 1 keeps the size."""
    pad = (kernel // 2,) * 2
    return ConvSpec(
        batch, channels, out, (size,) * 2, (kernel,) * 2, (stride,) * 2, pad, pad, (1, 1), groups
    )


CONVOLUTIONS = {
    "conv 3->64 32x32": square(32, 3, 64, 32, 3),
    "conv 64 32x32": square(32, 64, 64, 32, 3),
    "conv 64->128 32x32/2": square(32, 64, 128, 32, 3, 2),
    "conv 64->128 32x32/2 1x1": square(32, 64, 128, 32, 1, 2),
    "conv 128 16x16": square(32, 128, 128, 16, 3),
    "conv 128->256 16x16/2": square(32, 128, 256, 16, 3, 2),
    "conv 256 8x8": square(32, 256, 256, 8, 3),
    "conv 512 4x4": square(32, 512, 512, 4, 3),
    "dw 32 32x32": square(32, 32, 32, 32, 3, 1, 32),
    "dw 64 32x32/2": square(32, 64, 64, 32, 3, 2, 64),
    "dw 128 16x16": square(32, 128, 128, 16, 3, 1, 128),
    "dw 256 8x8": square(32, 256, 256, 8, 3, 1, 256),
    "pointwise 64->128 16x16": square(32, 64, 128, 16, 1),
    "pointwise 256 8x8": square(32, 256, 256, 8, 1),
    "conv 1->32 28x28": square(64, 1, 32, 28, 3),
    "conv 32->64 14x14": square(64, 32, 64, 14, 3),
    "conv 1->32 28x28 5x5": square(64, 1, 32, 28, 5),
    "conv 32->64 14x14 5x5": square(64, 32, 64, 14, 5),
}


def convolutions() -> Iterator[Case]:
    """Each with both of its gradients."""
    for name, spec in CONVOLUTIONS.items():
        x, w, dy = random(*spec.x_shape), random(*spec.weight_shape), random(*spec.y_shape)
        work = dy.size * w[0].size
        tx, tw, tdy = map(torch.from_numpy, (x, w, dy))

        def forward(spec: ConvSpec = spec, tx: Any = tx, tw: Any = tw) -> Any:
            return torch.conv2d(tx, tw, None, spec.stride, spec.pad_low, 1, spec.groups)

        def backward(
            mask: list[bool], spec: ConvSpec = spec, t: tuple[Any, ...] = (tdy, tx, tw)
        ) -> Any:
            return torch.ops.aten.convolution_backward(
                *t, None, spec.stride, spec.pad_low, (1, 1), False, (0, 0), spec.groups, mask
            )

        y, dx, dw = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(w)
        y, dx, dw = map(aligned_copy, (y, dx, dw))
        yield Case(f"{name} y", built(ConvForward(spec)), (x, w, y), forward, work)
        yield Case(
            f"{name} dx",
            built(ConvInputGradient(spec)),
            (dy, w, dx),
            lambda b=backward: b([True, False, False]),
            work,
        )
        yield Case(
            f"{name} dw",
            built(ConvWeightGradient(spec)),
            (x, dy, dw),
            lambda b=backward: b([False, True, False]),
            work,
        )


def pools() -> Iterator[Case]:
    """2x2 windows."""
    for batch, channels, n in ((64, 32, 28), (64, 64, 14)):
        two, half = (2, 2), (n // 2,) * 2
        planes = batch * channels
        spec = PoolSpec(planes, (n, n), half, two, two, (0, 0), (0, 0), (1, 1))
        x, y = random(batch, channels, n, n), random(batch, channels, *half)
        tx, tdy = torch.from_numpy(x), torch.from_numpy(y.copy())
        _, found = torch.nn.functional.max_pool2d(tx, 2, return_indices=True)
        indices, dy, dx = (aligned_copy(a) for a in (found.numpy(), y, x))
        name, work = f"pool {channels} {n}x{n}", float(x.size)

        def gradient(tx: Any = tx, tdy: Any = tdy, found: Any = found) -> Any:
            return torch.ops.aten.max_pool2d_with_indices_backward(
                tdy, tx, (2, 2), (2, 2), (0, 0), (1, 1), False, found
            )

        def maximum(tx: Any = tx) -> Any:
            return torch.nn.functional.max_pool2d(tx, 2)

        def indexed(tx: Any = tx) -> Any:
            return torch.nn.functional.max_pool2d(tx, 2, return_indices=True)

        def average(tx: Any = tx) -> Any:
            return torch.nn.functional.avg_pool2d(tx, 2)

        yield Case(f"{name} max", built(MaxPool(spec)), (x, y), maximum, work)
        yield Case(
            f"{name} max, indices",
            built(MaxPool(spec, indices=True)),
            (x, y, indices),
            indexed,
            work,
        )
        yield Case(f"{name} max dx", built(MaxPoolGradient(spec)), (x, dy, dx), gradient, work)
        yield Case(f"{name} average", built(AveragePool(spec)), (x, y), average, work)


def measure(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Seconds a call of each, rounds of about 20 ms alternating."""
    best = [float("inf")] * 2
    calls = [1, 1]
    for number in range(ROUNDS + 1):
        for i, function in enumerate((ours, theirs)):
            start = time.thread_time()
            for _ in range(calls[i]):
                function()
            seconds = (time.thread_time() - start) / calls[i]
            if number == 0:
                calls[i] = max(1, int(0.02 / max(seconds, 1e-6)))  # the first round warms up
            else:
                best[i] = min(best[i], seconds)
    return best[0], best[1]


def main(wanted: list[str]) -> None:
    """Prints a line for each case whose name contains one of `wanted`."""
    ThreadCount(1).use()
    torch.set_num_threads(1)
    print(f"{'case':40} {'ms':>9} {'GFLOP/s':>8} {'/ torch':>8}")
    for case in itertools.chain(products(), convolutions(), pools()):
        if wanted and not any(w in case.name for w in wanted):
            continue
        (kernel,) = compile_library([KernelRequest(case.name, case.build)], MACHINE).functions
        arrays = [tvm_ffi.from_dlpack(a) for a in case.arrays]
        with torch.no_grad():
            ours, theirs = measure(lambda k=kernel, a=arrays: k(*a), case.reference)
        rate = 2e-9 * case.work / ours
        print(f"{case.name:40} {ours * 1e3:9.3f} {rate:8.1f} {ours / theirs:8.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
