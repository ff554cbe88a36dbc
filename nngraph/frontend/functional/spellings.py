"""Functions that PyTorch has beside others of the same meaning: older, or by another name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.access import become
from nngraph.frontend.functional.axes import sizes_of
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.variants import both, function, method
from nngraph.frontend.tape import root_of
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.frontend.views import offset_of
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype

__all__ = [
    "fill",
    "frobenius_norm",
    "norm_except_dim",
    "nuclear_norm",
    "range",
    "resize_as_",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
]


@function
def range(
    start: Any = 0,
    end: Any = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``start, start + step, ...`` up to ``end``, which ``arange`` leaves out; floats by default.

    Raises:
        RuntimeError: if ``step`` is zero or leads away from ``end``, or a bound is not finite.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.range.html
    """
    warnings.warn(
        "range is deprecated, as its behavior is inconsistent with Python's range: write "
        "arange(start, end + step, step), whose end is not one of the numbers",
        stacklevel=4,
    )
    if end is None:
        raise TypeError('range() missing 1 required positional arguments: "end"')
    if not (np.isfinite(start) and np.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start}, {end}, step {step}"
        )
    kind = as_dtype(dtype or default_dtype())
    if kind.is_integer:
        start, end, step = int(start), int(end), int(step)
        if not step:
            raise RuntimeError("step must be nonzero: as an integer it is 0")
    count = int((end - start) / step) + 1
    line: Tensor = arange(count, dtype=kind) * step + start
    return line.requires_grad_(requires_grad)


@function
def fill(input: Tensor, value: Operand) -> Tensor:
    """A tensor like ``input`` whose elements are all ``value``."""
    return input.clone().fill_(value)


# -- sizes in place ----------------------------------------------------------------------------
@method
def resize_(input: Tensor, *size: Any, memory_format: object = None) -> Tensor:
    """The handle shows the elements of its memory as another shape, of any number of them.

    What lies in the memory stays shared; a larger size than fits takes new memory, whose further
    elements are zero: eagerly only.

    Raises:
        RuntimeError: for a tensor that requires grad, and for a negative size.
        TraceError: in a trace, for more elements than are there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.resize_.html
    """
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = [int(cast("int", n)) for n in sizes_of(size)]
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: sizes must not be negative, got {shape}")
    if tuple(shape) == tuple(input.shape):
        return input
    steps = [int(np.prod(shape[axis + 1 :])) for axis, _ in enumerate(shape)]
    wanted = int(np.prod(shape))
    whole = root_of(input).aval
    there = int(cast("int", whole.size - offset_of(input._path, whole.shape)))
    if wanted > there:
        rest = input.as_strided((there,), (1,))
        input.data = cat([rest, input.new_zeros(wanted - there)]).view(shape)
        return input
    return become(input, input.as_strided(shape, steps))


@both
def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: object = None) -> Tensor:
    """``resize_`` to the shape of a tensor."""
    return input.resize_(the_template.shape)


# -- parts -------------------------------------------------------------------------------------
@both
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``chunk``: writing to a part is safe here."""
    return input.chunk(chunks, dim)


@both
def unsafe_split(input: Tensor, split_size: Dim, dim: int = 0) -> tuple[Tensor, ...]:
    """``split``: writing to a part is safe here."""
    return input.split(split_size, dim)


@both
def unsafe_split_with_sizes(
    input: Tensor, split_sizes: Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """``split_with_sizes``: writing to a part is safe here."""
    return input.split_with_sizes(split_sizes, dim)


# -- norms -------------------------------------------------------------------------------------
@function
def frobenius_norm(
    input: Tensor, dim: int | Sequence[int], keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """``norm("fro")``: the root of the sum of squares over one or two axes."""
    return input.norm("fro", dim, keepdim)


@function
def nuclear_norm(
    input: Tensor,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The sum of singular values.

    Args:
        input: ``[..., M, N]``, or with ``dim`` any tensor of at least two axes.
        dim: the two axes of the matrices; the last two by default.
        keepdim: keep them, of size 1.

    Raises:
        RuntimeError: for fewer than two axes, or another number of them in ``dim``.
    """
    if input.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    first, second = (-2, -1) if dim is None else _two(dim)
    axes = sorted(axis % input.ndim for axis in (first, second))
    found = input.movedim((first, second), (-2, -1)).svd(some=True, compute_uv=True).S.sum(-1)
    for axis in axes if keepdim else ():
        found = found.unsqueeze(axis)
    return found


def _two(dim: Any) -> tuple[int, int]:
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dim)}")
    return dim[0], dim[1]


@function
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all axes but ``dim``, which are kept; for ``dim`` -1 over all.

    Raises:
        IndexError: for an axis that there is not.
        RuntimeError: where the axis has no elements.
    """
    if dim == -1:
        return v.norm(pow)
    first = v.transpose(0, dim)  # as PyTorch has it: the axis first, all others as one
    count = first.size(0)
    norms = first.reshape(count, -1).norm(pow, 1)
    return norms.reshape(count, *[1] * (v.dim() - 1)).transpose(0, dim)
