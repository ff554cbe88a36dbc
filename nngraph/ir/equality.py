"""Whether two graphs are the same: operators, wiring, types and interface, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from nngraph.ir.attributes import op_key
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.roles import Label, Role

__all__ = ["difference", "structurally_equal"]

_Row = tuple[str, str, object]  # what it is, its name, its type


def structurally_equal(a: Graph, b: Graph) -> bool:
    """True if both graphs have the same interface and the same nodes in the same order.

    Names of inputs, scalars, states and outputs count, and roles of outputs; hints of other values,
    origins and the graphs' own names don't.
    """
    return difference(a, b) is None


def difference(a: Graph, b: Graph) -> str | None:
    """The first place where two graphs differ, in words; None if they are structurally equal."""
    return next(_differences(a, b), None)


def _interface(graph: Graph) -> list[_Row]:
    rows: list[_Row] = [("input", v.hint, v.type) for v in graph.inputs]
    rows += [("scalar", n, v.type) for n, v in graph.scalars.items()]
    rows += [("state", s.name, s.input.type) for s in graph.states]
    return rows + [
        (_kind(label), label.name, v.type)
        for label, v in zip(graph.labels, graph.outputs, strict=True)
    ]


def _kind(label: Label) -> str:
    plain = label.role is Role.RESULT and not label.of
    return "output" if plain else f"output ({label.role.value} {label.of})"


def _differences(a: Graph, b: Graph) -> Iterator[str]:
    for left, right in zip_longest(_interface(a), _interface(b)):
        if left != right:
            yield f"interface: {_row(left)} against {_row(right)}"
            return
    table: dict[Value, Value] = dict(zip(a.parameters, b.parameters, strict=True))
    for position, (x, y) in enumerate(zip_longest(a.nodes, b.nodes)):
        if x is None or y is None:
            yield f"node {position}: {x!r} against {y!r}"
            return
        yield from _node_differences(position, x, y, table)
        table.update(zip(x.outputs, y.outputs, strict=True))
    if not _same(a.results, b.results, table):
        yield "results: the graphs return other values"


def _node_differences(position: int, x: Node, y: Node, table: dict[Value, Value]) -> Iterator[str]:
    if op_key(x.op) != op_key(y.op):
        yield f"node {position}: {x.op!r} against {y.op!r}"
    elif [v.type for v in x.outputs] != [v.type for v in y.outputs]:
        yield f"node {position} ({x.op.name}): other output types"
    elif not _same(x.inputs, y.inputs, table):
        yield f"node {position} ({x.op.name}): other inputs"


def _same(a: Sequence[Value], b: Sequence[Value], table: dict[Value, Value]) -> bool:
    return len(a) == len(b) and all(table.get(x) is y for x, y in zip(a, b, strict=True))


def _row(row: _Row | None) -> str:
    return "nothing" if row is None else f"{row[0]} {row[1] or '(unnamed)'}: {row[2]}"
