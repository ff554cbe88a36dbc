"""Elementwise operators as rows of a table: ``unary`` and ``binary`` make class and function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, overload

import numpy as np

from nngraph.ir.dtypes import DType, Kind, bool_
from nngraph.ir.op import Array, Cost, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import sum_to
from nngraph.ops.core import Takes, broadcast_shapes, need, need_same_dtype, widen
from nngraph.ops.creation import as_operand

__all__ = ["Binary", "BinaryFunction", "Derivative", "Unary", "UnaryFunction", "binary", "unary"]

Derivative = Callable[..., Any]
Range = tuple[float, float]

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, -2.5, 30.0, -30.0)


@dataclass(frozen=True)
class _Elementwise(Op):
    """What unary and binary rows share.

    Attributes:
        function: the definition, a NumPy function.
        takes: the element types accepted.
        to_bool: the result is bool.
        ranges: for each operand, where the samples of the smooth kind lie.
        smooth: False where finite differences apply nowhere (comparisons, integers).
    """

    function: ClassVar[Callable[..., Any]]
    takes: ClassVar[Takes] = Takes.NUMBERS
    to_bool: ClassVar[bool] = False
    ranges: ClassVar[tuple[Range, ...]]
    smooth: ClassVar[bool] = True

    def __hash__(self) -> int:
        return hash(self.name)

    def _check(self, types: Sequence[TensorType]) -> DType:
        for position, kind in enumerate(types):
            what = f"operand {position}" if len(types) > 1 else "the operand"
            need(kind.dtype.kind in self.takes.kinds, self.name, what, kind, self.takes.words)
        dtype = need_same_dtype(self.name, types)
        return bool_ if self.to_bool else dtype

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        dtype = np.dtype(bool) if self.to_bool else inputs[0].dtype
        with np.errstate(all="ignore"):
            out = np.asarray(type(self).function(*map(widen, inputs)))
            return (out.astype(dtype, copy=False),)


@dataclass(frozen=True)
class Unary(_Elementwise):
    """One input, one output of the same shape."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})
    rule: ClassVar[Derivative | None] = None  # (x, y, g) -> gradient of x

    __hash__ = _Elementwise.__hash__

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        return (x.with_dtype(self._check(types)),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        rule = type(self).rule
        if rule is None:
            return (None,)
        return (lambda: rule(inputs[0], outputs[0], grads[0]),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        (span,) = cls.ranges
        if Kind.FLOAT in cls.takes.kinds:
            for shape in ((2, 3), (), (0, 3), (1, 2, 1)):
                yield Sample(cls(), (_spread(span, shape),), cls.smooth)
            special = np.asarray(SPECIAL, np.float32)
            yield Sample(cls(), (special,), False, "special values, ties and zeros")
        if Kind.INT in cls.takes.kinds:
            yield Sample(cls(), (np.arange(-3, 4, dtype=np.int32),), False)
        if Kind.UINT in cls.takes.kinds:
            yield Sample(cls(), (np.asarray([0, 1, 7, 200], np.uint8),), False)
        if Kind.BOOL in cls.takes.kinds:
            yield Sample(cls(), (np.asarray([True, False]),), False)


@dataclass(frozen=True)
class Binary(_Elementwise):
    """Two inputs of one element type that broadcast."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})
    rules: ClassVar[tuple[Derivative | None, Derivative | None]] = (
        None,
        None,
    )  # (x, y, z, g) -> gradient
    ints: ClassVar[tuple[tuple[int, ...], tuple[int, ...]]] = ((-7, 7, 3, 0), (2, -3))

    __hash__ = _Elementwise.__hash__

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, y = types
        dtype = self._check(types)
        same = x.shape == y.shape
        shape = x.shape if same else broadcast_shapes(self.name, (x.shape, y.shape))
        return (TensorType(dtype, shape),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        def thunk(rule: Derivative | None, operand: Any) -> Thunk | None:
            if rule is None:
                return None
            return lambda: sum_to(rule(*inputs, outputs[0], grads[0]), operand.aval.shape)

        return tuple(thunk(r, v) for r, v in zip(type(self).rules, inputs, strict=True))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        if Kind.FLOAT in cls.takes.kinds:
            for a, b in PAIRS:
                x, y = _spread(cls.ranges[0], a), _spread(cls.ranges[1][::-1], b)
                yield Sample(cls(), (x, y), cls.smooth)
            column = np.asarray(SPECIAL, np.float32)
            yield Sample(cls(), (column[:, None], column[None]), False, "special values, ties")
        left, right = cls.ints
        if Kind.INT in cls.takes.kinds:
            pair = (np.asarray(left, np.int32)[:, None], np.asarray(right, np.int32))
            yield Sample(cls(), pair, False)
        if Kind.UINT in cls.takes.kinds:
            a8, b8 = (np.abs(np.asarray(v)).astype(np.uint8) for v in (left, right))
            yield Sample(cls(), (a8[:, None], b8), False)
        if Kind.BOOL in cls.takes.kinds:
            both = np.asarray([True, False])
            yield Sample(cls(), (both[:, None], both), False)


PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 3), (2, 3)),
    ((2, 3), ()),
    ((), (2,)),
    ((1, 3), (2, 1)),
    ((3,), (2, 3)),
    ((0, 3), (1, 3)),
    ((), ()),
)


def _spread(span: Range, shape: tuple[int, ...]) -> Array:
    """Distinct values all over ``span``."""
    count = int(np.prod(shape))
    low, high = span
    line = np.linspace(low, high, count) if count > 1 else np.full(count, 0.7 * low + 0.3 * high)
    return line.reshape(shape).astype(np.float32)


class UnaryFunction(Protocol):
    """A function of one operand."""

    __name__: str

    def __call__(self, x: O, /) -> O:
        """Applies the operator."""
        ...


class BinaryFunction(Protocol):
    """A function of two operands, one of which may be a Python number."""

    @overload
    def __call__(self, x: O, y: O | float, /) -> O: ...
    @overload
    def __call__(self, x: float, y: O, /) -> O: ...


E = TypeVar("E", bound=_Elementwise)


def _caller() -> str:
    """The module that holds the row: class and function are as if written out there."""
    module: str = sys._getframe(2).f_globals["__name__"]
    return module


def _make(base: type[E], name: str, module: str, namespace: dict[str, Any]) -> type[E]:
    title = "".join(part.capitalize() for part in name.split("_"))
    made = type(title, (base,), {"name": name, "__module__": module, **namespace})
    made.__doc__ = f"Elementwise {name.replace('_', ' ')}."
    return made


def unary(
    name: str,
    function: Callable[[Any], Any],
    rule: Derivative | None = None,
    *,
    takes: Takes = Takes.NUMBERS,
    to_bool: bool = False,
    span: Range = (-2.3, 2.4),
    smooth: bool = True,
    cost: Cost = Cost.CHEAP,
) -> tuple[type[Unary], UnaryFunction]:
    """One unary operator: its class and its function.

    Args:
        name: snake_case; the class is named in CamelCase.
        function: NumPy definition.
        rule: ``(x, y, g) -> gradient of x``; None if it is not differentiable.
        takes: the element types accepted.
        to_bool: the result is bool.
        span: where it is smooth, for samples.
        smooth: False where finite differences apply nowhere.
        cost: of one element.
    """
    module = _caller()
    row = _make(
        Unary,
        name,
        module,
        {
            "function": staticmethod(function),
            "rule": rule and staticmethod(rule),
            "takes": takes,
            "to_bool": to_bool,
            "ranges": (span,),
            "smooth": smooth and rule is not None,
            "cost": cost,
            "differentiable": rule is not None,
        },
    )
    op = row()

    def call(x: O, /) -> O:
        return apply1(op, x)

    call.__name__ = call.__qualname__ = name
    call.__module__ = module
    return row, call


def binary(
    name: str,
    function: Callable[[Any, Any], Any],
    rule_x: Derivative | None = None,
    rule_y: Derivative | None = None,
    *,
    takes: Takes = Takes.NUMBERS,
    to_bool: bool = False,
    commutative: bool = False,
    spans: tuple[Range, Range] = ((-2.3, 2.4), (-1.9, 2.7)),
    ints: tuple[tuple[int, ...], tuple[int, ...]] = ((-7, 7, 3, 0), (2, -3)),
    cost: Cost = Cost.CHEAP,
    divides: bool = False,
) -> tuple[type[Binary], BinaryFunction]:
    """One binary operator: its class and its function.

    ``rule_x`` and ``rule_y`` are ``(x, y, z, g) -> gradient`` of the broadcast shape; the driver
    sums it back to the operand's shape. ``spans`` and ``ints`` are where the samples lie.
    ``divides``: an integer divided by zero is an error.
    """
    traits = {Trait.ELEMENTWISE}
    traits |= {Trait.COMMUTATIVE} if commutative else set()
    traits |= {Trait.DIVIDES} if divides else set()
    differentiable = rule_x is not None or rule_y is not None
    module = _caller()
    row = _make(
        Binary,
        name,
        module,
        {
            "function": staticmethod(function),
            "rules": (rule_x, rule_y),
            "takes": takes,
            "to_bool": to_bool,
            "ranges": spans,
            "ints": ints,
            "smooth": differentiable,
            "cost": cost,
            "traits": frozenset(traits),
            "differentiable": differentiable,
        },
    )
    op = row()

    def call(x: Any, y: Any, /) -> Any:
        like = y if isinstance(x, int | float) else x
        return apply1(op, as_operand(x, like), as_operand(y, like))

    call.__name__ = call.__qualname__ = name
    call.__module__ = module
    return row, call
