"""Methods that write to a tensor, or change what its handle shows, and are not derived ones."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph import ops
from nngraph.frontend.functional.access import become, overwrite, replace, unrepeated
from nngraph.frontend.functional.variants import method
from nngraph.frontend.promotion import as_tensor_like, filler
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import float64, int64

__all__: list[str] = []


@method
def copy_(input: Tensor, other: Operand, non_blocking: bool = False) -> Tensor:
    """Overwrites the elements (``other`` is cast and broadcast)."""
    like = as_tensor_like(other, input.dtype, input)
    if like.aval.shape != input.aval.shape:
        like = like.expand(*input.aval.shape)
    return replace(input, like)


@method
def fill_(input: Tensor, value: Operand) -> Tensor:
    """Every element becomes ``value``, a number or a tensor without axes."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
            "dimensions."
        )
    each = unrepeated(input)  # which may hold elements that repeat: they get one value
    replace(each, filler(value, input.dtype, input).expand(*each.aval.shape))
    return input


@method
def float_power_(input: Tensor, exponent: Operand) -> Tensor:
    """``float_power`` of a tensor of float64, whose result replaces the elements.

    Raises:
        RuntimeError: for another dtype.
    """
    if input.dtype is not float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype.name} but the operation's "
            "result requires dtype float64"
        )
    return overwrite(input, input.float_power(exponent))


@method
def zero_(input: Tensor) -> Tensor:
    """Every element becomes 0."""
    return input.fill_(0)


@method
def fill_diagonal_(input: Tensor, fill_value: Operand, wrap: bool = False) -> Tensor:
    """The main diagonal becomes ``fill_value``.

    Args:
        input: a matrix, or a tensor of more axes of one size.
        fill_value: a number.
        wrap: go on with another diagonal below that of a tall matrix, one row apart.

    Raises:
        RuntimeError: for other shapes.
    """
    shape = input.aval.shape
    if len(shape) < 2 or (len(shape) > 2 and any(size != shape[0] for size in shape)):
        raise RuntimeError(
            "fill_diagonal_: expected a matrix, or a tensor of which all dimensions have equal "
            f"sizes, got {input.aval}"
        )
    first, *others = (
        ops.iota(int64, (*(1,) * a, size, *(1,) * (len(shape) - a - 1)), a, input)
        for a, size in enumerate(shape)
    )
    if wrap and len(shape) == 2:
        first = first % (others[0].numel() + 1)
    on = first == others[0]
    for other in others[1:]:
        on = on & (first == other)
    return overwrite(input, ops.where(on, filler(fill_value, input.dtype, input), input))


@method
def t_(input: Tensor) -> Tensor:
    """The handle shows the transposed matrix."""
    return become(input, input.t())


@method
def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """The handle shows the tensor with two dimensions exchanged."""
    return become(input, input.transpose(dim0, dim1))


@method
def swapaxes_(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose_``."""
    return become(input, input.transpose(axis0, axis1))


swapdims_ = transpose_


@method
def squeeze_(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """The handle shows the tensor without dimensions of size 1."""
    return become(input, input.squeeze(dim))


@method
def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    """The handle shows the tensor with another dimension of size 1."""
    return become(input, input.unsqueeze(dim))
