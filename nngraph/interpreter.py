"""Runs graphs in NumPy: arguments by name, an observer for each node, the search for a NaN."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.evaluate import NodeObserver, evaluate
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType

__all__ = ["NonFinite", "Results", "Spoil", "first_nonfinite", "interpret"]


@dataclass(frozen=True)
class Results:
    """What one call gave.

    Attributes:
        outputs: in the graph's order.
        states: the new value of each state, by name.
    """

    outputs: tuple[Array, ...]
    states: dict[str, Array]


def interpret(
    graph: Graph,
    inputs: Sequence[Any] | Mapping[str, Any] = (),
    scalars: Mapping[str, Any] | None = None,
    states: Mapping[str, Any] | None = None,
    observer: NodeObserver | None = None,
) -> Results:
    """One call of the graph in NumPy, after a check of every argument.

    Args:
        graph: what to run.
        inputs: arrays in order, or by name.
        scalars: a number for each host scalar.
        states: an array for each state; none of them is written to.
        observer: called with each node, its input arrays and its output arrays.

    Raises:
        TypeError: if an argument has another element type than the graph says.
        ValueError: if one is missing, is not the graph's, or has another shape.
    """
    if not isinstance(inputs, Mapping):
        if len(inputs) != len(graph.inputs):
            raise ValueError(
                f"graph {graph.name!r} takes {len(graph.inputs)} inputs, got {len(inputs)}"
            )
        inputs = dict(zip(_input_names(graph), inputs, strict=True))
    given = [
        *_named("input", dict(zip(_input_names(graph), graph.inputs, strict=True)), inputs),
        *_named("scalar", graph.scalars, scalars or {}),
        *_named("state", {s.name: s.input for s in graph.states}, states or {}),
    ]
    sizes: dict[str, int] = {}
    arrays = [_checked(what, value.type, array, sizes) for what, value, array in given]
    found = evaluate(graph, arrays, observer)
    count = len(graph.outputs)
    new = {s.name: a for s, a in zip(graph.states, found[count:], strict=True)}
    return Results(found[:count], new)


def _input_names(graph: Graph) -> list[str]:
    return [v.hint or str(position) for position, v in enumerate(graph.inputs)]


def _named(
    kind: str, wanted: Mapping[str, Value], given: Mapping[str, Any]
) -> list[tuple[str, Value, Any]]:
    missing = [n for n in wanted if n not in given]
    strange = [n for n in given if n not in wanted]
    if missing or strange:
        parts = [f"{kind} {n!r} is missing" for n in missing]
        parts += [f"there is no {kind} {n!r}" for n in strange]
        known = ", ".join(wanted) or "none"
        raise ValueError(f"{'; '.join(parts)}; the graph's {kind}s are: {known}")
    return [(f"{kind} {name!r}", value, given[name]) for name, value in wanted.items()]


def _checked(what: str, wanted: TensorType, given: Any, sizes: dict[str, int]) -> Array:
    """The argument as an array of the wanted type; Python numbers take the wanted element type."""
    is_number = isinstance(given, bool | int | float)
    array: Array = np.asarray(given, wanted.dtype.numpy if is_number else None)
    if as_dtype(array.dtype) is not wanted.dtype:
        raise TypeError(
            f"{what} is {array.dtype}; the graph takes {wanted}: "
            f"convert it with .astype({wanted.dtype.name!r})"
        )
    if array.ndim != wanted.rank or not all(map(_fits, wanted.shape, array.shape)):
        raise ValueError(f"{what} has the shape {list(array.shape)}; the graph takes {wanted}")
    _bind(what, wanted, array, sizes)
    return array


def _fits(wanted: object, size: int) -> bool:
    return isinstance(wanted, SymDim) or wanted == size


def _bind(what: str, wanted: TensorType, array: Array, sizes: dict[str, int]) -> None:
    """Notes what each symbolic size is, and checks that it is so everywhere."""
    for dim, size in zip(wanted.shape, array.shape, strict=True):
        if not isinstance(dim, SymDim):
            continue
        if str(dim).isidentifier():
            sizes.setdefault(str(dim), size)
        if dim.symbols <= sizes.keys() and dim.evaluate(sizes) != size:
            known = ", ".join(f"{n}={sizes[n]}" for n in sorted(dim.symbols))
            raise ValueError(
                f"{what} has size {size} for {dim}; with {known} it must be {dim.evaluate(sizes)}"
            )


class Spoil(enum.Enum):
    """What is not a finite number."""

    NAN = "NaN"
    INFINITY = "infinity"


@dataclass(frozen=True)
class NonFinite:
    """Where NaN or infinity shows up first.

    Attributes:
        value: the tensor that holds it.
        kind: which of the two.
        position: index of the first such element.
        what: the operator with its origin, or the argument.
    """

    value: Value
    kind: Spoil
    position: tuple[int, ...]
    what: str

    @property
    def node(self) -> Node | None:
        """The node that made it; None if it came in as an argument."""
        return self.value.producer

    def __str__(self) -> str:
        place = f" at {list(self.position)}" if self.position else ""
        return f"{self.what}: {self.kind.value}{place} of {self.value.type}"


def first_nonfinite(graph: Graph, arguments: Sequence[Array]) -> NonFinite | None:
    """Where the NaN or infinity in a call's results comes from.

    The search goes back from the results that are not finite, and stops at the first operator in
    the order of execution that made NaN without being given one, or infinity from finite values, or
    at the argument that held it. An infinity that a constant holds on purpose (a mask of
    ``-inf``) is named only where nothing else is to blame.

    Args:
        graph: what to run.
        arguments: one array for each of ``graph.parameters`` (inputs, scalars, states).

    Returns:
        None if all results and all inputs are finite. Inputs count even where the results are.
    """
    search = _Search(graph, arguments)
    results = evaluate(graph, arguments, search.observe)
    spoiled = [v for v, a in zip(graph.results, results, strict=True) if _look(a)]
    return search.origin(spoiled) or search.argument(graph.inputs)


class _Search:
    """Notes which values are not finite, in order, and which of them were made so on the spot."""

    def __init__(self, graph: Graph, arguments: Sequence[Array]) -> None:
        self.found: dict[Value, NonFinite] = {}
        self.made: set[Value] = set()
        rows = zip(graph.parameters, arguments, _labels(graph), strict=True)
        for value, array, label in rows:
            self._note(value, np.asarray(array), label)
        self.made.update(self.found)

    def _note(self, value: Value, array: Array, what: str) -> None:
        look = _look(array)
        if look is not None:
            self.found[value] = NonFinite(value, *look, what)

    def observe(self, node: Node, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
        given = {self.found[v].kind for v in node.inputs if v in self.found}
        origin = f" at {node.origin}" if str(node.origin) else ""
        for value, array in zip(node.outputs, outputs, strict=True):
            self._note(value, array, f"the result of {node.op.name}{origin}")
            if (
                value in self.found
                and self.found[value].kind not in given
                and Spoil.NAN not in given
            ):
                self.made.add(value)

    def origin(self, spoiled: Sequence[Value]) -> NonFinite | None:
        """The first of the values that spoiled these."""
        reached: set[Value] = set()
        ahead = list(spoiled)
        while ahead:
            value = ahead.pop()
            if value not in reached:
                reached.add(value)
                inputs = value.producer.inputs if value.producer else ()
                ahead += [v for v in inputs if v in self.found]
        causes = [f for v, f in self.found.items() if v in reached and v in self.made]
        blamed = [f for f in causes if not _is_deliberate(f)]
        return next(iter(blamed or causes), None)

    def argument(self, values: Sequence[Value]) -> NonFinite | None:
        return next((self.found[v] for v in values if v in self.found), None)


def _is_deliberate(found: NonFinite) -> bool:
    return found.node is not None and not found.node.inputs and found.kind is Spoil.INFINITY


def _labels(graph: Graph) -> list[str]:
    return [
        *(f"input {name!r}" for name in _input_names(graph)),
        *(f"scalar {name!r}" for name in graph.scalars),
        *(f"state {state.name!r}" for state in graph.states),
    ]


def _look(array: Array) -> tuple[Spoil, tuple[int, ...]] | None:
    """NaN or else infinity, and where the first is; None if all is finite."""
    if not as_dtype(array.dtype).is_floating_point or np.isfinite(array).all():
        return None
    for kind, bad in ((Spoil.NAN, np.isnan(array)), (Spoil.INFINITY, np.isinf(array))):
        if bad.any():
            return kind, tuple(int(i) for i in np.argwhere(bad)[0])
    return None
