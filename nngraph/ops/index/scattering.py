"""What reading and writing by index share: range checks, scattering, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nngraph.ir.dtypes import int32, int64
from nngraph.ir.op import Array, O, Op, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.core import need, need_same_dtype, widen
from nngraph.ops.creation import ones_like, zeros_like
from nngraph.ops.elementwise import cast, div, eq, gt, isfinite, mul, where

__all__ = [
    "COMBINATIONS",
    "Indexed",
    "Scattering",
    "in_range",
    "need_axis",
    "need_indices",
    "scatter_flat",
]

COMBINATIONS = ("none", "add", "max", "min", "mul")
"""What a scatter does with an element and its update; "none" replaces, the last one wins."""

_UFUNC = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def need_indices(op: str, kind: TensorType) -> None:
    """Refuses index operands that are not int32 or int64."""
    need(kind.dtype in (int32, int64), op, "the index operand", kind, "int32 or int64")


def need_axis(op: str, axis: int, x: TensorType) -> None:
    """Refuses an axis that ``x`` lacks."""
    need(0 <= axis < x.rank, op, "the operand", x, f"a tensor with an axis {axis}")


def in_range(op: str, indices: Array, axis: int, size: int) -> Array:
    """Non-negative indices.

    Raises:
        IndexError: if one is not in ``[-size, size)``.
    """
    if not indices.size:
        return indices
    low, high = int(indices.min()), int(indices.max())
    if low < -size or high >= size:
        bad = high if high >= size else low
        raise IndexError(
            f"{op}: index {bad} is out of range for axis {axis} of size {size}; "
            f"indices must be in [{-size}, {size - 1}]"
        )
    return np.where(indices < 0, indices + size, indices) if low < 0 else indices


def scatter_flat(target: Array, places: Array, updates: Array, reduction: str) -> Array:
    """A copy of ``target`` with flat ``places`` updated; a later write wins in "none"."""
    out = np.array(widen(target), order="C")
    flat, values = out.reshape(-1), np.ascontiguousarray(updates, out.dtype).reshape(-1)
    if reduction == "none":
        flat[places.reshape(-1)] = values
    else:
        with np.errstate(all="ignore"):
            _UFUNC[reduction].at(flat, places.reshape(-1), values)
    if reduction in ("max", "min") and out.dtype.kind == "f" and not out.all():
        _sign_zeros(flat, np.reshape(target, -1), places.reshape(-1), values)
    return out.astype(target.dtype, copy=False)


def _sign_zeros(out: Array, target: Array, places: Array, values: Array) -> None:
    """Zeros among extremes get the sign of the first of equal zeros, the target's before others."""
    zeros = np.flatnonzero(values == 0)[::-1]  # the last write, of the first, wins
    signed = np.zeros_like(out)
    signed[places[zeros]] = values[zeros]
    np.copyto(signed, target, where=target == 0)
    np.copyto(out, signed, where=out == 0)


def scatter_vjp(
    reduction: str,
    x: O,
    updates: O,
    y: O,
    g: O,
    read: Callable[[O], O],
    write: Callable[[O, O, str], O],
) -> tuple[Thunk, Thunk]:
    """Gradients of x and updates of ``y = write(x, updates, reduction)``, as PyTorch shares them.

    ``read`` gathers what ``write`` addresses.
    """
    if reduction == "none":
        return lambda: write(g, zeros_like(updates), "none"), lambda: read(g)
    if reduction == "add":
        return lambda: g, lambda: read(g)
    if reduction == "mul":
        return (
            lambda: _product_grad_target(x, updates, g, write),
            lambda: _product_grad_updates(x, updates, y, g, read, write),
        )

    def share(hit: O, gradient: O) -> O:
        return mul(cast(hit, x.aval.dtype), gradient)  # NaN where nothing is equal to a NaN

    def shared() -> tuple[O, O, O]:
        # All that equal the extreme, the target's own element included, share evenly.
        hits_x, hits_u = eq(x, y), eq(updates, read(y))
        dtype = x.aval.dtype
        return hits_x, hits_u, div(g, write(cast(hits_x, dtype), cast(hits_u, dtype), "add"))

    def grad_x() -> O:
        hits_x, _, part = shared()
        return share(hits_x, part)

    def grad_updates() -> O:
        _, hits_u, part = shared()
        return share(hits_u, read(part))

    return grad_x, grad_updates


def _product_grad_target(x: O, updates: O, g: O, write: Callable[[O, O, str], O]) -> O:
    """The product of the others; NaN where the target is infinite, as PyTorch divides by it."""
    others = mul(g, write(ones_like(g), updates, "mul"))
    return where(isfinite(x), others, float("nan"))


def _product_grad_updates(
    x: O, updates: O, y: O, g: O, read: Callable[[O], O], write: Callable[[O, O, str], O]
) -> O:
    """G * product / update; where an update is the only zero, the product without it."""
    dtype = x.aval.dtype
    zero = eq(updates, zeros_like(updates))
    zeros = read(write(zeros_like(x), cast(zero, dtype), "add"))
    many = gt(zeros, ones_like(zeros))
    nonzero = where(zero, ones_like(updates), updates)
    without = read(mul(g, write(x, nonzero, "mul")))
    usual = div(read(mul(g, y)), nonzero)
    return where(zero, where(many, zeros_like(usual), without), usual)


def need_reduction(op: str, reduction: str) -> None:
    """Refuses an unknown reduction."""
    need(reduction in COMBINATIONS, op, "reduction", repr(reduction), f"one of {COMBINATIONS}")


@dataclass(frozen=True)
class Indexed(Op):
    """Reads or writes the first operand along ``axis`` at the indices in the second."""

    axis: int


@dataclass(frozen=True)
class Scattering(Indexed):
    """x with elements combined with ``updates``: what one operator reads, this one writes.

    ``updates`` has the type of what ``reader`` returns for x and the indices.
    """

    reduction: str = "none"

    @property
    def reader(self) -> Op:
        """The operator that gathers from x what this one addresses."""
        raise NotImplementedError(f"{type(self).__name__}.reader")

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, indices, updates = types
        need_same_dtype(self.name, (x, updates))
        need_reduction(self.name, self.reduction)
        (wanted,) = self.reader.infer(x, indices)
        need(updates == wanted, self.name, "the updates operand", updates, str(wanted))
        return (x,)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, indices, updates = inputs
        to_x, to_updates = scatter_vjp(
            self.reduction,
            x,
            updates,
            outputs[0],
            grads[0],
            lambda v: apply1(self.reader, v, indices),
            lambda v, u, r: apply1(replace(self, reduction=r), v, indices, u),
        )
        return (to_x, None, to_updates)
