"""Traces one call: arguments in, graph out, with what the call leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast
from weakref import ref

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.arguments import Argument, argument_of, leaf_names
from nngraph.frontend.capture.effects import (
    ArgumentGradient,
    ArgumentWritten,
    Effect,
    GradientsCleared,
    GradientSet,
    LeavesSet,
    ModesSet,
    Returned,
    SizeReturned,
)
from nngraph.frontend.capture.overlay import Flag, StateCell
from nngraph.frontend.capture.recorder import Guard, Trace
from nngraph.frontend.errors import TraceError, size_is_unknown
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import source_of_error
from nngraph.frontend.world import inside
from nngraph.ir.dims import UnknownSize
from nngraph.ir.graph import Graph, Value
from nngraph.ir.roles import Role
from nngraph.ir.signature import Signature, signature_of

__all__ = ["Traced", "trace_arguments", "trace_call"]


@dataclass(eq=False)
class Traced:
    """A graph with all that a call needs to know besides.

    Attributes:
        graph: inputs are the tensor arguments, in order; each output is named by an effect.
        cells: where the states are, in the graph's order.
        readers: read the host scalars, in the graph's order.
        guards: what must still hold.
        result: structure of what the function returns.
        leaves: the leaves of the result, None where an effect puts a tensor.
        effects: what a call leaves behind besides new states, in the order of its doing.
        carried: what of Python's objects goes from call to call, a line each.
        baked: what of Python's objects is fixed in the graph, a line each.
    """

    graph: Graph
    cells: list[StateCell]
    readers: list[Callable[[], float]]
    guards: list[Guard]
    result: Tree
    leaves: list[Any]
    effects: list[Effect]
    carried: list[str] = field(default_factory=list)
    baked: list[str] = field(default_factory=list)

    @cached_property
    def signature(self) -> Signature:
        """Names, types and roles of what goes in and out."""
        return signature_of(self.graph)

    def explained(self) -> list[str]:
        """What the trace carries, relies on and has fixed, a line each."""
        lines = [f"  carried: {line}" for line in self.carried]
        states = [s.name for s in self.signature.states if s.is_changed]
        if states:
            lines.append(f"  state: {', '.join(states)}")
        if self.signature.scalars:
            lines.append(
                f"  read at each call: {', '.join(s.name for s in self.signature.scalars)}"
            )
        lines += [f"  guarded: {what}" for what in dict.fromkeys(g.name for g in self.guards)]
        return lines + [f"  baked in: {line}" for line in self.baked]

    @property
    def written(self) -> list[int]:
        """The arguments that a call writes to."""
        return [e.argument for e in self.effects if isinstance(e, ArgumentWritten)]


def trace_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Traced:
    """Traces ``function(*args, **kwargs)``; arguments may be values or ``Spec``s.

    Raises:
        TraceError: as ``trace_call``.
    """
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    return trace_call(function, tree, [argument_of(leaf)[0] for leaf in leaves])


def trace_call(
    function: Callable[..., Any],
    tree: Tree,
    arguments: Sequence[Argument],
    keep_grads: bool = False,
) -> Traced:
    """Runs ``function`` once on symbolic tensors.

    Raises:
        TraceError: where the code needs a value, or returns something that no graph computes.
    """
    trace = Trace(Graph(getattr(function, "__name__", "main")))
    symbols: list[Tensor] = []
    leaves: list[Any] = []
    for argument, name in zip(arguments, leaf_names(function, tree), strict=True):
        if argument.type is None:
            same = argument.same
            leaves.append(argument.value if same is None else leaves[same])
            continue
        symbol = Tensor(trace.hold(trace.graph.add_input(argument.type, name)))
        leaves.append(symbol.requires_grad_(argument.requires_grad))
        symbols.append(symbol)
        trace.argument(symbol)
    args, kwargs = unflatten(tree, leaves)
    try:
        with inside(trace):
            returned = function(*args, **kwargs)
            return _Finish(trace, symbols, keep_grads).traced(returned)
    except UnknownSize as error:
        trace.take_back()
        raise size_is_unknown("this code", error.dim, source_of_error(error)) from error
    except BaseException:
        trace.take_back()
        raise


class _Finish:
    """Reads from a trace what its calls leave behind."""

    def __init__(self, trace: Trace, symbols: Sequence[Tensor], keep_grads: bool) -> None:
        self.trace = trace
        self.symbols = symbols
        self.keep_grads = keep_grads
        self.effects: list[Effect] = []

    def traced(self, returned: Any) -> Traced:
        trace, leaves = self.trace, list[Any]()
        tree = flatten(returned, leaves)
        self.add_results(leaves)
        self.add_arguments()
        self.add_gradients()
        self.add_argument_gradients()
        self.add_leaves()
        for storage, cell in trace.cells.items():
            trace.graph.set_state(cell.name, trace.look(storage, None))
        self.guard_flags()
        self.guard_modules()
        guards = list(trace.guards.values())
        cells = list(trace.cells.values())
        return Traced(trace.graph, cells, trace.readers, guards, tree, leaves, self.effects)

    def guard_flags(self) -> None:
        flags = self.trace.flags_met()

        def reason() -> str:
            name = next(f.name for f in flags if not f.holds())
            return f"requires_grad of {f'{name!r}' if name else 'a tensor'} changed"

        if flags:
            what = f"requires_grad of {len(flags)} tensors"
            self.trace.guard("flags", _all_hold(flags), reason, True, what)

    def guard_modules(self) -> None:
        """The modules that ran, and the modes that the code asked for, as they are now.

        A trace changes neither: what the code set for a while is no reason to trace again.
        """
        trace = self.trace
        for module in trace.modules_met.values():
            path = trace.path_of(module)
            key, what = ("module", id(module)), f"module {path!r}"
            trace.guard(key, *_guard_of(module, path), True, what)
        modes = list(trace.modes.values())
        paths = [trace.path_of(m.module) for m in modes]

        def reason() -> str:
            name, mode = next(row for row in zip(paths, modes, strict=True) if not row[1].holds())
            return f"module {name!r} is in the mode of {'eval()' if mode.found else 'train()'} now"

        if modes:
            what = f"the modes of {', '.join(map(repr, paths))}"
            trace.guard("modes", lambda: all(m.holds() for m in modes), reason, True, what)
            chosen = tuple((m.module, m.now) for m in modes if m.was_set)
            if chosen:
                self.effects.append(ModesSet(chosen))

    def output(self, tensor: TensorBase, name: str, role: Role, of: str = "") -> int:
        """Adds an output; gives its position."""
        self.trace.graph.add_output(tensor._read(self.trace), name, role, of)
        return len(self.trace.graph.outputs) - 1

    def add_results(self, leaves: list[Any]) -> None:
        """The tensors among the leaves; None takes their places."""
        single = len(leaves) == 1
        for position, leaf in enumerate(leaves):
            if isinstance(leaf, TensorBase):
                name = "output" if single else f"output_{position}"
                self.effects.append(Returned(self.output(leaf, name, Role.RESULT), position))
                leaves[position] = None
            elif isinstance(leaf, SymInt):
                found = self.output(leaf.tensor(), f"output_{position}", Role.RESULT)
                self.effects.append(SizeReturned(found, position))
                leaves[position] = None
            elif leaf is not None and not isinstance(leaf, bool | int | float | str):
                raise TraceError(
                    f"a compiled function returned {type(leaf).__name__}; it can return tensors, "
                    "numbers, strings and None in tuples, lists and dicts"
                )

    def pairs(self) -> list[tuple[int, Tensor, Value]]:
        """Each argument with its position, its tensor and its input."""
        inputs = self.trace.graph.inputs
        return [(i, s, v) for i, (s, v) in enumerate(zip(self.symbols, inputs, strict=True))]

    def add_arguments(self) -> None:
        for position, symbol, value in self.pairs():
            if symbol._read(self.trace) is not value:
                name = value.hint
                output = self.output(symbol, f"{name}_after", Role.ARGUMENT, name)
                self.effects.append(ArgumentWritten(output, position))

    def add_gradients(self) -> None:
        """What the code left in ``grad`` attributes of tensors that are no arguments.

        A gradient that an optimizer of this trace consumed, and that the code does not read before
        it sets it, is dropped unless it shall be kept: only a look from outside could see it.
        """
        trace, own = self.trace, {id(s) for s in self.symbols}
        cleared: list[ref[TensorBase]] = []
        count = 0
        for note in list(trace.grads.values()):
            tensor = cast("TensorBase", note.tensor)
            if id(tensor) in own or not note.is_changed:
                continue
            unseen = id(tensor) in trace.consumed and not note.was_read and not self.keep_grads
            if note.now is None or unseen:
                cleared.append(ref(tensor))
                count += 1
                continue
            of = trace.state_name(tensor._storage) or ""
            output = self.output(note.now, f"grad_{count}", Role.GRADIENT, of)
            self.effects.append(GradientSet(output, ref(tensor)))
            count += 1
        if cleared:
            self.effects.append(GradientsCleared(tuple(cleared)))

    def add_argument_gradients(self) -> None:
        for position, symbol, value in self.pairs():
            note = self.trace.grads.get(id(symbol))
            if note is not None and note.now is not None:
                name = value.hint
                output = self.output(note.now, f"{name}_grad", Role.ARGUMENT_GRADIENT, name)
                self.effects.append(ArgumentGradient(output, position))

    def add_leaves(self) -> None:
        chosen = self.trace.leaves_set()
        if chosen:
            self.effects.append(LeavesSet(tuple((ref(t), now) for t, now in chosen)))


def _all_hold(flags: list[Flag]) -> Callable[[], bool]:
    """Whether all flags hold: written out for the many that are alike."""
    plain = [(f.owner, f.wanted) for f in flags if f.wanted is not None and not f.written]
    others = [f for f in flags if f.wanted is None or f.written]

    def holds() -> bool:
        for owner, wanted in plain:
            tensor = owner()
            if tensor is not None and (tensor._edge is not None) is not wanted:
                return False
        return all(f.holds() for f in others)

    return holds


def _guard_of(module: ModuleLike, path: str) -> tuple[Callable[[], bool], Callable[[], str]]:
    found = module._fingerprint()

    def holds() -> bool:
        return bool(module._fingerprint() == found)

    return holds, lambda: f"module {path!r} has {module._difference(found)} now"
