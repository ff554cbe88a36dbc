"""What a trace that is complete leaves to its calls: outputs, effects and guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import ref

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.arguments import Argument, result_names
from nngraph.frontend.capture.carry import Change
from nngraph.frontend.capture.effects import (
    ArgumentFlag,
    ArgumentGradient,
    ArgumentWritten,
    Effect,
    GradientsCleared,
    GradientSet,
    LeavesSet,
    Looked,
    ModesSet,
    NumberReturned,
    Returned,
    SizeReturned,
)
from nngraph.frontend.capture.holding import Holding
from nngraph.frontend.capture.joins import history_of
from nngraph.frontend.capture.leaving import Leaving
from nngraph.frontend.capture.overlay import Flag
from nngraph.frontend.capture.pullback import Left, StateWritten
from nngraph.frontend.capture.recorder import Put, Trace
from nngraph.frontend.capture.steady import found_once
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.watch import Watch, element_facts
from nngraph.frontend.errors import TraceError, selection_is_unheld
from nngraph.frontend.host import is_host_number
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.pytree import Tree, flatten
from nngraph.frontend.storage import Path, Storage
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import source_of
from nngraph.ir.graph import Value
from nngraph.ir.roles import Role
from nngraph.passes.base import Context
from nngraph.passes.selected import Hold, Unheld

__all__ = ["Finish", "Given"]


@dataclass(frozen=True)
class Given:
    """What a trace is of.

    Attributes:
        arguments: the leaves of its arguments.
        keep_grads: keep gradients that an optimizer consumed, too.
        watched: arrays that it may have read as constants.
        tables: what the first call that succeeds puts into objects, found by earlier runs.
        joins: whether what the code leaves has its history after the call.
    """

    arguments: Sequence[Argument]
    keep_grads: bool
    watched: Sequence[Watch]
    tables: Sequence[Put]
    joins: bool = False


class Finish:
    """Reads from a trace what its calls leave behind."""

    def __init__(self, trace: Trace, symbols: Sequence[Tensor], of: Given) -> None:
        self.trace = trace
        self.symbols = symbols
        self.of = of
        given = [a for a in of.arguments if a.type is not None]
        self.required = [a.requires_grad for a in given] + [False] * len(symbols)
        self.effects: list[Effect] = []
        self.result: Tree | None = None
        self.leaves: list[Any] = []
        self.carried: list[str] = []
        self.on_host: list[str] = []
        self._outputs: dict[Storage, int] = {}
        self._left: list[tuple[Left, Tensor]] = []

    def collect(self, returned: Any, changes: Sequence[Change]) -> None:
        """What needs the world of the trace, and the symbols at their places."""
        trace, leaves = self.trace, self.leaves
        trace.refuse_lost()
        self.result = flatten(returned, leaves)
        for kind in self.result.objects():
            raise TraceError(
                f"a compiled function returns tensors and values, not a {kind.__name__}, of which "
                "it would be a copy: use it outside, or return its get_state()"
            )
        self.add_results(leaves)
        self.add_arguments()
        self.add_gradients()
        self.add_argument_gradients()
        self.add_argument_flags()
        self.add_leaves()
        leaving = Leaving(trace.carry, trace, self.symbols, self.place_output)
        self.effects += leaving.effects(changes)
        self._left += leaving.left
        self.carried, self.on_host = leaving.described, leaving.on_host
        if trace.first.only:
            self.effects.append(trace.first)
        for storage, cell in trace.cells.items():
            trace.graph.set_state(cell.name, trace.look(storage, None))
        for tensor in trace.written_tensors():
            written = StateWritten(ref(tensor), tensor._storage)
            self._left.append((written, cast("Tensor", tensor)))
        if self.of.joins:
            self.effects += history_of(trace, self.symbols, self._left)
        try:
            Hold().run(trace.graph, Context())
        except Unheld as error:
            raise selection_is_unheld(error.what, source_of(error.origin)) from None

    def traced(self) -> Traced:
        """The trace, once everything is back at its place."""
        trace = self.trace
        assert self.result is not None, "collect() comes first"
        self.guard_flags()
        self.guard_modules()
        holding = Holding(trace.carry, [put[2] for put in trace.tables_put()])
        for key, check, reason, covered in holding.facts(trace.carry):
            trace.guard(key, check, reason, covered, str(key))
        elements, large = element_facts(self.of.watched)
        for name, same in elements:
            reason = f"the elements of {name}, are others now"
            trace.guard(("elements", name), same, reason, False, f"the elements of {name}")
        return Traced(
            trace.graph,
            list(trace.cells.values()),
            trace.readers,
            list(trace.guards.values()),
            self.result,
            self.leaves,
            self.effects,
            trace.carry.program,
            holding,
            [*self.of.tables, *trace.puts],
            self.carried,
            self.on_host,
            holding.described + large,
            found_once(trace, {id(s) for s in self.symbols}),
            trace.rebound,
            {id(m.module): m.now for m in trace.modes.values()},
            list(trace.carry.told),
            list(trace.called.values()),
        )

    def place_output(self, storage: Storage, path: Path | None, name: str) -> int:
        """The position of the output that holds what code put at a place: a part of a storage."""
        if path is not None or storage not in self._outputs:
            graph = self.trace.graph
            graph.add_output(self.trace.look(storage, path), f"{name}_after", Role.PLACE, name)
            if path is not None:
                return len(graph.outputs) - 1
            self._outputs[storage] = len(graph.outputs) - 1
        return self._outputs[storage]

    def guard_flags(self) -> None:
        flags = self.trace.flags_met()

        def reason() -> str:
            name = next(f.name for f in flags if not f.holds())
            return f"requires_grad of {f'{name!r}' if name else 'a tensor'} changed"

        if flags:
            what = f"requires_grad of {len(flags)} tensors"
            self.trace.guard("flags", _all_hold(flags), reason, True, what)
        self.trace.guard("hooks", self.trace.hooks_hold(), "the hooks of a leaf changed", True)

    def guard_modules(self) -> None:
        """The modules that ran, and the modes that the code asked for, as they are now.

        A trace changes neither: what the code set for a while is no reason to trace again.
        """
        trace = self.trace
        for module in trace.modules_met.values():
            path = trace.path_of(module)
            key, what = ("module", id(module)), f"module {path!r}"
            skip = trace.carry.symbolic_attributes(module)
            trace.guard(key, *_guard_of(module, path, skip), True, what)
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
        position = len(self.trace.graph.outputs) - 1
        if tensor._view is None:
            self._outputs.setdefault(tensor._storage, position)
        return position

    def add_results(self, leaves: list[Any]) -> None:
        """The tensors among the leaves; None takes their places."""
        assert self.result is not None, "collect() has it"
        for position, (leaf, name) in enumerate(
            zip(leaves, result_names(self.result), strict=True)
        ):
            if isinstance(leaf, TensorBase):
                returned = Returned(self.output(leaf, name, Role.RESULT), position)
                self.effects.append(returned)
                self._left.append((returned, cast("Tensor", leaf)))
                leaves[position] = None
            elif isinstance(leaf, SymInt):
                found = self.output(leaf.tensor(), name, Role.RESULT)
                self.effects.append(SizeReturned(found, position))
                leaves[position] = None
            elif is_host_number(leaf):
                self.effects.append(NumberReturned(self.trace.carry.slot(leaf), position))
                leaves[position] = None
            elif leaf is not None and not isinstance(leaf, bool | int | float | str):
                raise TraceError(
                    f"a compiled function returned {type(leaf).__name__}; it can return tensors, "
                    "numbers, strings and None in tuples, lists, dicts and dataclasses"
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
                written = ArgumentWritten(output, position)
                self.effects.append(written)
                self._left.append((written, symbol))

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
            unseen = id(tensor) in trace.consumed and not note.was_read and not self.of.keep_grads
            if note.now is None or unseen:
                cleared.append(ref(tensor))
                count += 1
                continue
            held = None if note.found is None else trace.state_name(note.found._storage)
            if held is not None and note.now.aval == note.found.aval:
                output = self.output(note.now, f"grad_{count}", Role.PLACE, held)
            else:
                of = trace.state_name(tensor._storage) or ""
                output = self.output(note.now, f"grad_{count}", Role.GRADIENT, of)
            self.effects.append(GradientSet(output, ref(tensor)))
            count += 1
        if cleared:
            self.effects.append(GradientsCleared(tuple(cleared)))

    def add_argument_gradients(self) -> None:
        looked_at = self.looked()
        for position, symbol, value in self.pairs():
            note = self.trace.grads.get(id(symbol))
            if note is None or note.now is note.found:
                continue
            output = None
            if note.now is not None:
                name = value.hint
                output = self.output(note.now, f"{name}_grad", Role.ARGUMENT_GRADIENT, name)
            replaces = note.found is not None
            self.effects.append(ArgumentGradient(output, position, replaces, looked_at))

    def add_argument_flags(self) -> None:
        """Whether arguments require gradients after a call, as far as the code said so."""
        trace = self.trace
        set_now = {id(t): now for t, now in trace.leaves_of_arguments()}
        for position, symbol, _ in self.pairs():
            if id(symbol) not in set_now:
                continue
            now, before = set_now[id(symbol)], self.required[position]
            flag = None if now is before else now
            switched = id(symbol) in trace.switched_off
            if flag is not None or switched:
                self.effects.append(ArgumentFlag(position, flag, switched))

    def looked(self) -> Looked:
        place = {id(symbol): position for position, symbol, _ in self.pairs()}
        met = self.trace.looked
        return Looked(
            tuple(place[i] for i in met if i in place),
            tuple(ref(tensor) for i, tensor in met.items() if i not in place),
        )

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


def _guard_of(
    module: ModuleLike, path: str, skip: frozenset[str]
) -> tuple[Callable[[], bool], Callable[[], str]]:
    found = module._fingerprint(skip)

    def holds() -> bool:
        return bool(module._fingerprint(skip) == found)

    return holds, lambda: f"module {path!r} has {module._difference(found, skip)} now"
