"""From a fused graph to a program: kernels, storages, the order of calls, and memory."""

from __future__ import annotations

from nngraph.backends.tvm.fuse.kernels import may_divide_by_zero, source_of
from nngraph.backends.tvm.fuse.kinds import kernel_inputs
from nngraph.backends.tvm.program.layout import lay_out
from nngraph.backends.tvm.program.program import (
    Check,
    IndexCheck,
    KernelSpec,
    Loop,
    Place,
    Program,
    ZeroCheck,
)
from nngraph.backends.tvm.program.work import Kernels, Work
from nngraph.backends.watch import parts_of
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.refusals import IntegerDivisionError
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reshape
from nngraph.ops.core import Literal
from nngraph.ops.creation import Constant
from nngraph.ops.fused import Fused
from nngraph.ops.index.scattering import Indexed
from nngraph.ops.scan import Scan

__all__ = ["emit_program"]


def emit_program(graph: Graph, in_place: bool, carries: int | None = None) -> Program:
    """The program of a graph whose nodes all have kernels.

    Args:
        graph: fused, static shapes.
        in_place: new state values replace the old ones in the caller's memory.
        carries: of a loop's body, how many of the outputs are what the next step takes; else None.
    """
    return lay_out(graph, _Emitter(graph).compute(), in_place, carries)


class _Emitter:
    """Collects the kernels of a graph's nodes; where results live comes later."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kernels = Kernels()
        self.home = self.kernels.home
        self._checked: set[tuple[int, IndexCheck | ZeroCheck]] = set()
        states = [s.input for s in graph.states]
        for place, values in (
            (Place.INPUT, graph.inputs),
            (Place.SCALAR, tuple(graph.scalars.values())),
            (Place.STATE, states),
        ):
            for index, value in enumerate(values):
                self.home[value] = self.kernels.storage(place, index, value.type)

    def compute(self) -> Kernels:
        for node in self.graph.nodes:
            match node.op:
                case Reshape():
                    self.home[node.output] = self.home[node.inputs[0]]
                case Constant(literal=literal):
                    self.home[node.output] = self._constant(literal, node.output.type)
                case _:
                    self._call(node)
        return self.kernels

    def _constant(self, literal: Literal, type: TensorType) -> int:
        known = self.kernels.constants
        if literal not in known:
            known[literal] = self.kernels.storage(Place.CONSTANT, len(known), type)
        return known[literal]

    def _call(self, node: Node) -> None:
        for value in node.outputs:
            self.home[value] = self.kernels.storage(Place.ARENA, 0, value.type)
        if all(v.type.size == 0 for v in node.outputs):
            return
        if isinstance(node.op, Indexed):
            self._check_indices(node, node.op)
        for name, divisor in _divisors(node):
            self._check_zeros(node, name, divisor)
        types = tuple(v.type for v in node.inputs)
        spec = KernelSpec(node.op, types, tuple(v.type for v in node.outputs))
        reads = tuple(self.home[v] for v in _operands(node))
        writes = tuple(self.home[v] for v in node.outputs)
        parts = tuple((part.operator, part.origin) for part in parts_of([node]))
        work = Work(spec, reads, writes, str(node.origin), loop=_loop(node), parts=parts)
        self.kernels.work.append(work)

    def _check_indices(self, node: Node, op: Indexed) -> None:
        x, indices = node.inputs[:2]
        size = x.type.static_shape[op.axis]
        self._check(IndexCheck(size), indices, Check(op.name, op.axis, size, str(node.origin)))

    def _check_zeros(self, node: Node, name: str, divisor: Value) -> None:
        self._check(ZeroCheck(), divisor, Check(name, None, 0, str(node.origin)))

    def _check(self, op: IndexCheck | ZeroCheck, value: Value, check: Check) -> None:
        """Looks at all elements of a value before its reader runs; once, however many readers."""
        key = (self.home[value], op)
        if key in self._checked or value.type.size == 0:
            return
        self._checked.add(key)
        spec = KernelSpec(op, (value.type,), ())
        checks = self.kernels.checks
        parts = ((op.name, check.origin),)
        work = Work(spec, (key[0],), (), check.origin, status=len(checks), parts=parts)
        self.kernels.work.append(work)
        checks.append(check)


def _divisors(node: Node) -> list[tuple[str, Value]]:
    """(operator, divisor) of the divisions of integers in a kernel.

    Raises:
        IntegerDivisionError: if a divisor is known to hold a zero.
    """
    op = node.op
    if not isinstance(op, Fused):
        return [(op.name, node.inputs[1])] if may_divide_by_zero(node) else []
    outer = dict(zip(op.body.graph.inputs, node.inputs, strict=True))
    found = []
    for inner in op.body.graph.nodes:
        if may_divide_by_zero(inner):
            divisor = source_of(inner.inputs[1])
            if divisor in outer:
                found.append((inner.op.name, outer[divisor]))
            elif _has_zero(divisor):
                raise IntegerDivisionError(
                    f"{inner.op.name}: an integer is divided by zero (at {inner.origin})"
                )
    return found


def _has_zero(known: Value) -> bool:
    """Of a number, a literal of one element, or a counter, which starts at 0."""
    op = known.producer and known.producer.op
    return bool(op.literal.array == 0) if isinstance(op, Constant) else True


def _loop(node: Node) -> Loop | None:
    """The nested program of a ``scan``."""
    op = node.op
    if not isinstance(op, Scan):
        return None
    program = emit_program(op.body.graph, in_place=False, carries=op.carries)
    return Loop(program, op.carries, op.consts, op.length, op.reverse)


def _operands(node: Node) -> list[Value]:
    """A node's inputs in the order of its kernel's parameters."""
    if not isinstance(node.op, Fused):
        return list(node.inputs)
    body = node.op.body.graph
    outer = dict(zip(body.inputs, node.inputs, strict=True))
    return [outer[v] for v in kernel_inputs(body)]
