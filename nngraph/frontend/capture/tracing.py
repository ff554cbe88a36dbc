"""Traces one call: arguments in, graph out, with what the call leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from weakref import ref

from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.arguments import Argument, argument_of, leaf_names
from nngraph.frontend.capture.carry import Carry, Change
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
from nngraph.frontend.capture.leaving import Leaving
from nngraph.frontend.capture.overlay import Flag
from nngraph.frontend.capture.reach import Reach
from nngraph.frontend.capture.recorder import NOTHING, Assumed, Put, Trace, put_again, take_back
from nngraph.frontend.capture.steady import found_once
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.watch import Watch, element_facts, refuse_moved, watches
from nngraph.frontend.errors import NotYet, TraceError, selection_is_unheld, size_is_unknown
from nngraph.frontend.host import is_host_number
from nngraph.frontend.protocols import ModuleLike
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.frontend.record import LeafHooks
from nngraph.frontend.storage import Storage
from nngraph.frontend.symint import SymInt
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import source_of, source_of_error
from nngraph.frontend.world import inside
from nngraph.ir.dims import UnknownSize
from nngraph.ir.graph import Graph, Value
from nngraph.ir.roles import Role
from nngraph.passes.base import Context
from nngraph.passes.selected import Hold, Unheld

__all__ = ["trace_arguments", "trace_call"]


def trace_arguments(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    assumed: Assumed = NOTHING,
) -> Traced:
    """Traces ``function(*args, **kwargs)``; arguments may be values or ``Spec``s.

    Raises:
        TraceError: as ``trace_call``.
    """
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    arguments = [argument_of(leaf)[0] for leaf in leaves]
    return trace_call(function, tree, arguments, assumed=assumed)


def trace_call(
    function: Callable[..., Any],
    tree: Tree,
    arguments: Sequence[Argument],
    keep_grads: bool = False,
    plan: frozenset[str] = frozenset(),
    assumed: Assumed = NOTHING,
) -> Traced:
    """Runs ``function`` on symbolic tensors, and once more where it changes what it had read.

    Nothing that existed before is changed, whatever happens.

    Args:
        function: what to trace.
        tree, arguments: structure and leaves of its arguments.
        keep_grads: keep gradients that an optimizer consumed, too.
        plan: names of places whose numbers and tensors each call shall read.
        assumed: what the trace need not look at.

    Raises:
        TraceError: where the code needs a value, returns something that no graph computes, or
            changes what no call can change.
    """
    while True:
        try:
            return _traced_call(_Tracing(function, tree, arguments, keep_grads, plan, assumed))
        except NotYet as needed:
            needed.action()


def _traced_call(call: _Tracing) -> Traced:
    changing = frozenset[str]()
    for _ in range(_ROUNDS):
        found = call.run(changing)
        if isinstance(found, Traced):
            return found
        changing |= found
    raise TraceError(
        f"the traced code changes other places of Python's objects each time it runs: "
        f"{', '.join(sorted(changing)[:5])}, ..."
    )


#: How often the code runs until all that it changes holds symbols.
_ROUNDS = 8


class _Tracing:
    """What the runs of one trace have in common."""

    def __init__(
        self,
        function: Callable[..., Any],
        tree: Tree,
        arguments: Sequence[Argument],
        keep_grads: bool,
        plan: frozenset[str],
        assumed: Assumed,
    ) -> None:
        self.function = function
        self.assumed = assumed
        self.tree = tree
        self.arguments = arguments
        self.keep_grads = keep_grads
        self.plan = plan
        self.names = leaf_names(function, tree)
        self.tables: list[Put] = []
        self.reach = Reach(function)
        self.watched = watches(self.reach.others)

    def run(self, changing: frozenset[str]) -> Traced | frozenset[str]:
        """One run: the trace, or the names of places that have to hold symbols first."""
        moved: list[Watch] = []
        try:
            found = self._run(changing)
        finally:
            moved = [watch for watch in self.watched if watch.moved()]
            for watch in moved:
                watch.restore()
        if moved:
            raise refuse_moved(moved, lambda: self._run(changing))
        return found

    def _run(self, changing: frozenset[str]) -> Traced | frozenset[str]:
        trace = Trace(Graph(getattr(self.function, "__name__", "main")), self.assumed)
        put_again(self.tables)
        try:
            trace.carry = Carry(self.reach, self.plan, changing, trace)
            found = self._traced(trace)
        finally:
            take_back(self.tables)
            trace.__dict__.pop("carry", None)  # no cycle: tensors of the trace go now
        if not isinstance(found, Traced):
            self._find(trace.shared_tables())
        return found

    def _find(self, tables: Sequence[Put]) -> None:
        """The next run finds these tables there, so that what users keep in them is carried."""
        if not tables:
            return
        for _, _, table, _ in tables:
            table.clear()
        self.tables += tables
        put_again(self.tables)
        try:
            self.reach = Reach(self.function)
        finally:
            take_back(self.tables)

    def _traced(self, trace: Trace) -> Traced | frozenset[str]:
        carry = trace.carry
        try:
            symbols, leaves = self._symbols(trace)
            args, kwargs = unflatten(self.tree, leaves)
            with inside(trace):
                returned = self.function(*args, **kwargs)
                changes = carry.changes()
                missing = carry.missing(changes)
                if missing or trace.shared_tables():
                    return missing
                self._need_as_given(args, kwargs, leaves)
                finish = _Finish(trace, symbols, self)
                finish.collect(returned, changes)
        except UnknownSize as error:
            raise size_is_unknown("this code", error.dim, source_of_error(error)) from error
        finally:
            trace.take_back()
            carry.restore()
        return finish.traced()

    def _symbols(self, trace: Trace) -> tuple[list[Tensor], list[Any]]:
        symbols: list[Tensor] = []
        leaves: list[Any] = []
        for argument, name in zip(self.arguments, self.names, strict=True):
            if argument.type is None:
                same = argument.same
                leaves.append(argument.value if same is None else leaves[same])
                continue
            symbol = Tensor(trace.hold(trace.graph.add_input(argument.type, name)))
            leaves.append(symbol.requires_grad_(argument.requires_grad))
            symbol._hooks = LeafHooks(*argument.hooks) if any(argument.hooks) else None
            symbols.append(symbol)
            trace.argument(symbol)
        self._gradients(trace, symbols, leaves)
        return symbols, leaves

    def _gradients(self, trace: Trace, symbols: list[Tensor], leaves: Sequence[Any]) -> None:
        """The gradients that arguments have when a call begins."""
        for position, argument in enumerate(self.arguments):
            if argument.gradient is None:
                continue
            symbol = leaves[position]
            if isinstance(argument.gradient, int):
                gradient = leaves[argument.gradient]
            else:
                name = f"{symbol._read(trace).hint}.grad"
                gradient = Tensor(trace.hold(trace.graph.add_input(argument.gradient, name)))
                symbols.append(gradient)
                trace.argument(gradient)
            trace.has_gradient(symbol, gradient)

    def _need_as_given(self, args: Any, kwargs: Any, leaves: list[Any]) -> None:
        """Lists and dicts that come in are no objects that a call could change.

        Raises:
            TraceError: if the code changed one.
        """
        after: list[Any] = []
        if flatten((args, kwargs), after) != self.tree or any(
            a is not b for a, b in zip(after, leaves, strict=True)
        ):
            raise TraceError(
                "the traced code changes a list or dict that was passed as an argument: a call "
                "gets its tensors, not the list itself.\nReturn what was added, or keep the list "
                "in an object that the function reaches (a variable of the enclosing function)."
            )


class _Finish:
    """Reads from a trace what its calls leave behind."""

    def __init__(self, trace: Trace, symbols: Sequence[Tensor], tracing: _Tracing) -> None:
        self.trace = trace
        self.symbols = symbols
        self.keep_grads = tracing.keep_grads
        self.watched = tracing.watched
        self.tables = tracing.tables
        given = [a for a in tracing.arguments if a.type is not None]
        self.numbers = frozenset(i for i, a in enumerate(given) if a.is_number)
        self.required = [a.requires_grad for a in given] + [False] * len(symbols)
        self.effects: list[Effect] = []
        self.result: Tree | None = None
        self.leaves: list[Any] = []
        self.carried: list[str] = []
        self.on_host: list[str] = []
        self._outputs: dict[Storage, int] = {}

    def collect(self, returned: Any, changes: Sequence[Change]) -> None:
        """What needs the world of the trace, and the symbols at their places."""
        trace, leaves = self.trace, self.leaves
        trace.refuse_lost()
        self.result = flatten(returned, leaves)
        self.add_results(leaves)
        self.add_arguments()
        self.add_gradients()
        self.add_argument_gradients()
        self.add_argument_flags()
        self.add_leaves()
        leaving = Leaving(trace.carry, trace, self.symbols, self.numbers, self.place_output)
        self.effects += leaving.effects(changes)
        self.carried, self.on_host = leaving.described, leaving.on_host
        if trace.first.only:
            self.effects.append(trace.first)
        for storage, cell in trace.cells.items():
            trace.graph.set_state(cell.name, trace.look(storage, None))
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
        elements, large = element_facts(self.watched)
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
            [*self.tables, *trace.puts],
            self.carried,
            self.on_host,
            holding.described + large,
            found_once(trace, {id(s) for s in self.symbols}),
            trace.rebound,
            {id(m.module): m.now for m in trace.modes.values()},
        )

    def place_output(self, storage: Storage, name: str) -> int:
        """The position of the output that holds a storage which code put at a place."""
        if storage not in self._outputs:
            graph = self.trace.graph
            graph.add_output(self.trace.look(storage, None), f"{name}_after", Role.PLACE, name)
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
            elif is_host_number(leaf):
                self.effects.append(NumberReturned(self.trace.carry.slot(leaf), position))
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
            held = None if note.found is None else trace.state_name(note.found._storage)
            if held is not None and note.now.type == note.found.type:
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
