"""Traces on into the backward pass of what a function leaves, for gradients from outside."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import ref

from nngraph.frontend.backward import is_retained, leaf_gradients, roots_above, with_freed
from nngraph.frontend.capture.effects import (
    ArgumentJoined,
    ArgumentWritten,
    Effect,
    LeafReturned,
    Returned,
)
from nngraph.frontend.capture.pullback import (
    Joined,
    Left,
    OfArgument,
    OfOutput,
    OfPlace,
    OfState,
    OfTensor,
    Pullback,
    Source,
    StateWritten,
    Untraced,
)
from nngraph.frontend.capture.recorder import Trace
from nngraph.frontend.errors import TraceError, selection_is_unheld, summary_of
from nngraph.frontend.record import Edge, Handle
from nngraph.frontend.storage import Storage
from nngraph.frontend.tape import edge_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import source_of
from nngraph.ir.analysis import ancestors
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.roles import Role
from nngraph.ops.creation import zeros_like
from nngraph.passes.partition import partition
from nngraph.passes.selected import Unheld, held

__all__ = ["history_of"]


def history_of(
    trace: Trace, symbols: Sequence[Tensor], left: Sequence[tuple[Left, Tensor]]
) -> list[Effect]:
    """What gives the tensors that a function leaves their history.

    The graph of the trace gets outputs for what the backward pass reads of it. A result whose
    history the code ran backward through itself has none any more.

    Args:
        trace: whose code has run, and whose other outputs are there.
        symbols: the arguments.
        left: the tensors, with the effects that leave them.
    """
    outside = _Outside(symbols)
    freed = with_freed([tensor for _, tensor in left])
    kinds = [outside.kind(trace, *row, gone) for row, gone in zip(left, freed, strict=True)]
    effects: list[Effect] = [
        LeafReturned(effect.leaf)
        for (effect, _), kind in zip(left, kinds, strict=True)
        if kind is _Kind.LEAF and isinstance(effect, Returned)
    ]
    wanted = [kind is _Kind.MADE for kind in kinds]
    if not any(wanted):
        return effects
    joining = [effect for (effect, _), w in zip(left, wanted, strict=True) if w]
    written = [e.argument for e in joining if isinstance(e, ArgumentWritten)]
    effects += map(ArgumentJoined, written)
    last = next(trace.graph.reversed_nodes, None)
    try:
        effects.append(_Joining(trace, outside).joined(left, wanted))
    except Exception as error:  # noqa: BLE001 - what a call computes needs no backward pass
        name = trace.graph.name
        why = (
            f"backward through a result of the compiled function {name!r}: {summary_of(error)}. "
            f"Compile a function that calls backward() itself, or call {name!r} without compiling "
            "it"
        )
        effects.append(Untraced(joining, why))
    finally:
        _erase_after(trace.graph, last)
    return effects


class _Kind(enum.Enum):
    """What a tensor that a function leaves is for ``backward``."""

    NONE = "requires no gradient, or what its history saved was freed"
    LEAF = "a leaf that the code made"
    MADE = "of operators, or of a leaf from outside"


class _Outside:
    """Which leaves were there before the code ran."""

    def __init__(self, symbols: Sequence[Tensor]) -> None:
        self.symbols = symbols
        self.positions = {id(s): i for i, s in enumerate(symbols)}

    def kind(self, trace: Trace, effect: Left, tensor: Tensor, freed: bool) -> _Kind:
        """See ``_Kind``; of an argument that is a leaf, other effects say so."""
        edge = edge_of(tensor, trace)
        if isinstance(edge, Edge):
            return _Kind.NONE if freed else _Kind.MADE
        if edge is None or isinstance(effect, ArgumentWritten):
            return _Kind.NONE
        return _Kind.MADE if self.has(edge.owner()) else _Kind.LEAF

    def has(self, leaf: Handle | None) -> bool:
        """Whether it is an argument, or a tensor of eager code."""
        if leaf is None:
            return False
        return id(leaf) in self.positions or leaf._storage.elements.array is not None


def _contents(trace: Trace) -> dict[str, tuple[int, ...]]:
    """What the code has put at places so far, by identity."""
    changes = trace.carry.changes()

    return {
        c.place.name: tuple(map(id, c.after if c.grown or c.resized else [c.after]))
        for c in changes
    }


def _erase_after(graph: Graph, last: Node | None) -> None:
    """Removes what nobody reads of the nodes after one."""
    for node in graph.reversed_nodes:
        if node is last:
            return
        if not any(v.is_used for v in node.outputs):
            graph.erase(node)


class _Joining:
    """Makes the pullback of one trace.

    Attributes:
        sources: what a call saves, by the value or the leaf that it is for.
        lasting: parameters that are after the call what they were before.
        unchanged: the states that the call does not write.
        inputs: of the states, by their storages.
        moved: what is in the place of values whose size masks decide.
    """

    def __init__(self, trace: Trace, outside: _Outside) -> None:
        self.trace = trace
        self.graph = trace.graph
        self.outside = outside
        self.sources: dict[Any, Source] = {}
        self.gradients: dict[Any, int] = {}
        self.lasting: dict[Value, Source] = {}
        self.unchanged = set[Value]()
        self.inputs: dict[Storage, Value] = {}
        self.moved: Mapping[Value, Value] = {}

    def joined(self, left: Sequence[tuple[Left, Tensor]], wanted: Sequence[bool]) -> Joined:
        trace, graph = self.trace, self.graph
        roots = [t for (_, t), w in zip(left, wanted, strict=True) if w]
        if is_retained(roots):
            raise TraceError("retain_grad() was called inside, on a tensor that is no leaf")
        seeds = [zeros_like(t) for t in roots]
        before = _contents(trace)
        found = leaf_gradients(list(zip(roots, seeds, strict=True)))
        found = [(leaf, g) for leaf, g in found if self.outside.has(leaf)]
        self._need_no_changes(before)
        self._hold()
        self._look()
        results = {
            self._now(t): i
            for i, (effect, t) in enumerate(left)
            if not isinstance(effect, StateWritten)  # which the next call writes
        }
        there = {*self.lasting, *results}
        gradients = [self._now(g) for _, g in found]
        positions = [i for i, w in enumerate(wanted) if w]
        reached = roots_above(dict(zip(positions, roots, strict=True)))
        begins = [self._now(s) for s in seeds]
        backward = partition(begins, gradients, there, f"{graph.name}_grad")
        for k, (leaf, _) in enumerate(found):
            self._give(leaf, k)
        reads = [self._read(v, results) for v in backward.kept]
        parameters = {v: self._source(v) for v in self._below(backward.kept)}
        order = {key: i for i, key in enumerate(self.sources)}
        pullback = Pullback(
            sources=list(self.sources.values()),
            gradients=[self.gradients.get(key) for key in self.sources],
            reached=[reached[id(leaf)] for leaf, _ in found],
            results=[(t.aval, w) for (_, t), w in zip(left, wanted, strict=True)],
            reads=[(False, order[r]) if not isinstance(r, int) else (True, r) for r in reads],
            forward=graph,
            kept=backward.kept,
            parameters={v: order[key] for v, key in parameters.items()},
            backward=backward.graph,
        )
        return Joined(pullback, [effect for effect, _ in left])

    def _hold(self) -> None:
        """Masks select elements: both passes have all of them from here on."""
        try:
            self.moved = held(self.graph)
        except Unheld as error:
            raise selection_is_unheld(error.what, source_of(error.origin)) from None

    def _now(self, tensor: Tensor) -> Value:
        value: Value = tensor._read(self.trace)
        return self.moved.get(value, value)

    def _look(self) -> None:
        """Finds the parameters of the graph, those that only the backward pass reads included."""
        inputs = zip(self.outside.symbols, self.graph.inputs, strict=True)
        for position, (symbol, value) in enumerate(inputs):
            if symbol._read(self.trace) is value:
                self.lasting[value] = OfArgument(position)
        for cell, state in zip(self.trace.cells.values(), self.graph.states, strict=True):
            self.inputs[cell.storage] = state.input
            if not state.is_changed:
                self.unchanged.add(state.input)
                if cell.lasts:
                    self.lasting[state.input] = OfState(cell.storage)

    def _need_no_changes(self, before: dict[str, tuple[int, ...]]) -> None:
        """Hooks that change Python's objects would do so at the call, and not in its backward."""
        now = _contents(self.trace).items()
        names = ", ".join(name for name, made in now if made != before.get(name))
        if names:
            raise TraceError(f"a hook changes {names} when the gradient is known")

    def _give(self, leaf: Handle, gradient: int) -> None:
        """The leaf gets an output of the backward graph as its gradient."""
        position = self.outside.positions.get(id(leaf))
        if position is not None:
            key: Any = self.graph.inputs[position]
            source: Source = self.lasting.get(key) or OfArgument(position)
            if key not in self.lasting:
                key = id(leaf)
        else:
            storage, carry = leaf._storage, self.trace.carry
            value = self.inputs.get(storage)
            key = value if value in self.unchanged and leaf._view is None else id(leaf)
            spot = carry.is_symbol_for(leaf)
            source = OfTensor(ref(leaf), storage)
            if spot is not None:
                source = OfPlace(carry.program.read(spot))
        self.sources[key] = source
        self.gradients[key] = gradient

    def _read(self, value: Value, results: dict[Value, int]) -> Any:
        """Where a call finds a value: the position of a result, or the key of a source."""
        if value in results:
            return results[value]
        return self._source(value)

    def _source(self, value: Value) -> Value:
        if value not in self.sources:
            self.sources[value] = self.lasting.get(value) or self._kept(value)
        return value

    def _kept(self, value: Value) -> OfOutput:
        position = len(self.graph.outputs)
        self.graph.add_output(value, f"kept_{position}", Role.KEPT)
        return OfOutput(position)

    def _below(self, kept: Sequence[Value]) -> list[Value]:
        """The parameters that the kept values depend on."""
        read = {v for n in ancestors(kept) for v in n.inputs} | set(kept)
        return [v for v in self.graph.parameters if v in read]
