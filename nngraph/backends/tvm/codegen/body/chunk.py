"""The statements that compute a fused body at one place: a vector of elements, or one element.

Values that are read more than once go to registers (a local buffer of the vector's size), each by
a statement of its own. Everything else is nested into the statement of its reader. Nested bindings
instead would be copied by the simplifier, at exponential cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.body.plan import BodyPlan
from nngraph.backends.tvm.codegen.scalar import elementwise, of_one
from nngraph.backends.tvm.codegen.types import Expr, compute_type, const, load
from nngraph.backends.tvm.fuse.kinds import is_reduction
from nngraph.backends.tvm.loops.base import Buffer, Loops
from nngraph.ir.dtypes import bool_
from nngraph.ir.graph import Node, Value
from nngraph.ops.creation import Constant, Full, Iota

__all__ = ["Place", "Registers", "flat_index", "lanes_loop", "local", "read_local", "write_local"]

MAX_NESTED = 12  # operators in one statement


@contextmanager
def lanes_loop(loops: Loops, width: int) -> Iterator[Expr]:
    """The lane: a vectorised loop, or the constant 0 for a single element."""
    if width == 1:
        yield 0
        return
    with loops.lanes(width) as lane:
        yield lane


def local(loops: Loops, value: Value, size: int) -> Buffer:
    """Registers for ``size`` elements of a value (bool as bytes)."""
    dtype = value.type.dtype
    kind = "int8" if dtype is bool_ else compute_type(dtype)
    return loops.local((size,), kind)


def read_local(buffer: Buffer, value: Value, at: Expr) -> Expr:
    """An element of registers."""
    raw = buffer[at]
    return raw != tirx.const(0, "int8") if value.type.dtype is bool_ else raw


def write_local(buffer: Buffer, value: Value, expr: Expr, at: Expr) -> None:
    """Stores an element of ``value`` in registers."""
    if value.type.dtype is bool_:
        expr = tirx.Select(expr, tirx.const(1, "int8"), tirx.const(0, "int8"))
    T.buffer_store(buffer, expr, [at])


@dataclass
class Registers:
    """Values that are at hand: a buffer, and how a lane finds its element in it."""

    buffers: dict[Value, tuple[Buffer, bool]] = field(default_factory=dict)

    def put(self, value: Value, buffer: Buffer, by_lane: bool) -> None:
        self.buffers[value] = (buffer, by_lane)

    def read(self, value: Value, lane: Expr) -> Expr:
        buffer, by_lane = self.buffers[value]
        return read_local(buffer, value, lane if by_lane else 0)


@dataclass
class Place:
    """Where a body is computed: the index of each axis as a function of the lane.

    Attributes:
        at: ``at(lane)`` gives the index of each axis.
        width: lanes of a vector; 1 for a single element.
        known: values that are not computed here but at hand.
        memory: values (parameters, results stored before) that are read from buffers.
    """

    loops: Loops
    plan: BodyPlan
    at: Callable[[Expr], dict[int, Expr]]
    width: int
    known: Registers
    memory: dict[Value, Callable[[Value, dict[int, Expr]], Expr]]

    def expr(self, value: Value, lane: Expr) -> Expr:
        """The element of ``value`` at ``lane``."""
        if value in self.known.buffers:
            return self.known.read(value, lane)
        if value in self.memory:
            return self.memory[value](value, self.at(lane))
        node = value.producer
        assert node is not None, f"{value!r} is neither computed nor loaded"
        return self._apply(node, lane)

    def _apply(self, node: Node, lane: Expr) -> Expr:
        dtype = node.output.type.dtype
        match node.op:
            case Full(value=number):
                return const(number, dtype)
            case Constant(literal=literal):
                return const(literal.array.reshape(()).item(), dtype)
            case Iota():
                return _counter(self.plan, node, self.at(lane))
        operands = [self.expr(v, lane) for v in node.inputs]
        if is_reduction(node):
            return of_one(node, operands[0])
        return elementwise(node, operands)

    def compute(self, targets: Sequence[Value], always: bool = False) -> None:
        """Puts into registers what several readers share.

        ``always``: the targets themselves too, so that stores cannot disturb later reads, not even
        of a target that is an operand.
        """
        for value in targets if always else ():
            if value in self.memory and value not in self.known.buffers:
                self._keep(value)
        order, uses = self._needed(targets)
        sizes: dict[Value, int] = {}
        for value in order:
            node = value.producer
            assert node is not None
            size = 1 + sum(sizes.get(v, 0) for v in node.inputs)
            shared = uses[value] > 1 and node.inputs
            if shared or size > MAX_NESTED or (always and value in targets):
                self._keep(value)
                size = 0
            sizes[value] = size

    def _keep(self, value: Value) -> None:
        buffer = local(self.loops, value, self.width)
        with lanes_loop(self.loops, self.width) as lane:
            write_local(buffer, value, self.expr(value, lane), lane)
        self.known.put(value, buffer, by_lane=True)

    def _needed(self, targets: Sequence[Value]) -> tuple[list[Value], dict[Value, int]]:
        """Values to compute for ``targets``, operands first, and how often each is read."""
        uses: dict[Value, int] = {}
        order: list[Value] = []

        def visit(value: Value) -> None:
            if value in self.known.buffers or value in self.memory or value.producer is None:
                return
            if value in uses:
                uses[value] += 1
                return
            uses[value] = 1
            for operand in value.producer.inputs:
                visit(operand)
            order.append(value)

        for target in targets:
            visit(target)
        return order, uses


def flat_index(strides: dict[int, int], at: dict[int, Expr], offset: int = 0) -> Expr:
    """The position in a flat buffer of the element at an index of each axis."""
    total: Expr = offset
    for axis, stride in strides.items():
        total = total + at[axis] * stride
    return total


def memory_reader(
    buffer: Buffer, strides: dict[int, int], offset: int = 0
) -> Callable[[Value, dict[int, Expr]], Expr]:
    """Reads a value's element from a buffer."""

    def read(value: Value, at: dict[int, Expr]) -> Expr:
        return load(buffer[flat_index(strides, at, offset)], value.type.dtype)

    return read


def _counter(plan: BodyPlan, node: Node, at: dict[int, Expr]) -> Expr:
    """The index along an ``iota``'s axis."""
    dtype = node.output.type.dtype
    axis = plan.counters.get(node.output)
    return const(0, dtype) if axis is None else tirx.Cast(compute_type(dtype), at[axis])
