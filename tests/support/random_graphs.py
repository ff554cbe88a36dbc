"""Random small graphs for properties of passes, and arguments for them.

Values are such that every sound rewriting keeps each bit: whole numbers where sums are taken,
operators that round correctly, and NaN, infinity and -0.0 among the arguments. Maxima see no
-0.0: which of two zeros is the larger is nobody's promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from nngraph import ops
from nngraph.ir.builder import Builder
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array
from nngraph.ir.origin import Origin
from nngraph.ir.types import tensor_type

__all__ = ["arguments", "graphs", "same_bits"]

NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, 8.0)
SHAPES = ((), (1,), (3,), (2, 3), (1, 3), (2, 1))
Step = Callable[[st.DrawFn, Value, list[Value]], Value]


def _pick(draw: st.DrawFn, values: Sequence[Value]) -> Value:
    return values[draw(st.integers(0, len(values) - 1))]


def _unary(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    return draw(st.sampled_from((ops.neg, ops.abs, ops.relu, ops.sqrt, ops.floor, ops.copy)))(x)


def _with_number(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    number = ops.scalar(draw(st.sampled_from(NUMBERS)), x)
    function = draw(st.sampled_from((ops.add, ops.sub, ops.mul, ops.div)))
    return function(x, number) if draw(st.booleans()) else function(number, x)


def _power(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    return ops.pow(x, ops.scalar(draw(st.sampled_from((0.0, 1.0, 2.0))), x))


def _binary(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    fitting = [v for v in values if _broadcasts(x, v)]
    y = _pick(draw, fitting)
    return draw(st.sampled_from((ops.add, ops.sub, ops.mul)))(x, y)


def _extreme(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    y = ops.add(_pick(draw, [v for v in values if _broadcasts(x, v)]), 0.0)
    return draw(st.sampled_from((ops.maximum, ops.minimum)))(ops.add(x, 0.0), y)


def _choice(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    y = _pick(draw, [v for v in values if v.type == x.type])
    condition = ops.lt(x, y)
    if draw(st.booleans()):
        condition = ops.logical_not(condition)
    elif draw(st.booleans()):
        condition = ops.full(draw(st.booleans()), condition.type.dtype, (), x)
    return ops.where(condition, x, y)


def _move(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    rank, shape = x.type.rank, x.type.static_shape
    moves = [
        lambda: ops.transpose(x, draw(st.permutations(range(rank)))),
        lambda: ops.reshape(x, (-1,)),
        lambda: ops.reshape(x, (1, *shape)) if rank < 3 else x,
        lambda: ops.broadcast_to(x, (2, *shape)) if rank < 3 else x,
        lambda: ops.flip(x, [a for a in range(rank) if draw(st.booleans())]),
        lambda: ops.concat([x, x], 0) if 0 < rank and shape[0] < 4 else x,
        lambda: ops.slice_axis(x, 0, 0, max(shape[0] - 1, 1)) if rank else x,
        lambda: ops.tile(x, (1,) * rank),
        lambda: ops.pad(x, ((0, draw(st.integers(0, 1))),) * rank, value=1.0),
    ]
    return draw(st.sampled_from(moves))()


def _fold(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    axes = [a for a in range(x.type.rank) if draw(st.booleans())]
    whole = ops.floor(ops.clip(ops.add(x, 0.0), -4.0, 4.0))
    function = draw(st.sampled_from((ops.sum, ops.max, ops.min)))
    out = function(whole, axes, draw(st.booleans()))
    return ops.squeeze(out) if draw(st.booleans()) else out


def _product(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    if x.type.rank < 2:
        return x
    whole = ops.floor(ops.clip(x, -4.0, 4.0))
    last = ops.transpose(whole, (*range(x.type.rank - 2), x.type.rank - 1, x.type.rank - 2))
    product = ops.matmul(whole, last)
    return ops.transpose(product, (*range(x.type.rank - 2), x.type.rank - 1, x.type.rank - 2))


def _convert(draw: st.DrawFn, x: Value, values: list[Value]) -> Value:
    whole = ops.where(ops.isfinite(x), ops.clip(x, -100.0, 100.0), 0.0)
    kind = draw(st.sampled_from(("i32", "f64", "i8", "bool")))
    return ops.cast(ops.cast(whole, tensor_type(kind).dtype), x.type.dtype)


STEPS: tuple[Step, ...] = (
    _unary,
    _with_number,
    _power,
    _binary,
    _extreme,
    _choice,
    _move,
    _move,
    _fold,
    _product,
    _convert,
)


def _broadcasts(a: Value, b: Value) -> bool:
    pairs = zip(a.type.shape[::-1], b.type.shape[::-1], strict=False)
    return a.type.dtype is b.type.dtype and all(m == n or 1 in (m, n) for m, n in pairs)


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> Graph:
    """A graph with inputs, a scalar, a state, up to ``most`` steps, and several outputs."""
    graph = Graph("random")
    kind = draw(st.sampled_from(("f32", "f64")))
    values = [
        graph.add_input(tensor_type(kind, draw(st.sampled_from(SHAPES))), f"x{i}") for i in range(2)
    ]
    values.append(graph.add_scalar("lr", tensor_type(kind)))
    state = graph.add_state("w", tensor_type(kind, (2, 3)))
    values.append(state)
    with Builder(graph) as builder:
        for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=most)):
            builder.origin = Origin(f"m.{len(values)}", "train.py", len(values))
            latest = draw(st.booleans())  # longer chains than a free choice would make
            x = values[-1] if latest else _pick(draw, values)
            values.append(step(draw, x, values))
    for position, value in enumerate(values[-2:]):
        graph.add_output(value, f"y{position}")
    changed = [v for v in values if v.type == state.type]
    graph.set_state("w", changed[-1])
    return graph


def arguments(graph: Graph, seed: int) -> list[Array]:
    """Arrays for the parameters, special values among them."""
    rng = np.random.default_rng(seed)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0]
    out = []
    for value in graph.parameters:
        array = rng.integers(-4, 5, value.type.static_shape).astype(value.type.dtype.numpy)
        if array.dtype.kind == "f":
            odd = rng.choice(special, array.shape).astype(array.dtype)
            array = np.where(rng.random(array.shape) < 0.4, odd, array)
        out.append(np.asarray(array))
    return out


def same_bits(a: Array, b: Array) -> bool:
    """Equal in type, shape and every bit; any NaN equals any other."""
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    nan = np.isnan(a)
    zero = a.dtype.type(0)
    clean = [np.where(nan, zero, v).tobytes() for v in (a, b)]
    return bool(np.array_equal(nan, np.isnan(b))) and clean[0] == clean[1]
