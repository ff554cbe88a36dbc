"""Along one axis: positions of extremes, running sums and products."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import SymDim, UnknownSize
from nngraph.ir.dtypes import Kind, float64, int32, int64
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.composite import through_decomposition
from nngraph.ops.core import need, normalize_axis, reduced_shape, widen
from nngraph.ops.creation import full
from nngraph.ops.elementwise.arithmetic import mul, sub
from nngraph.ops.elementwise.comparison import eq, gt, isfinite, isnan, logical_and, logical_or
from nngraph.ops.elementwise.select import cast, where
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice_axis

__all__ = [
    "ArgMax",
    "ArgMin",
    "CumProd",
    "CumSum",
    "Running",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
]


def _need_axis(op: str, axis: int, x: TensorType) -> None:
    need(0 <= axis < x.rank, op, "axis", axis, f"an axis of {x}")


def _need_number(op: str, x: TensorType) -> None:
    need(x.dtype.kind is not Kind.BOOL, op, "the operand", x, "a number (cast a bool first)")


@dataclass(frozen=True)
class _Position(Op):
    axis: int
    keepdims: bool
    differentiable: ClassVar[bool] = False
    function: ClassVar[Callable[..., Any]]

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        _need_axis(self.name, self.axis, x)
        _need_number(self.name, x)
        need(
            x.shape[self.axis] != 0,
            self.name,
            "the operand",
            x,
            f"not empty along axis {self.axis}",
        )
        shape = reduced_shape(x.shape, (self.axis,), self.keepdims)
        return (TensorType(int64, shape),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        find = type(self).function
        found = find(widen(inputs[0]), axis=self.axis, keepdims=self.keepdims)
        return (np.asarray(found, np.int64),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.sin(np.arange(12, dtype=np.float32) * 1.7).reshape(3, 4)
        for axis, keepdims in ((0, False), (1, True)):
            yield Sample(cls(axis, keepdims), (x,), False)
        ties = np.asarray([[1, 3, 3, 1], [2, 2, 2, 2], [-np.inf, np.inf, 0, np.inf]], np.float32)
        yield Sample(cls(1, False), (ties,), False, "ties: the first")
        nan = np.where(ties == 3, np.float32(np.nan), ties)
        yield Sample(cls(1, False), (nan,), False, "NaN wins")
        yield Sample(cls(1, False), (x[:0],), False)
        yield Sample(cls(0, False), (np.asarray([3, -2, 3, -2], np.int32),), False)


@dataclass(frozen=True)
class ArgMax(_Position):
    """Position of the largest element along ``axis``: the first of ties; NaN is the largest."""

    name: ClassVar[str] = "arg_max"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.argmax)


@dataclass(frozen=True)
class ArgMin(_Position):
    """Position of the smallest element along ``axis``: the first of ties; NaN is the smallest."""

    name: ClassVar[str] = "arg_min"
    function: ClassVar[Callable[..., Any]] = staticmethod(np.argmin)


def _running(x: Array) -> Any:
    """What a running total of ``x`` is kept in: float64 for floats, as PyTorch does on the CPU."""
    return np.float64 if x.dtype == np.float32 else x.dtype


@dataclass(frozen=True)
class Running(Op):
    """A running total along ``axis``, in the operand's type; ``identity`` changes no total."""

    axis: int
    identity: ClassVar[int]

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        _need_axis(self.name, self.axis, x)
        _need_number(self.name, x)
        return (x,)


@dataclass(frozen=True)
class CumSum(Running):
    """Running sum along ``axis``; the total of floats is kept in float64 and rounded as written.

    ``exclusive`` leaves the element itself out; ``reverse`` runs from the end.
    """

    exclusive: bool = False
    reverse: bool = False
    name: ClassVar[str] = "cum_sum"
    identity: ClassVar[int] = 0

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        x = np.flip(x, self.axis) if self.reverse else x
        total = np.cumsum(x, axis=self.axis, dtype=_running(x)) + 0  # a sum starts at +0
        if self.exclusive:
            total = np.roll(total, 1, self.axis)
            total[(np.s_[:],) * self.axis + (np.s_[:1],)] = 0
        total = np.flip(total, self.axis) if self.reverse else total
        return (total.astype(inputs[0].dtype, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: apply1(CumSum(self.axis, self.exclusive, not self.reverse), grads[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.sin(np.arange(12, dtype=np.float32) * 1.7).reshape(3, 4)
        for axis in (0, 1):
            for exclusive in (False, True):
                for reverse in (False, True):
                    yield Sample(cls(axis, exclusive, reverse), (x,))
        yield Sample(cls(0, True), (x[:1],))
        yield Sample(cls(0), (x[:0],))
        yield Sample(cls(0), (np.arange(-2, 4, dtype=np.int32),), False)


@dataclass(frozen=True)
class CumProd(Running):
    """Running product along ``axis``.

    Differentiated through its decomposition, so its gradients of all orders are exact at zeros.
    PyTorch divides by the elements before the first zero: NaN and infinity among them have the
    gradient NaN. What comes after a zero has the gradient 0, whatever it is.
    """

    name: ClassVar[str] = "cum_prod"
    identity: ClassVar[int] = 1

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x = widen(inputs[0])
        total = np.cumprod(x, axis=self.axis, dtype=_running(x))
        return (total.astype(inputs[0].dtype, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        def gradient() -> Any:
            (x,) = inputs
            exact = through_decomposition(self, inputs, grads, 0)()
            if x.aval.shape[self.axis] == 1:
                return exact
            zero = cast(eq(x, 0.0), int32)
            zeros = apply1(CumSum(self.axis), zero)
            known = where(logical_or(gt(zeros, 0), isfinite(x)), exact, float("nan"))
            over = logical_and(gt(sub(zeros, zero), 0), isnan(exact))
            return where(over, 0.0, known)

        return (gradient,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        """Doubling steps: after step k each element is the product of the last 2**k."""
        dtype = inputs[0].aval.dtype
        x = cast(inputs[0], float64) if dtype.is_floating_point else inputs[0]
        size = x.aval.shape[self.axis]
        if isinstance(size, SymDim):
            raise UnknownSize(size)
        reach = 1
        while reach < size:
            head = slice_axis(x, self.axis, 0, reach)
            tail = slice_axis(x, self.axis, reach, size - reach)
            x = concat([head, mul(tail, slice_axis(x, self.axis, 0, size - reach))], self.axis)
            reach *= 2
        x = x if size > 1 else mul(x, full(1, x.aval.dtype, (), x))
        return (cast(x, dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.sin(np.arange(15, dtype=np.float32) * 1.7).reshape(3, 5) + np.float32(0.1)
        for axis in (0, 1):
            yield Sample(cls(axis), (x,))
        yield Sample(cls(0), (x[:1],))
        yield Sample(cls(0), (x[:0],))
        yield Sample(cls(0), (np.asarray([2, 0, 3, 0, 1.5], np.float32),), note="zeros")
        yield Sample(cls(0), (np.arange(1, 5, dtype=np.int32),), False)


def argmax(x: O, axis: int, keepdims: bool = False) -> O:
    """int64 positions of the largest elements along ``axis``."""
    return apply1(ArgMax(normalize_axis(axis, x.aval.rank, "argmax"), keepdims), x)


def argmin(x: O, axis: int, keepdims: bool = False) -> O:
    """int64 positions of the smallest elements along ``axis``."""
    return apply1(ArgMin(normalize_axis(axis, x.aval.rank, "argmin"), keepdims), x)


def cumsum(x: O, axis: int, exclusive: bool = False, reverse: bool = False) -> O:
    """Running sum along ``axis``."""
    return apply1(CumSum(normalize_axis(axis, x.aval.rank, "cumsum"), exclusive, reverse), x)


def cumprod(x: O, axis: int) -> O:
    """Running product along ``axis``."""
    return apply1(CumProd(normalize_axis(axis, x.aval.rank, "cumprod")), x)
