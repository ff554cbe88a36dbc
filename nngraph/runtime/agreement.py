"""Compares what a backend computed with the operators' own definitions, evaluated in NumPy.

How far two right results may part is not a constant: it depends on how much the function magnifies
rounding. So the reference is evaluated a second time on inputs that differ from the first ones by
the rounding of their type. What that changes is noise, and a result is wrong where it parts from
the reference by many times that, and by more than its type's own rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nngraph.backends.arrays import aligned_copy
from nngraph.backends.build import Built, build
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph, Node
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import signature_of

__all__ = [
    "Difference",
    "DisagreementError",
    "compared",
    "differences",
    "disagreement",
    "node_differences",
    "result_names",
]

#: How many times the noise of one rounding is no fault: long sums round many times.
_NOISE = 64
#: What a result may part from the reference by, as a share of its largest element.
_SHARES = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


class DisagreementError(ArithmeticError):
    """A backend computed something else than the reference; no state was changed."""


@dataclass(frozen=True)
class Difference:
    """How far one array is from the reference.

    Attributes:
        name: of the result, or of the node that made it.
        place: where the user's code made it; empty if unknown.
        error: the largest distance of an element; infinite where one is finite and one is not.
        allowed: the distance that rounding explains.
        index: of the element that is farthest.
        got, wanted: that element.
        largest: the reference's largest finite element, without its sign.
    """

    name: str
    place: str
    error: float
    allowed: float
    index: tuple[int, ...] = ()
    got: Any = None
    wanted: Any = None
    largest: float = 0.0

    def allowing(self, rtol: float | None, atol: float) -> Difference:
        """With ``rtol`` of the largest element for what was measured (None keeps that)."""
        allowed = self.allowed if rtol is None else rtol * self.largest
        return replace(self, allowed=allowed + atol)

    @property
    def is_fault(self) -> bool:
        """Whether rounding does not explain it."""
        return not self.error <= self.allowed

    @property
    def excess(self) -> float:
        """The distance as a multiple of what is allowed."""
        if not self.error:
            return 0.0
        return self.error / self.allowed if self.allowed else float("inf")

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        element = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"{self.name}{where}: {self.name}{element} is {self.got!s}, the reference has "
            f"{self.wanted!s} (off by {self.error:.3g}; rounding explains {self.allowed:.3g})"
        )


def differences(
    function: Callable[..., Sequence[Array]],
    arguments: Sequence[Array],
    got: Sequence[Array],
    names: Sequence[str],
    place: str = "",
) -> list[Difference]:
    """How far arrays are from what a function gives.

    Args:
        function: the reference, of the arguments.
        arguments: what it is evaluated on.
        got: the arrays that another implementation gave, one for each result.
        names, place: of the results.
    """
    wanted = function(*arguments)
    shaken = function(*_shaken(arguments))
    rows = zip(names, got, wanted, shaken, strict=True)
    return [_difference(name, place, *map(np.asarray, arrays)) for name, *arrays in rows]


def compared(name: str, got: Array, wanted: Array) -> Difference:
    """How far one array is from another, whose type's own rounding is all that is allowed."""
    return _difference(name, "", got, wanted, wanted)


def _shaken(arguments: Sequence[Array]) -> list[Array]:
    """The floats among them, each off by up to one rounding, in a way that is always the same."""
    generator = np.random.Generator(np.random.Philox(0))
    return [_off_by_rounding(a, generator) if _is_float(a) else a for a in arguments]


def _off_by_rounding(array: Array, generator: np.random.Generator) -> Array:
    factors = 1 + _epsilon(array.dtype) * generator.choice([-1.0, 1.0], array.shape)
    with np.errstate(all="ignore"):
        shaken: Array = (array.astype(np.float64) * factors).astype(array.dtype)
    return shaken


def _is_float(array: Array) -> bool:
    return array.dtype.name in _SHARES


def _epsilon(dtype: Any) -> float:
    return {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10}.get(dtype.name, 2.0**-7)


def _difference(name: str, place: str, got: Array, wanted: Array, shaken: Array) -> Difference:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        text = f"{got.dtype}{list(got.shape)}", f"{wanted.dtype}{list(wanted.shape)}"
        return Difference(name, place, float("inf"), 0.0, (), *text)
    if not got.size:
        return Difference(name, place, 0.0, 0.0)
    error, noise = _distances(got, wanted), _distances(shaken, wanted)
    share = _SHARES.get(got.dtype.name, 0.0)
    size = np.abs(wanted.astype(np.float64))
    largest = float(np.max(size, initial=0.0, where=np.isfinite(size)))
    allowed = _NOISE * float(noise.max()) + share * largest
    index = np.unravel_index(int(error.argmax()), got.shape)
    place_of = tuple(int(i) for i in index)
    element = got[index], wanted[index]
    return Difference(name, place, float(error.max()), allowed, place_of, *element, largest)


def _distances(one: Array, other: Array) -> Array:
    """Of each pair of elements: 0 for equal ones, NaN too; infinity if only one is finite."""
    with np.errstate(all="ignore"):
        a, b = one.astype(np.float64), other.astype(np.float64)
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = np.abs(a - b)
    return np.where(equal, 0.0, np.where(np.isfinite(apart), apart, np.inf))


def result_names(graph: Graph) -> list[str]:
    """A name for each result of a graph: outputs, then new states."""
    signature = signature_of(graph)
    return [p.name for p in signature.outputs] + [p.name for p in signature.states]


def node_differences(
    graph: Graph, built: Built[Any], arguments: Sequence[Array]
) -> list[Difference]:
    """How far each operator of a graph is from its definition, on the values that it met.

    The graph is compiled once more with every value among its outputs, so that kernels which the
    backend had fused may be apart now.

    Args:
        graph: of static sizes.
        built: what the graph, or one of symbolic sizes, was compiled to.
        arguments: one for each parameter of the graph.

    Raises:
        UnsupportedGraph: if the backend lacks something.
    """
    probe = graph.clone()
    nodes = list(zip(graph.nodes, list(probe.nodes), strict=True))
    signature = signature_of(graph)
    for position, (_, node) in enumerate(nodes):
        for index, value in enumerate(node.outputs):
            probe.add_output(value, f"value_{position}_{index}", Role.KEPT)
    count = len(signature.outputs)
    inputs, scalars, states = _split(signature, arguments)
    executable = build(built.backend, probe, built.target).executable
    numbers, copies = [s.item() for s in scalars], [aligned_copy(s) for s in states]
    outputs, _ = executable.run(inputs, numbers, copies)
    values = dict(zip(graph.parameters, arguments, strict=True))
    found: list[Difference] = []
    made = iter(outputs[count:])
    for node, _ in nodes:
        arrays = [next(made) for _ in node.outputs]
        found += _of_node(node, [values[v] for v in node.inputs], arrays)
        values |= zip(node.outputs, arrays, strict=True)
    return found


def _of_node(node: Node, inputs: Sequence[Array], arrays: Sequence[Array]) -> list[Difference]:
    def function(*operands: Array) -> Sequence[Array]:
        with np.errstate(all="ignore"):
            return node.op.eval(*operands)

    names = (
        [node.op.name] if len(arrays) == 1 else [f"{node.op.name}:{i}" for i in range(len(arrays))]
    )
    return differences(function, inputs, arrays, names, str(node.origin))


def _split(
    signature: Any, arguments: Sequence[Array]
) -> tuple[Sequence[Array], Sequence[Array], Sequence[Array]]:
    first, second = len(signature.inputs), len(signature.inputs) + len(signature.scalars)
    return arguments[:first], arguments[first:second], arguments[second:]


def disagreement(
    graph: Graph, built: Built[Any], arguments: Sequence[Array], got: Sequence[Array]
) -> DisagreementError | None:
    """The error of a call whose results are not the reference's; None if they are.

    Args:
        graph: of static sizes.
        built: what computed.
        arguments: one for each parameter of the graph, as they were before the call.
        got: the results: outputs, then new states.
    """
    found = differences(lambda *a: evaluate(graph, a), arguments, got, result_names(graph))
    faults = [row for row in found if row.is_fault]
    if not faults:
        return None
    worst = max(faults, key=lambda row: row.excess)
    first = next((row for row in node_differences(graph, built, arguments) if row.is_fault), None)
    where = (
        f"The first operator that parts is {first}"
        if first is not None
        else "No operator parts by itself: it is how the backend joins them"
    )
    return DisagreementError(
        f"{graph.name} on {built.target.backend} is not what the reference computes: {worst}.\n"
        f"{where}.\nThe call was given up and all state is as it was before it."
    )
