"""Small operators for tests of the IR, which knows no real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nngraph.ir.attributes import Subgraph
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType, TypeMismatch, tensor_type

F32 = tensor_type("f32", (2,))


@dataclass(frozen=True)
class Neg(Op):
    name: ClassVar[str] = "neg"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (-inputs[0],)


@dataclass(frozen=True)
class Add(Op):
    name: ClassVar[str] = "add"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        a, b = types
        if a != b:
            raise TypeMismatch(f"add: {a} against {b}")
        return (a,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0] + inputs[1],)


@dataclass(frozen=True)
class Halves(Op):
    """Two outputs."""

    name: ClassVar[str] = "halves"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        half = x.with_shape((x.shape[0] // 2, *x.shape[1:]))
        return (half, half)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        middle = len(inputs[0]) // 2
        return (inputs[0][:middle], inputs[0][middle:])


@dataclass(frozen=True)
class Tagged(Op):
    """The input, and two attributes of any kind."""

    tag: Any
    other: Any = None
    name: ClassVar[str] = "tagged"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[0],)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0],)


REGISTRY: dict[str, type[Op]] = {c.name: c for c in (Neg, Add, Halves, Tagged)}


def tagged(tag: object, other: object = None) -> Graph:
    """A graph of one node that has this attribute."""
    graph = Graph("g")
    x = graph.add_input(F32, "x")
    graph.add_output(graph.add_node(Tagged(tag, other), [x]).output, "y")
    return graph


def chain(length: int, branches: bool = True) -> Graph:
    """A chain of ``length`` nodes with hints, origins, reads far back, states and scalars."""
    graph = Graph("chain")
    value = first = graph.add_input(F32, "x")
    for i in range(length // 10):
        graph.add_state(f"s{i}", F32)
    for i in range(length):
        back = first if i % 3 == 0 and branches else value
        node = graph.add_node(Add(), [value, back], Origin(f"layer.{i % 7}", "train.py", i))
        value = node.output
        value.hint = "h" if i % 2 else ""
        if i % 10 == 9:
            graph.set_state(f"s{i // 10}", value)
    graph.add_output(value, "y")
    return graph


def body() -> Subgraph:
    """A nested graph of one input and one output."""
    graph = Graph("body")
    x = graph.add_input(F32, "carry")
    graph.add_output(graph.add_node(Neg(), [x]).output)
    return Subgraph(graph)


def neg(x: Value) -> Value:
    return x.apply(Neg(), [x])[0]


def add(x: Value, y: Value) -> Value:
    return x.apply(Add(), [x, y])[0]
