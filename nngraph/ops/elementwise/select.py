"""Choosing, limiting and converting elements: Where, Clip, Cast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import DType, bfloat16, bool_, float16, float32, float64, int32, uint8
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import sum_to
from nngraph.ops.core import broadcast_shapes, need, need_same_dtype, widen
from nngraph.ops.creation import as_operand
from nngraph.ops.elementwise.comparison import ge, le, logical_and

__all__ = ["After", "Cast", "Clip", "Where", "after", "cast", "clip", "where"]

_ELEMENTWISE = frozenset({Trait.ELEMENTWISE})


@dataclass(frozen=True)
class Where(Op):
    """``a`` where the condition holds, ``b`` elsewhere; all three broadcast."""

    name: ClassVar[str] = "where"
    traits: ClassVar[frozenset[Trait]] = _ELEMENTWISE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        condition, a, b = types
        need(condition.dtype is bool_, "where", "the condition", condition, "bool")
        dtype = need_same_dtype("where", (a, b))
        return (TensorType(dtype, broadcast_shapes("where", (condition.shape, a.shape, b.shape))),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.where(*inputs),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (condition, a, b), (g,) = inputs, grads
        return (
            None,
            lambda: sum_to(where(condition, g, 0.0), a.aval.shape),
            lambda: sum_to(where(condition, 0.0, g), b.aval.shape),
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        c = np.asarray([[True, False, True], [False, False, True]])
        x = np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)
        nan = np.full_like(x, np.nan)
        for a, b in ((x, -x), (x[0], x[:, :1]), (x[0, 0], x)):
            yield Sample(cls(), (c, a, b))
        yield Sample(cls(), (c[0], x[:1, :1], x[1:, :1]))
        yield Sample(cls(), (c[0, 0], x[0, 0], x[1, 1]))
        yield Sample(cls(), (c[:0], x[:0], x[:1]))
        yield Sample(cls(), (c, x, nan), False, "NaN on one side")
        yield Sample(cls(), (c, np.asarray(1, np.int32), np.arange(3, dtype=np.int32)), False)
        yield Sample(cls(), (c, ~c, c[0]), False)


@dataclass(frozen=True)
class After(Op):
    """x, computed no earlier than a bool, whatever that is; the bool broadcasts to x.

    No pass takes it away: what is computed of it is computed again, though it was computed before.
    """

    name: ClassVar[str] = "after"
    traits: ClassVar[frozenset[Trait]] = _ELEMENTWISE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, when = types
        need(when.dtype is bool_, self.name, "the second operand", when, "bool")
        fits = broadcast_shapes(self.name, (x.shape, when.shape)) == x.shape
        need(fits, self.name, "the second operand", when, f"of a shape that broadcasts to {x}")
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.array(inputs[0]),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: grads[0], None)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)
        for when in (np.asarray(True), np.asarray(False), np.asarray([True, False, True])):
            yield Sample(cls(), (x, when))
        yield Sample(cls(), (x[0, 0], np.asarray(True)))
        yield Sample(cls(), (x[:0], np.asarray(False)))
        yield Sample(cls(), (np.arange(3), np.asarray(True)), False)
        yield Sample(cls(), (x > 0, np.asarray(False)), False)


@dataclass(frozen=True)
class Clip(Op):
    """Limits elements to [min, max] (None: no limit); NaN stays; gradient 1 at the limits."""

    min: float | None
    max: float | None
    name: ClassVar[str] = "clip"
    traits: ClassVar[frozenset[Trait]] = _ELEMENTWISE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        need(x.dtype is not bool_, "clip", "the operand", x, "a number")
        for limit in (self.min, self.max):
            whole = limit is None or x.dtype.is_floating_point or limit == int(limit)
            need(whole, "clip", "a limit", limit, f"an integer for {x} (or cast x to a float)")
        return (x,)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        y = widen(x)
        if self.min is not None:
            y = self._beyond(np.less, y, self._limit(self.min, x))
        if self.max is not None:
            y = self._beyond(np.greater, y, self._limit(self.max, x))
        return (np.asarray(y).astype(x.dtype, copy=False),)

    @staticmethod
    def _beyond(compare: np.ufunc, x: Array, limit: Array) -> Array:
        # Zeros of both signs are equal: an operand at the limit stays. NaN limits all to NaN.
        return np.where(compare(x, limit) | (limit != limit), limit, x)

    @staticmethod
    def _limit(value: float, x: Array) -> Array:
        if x.dtype.kind in "iu":  # a limit outside the type's range limits nothing on that side
            info = np.iinfo(x.dtype)
            return np.asarray(int(np.clip(value, info.min, info.max)), x.dtype)
        return widen(np.asarray(value, x.dtype))

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        (x,), (g,) = inputs, grads

        def gradient() -> Any:
            tests = [] if self.min is None else [ge(x, self.min)]
            tests += [] if self.max is None else [le(x, self.max)]
            if not tests:
                return g
            return where(tests[0] if len(tests) == 1 else logical_and(*tests), g, 0.0)

        return (gradient,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(-2.3, 2.4, 6, dtype=np.float32).reshape(2, 3)
        for low, high in ((-1.0, 1.0), (0.0, None), (None, 0.25), (None, None)):
            yield Sample(cls(low, high), (x,))
        yield Sample(cls(-1.0, 1.0), (x[0, 0],))
        yield Sample(cls(-1.0, 1.0), (x[:0],))
        ties = np.asarray([-np.inf, -1, 0, 1, np.inf, np.nan], np.float32)
        yield Sample(cls(-1.0, 1.0), (ties,), False, "at the limits, NaN")
        yield Sample(cls(1.0, -1.0), (ties,), False, "min above max: max")
        yield Sample(cls(-2, 3), (np.arange(-5, 6, dtype=np.int32),), False)


@dataclass(frozen=True)
class Cast(Op):
    """Another element type: floats truncate to integers, ``x != 0`` to bool."""

    dtype: DType
    name: ClassVar[str] = "cast"
    traits: ClassVar[frozenset[Trait]] = _ELEMENTWISE

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[0].with_dtype(self.dtype),)

    @np.errstate(all="ignore")
    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if self.dtype is bool_:
            return (np.asarray(x != 0),)
        source = widen(x) if self.dtype.is_integer else x
        return (source.astype(self.dtype.numpy, copy=False),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        source = inputs[0].aval.dtype
        return ((lambda: cast(grads[0], source)) if source.is_floating_point else None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.linspace(-2.3, 2.4, 6, dtype=np.float32).reshape(2, 3)
        yield Sample(cls(float64), (x,))
        yield Sample(cls(float32), (x,), False)
        yield Sample(cls(float64), (x[0, 0],))
        yield Sample(cls(float64), (x[:0],))
        for dtype in (float16, bfloat16, int32, bool_):
            yield Sample(cls(dtype), (x,), False)
        yield Sample(cls(uint8), (np.abs(x),), False)
        yield Sample(cls(float32), (np.asarray([-3, 0, 100000], np.int32),), False)
        yield Sample(cls(float32), (np.asarray([True, False]),), False)
        yield Sample(cls(bool_), (np.asarray([0.0, -0.0, np.nan, 0.5], np.float32),), False)


def where(condition: O, a: O | float, b: O | float) -> O:
    """``a`` where ``condition``, else ``b``; one of them may be a Python number."""
    like = b if isinstance(a, int | float) else a
    assert not isinstance(like, int | float), "where: one of a, b must be an operand"
    return apply1(Where(), condition, as_operand(a, like), as_operand(b, like))


def after(x: O, when: O) -> O:
    """``x``, computed no earlier than ``when``."""
    return apply1(After(), x, when)


def clip(x: O, min: float | None = None, max: float | None = None) -> O:
    """Limits ``x`` to [min, max]."""
    return apply1(Clip(min, max), x)


def cast(x: O, dtype: DType) -> O:
    """``x`` as another element type; the operand itself where nothing changes."""
    return x if x.aval.dtype is dtype else apply1(Cast(dtype), x)
