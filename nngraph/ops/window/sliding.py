"""Sliding windows over spatial axes: sizes, and the strided view that one kernel tap reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType, TypeMismatch

__all__ = ["Pairs", "Sizes", "Windows", "need_windows"]

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Windows of ``kernel`` taps, ``dilation`` apart, every ``stride`` elements of padded axes.

    All fields have one entry for each spatial axis. With ``ceil_mode`` a last window may hang over
    the end if it starts inside the input or the left padding (PyTorch's rule).
    """

    kernel: Sizes
    stride: Sizes
    padding: Pairs
    dilation: Sizes
    ceil_mode: bool = False

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def spans(self) -> Sizes:
        """Elements from a window's first tap to its last, both included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def counts(self, sizes: Sequence[Dim]) -> tuple[Dim, ...]:
        """The number of windows in each axis.

        Raises:
            TypeMismatch: if ceil_mode makes the number no polynomial of a symbolic size.
        """
        axes = zip(sizes, self.spans, self.stride, self.padding, strict=True)
        return tuple(self._count(n, span, s, pad) for n, span, s, pad in axes)

    def _count(self, size: Dim, span: int, stride: int, pad: tuple[int, int]) -> Dim:
        low, high = pad
        if not self.ceil_mode:
            return (size + (low + high - span)) // stride + 1
        count = (size + (low + high - span + stride - 1)) // stride + 1
        if stride + high <= span:
            return count  # the last window always starts inside
        if isinstance(size, SymDim) or isinstance(count, SymDim):
            raise TypeMismatch(
                f"pooling with ceil_mode=True over the symbolic size {size}: the number of windows "
                "depends on it by cases; use ceil_mode=False or give the axis a number"
            )
        return count - 1 if (count - 1) * stride >= size + low else count

    def places(self, sizes: Sequence[int]) -> Sizes:
        """``counts`` of known sizes."""
        return tuple(int(c) for c in self.counts(sizes))  # type: ignore[arg-type]

    def padded(self, sizes: Sequence[int]) -> Sizes:
        """The padded sizes that all windows lie in."""
        axes = zip(sizes, self.padding, self.places(sizes), self.stride, self.spans, strict=True)
        return tuple(max(n + lo + hi, (c - 1) * s + span) for n, (lo, hi), c, s, span in axes)

    def pad(self, x: Array, value: float) -> Array:
        """Pads the spatial axes (the last ones) of x; x itself where nothing is added."""
        sizes = x.shape[x.ndim - self.rank :]
        full = self.padded(sizes)
        if full == sizes:
            return x
        out = np.full(x.shape[: x.ndim - self.rank] + full, value, x.dtype)
        out[self.inside(sizes)] = x
        return out

    def inside(self, sizes: Sequence[int]) -> tuple[Any, ...]:
        """The index that cuts the input out of a padded array."""
        axes = zip(sizes, self.padding, strict=True)
        return (..., *(slice(low, low + n) for n, (low, _) in axes))

    def taps(self, sizes: Sequence[int]) -> Iterator[tuple[Sizes, tuple[Any, ...]]]:
        """Kernel positions in row-major order, each with the index of what it reads when padded."""
        counts = self.places(sizes)
        for tap in itertools.product(*map(range, self.kernel)):
            axes = zip(tap, self.dilation, self.stride, counts, strict=True)
            yield tap, (..., *(slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, s, c in axes))


def need_windows(op: str, windows: Windows, x: TensorType, rest: int = 2) -> tuple[Dim, ...]:
    """Checks the attributes against x[N, C, *spatial]; the number of windows in each axis.

    Raises:
        TypeMismatch: if the number of axes differs, an attribute is out of range, or a window does
            not fit into the padded input.
    """
    spatial = x.shape[rest:]
    fields = (windows.kernel, windows.stride, windows.padding, windows.dilation)
    if not 1 <= len(spatial) <= 3 or any(len(f) != len(spatial) for f in fields):
        raise TypeMismatch(
            f"{op}: the operand is {x}; it must have {rest} axes and then {windows.rank} spatial "
            "ones (1 to 3), and kernel, stride, padding and dilation one entry for each of those"
        )
    if (
        min(*windows.kernel, *windows.stride, *windows.dilation) < 1
        or min(itertools.chain(*windows.padding)) < 0
    ):
        raise TypeMismatch(
            f"{op}: kernel {windows.kernel}, stride {windows.stride}, dilation {windows.dilation} "
            f"must be at least 1 and padding {windows.padding} at least 0"
        )
    counts = windows.counts(spatial)
    axes = zip(counts, spatial, windows.spans, windows.padding, strict=True)
    for count, size, span, (low, high) in axes:
        # With ceil_mode one window may be longer than all of the padded input.
        if isinstance(count, int) and count < 1:
            raise TypeMismatch(
                f"{op}: the padded input is {size}+{low}+{high} long and the kernel spans {span}; "
                "use a larger input, more padding or a smaller kernel"
            )
    return counts
