"""How reductions accumulate: initial value, combination, and folding lanes into one."""

from __future__ import annotations

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.body.chunk import lanes_loop
from nngraph.backends.tvm.codegen.scalar import maximum, minimum
from nngraph.backends.tvm.codegen.types import Expr, compute_type, rounded
from nngraph.backends.tvm.loops.base import Buffer, Loops
from nngraph.ir.dtypes import DType, Kind, bool_
from nngraph.ir.graph import Node
from nngraph.ops.broadcast import Fold, Reduction
from nngraph.ops.reduce.folds import Mean

__all__ = ["BLOCK", "Accumulator"]

_SHORT = 1024  # float32 terms that a lane may add up
BLOCK = 256  # terms that it adds up in float32 where there are more
_WORTH = 32  # terms from which on they are worth a sum of their own


class Accumulator:
    """Partial results of one reduction: ``parts`` vectors of ``width`` lanes.

    Several vectors keep several additions in flight. The order of a sum depends on the shape only,
    never on the number of threads. Where a lane takes in many float32 terms, their blocks add up
    in float64, or all of them where blocks would be short (docs/numerics.md).
    """

    def __init__(
        self, loops: Loops, node: Node, width: int, count: int, run: int, parts: int = 1
    ) -> None:
        """``count``: elements that the reduction takes in; ``run``: terms of a lane in a row."""
        assert isinstance(node.op, Reduction), f"{node} is no reduction"
        self.loops, self.node = loops, node
        self.how = node.op.fold
        self.width = width
        self.count = count
        self.dtype: DType = node.inputs[0].type.dtype
        self.kind, self.blocked = self._kind(count // (width * parts), run)
        self.buffers: list[Buffer] = [loops.local((width,), self.kind) for _ in range(parts)]
        self.total: Buffer = loops.local((width,), "float64") if self.blocked else self.buffers[0]

    def _kind(self, steps: int, run: int) -> tuple[str, bool]:
        """The type of the vectors, and whether blocks of terms are added up in a wider one."""
        kind = "int8" if self.dtype is bool_ else compute_type(self.dtype)
        if kind == "float32" and self.how is Fold.MULTIPLY:
            return "float64", False
        if kind == "float32" and self.how is Fold.ADD and steps > _SHORT:
            return (kind, True) if run >= _WORTH else ("float64", False)
        return kind, False

    @property
    def buffer(self) -> Buffer:
        """The vector that holds the result once all are folded."""
        return self.total

    def clear(self) -> None:
        self._zero(self.buffers)
        if self.blocked:
            with lanes_loop(self.loops, self.width) as lane:
                T.buffer_store(self.total, tirx.const(0, "float64"), [lane])

    def flush(self) -> None:
        """Ends a block: adds the vectors to the total and clears them."""
        if not self.blocked:
            return
        for buffer in self.buffers:
            with lanes_loop(self.loops, self.width) as lane:
                value = data.add(self.total[lane], data.cast(buffer[lane], "float64"))
                T.buffer_store(self.total, value, [lane])
        self._zero(self.buffers)

    def _zero(self, buffers: list[Buffer]) -> None:
        for buffer in buffers:
            with lanes_loop(self.loops, self.width) as lane:
                T.buffer_store(buffer, self.initial(), [lane])

    def initial(self) -> Expr:
        match self.how:
            case Fold.ADD:
                return tirx.const(0, self.kind)
            case Fold.MULTIPLY:
                return tirx.const(1, self.kind)
        if self.dtype is bool_:
            return tirx.const(int(self.how is Fold.MIN), "int8")
        return _extreme(self.dtype, self.kind, lowest=self.how is Fold.MAX)

    def combine(self, a: Expr, b: Expr) -> Expr:
        match self.how:
            case Fold.ADD:
                return data.add(a, b)
            case Fold.MULTIPLY:
                return data.mul(a, b)
        if self.dtype is bool_:
            return tirx.max(a, b) if self.how is Fold.MAX else tirx.min(a, b)
        return (maximum if self.how is Fold.MAX else minimum)(self.dtype, b, a)

    def add(self, value: Expr, lane: Expr, part: int = 0) -> None:
        """Takes one element into a lane."""
        if self.dtype is bool_:
            value = tirx.Select(value, tirx.const(1, "int8"), tirx.const(0, "int8"))
        elif self.kind == "float64":
            value = data.cast(value, self.kind)
        buffer = self.buffers[part]
        T.buffer_store(buffer, self.combine(buffer[lane], value), [lane])

    def fold(self) -> None:
        """Folds all vectors into one, and that into its lane 0, halving each time."""
        vectors = [self.total] if self.blocked else self.buffers
        self.loops.fold(vectors, self.width, self.combine)

    def result(self, raw: Expr) -> Expr:
        """The reduction's value from a folded accumulator."""
        if self.dtype is bool_:
            return raw != tirx.const(0, "int8")
        if self._is_mean:
            raw = data.div(raw, tirx.const(float(self.count), str(raw.ty)))
        return rounded(data.cast(raw, compute_type(self.dtype)), self.node.output.type.dtype)

    @property
    def _is_mean(self) -> bool:
        return isinstance(self.node.op, Mean)


def _extreme(dtype: DType, kind: str, lowest: bool) -> Expr:
    if dtype.is_floating_point:
        return tirx.const(float("-inf") if lowest else float("inf"), kind)
    low = -(1 << (dtype.bits - 1)) if dtype.kind is Kind.INT else 0
    high = (1 << (dtype.bits - (dtype.kind is Kind.INT))) - 1
    return tirx.const(low if lowest else high, kind)
