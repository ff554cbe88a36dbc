"""Images of other sizes: every mode is a sum of a few elements along each axis in turn."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.access import owned
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import cast_as
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import uint8
from nngraph.nn.functional.pooling.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from nngraph.nn.functional.vision.cubic import cubic_weights
from nngraph.ops.composite import wide, wide_dtype

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Sizes = int | Sequence[int]
Factors = float | Sequence[float]

_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5, "lanczos": 4}
_NEAREST = ("nearest", "nearest-exact")


def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """``[N, C, *S]`` resampled to other spatial sizes.

    Args:
        input: lines, images or volumes.
        size: the new sizes, one for all axes or one for each.
        scale_factor: instead of ``size``: the new sizes are the old ones times this, rounded down.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"area"``; ``"linear"`` of lines, ``"bilinear"``,
            ``"bicubic"`` and ``"lanczos"`` of images, ``"trilinear"`` of volumes.
        align_corners: the outermost elements lie on one another by their centres, not edges.
        recompute_scale_factor: take the ratio of the sizes, which are whole, for the factor.
        antialias: images of fewer pixels are averages of all that falls into one.

    Raises:
        ValueError: for arguments that exclude each other, or another number of sizes.
        NotImplementedError: for a mode of another rank or dtype.
        RuntimeError: for sizes that are not positive.
    """
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: "
            "linear | bilinear | bicubic | trilinear"
        )
    sizes, factors = _wanted(input, size, scale_factor, recompute_scale_factor, mode)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    _need_mode(input, mode, bool(align_corners), antialias)
    _need_sizes(input, sizes)
    if mode == "area":
        pool: Any = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[input.ndim - 3]
        return cast("Tensor", pool(input, sizes))
    (input,) = cast_as("upsample", input)
    resampler = _Resampler(mode, bool(align_corners), antialias)
    x = input
    for axis in reversed(range(2, input.ndim)):
        factor = None if factors is None else factors[axis - 2]
        x = resampler.along(x, axis, sizes[axis - 2], factor)
    return owned(x.to(input.dtype), input)


def _wanted(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None, mode: str
) -> tuple[list[int], list[float] | None]:
    """The new sizes, and the factors where they decide."""
    count = input.ndim - 2
    old = [int(cast("int", n)) for n in input.aval.shape[2:]]
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return [int(n) for n in _each("size", size, count, old)], None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = [float(f) for f in _each("scale_factor", scale_factor, count, old)]
    sizes = [int(n * f) for n, f in zip(old, factors, strict=True)]
    return sizes, None if recompute or mode == "area" else factors


def _each(what: str, value: Any, count: int, old: Sequence[int]) -> Sequence[Any]:
    if not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(old)} and {what} of {value}. Please provide input tensor "
            "in (N, C, d1, d2, ...,dK) format and one value for each of d1, d2, ...,dK."
        )
    if what == "size" and not all(isinstance(v, int | np.integer) for v in value):
        raise TypeError(f"expected size to be one of int or Tuple[int, ...], but got {value}")
    return value


def _need_mode(input: Tensor, mode: str, align_corners: bool, antialias: bool) -> None:
    rank = _RANKS.get(mode, input.ndim)
    if (
        input.ndim not in (3, 4, 5)
        or mode not in (*_RANKS, *_NEAREST, "area")
        or input.ndim != rank
    ):
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | "
            f"lanczos | area | nearest-exact (got {mode})"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and no align_corners=True")
    if not (input.dtype.is_floating_point or (input.dtype is uint8 and mode in _NEAREST)):
        raise NotImplementedError(
            f"interpolate: mode {mode!r} is not implemented for {input.dtype.name}; "
            "convert the input with .float()"
        )


def _need_sizes(input: Tensor, sizes: Sequence[int]) -> None:
    if min(sizes) <= 0 or 0 in input.aval.shape[2:]:
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape[2:])} and output {list(sizes)}"
        )
    if 0 in input.aval.shape[1:]:
        raise RuntimeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes "
            f"{list(input.shape)}"
        )


@dataclass(frozen=True)
class _Resampler:
    """One axis after another, each by places and weights that the sizes decide."""

    mode: str
    align_corners: bool
    antialias: bool

    def along(self, x: Tensor, axis: int, size: int, factor: float | None) -> Tensor:
        """``x`` with another size along ``axis``."""
        old = int(cast("int", x.aval.shape[axis]))
        if self.mode in _NEAREST:
            return _nearest(x, axis, size, factor, self.mode == "nearest-exact")
        if size == old and factor is None and not self.antialias:
            return x
        x = wide(x)
        times = size // old
        if self._repeats(times, size == old * times, factor):
            return self._interleaved(x, axis, times)
        step = _step(old, size, factor, self.align_corners, wide_dtype(x.dtype).numpy)
        if self.antialias:
            places, weights = self._averages(old, size, step)
        else:
            places, weights = self._taps(old, size, step)
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        total: Any = None
        for place, weight in zip(places, weights, strict=True):
            line = ops.take(x, ops.constant(np.maximum(place, 0), x), axis)
            term = line * ops.constant(weight.astype(x.dtype.numpy).reshape(shape), x)
            if place.min() < 0:  # (nothing times infinity is not nothing)
                term = where(ops.constant((place >= 0).reshape(shape), x), term, 0.0)
            total = term if total is None else total + term
        return cast("Tensor", total)

    def _repeats(self, times: int, whole: bool, factor: float | None) -> bool:
        """Whether the weights are the same for each old element, which has few new ones."""
        plain = not (self.align_corners or self.antialias)
        return plain and whole and 2 <= times <= 4 and factor in (None, times)

    def _interleaved(self, x: Tensor, axis: int, times: int) -> Tensor:
        """``times`` weighted sums of shifted copies in turn: no element is looked up."""
        real = (np.arange(times) + 0.5) / times - 0.5
        low = np.floor(real).astype(np.int64)
        cubic, offset = self.mode == "bicubic", real - low
        shifts = range(-1, 3) if cubic else range(2)
        weights: Sequence[Any] = cubic_weights(offset) if cubic else (1 - offset, offset)
        old, margin = x.aval.shape[axis], len(shifts) // 2
        padded = ops.pad(
            x, [(margin, margin) if a == axis else (0, 0) for a in range(x.ndim)], "edge"
        )
        phases = []
        for phase, start in enumerate(low + margin):
            terms = (
                padded.narrow(axis, int(start) + shift, old) * float(weight[phase])
                for shift, weight in zip(shifts, weights, strict=True)
            )
            phases.append(functools.reduce(add, terms))
        shape = x.aval.shape
        return stack(phases, axis + 1).reshape(*shape[:axis], old * times, *shape[axis + 1 :])

    def _taps(self, old: int, size: int, step: Any) -> tuple[Any, Any]:
        """For each tap the places and the weights, of a function through the elements."""
        index = np.arange(size, dtype=step.dtype)
        half, cubic = step.dtype.type(0.5), self.mode == "bicubic"
        real = index * step if self.align_corners else step * (index + half) - half
        if not (cubic or self.align_corners):
            real = np.maximum(real, step.dtype.type(0))
        low = np.minimum(np.floor(real), old - 1).astype(np.int64)
        offset = np.clip(real - low, 0, 1).astype(step.dtype)
        if cubic:
            taps = [np.clip(low + k, 0, old - 1) for k in (-1, 0, 1, 2)]
            return taps, cubic_weights(offset)
        return [low, np.minimum(low + 1, old - 1)], [1 - offset, offset]

    def _averages(self, old: int, size: int, step: Any) -> tuple[Any, Any]:
        """The same of averages over all that a pixel covers; -1 where that is fewer elements."""
        width, kernel = _KERNELS[self.mode]
        scale = max(float(step), 1.0)
        support, centre = width * scale, float(step) * (np.arange(size) + 0.5)
        first = np.maximum(np.trunc(centre - support + 0.5).astype(np.int64), 0)
        last = np.minimum(np.trunc(centre + support + 0.5).astype(np.int64), old)
        taps = first[None] + np.arange(int((last - first).max()))[:, None]
        weights = kernel((taps - centre + 0.5) / scale) * (taps < last)
        return np.where(taps < last, taps, -1), weights / weights.sum(0)


def _step(old: int, size: int, factor: float | None, align_corners: bool, dtype: Any) -> Any:
    """How far one new element is from the next, in old ones."""
    if align_corners:
        return np.asarray((old - 1) / (size - 1) if size > 1 else 0.0, dtype)
    return np.asarray(1.0 / factor if factor else old / size, dtype)


def _nearest(x: Tensor, axis: int, size: int, factor: float | None, exact: bool) -> Tensor:
    old = int(cast("int", x.aval.shape[axis]))
    if size % old == 0 and (factor is None or factor == size // old):
        if size == old:
            return x
        shape = x.aval.shape
        wide = (*shape[: axis + 1], size // old, *shape[axis + 1 :])
        return x.unsqueeze(axis + 1).expand(*wide).reshape(*shape[:axis], size, *shape[axis + 1 :])
    step = np.float32(1.0 / factor if factor else old / size)
    index = np.arange(size, dtype=np.float32)
    place = np.floor((index + np.float32(0.5)) * step if exact else index * step)
    return ops.take(x, ops.constant(np.minimum(place, old - 1).astype(np.int64), x), axis)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(1.0 - np.abs(x), 0.0))


def _cubic(x: np.ndarray) -> np.ndarray:
    away = np.abs(x)
    far, near = cubic_weights(away - 1, -0.5)[0], cubic_weights(away, -0.5)[1]
    return np.asarray(np.where(away < 1, near, np.where(away < 2, far, 0.0)))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0))


#: Half the width of each average, and its weights.
_KERNELS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "bilinear": (1, _triangle),
    "bicubic": (2, _cubic),
    "lanczos": (3, _lanczos),
}


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def upsample(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """``interpolate``, under its old name."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None
) -> Tensor:
    """``interpolate`` with ``mode="nearest"``, under its old name."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None
) -> Tensor:
    """``interpolate`` with ``mode="bilinear", align_corners=True``, under its old name."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
