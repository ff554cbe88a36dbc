"""Images as columns of patches, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from nngraph import ops
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bool_
from nngraph.nn.functional.sizes import PerAxis, each
from nngraph.ops.shape.strided import Strided

__all__ = ["fold", "unfold"]


@dataclass(frozen=True)
class _Patches:
    """Windows that slide over an image of known size."""

    kernel: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    stride: tuple[int, ...]

    def counts(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The number of patches along each axis."""
        rows = zip(sizes, self.kernel, self.dilation, self.padding, self.stride, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in rows)

    def window(self, lead: Sequence[Any], counts: Sequence[int]) -> Strided:
        """``[N, C, H, W]``, padded, as ``[N, C, *kernel, *counts]``."""
        steps = [[int(a == axis) for a in range(4)] for axis in range(2)]
        for pace in (self.dilation, self.stride):
            steps += [[0, 0, pace[0], 0], [0, 0, 0, pace[1]]]
        return Strided((*lead, *self.kernel, *counts), (0,) * 4, tuple(map(tuple, steps)))


def _patches(
    name: str, kernel: PerAxis, dilation: PerAxis, padding: PerAxis, stride: PerAxis
) -> _Patches:
    """The arguments, checked.

    Raises:
        RuntimeError: for a size that is not positive, or a negative padding.
    """
    found = _Patches(
        each(kernel, 2, "kernel_size"),
        each(dilation, 2, "dilation"),
        each(padding, 2, "padding"),
        each(stride, 2, "stride"),
    )
    for what, values, least in (
        ("kernel size", found.kernel, 1),
        ("dilation", found.dilation, 1),
        ("padding", found.padding, 0),
        ("stride", found.stride, 1),
    ):
        if min(values) < least:
            raise RuntimeError(f"{name}: {what} should be at least {least}, but got {values}")
    return found


def _need_no_integers(name: str, input: Tensor) -> None:
    if input.dtype is not bool_:
        need_floats(name, input)


def unfold(
    input: Tensor,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PerAxis = 0,
    stride: PerAxis = 1,
) -> Tensor:
    """``[N, C, H, W]`` or ``[C, H, W]`` as columns of patches, ``[N, C kh kw, L]``.

    Raises:
        RuntimeError: for other ranks, or if no patch fits into the padded image.
    """
    _need_no_integers("unfold", input)
    patches = _patches("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.aval.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    *lead, height, width = input.aval.shape
    counts = patches.counts([int(cast("int", height)), int(cast("int", width))])
    if min(counts) < 1:
        raise RuntimeError(
            f"unfold: given input with spatial size ({height}, {width}), {patches}, the array of "
            f"sliding blocks would be of shape {counts}, but its components must be at least one"
        )
    pads = ((0, 0), (0, 0), *((p, p) for p in patches.padding))
    padded = ops.pad(input, pads)
    shown = patches.window(lead, counts)
    found = ops.strided(padded, shown.shape, shown.starts, shown.steps)
    return found.reshape(lead[0], lead[1] * math.prod(patches.kernel), math.prod(counts))


def fold(
    input: Tensor,
    output_size: PerAxis,
    kernel_size: PerAxis,
    dilation: PerAxis = 1,
    padding: PerAxis = 0,
    stride: PerAxis = 1,
) -> Tensor:
    """Columns of patches ``[N, C kh kw, L]`` or ``[C kh kw, L]`` added up to ``[N, C, H, W]``.

    Raises:
        RuntimeError: for other ranks, or if the image has another number of patches or elements.
    """
    _need_no_integers("fold", input)
    patches = _patches("fold", kernel_size, dilation, padding, stride)
    sizes = each(output_size, 2, "output_size")
    if input.ndim not in (2, 3) or 0 in input.aval.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    if input.ndim == 2:
        found = fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride)
        return found.squeeze(0)
    images, rows, columns = input.aval.shape
    area, counts = math.prod(patches.kernel), patches.counts(sizes)
    if cast("int", rows) % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={patches.kernel}"
        )
    if min(counts) < 1 or columns != math.prod(counts):
        raise RuntimeError(
            f"Given output_size={sizes} and {patches}, expected size of input's dimension 2 to "
            f"match the calculated number of sliding blocks {' * '.join(map(str, counts))}, "
            f"but got input.size(2)={columns}"
        )
    lead = (images, rows // area)
    padded = [n + 2 * p for n, p in zip(sizes, patches.padding, strict=True)]
    empty = ops.full(0, input.dtype, (*lead, *padded), input)
    parts = input.reshape(*lead, *patches.kernel, *counts)
    added: Tensor = patches.window(lead, counts).written(empty, parts, "add")
    inside = zip((2, 3), patches.padding, sizes, strict=True)
    for axis, start, size in inside:
        added = added.narrow(axis, start, size)
    return added
