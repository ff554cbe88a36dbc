"""How gradients go back through a call: its results join the tape of the code around it.

The trace of a function whose results require gradients goes on into their backward pass, on seeds
that stand for the gradients that the results will get. What depends on the seeds becomes a graph
of its own, and the call keeps what that reads (``passes/partition.py``). A call is one entry of the
tape, whose rule runs the second graph; where that has to be differentiated itself, or traced, the
rule applies the operators of both graphs one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, ClassVar, Protocol, cast
from weakref import ref

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.effects import ArgumentWritten, Call, Effect, Returned, host_array
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.record import Edge, Entry, GivenEdge, Handle, Leaf, Lost, Saved
from nngraph.frontend.storage import Storage
from nngraph.frontend.tape import apply, edge_of, save
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import EAGER, world
from nngraph.ir.analysis import ancestors
from nngraph.ir.graph import Graph, Value
from nngraph.ir.op import Array, Op, Thunk
from nngraph.ir.origin import Origin
from nngraph.ir.types import TensorType
from nngraph.ops.creation import zeros_like

__all__ = [
    "Joined",
    "OfArgument",
    "OfOutput",
    "OfPlace",
    "OfState",
    "OfTensor",
    "Placed",
    "Pullback",
    "StateWritten",
    "Untraced",
    "is_of_call",
]


class Source(Protocol):
    """Where a call finds a value that its backward pass reads."""

    def saved(self, call: Call) -> Saved:
        """The value as the tape keeps it, with its history."""
        ...


@dataclass(frozen=True)
class OfArgument:
    """An argument that the call does not write."""

    position: int

    def saved(self, call: Call) -> Saved:
        argument = call.passed[self.position]
        if isinstance(argument, TensorBase):
            return argument._saved(EAGER, edge_of(argument, EAGER))
        # Its owner may write to it, and nobody would see.
        return _kept(np.array(host_array(argument)))


@dataclass(frozen=True)
class OfTensor:
    """A tensor from outside that gets a gradient."""

    owner: ref[Handle]
    storage: Storage

    def saved(self, call: Call) -> Saved:
        tensor = self.owner()
        if tensor is None:
            return save_storage(self.storage)
        return cast("TensorBase", tensor)._saved(EAGER, edge_of(tensor, EAGER))


@dataclass(frozen=True)
class OfPlace:
    """The tensor that was at a place of Python's objects before the call."""

    slot: int

    def saved(self, call: Call) -> Saved:
        tensor = call.values[self.slot]
        found: Saved = tensor._saved(EAGER, edge_of(tensor, EAGER))
        return found


@dataclass(frozen=True)
class OfState:
    """A state that the call does not change."""

    storage: Storage

    def saved(self, call: Call) -> Saved:
        return save_storage(self.storage)


@dataclass(frozen=True)
class OfOutput:
    """A value that the graph gives for this alone."""

    output: int

    def saved(self, call: Call) -> Saved:
        return _kept(call.outputs[self.output])


def save_storage(storage: Storage) -> Saved:
    """What a storage holds now, without history."""
    return Saved(storage, storage.elements, None, None)


def _kept(array: Array) -> Saved:
    return save_storage(Storage(array))


@dataclass(eq=False)
class Pullback:
    """The backward pass of a traced function.

    Attributes:
        sources: what a call saves.
        gradients: for each source the output of ``backward`` that is its gradient, None if it
            gets none.
        reached: for each output of ``backward`` the results on whose gradients it depends, a bit
            each: where none of these has a gradient, there is none.
        results: the outputs of the call that join the tape, each with its type and whether it
            requires a gradient: only these have a seed.
        reads: for each value that ``backward`` reads before its seeds, whether it is a result, and
            the position among the results or the sources.
        forward: the graph of the call.
        kept: what ``backward`` reads, in ``forward``.
        parameters: the sources of those parameters of ``forward`` that ``kept`` depends on.
        backward: from kept values and seeds to gradients.
    """

    sources: Sequence[Source]
    gradients: Sequence[int | None]
    reached: Sequence[int]
    results: Sequence[tuple[TensorType, bool]]
    reads: Sequence[tuple[bool, int]]
    forward: Graph
    kept: Sequence[Value]
    parameters: Mapping[Value, int]
    backward: Graph
    make: Callable[[Graph], Callable[[Sequence[Array]], Sequence[Array]]] | None = None
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def _compiled(self) -> Callable[[Sequence[Array]], Sequence[Array]]:
        assert self.make is not None, "a call of compiled code made the entry"
        return self.make(self.backward)

    def run(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> list[Any | None]:
        """The gradients of the sources, from those of the results."""
        here = world()
        seeds = [
            g if g is not None else zeros_like(o)
            for o, g, (_, wanted) in zip(outputs, grads, self.results, strict=True)
            if wanted
        ]
        if here is EAGER and not is_grad_enabled():
            read = [(outputs if result else inputs)[i]._read(here) for result, i in self.reads]
            with self._lock:
                made = self._compiled([*read, *(s._read(here) for s in seeds)])
            found: Sequence[Any] = [Tensor(Storage(array)) for array in made]
        else:
            found = self._applied(inputs, seeds)
        return [None if k is None else found[k] for k in self.gradients]

    def _applied(self, inputs: Sequence[Any], seeds: Sequence[Any]) -> Sequence[Any]:
        """The same by operators that are recorded."""
        table: dict[Value, Any] = {v: inputs[i] for v, i in self.parameters.items()}
        _apply(self.forward, self.kept, table)
        read = [table[v] for v in self.kept]
        table = dict(zip(self.backward.inputs, [*read, *seeds], strict=True))
        _apply(self.backward, self.backward.outputs, table)
        return [table[v] for v in self.backward.outputs]


def _apply(graph: Graph, wanted: Sequence[Value], table: dict[Value, Any]) -> None:
    """Applies the nodes that the wanted values depend on to what the table has for parameters."""
    needed = ancestors(wanted)
    for node in graph.nodes:
        if node in needed:
            made = apply(node.op, [table[v] for v in node.inputs])
            table.update(zip(node.outputs, made, strict=True))


@dataclass(frozen=True, eq=False)
class CompiledCall(Op):
    """A call of a compiled function. It stands on the tape only; a graph never has it."""

    pullback: Pullback
    name: ClassVar[str] = "CompiledFunction"

    @property
    def backward_name(self) -> str:
        return "CompiledFunctionBackward"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return tuple(kind for kind, _ in self.pullback.results)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        found: list[Any] = []

        def thunk(position: int) -> Thunk:
            def gradient() -> Any:
                if not found:
                    found.extend(self.pullback.run(inputs, outputs, grads))
                return found[position]

            return gradient

        pullback = self.pullback
        given = sum(1 << i for i, g in enumerate(grads) if g is not None)
        return [
            None if k is None or not pullback.reached[k] & given else thunk(i)
            for i, k in enumerate(pullback.gradients)
        ]


def is_of_call(edge: Edge | Leaf | None) -> bool:
    """Whether a call of a compiled function made a tensor with this edge."""
    if not isinstance(edge, Edge):
        return False
    return isinstance(edge.entry, Lost) or isinstance(edge.entry.op, CompiledCall)


@dataclass(frozen=True)
class Placed:
    """A tensor that the call makes for places of Python's objects."""

    key: int

    def find(self, call: Call) -> Tensor:
        """The tensor of this call."""
        made: Tensor = call.made[self.key]
        return made


@dataclass(frozen=True)
class StateWritten:
    """A tensor from outside, to whose elements the code assigned."""

    owner: ref[Handle]
    storage: Storage

    def find(self, call: Call) -> Any:
        """The tensor, or one of the same elements if it is gone."""
        found = self.owner()
        return Tensor(self.storage) if found is None else found


Left = Returned | ArgumentWritten | Placed | StateWritten


def _left(effect: Left, call: Call) -> Any:
    """The tensor that an effect has left."""
    if isinstance(effect, Returned):
        return call.leaves[effect.leaf]
    if isinstance(effect, ArgumentWritten):
        return call.passed[effect.argument]
    return effect.find(call)


def _kind_of_edge(effect: Left) -> type[Edge]:
    return GivenEdge if isinstance(effect, StateWritten) else Edge


@dataclass(frozen=True, eq=False)
class Joined(Effect):
    """Tensors that the call leaves have the history that its code gave them."""

    pullback: Pullback
    tensors: Sequence[Left]

    def apply(self, call: Call) -> None:
        pullback = self.pullback
        left = [_left(effect, call) for effect in self.tensors]
        inputs = [source.saved(call) for source in pullback.sources]
        outputs = [save(EAGER, t, None) for t in left]
        entry = Entry(CompiledCall(pullback), inputs, outputs, Origin(pullback.forward.name))
        for index, (tensor, (_, wanted)) in enumerate(zip(left, pullback.results, strict=True)):
            if wanted:
                kind = _kind_of_edge(self.tensors[index])
                EAGER.set_edge(tensor, kind(entry, index))


@dataclass(frozen=True, eq=False)
class Untraced(Effect):
    """Tensors that the call leaves have a history that no graph computes.

    Attributes:
        why: what ``backward`` through it says.
    """

    tensors: Sequence[Left]
    why: str

    def apply(self, call: Call) -> None:
        for effect in self.tensors:
            EAGER.set_edge(_left(effect, call), _kind_of_edge(effect)(Lost(self.why), 0))
