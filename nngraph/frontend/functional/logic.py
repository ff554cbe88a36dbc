"""Logic, and the bits of integers."""

from __future__ import annotations

from nngraph import ops
from nngraph.frontend.functional.variants import everywhere
from nngraph.frontend.promotion import promoted
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import bool_

# fmt: off
__all__ = [
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "logical_and", "logical_not", "logical_or", "logical_xor",
]
# fmt: on


@everywhere
def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where the element is 0."""
    return ops.logical_not(input.to(bool_))


@everywhere
def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where neither is 0."""
    return ops.logical_and(input.to(bool_), other.to(bool_))


@everywhere
def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where one is not 0."""
    return ops.logical_or(input.to(bool_), other.to(bool_))


@everywhere
def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """True where exactly one is not 0."""
    return ops.logical_xor(input.to(bool_), other.to(bool_))


@everywhere
def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each bit turned; of bools, ``not``."""
    return ops.bitwise_not(input)


@everywhere
def bitwise_and(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input & other``."""
    return ops.bitwise_and(*promoted(input, other))


@everywhere
def bitwise_or(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input | other``."""
    return ops.bitwise_or(*promoted(input, other))


@everywhere
def bitwise_xor(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input ^ other``."""
    return ops.bitwise_xor(*promoted(input, other))


@everywhere
def bitwise_left_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input << other``."""
    return ops.shift_left(*promoted(input, other))


@everywhere
def bitwise_right_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input >> other``."""
    return ops.shift_right(*promoted(input, other))
