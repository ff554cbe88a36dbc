"""Traces one call: arguments in, graph out, with what the call leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nngraph.frontend.capture.arguments import Argument, argument_of, call_of, leaf_names
from nngraph.frontend.capture.carry import Carry
from nngraph.frontend.capture.finish import Finish, Given
from nngraph.frontend.capture.ingraph import NumbersInGraph
from nngraph.frontend.capture.numbers import Numbers
from nngraph.frontend.capture.reach import Reach
from nngraph.frontend.capture.recorder import NOTHING, Assumed, Put, Trace, put_again, take_back
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.watch import Watch, refuse_moved, watches
from nngraph.frontend.errors import NotYet, TraceError, size_is_unknown
from nngraph.frontend.host import is_host_number
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.frontend.record import Leaf, LeafHooks
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.userline import source_of_error
from nngraph.frontend.world import inside
from nngraph.ir.dims import UnknownSize
from nngraph.ir.graph import Graph

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
    joins: bool = False,
) -> Traced:
    """Runs ``function`` on symbolic tensors, and once more where it changes what it had read.

    Nothing that existed before is changed, whatever happens.

    Args:
        function: what to trace.
        tree, arguments: structure and leaves of its arguments.
        keep_grads: keep gradients that an optimizer consumed, too.
        plan: names of places whose numbers and tensors each call shall read.
        assumed: what the trace need not look at.
        joins: whether what the function leaves shall have its history after a call.

    Raises:
        TraceError: where the code needs a value, returns something that no graph computes, or
            changes what no call can change.
    """
    while True:
        try:
            given = function, tree, arguments, keep_grads, plan, assumed, joins
            return _traced_call(_Tracing(*given))
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
        joins: bool,
    ) -> None:
        self.function = function
        self.joins = joins
        self.assumed = assumed
        self.tree = tree
        self.arguments = arguments
        self.keep_grads = keep_grads
        self.plan = plan
        self.names = leaf_names(function, tree)
        self.tables: list[Put] = []
        self.numbers = Numbers(arguments, self.names)
        self.reach = self._reached()
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
            trace.carry = self._carry(changing, trace)
            found = self._traced(trace)
        finally:
            take_back(self.tables)
            trace.__dict__.pop("carry", None)  # no cycle: tensors of the trace go now
        if not isinstance(found, Traced):
            self._find(trace.shared_tables())
        return found

    def _carry(self, changing: frozenset[str], trace: Trace) -> Carry:
        assumed = self.assumed
        if assumed.numbers_in_graph:
            return NumbersInGraph(self.reach, self.plan, changing, trace, assumed.steps)
        return Carry(self.reach, self.plan, changing, trace)

    def _find(self, tables: Sequence[Put]) -> None:
        """The next run finds these tables there, so that what users keep in them is carried."""
        if not tables:
            return
        for _, _, table, _ in tables:
            table.clear()
        self.tables += tables
        put_again(self.tables)
        try:
            self.reach = self._reached()
        finally:
            take_back(self.tables)

    def _reached(self) -> Reach:
        reach = Reach(self.function)
        if self.numbers.box is not None:
            reach.boxes.append(self.numbers.box)
        return reach

    def _traced(self, trace: Trace) -> Traced | frozenset[str]:
        carry = trace.carry
        try:
            symbols, leaves = self._symbols(trace)
            args, kwargs = unflatten(self.tree, leaves)
            with inside(trace):
                returned = self._called(args, kwargs)
                changes = carry.changes()
                missing = carry.missing(changes)
                returned = returned if missing else _with_numbers(returned, carry)
                missing = missing or carry.close()
                if missing or trace.shared_tables():
                    return missing
                self._need_as_given(args, kwargs, leaves)
                kept = self.watched, self.tables
                given = Given(self.arguments, self.keep_grads, *kept, self.joins)
                finish = Finish(trace, symbols, given)
                finish.collect(returned, changes)
        except UnknownSize as error:
            raise size_is_unknown("this code", error.dim, source_of_error(error)) from error
        finally:
            trace.take_back()
            carry.restore()
        call = call_of(self.tree, self.arguments, self.names)
        return replace(finish.traced(), numbers=self.numbers, call=call)

    def _called(self, args: Any, kwargs: Any) -> Any:
        recorded = is_grad_enabled()
        returned = self.function(*args, **kwargs)
        if is_grad_enabled() is not recorded:
            raise TraceError(
                f"set_grad_enabled({not recorded}) stays in force after the traced code, which "
                f"only the first call would do.\nWrite `with ng.set_grad_enabled({not recorded})`, "
                "or set it outside."
            )
        return returned

    def _symbols(self, trace: Trace) -> tuple[list[Tensor], list[Any]]:
        symbols: list[Tensor] = []
        leaves: list[Any] = []
        for argument, name in zip(self.arguments, self.names, strict=True):
            if argument.type is None:
                same = argument.same
                value = self.numbers.values[name] if argument.varies else argument.value
                leaves.append(value if same is None else leaves[same])
                continue
            symbol = Tensor(trace.hold(trace.graph.add_input(argument.type, name)))
            if argument.requires_grad:
                symbol._edge = Leaf(symbol, argument.is_made)
            leaves.append(symbol)
            symbol._hooks = LeafHooks(*argument.hooks) if any(argument.hooks) else None
            symbols.append(symbol)
            trace.argument(symbol)
        self._gradients(trace, symbols, leaves)
        for argument, name in zip(self.arguments, self.names, strict=True):
            if argument.varies:
                symbols += trace.carry.enter(self.numbers.values[name], name)
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


def _with_numbers(returned: Any, carry: Carry) -> Any:
    """What the code returned, with tensors for the numbers that the graph has."""
    leaves: list[Any] = []
    tree = flatten(returned, leaves)
    if not any(map(is_host_number, leaves)):
        return returned
    return unflatten(tree, [carry.returned(v) if is_host_number(v) else v for v in leaves])
