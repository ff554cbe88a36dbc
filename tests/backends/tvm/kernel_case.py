"""Kernels under test: how each is built, what it is given and what has to come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import tvm_ffi

from nngraph.backends.arrays import aligned_copy, aligned_empty, is_aligned
from nngraph.backends.base import usable_cpus
from nngraph.backends.tvm.library import Kernel, KernelRequest, compile_library
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.strategies.table import build
from nngraph.backends.tvm.threads import ThreadCount

MACHINE = Machine.host()
LOOPS = loops_for(MACHINE)
Array = npt.NDArray[Any]

TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


@dataclass(frozen=True)
class KernelCase:
    """Outputs are compared relative to the largest expected magnitude; integers exactly."""

    name: str
    build: Callable[[], Any]
    inputs: Sequence[Array]
    expected: Sequence[Array]

    def check(self, kernel: Kernel) -> None:
        outputs = [poisoned(e) for e in self.expected]
        kernel(*(tensor(x) for x in (*self.inputs, *outputs)))
        for got, want in zip(outputs, self.expected, strict=True):
            assert_close(got, want)


def built(spec: Any, epilogue: Any = None) -> Callable[[], Any]:
    """Builds the kernel of a spec for this machine."""
    return lambda: build(spec, MACHINE, epilogue)


def compile_cases(cases: Sequence[KernelCase]) -> dict[str, Kernel]:
    """All of them in one library, whose calls here use two threads."""
    ThreadCount(min(2, usable_cpus())).use()
    assert len({c.name for c in cases}) == len(cases)
    library = compile_library([KernelRequest(c.name, c.build) for c in cases], MACHINE)
    return dict(zip((c.name for c in cases), library.functions, strict=True))


def tensor(x: Array) -> Any:
    """A view that kernels take; bfloat16 goes as 16-bit words, which DLPack from NumPy allows."""
    assert is_aligned(x)
    x = x if x.size else x.reshape(-1)  # DLPack refuses the strides of other empty arrays
    return tvm_ffi.from_dlpack(x.view(np.uint16) if x.dtype == ml_dtypes.bfloat16 else x)


def poisoned(like: Array) -> Array:
    """Memory of a shape with values that no kernel may leave there."""
    result = aligned_empty(like.shape, like.dtype)
    result.view(np.uint8)[...] = 0xFE
    return result


def random(shape: Sequence[int], dtype: str = "float32", seed: int = 0) -> Array:
    """Normal numbers, or small integers."""
    rng = np.random.default_rng([seed, *shape])
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        return aligned_copy(rng.integers(0 if kind.kind == "u" else -5, 6, shape, kind))
    return aligned_copy(rng.standard_normal(shape).astype(kind))


def assert_close(got: Array, want: Array) -> None:
    if want.dtype.kind in "iub":
        np.testing.assert_array_equal(got, want)
        return
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(np.where(finite, 0, a), np.where(finite, 0, b))
    scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
    error = float(np.abs(a[finite] - b[finite]).max(initial=0)) / scale
    assert error <= TOLERANCE[str(want.dtype)], f"error {error:.1e} of the largest value"
