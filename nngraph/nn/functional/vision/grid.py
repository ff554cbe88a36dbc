"""Images read at any places: ``grid_sample``, and the places of an affine map."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Sequence
from operator import mul
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.selection import where
from nngraph.frontend.precision.casting import autocasts, cast_as
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64
from nngraph.nn.functional.gradients import with_zero_gradient
from nngraph.nn.functional.vision.cubic import cubic_weights

__all__ = ["affine_grid", "grid_sample"]

_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
    "Please specify align_corners=True if the old behavior is desired. See the documentation of "
    "grid_sample for details."
)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Where ``grid_sample`` reads for an affine map: ``[N, H, W, 2]`` or ``[N, D, H, W, 3]``.

    Args:
        theta: ``[N, 2, 3]`` for images, ``[N, 3, 4]`` for volumes.
        size: of what will be sampled, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or their edges.

    Raises:
        ValueError: for another ``theta``, or a size that is not positive.
        NotImplementedError: for another number of sizes.
    """
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
        align_corners = False
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    count = len(size) - 2
    if theta.ndim != 3 or theta.aval.shape[1:] != (count, count + 1):
        raise ValueError(
            f"Expected a batch of {count}D affine matrices of shape Nx{count}x{count + 1} for size "
            f"{size}. Got {list(theta.shape)}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(f"affine_grid: theta has {theta.shape[0]} maps for a size of {size}")
    lines = [_line(n, align_corners, theta) for n in size[:1:-1]]  # the last axis first
    grid = np.stack([*np.meshgrid(*lines[::-1], indexing="ij")][::-1], -1)
    ones = np.ones((*grid.shape[:-1], 1), grid.dtype)
    base = np.concatenate([grid, ones], -1).reshape(1, -1, count + 1)
    points, theta = cast_as("bmm", ops.constant(np.repeat(base, size[0], 0), theta), theta)
    places: Tensor = ops.matmul(points, theta, transpose_b=True)
    return places.reshape(size[0], *size[2:], count)


def _line(size: int, align_corners: bool, like: Tensor) -> np.ndarray:
    """The centres of the pixels from -1 to 1."""
    if size <= 1:
        return np.zeros(size, like.dtype.numpy)
    line = np.linspace(-1.0, 1.0, size)
    return (line if align_corners else line * ((size - 1) / size)).astype(like.dtype.numpy)


@autocasts
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """``input[N, C, *S]`` read at ``grid[N, *O, 2 or 3]``: ``[N, C, *O]``.

    Args:
        input: images or volumes.
        grid: places from -1 to 1, the last axis (x) first.
        mode: ``"bilinear"`` (trilinear in volumes), ``"nearest"``, or ``"bicubic"`` in images.
        padding_mode: outside are ``"zeros"``, the ``"border"``, or a ``"reflection"``.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or their edges.

    Raises:
        ValueError: for another mode.
        RuntimeError: for shapes or dtypes that do not fit.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=2)
        align_corners = False
    _need_fit(input, grid, mode)
    sizes = [int(cast("int", n)) for n in input.aval.shape[2:]]
    # The grid's last axis has x first; planes have it last.
    lines = [grid.select(-1, axis) for axis in reversed(range(len(sizes)))]
    places = [_place(line, n, align_corners) for line, n in zip(lines, sizes, strict=True)]
    planes = _Planes(input, sizes, padding_mode, align_corners)
    if mode == "bicubic":
        return planes.cubic(places)
    places = [planes.inside(p, n) for p, n in zip(places, sizes, strict=True)]
    return planes.nearest(places) if mode == "nearest" else planes.linear(places)


def _need_fit(input: Tensor, grid: Tensor, mode: str) -> None:
    count = input.ndim - 2
    words = f"the input is {input.aval}, the grid {grid.aval}"
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input and grid of its rank, but {words}"
        )
    if input.dtype is not grid.dtype or not input.dtype.is_floating_point:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but {words}"
        )
    if input.aval.shape[0] != grid.aval.shape[0] or grid.aval.shape[-1] != count:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, and grid to have "
            f"size {count} in last dimension, but {words}"
        )
    if 0 in input.aval.shape[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but {words}"
        )
    if mode == "bicubic" and count == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _place(line: Tensor, size: int, align_corners: bool) -> Tensor:
    """From [-1, 1] to pixels."""
    if align_corners:
        return (line + 1) * ((size - 1) / 2)
    return ((line + 1) * size - 1) / 2


class _Planes:
    """What is sampled, and what lies around it."""

    def __init__(self, input: Tensor, sizes: list[int], padding: str, align: bool) -> None:
        self.flat = input.reshape(*input.aval.shape[:2], math.prod(sizes))
        self.sizes, self.padding, self.align = sizes, padding, align

    def inside(self, place: Tensor, size: int) -> Tensor:
        """A place on the plane, where padding has an image."""
        if self.padding == "zeros":
            return place
        if self.padding == "reflection":
            place = self._mirrored(place, size)
        return where(place > 0, where(place < size - 1, place, size - 1.0), 0.0)

    def _mirrored(self, place: Tensor, size: int) -> Tensor:
        low, high = (0.0, size - 1.0) if self.align else (-0.5, size - 0.5)
        span = high - low
        if not span:
            return place * 0
        place = place - low
        away = where(place < 0, -place, place)
        turns = (away.detach() / span).floor()
        extra = away - turns * span
        return where((turns % 2).eq(0), extra + low, (span + low) - extra)

    def read(self, places: Sequence[Tensor]) -> Tensor:
        """The elements at whole places, ``[N, C, *O]``; zeros outside."""
        index: Any = None
        valid: Any = None
        for place, size in zip(places, self.sizes, strict=True):
            fits = (place >= 0) & (place <= size - 1)
            line = where(fits, place, 0.0).to(int64)
            index = line if index is None else index * size + line
            valid = fits if valid is None else valid & fits
        images, channels = self.flat.aval.shape[:2]
        shape = index.aval.shape[1:]
        flat = index.reshape(images, 1, math.prod(shape)).expand(images, channels, math.prod(shape))
        found = self.flat.gather(2, flat).reshape(images, channels, *shape)
        return where(valid.unsqueeze(1), found, 0.0)

    def nearest(self, places: Sequence[Tensor]) -> Tensor:
        found = self.read([p.detach().round() for p in places])
        return with_zero_gradient(found, places[0].unsqueeze(1))

    def linear(self, places: Sequence[Tensor]) -> Tensor:
        low = [p.detach().floor() for p in places]
        shares = [(b + 1 - p, p - b) for p, b in zip(places, low, strict=True)]
        total: Any = None
        for corner in itertools.product((0, 1), repeat=len(places)):
            found = self.read([b + side for b, side in zip(low, corner, strict=True)])
            share = functools.reduce(mul, (shares[a][side] for a, side in enumerate(corner)))
            term = found * share.unsqueeze(1)
            total = term if total is None else total + term
        return cast("Tensor", total)

    def cubic(self, places: Sequence[Tensor]) -> Tensor:
        low = [p.detach().floor() for p in places]
        weights = [cubic_weights(p - b) for p, b in zip(places, low, strict=True)]
        total: Any = None
        for row in range(4):
            line: Any = None
            for column in range(4):
                taps = [
                    self.inside(b + (k - 1), n)
                    for b, k, n in zip(low, (row, column), self.sizes, strict=True)
                ]
                # (what a mirror gives is whole only up to rounding)
                term = self.read([t.round() for t in taps]) * weights[1][column].unsqueeze(1)
                line = term if line is None else line + term
            line = line * weights[0][row].unsqueeze(1)
            total = line if total is None else total + line
        return cast("Tensor", total)
