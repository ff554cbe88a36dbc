"""Max pooling by windows that start at random places (Graham, 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.random import rand
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import int64
from nngraph.nn.functional.pooling.planes import flat_places, need_elements, window_maxima
from nngraph.nn.functional.sizes import PerAxis, batched, each

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

#: A fraction for all axes, or one for each.
Ratio = float | Sequence[float]


def _fractional(
    name: str,
    count: int,
    input: Tensor,
    kernel_size: PerAxis,
    output_size: PerAxis | None,
    output_ratio: Ratio | None,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    kernel = each(kernel_size, count, "kernel_size")

    need_floats(name, input)
    need_elements(name, input)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        sizes = [int(cast("int", s)) for s in x.aval.shape[2:]]
        counts = _counts(name, count, sizes, output_size, output_ratio)
        for size, window, windows in zip(sizes, kernel, counts, strict=True):
            # PyTorch wants one element more than needed in volumes.
            if windows + window - 1 + (count == 3) > size:
                raise RuntimeError(f"{name}: pool size {window} too large relative to input {size}")
        drawn = _samples(name, samples, x, count)
        return window_maxima(x, _windows(drawn, sizes, kernel, counts))

    return batched(name, input, count, run)


def _counts(
    name: str,
    count: int,
    sizes: Sequence[int],
    output_size: PerAxis | None,
    output_ratio: Ratio | None,
) -> tuple[int, ...]:
    """The number of windows along each axis."""
    if output_size is not None:
        return each(output_size, count, "output_size")
    ratios = (output_ratio,) * count if isinstance(output_ratio, float | int) else output_ratio
    assert ratios is not None
    if len(ratios) != count:
        raise ValueError(f"{name} requires output_ratio to be one number or {count}, got {ratios}")
    return tuple(int(s * r) for s, r in zip(sizes, ratios, strict=True))


def _samples(name: str, given: Tensor | None, x: Tensor, count: int) -> Tensor:
    """A number from 0 to 1 for each plane and axis: ``[N, C, count]``."""
    images, channels = x.aval.shape[:2]
    if given is None:
        return rand(images, channels, count, dtype=x.dtype)
    fits = given.ndim == 3 and given.aval.shape[1:] == (channels, count)
    if not fits or given.shape[0] < x.shape[0] or given.dtype is not x.dtype:
        raise RuntimeError(
            f"{name}: _random_samples are {given.aval}; they must be {x.dtype.name}"
            f"[{images}, {channels}, {count}]: one from 0 to 1 for each plane and axis"
        )
    return given.narrow(0, 0, images)


def _windows(
    samples: Tensor, sizes: Sequence[int], kernel: Sequence[int], counts: Sequence[int]
) -> Tensor:
    """The flat places ``[N, C, *counts, K]`` that the windows read."""
    rank = len(sizes)
    lines: list[Any] = []
    for axis, (size, window, windows) in enumerate(zip(sizes, kernel, counts, strict=True)):
        # The last axis has the first sample in a plane, the first axis in a volume.
        start = _starts(samples.select(2, axis if rank == 3 else 1 - axis), size, window, windows)
        place = start.unsqueeze(-1) + ops.constant(np.arange(window, dtype=np.int64), samples)
        shape: list[Any] = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = windows, window
        lines.append(place.reshape(*samples.aval.shape[:2], *shape))
    found = cast("Tensor", flat_places(lines, sizes))
    return found.reshape(*samples.aval.shape[:2], *counts, int(np.prod(kernel)))


def _starts(sample: Tensor, size: int, window: int, windows: int) -> Tensor:
    """Where each window begins, ``[N, C, windows]``: steps of two sizes in a random order."""
    last = ops.constant(np.full((1, 1, 1), size - window, np.int64), sample)
    last = last.expand(*sample.aval.shape, 1)
    if windows <= 1:
        return last[..., :windows]
    step = (size - window) / (windows - 1)
    places = ops.constant(np.arange(windows - 1).astype(sample.dtype.numpy), sample)
    first = sample.unsqueeze(-1)
    begin = ((places + first) * step).to(int64) - (first * step).to(int64)
    return cat([begin, last], 2)


@autocasts
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: PerAxis,
    output_size: PerAxis | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Maxima of ``[N, C, H, W]`` over windows at random places, and their places in the plane."""
    return _fractional(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples
    )


@autocasts
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: PerAxis,
    output_size: PerAxis | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Maxima of ``[N, C, D, H, W]`` over windows at random places, and their places."""
    return _fractional(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples
    )


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: PerAxis,
    output_size: PerAxis | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of ``[N, C, H, W]`` or ``[C, H, W]`` over windows that start at random places.

    Args:
        input: the planes.
        kernel_size: of all windows, one number or one for each axis.
        output_size: the number of windows.
        output_ratio: the number of windows as a fraction of the size, where that is not given.
        return_indices: also give the place of each maximum in its flattened plane (int64).
        _random_samples: ``[N, C, 2]`` from 0 to 1, which decide the places.

    Raises:
        ValueError: if neither a size nor a ratio is given.
        RuntimeError: if the windows do not fit into the input.
    """
    found = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )
    return found if return_indices else found[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: PerAxis,
    output_size: PerAxis | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of ``[N, C, D, H, W]`` over windows at random places; with indices, a pair."""
    found = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, True, _random_samples
    )
    return found if return_indices else found[0]
