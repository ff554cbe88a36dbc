"""Functions that are traced at their first call for each kind of arguments, then run compiled."""

from __future__ import annotations

import copy
import functools
import logging
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any, Generic, TypeVar, cast

from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.backends.watch import Recording
from nngraph.frontend.capture.arguments import argument_of, arguments_of, leaf_names
from nngraph.frontend.capture.history import Call, Reason, why_another_call
from nngraph.frontend.capture.numbers import fixed
from nngraph.frontend.capture.recorder import NOTHING, Assumed
from nngraph.frontend.capture.specialization import Specialization
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.tracing import trace_call
from nngraph.frontend.capture.varying import Varying, with_numbers_of
from nngraph.frontend.modes import is_grad_enabled, recording
from nngraph.frontend.precision.state import current, resumed
from nngraph.frontend.pytree import flatten, unflatten
from nngraph.frontend.world import world
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.runtime.locks import tracing
from nngraph.runtime.step import Checks, CompiledStep

__all__ = ["CompiledFunction", "kind_of_call"]

_R = TypeVar("_R")
_log = logging.getLogger("nngraph.compile")
#: More traces for other reasons than sizes are worth a warning.
_MANY = 8


class CompiledFunction(Generic[_R]):
    """A function that is traced at its first call for each kind of arguments, then run compiled.

    In a class it is a method: each object has a compiled function of its own.

    ``copy.copy`` gives another compiled function of the same function, without its traces;
    ``copy.deepcopy`` one of a deep copy of it. That copies the parameters of a module and the
    object of a bound method; a plain function is never copied in Python, so that the copy meets the
    same tensors. Pickled is what it was made from, never what was compiled.

    Attributes:
        target: what it is compiled for.
        graph: the graph of the latest trace.
    """

    def __init__(
        self,
        function: Callable[..., _R],
        target: Target,
        checks: Checks,
        keep_grads: bool,
        dynamic: bool,
    ) -> None:
        self.function = function
        self._varying = Varying() if dynamic else None
        self.target = target
        self.checks = checks
        self.keep_grads = keep_grads
        self._known: dict[Call, list[Specialization]] = {}
        self._fixed = set[Call]()  # whose floats shape the trace
        self._latest: Specialization | None = None
        self._history: list[tuple[str, Traced]] = []
        self._reasons: list[str] = []  # other than sizes of arguments
        self._tracing = threading.RLock()
        self._name_in_class: str | None = None
        self._method_of: str | None = None
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> _R:
        return cast("_R", world().call(self, args, kwargs))

    # -- copies, methods ---------------------------------------------------------------------
    def _of(self, function: Callable[..., _R]) -> CompiledFunction[_R]:
        """Another function, compiled in the same way."""
        return CompiledFunction(function, *self._options)

    @property
    def _options(self) -> tuple[Target, Checks, bool, bool]:
        return self.target, self.checks, self.keep_grads, self._varying is not None

    def __copy__(self) -> CompiledFunction[_R]:
        return self._of(self.function)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction[_R]:
        made = memo[id(self)] = self._of(copy.deepcopy(self.function, memo))
        return made

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By its name, where it is found by that; otherwise by what it was made from.

        Raises:
            PicklingError: for a function that has no name to be found by.
        """
        function: Any = self.function
        if isinstance(function, FunctionType):
            found = _named(function)
            if found is self:
                return function.__qualname__
            if found is not function:
                raise pickle.PicklingError(
                    f"can't pickle the compiled function {function.__qualname__!r}: it is pickled "
                    "by its name, and there is no such name at the top level of "
                    f"{function.__module__!r}. Define the function there, or compile it anew where "
                    "you need it and load model.state_dict() and optimizer.state_dict(); ng.export "
                    "writes what runs without this code."
                )
        if isinstance(function, MethodType) and self._method_of is not None:
            return getattr, (function.__self__, self._method_of)
        return CompiledFunction, (function, *self._options)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name_in_class = name

    def __get__(self, instance: Any, owner: type | None = None) -> CompiledFunction[_R]:
        """The compiled method of an object, which keeps it."""
        name = self._name_in_class
        if instance is None or name is None or not isinstance(self.function, FunctionType):
            return self
        try:
            kept = instance.__dict__
        except AttributeError:
            raise TypeError(
                f"{type(instance).__name__} has __slots__ and no room for its compiled {name}(): "
                f"write self.{name} = ng.compile(self._{name}) in __init__"
            ) from None
        key = f"_compiled_{name}"
        bound = kept.get(key)
        if bound is None:
            bound = kept[key] = self._of(MethodType(self.function, instance))
            bound._method_of = name
        return cast("CompiledFunction[_R]", bound)

    # -- calls ---------------------------------------------------------------------------------
    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _R:
        """Runs compiled code for these arguments, tracing first what was not traced yet."""
        return cast("_R", self._on(args, kwargs, Specialization.run))

    def watched(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], calls: int
    ) -> tuple[Recording, CompiledStep]:
        """What calls with these arguments do, and what they run; no state is changed."""

        def use(made: Specialization, passed: list[Any]) -> tuple[Recording, CompiledStep]:
            return made.watched(passed, calls), made.step

        return cast("tuple[Recording, CompiledStep]", self._on(args, kwargs, use))

    def _on(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        use: Callable[[Specialization, list[Any]], Any],
    ) -> Any:
        """What ``use`` makes of the trace for these arguments, and of their values."""
        given, passed = kind_of_call(args, kwargs)
        if self._fixed and given in self._fixed:
            given = _with_fixed_numbers(given)
        while True:
            call = given if self._varying is None else self._varying.general(given)
            for specialization in reversed(self._known.get(call, ())):
                with specialization.alone():
                    if specialization.is_valid(given.arguments):
                        self._latest = specialization
                        return use(specialization, passed)
            with self._tracing:  # one thread traces, and the others that wait take its trace
                made = None if self.is_known(call, given) else self._made(call, given)
            if made is not None:
                with made.alone():
                    if made.is_valid(
                        given.arguments
                    ):  # another thread may have changed what it relies on
                        self._latest = made
                        return use(made, passed)

    def is_known(self, call: Call, given: Call) -> bool:
        """Whether a trace for such calls is valid for this one now."""
        for specialization in reversed(self._known.get(call, ())):
            with specialization.alone():
                if specialization.is_valid(given.arguments):
                    return True
        return False

    def _made(self, call: Call, given: Call) -> Specialization:
        """A new trace for a kind of call, or for the very sizes and floats where that fails.

        What is wrong with the code at all is raised by the last of these.
        """
        failed: list[Exception] = []
        kinds = dict.fromkeys((call, given, _with_fixed_numbers(given)))
        for left, kind in zip(range(len(kinds) - 1, -1, -1), kinds, strict=True):
            try:
                made = self._new(kind, given)
                break
            except Exception as error:
                if not left:
                    raise
                failed.append(error)
        if failed and self._varying is not None and call != given:
            self._varying.give_up(call, failed[0])
        if kind not in (call, given):
            self._fixed.add(given)
        return made

    def _new(self, call: Call, given: Call) -> Specialization:
        known = self._known.get(call, ())
        if known:  # the nearest is the one of which most still holds
            reason = Reason.of(min((s.broken() for s in reversed(known)), key=len))
        else:
            names = leaf_names(self.function, call.tree)
            reason = why_another_call(call, list(self._known), names)
        made = self._specialize(with_numbers_of(given, call), reason)
        self._known.setdefault(call, []).append(made)
        return made

    def _specialize(self, call: Call, reason: Reason) -> Specialization:
        backend = get_backend(self.target.backend)
        traced = self._trace(call, joins=call.grad)
        built = build(backend, traced.graph, self.target)
        self._note(traced, call, reason)
        if traced.pullback is not None:
            traced.pullback.make = self._made_backward
        return Specialization(traced, built, self.checks)

    def _made_backward(self, graph: Graph) -> Callable[[Sequence[Array]], Sequence[Array]]:
        """What runs the second graph of a call."""
        built = build(get_backend(self.target.backend), graph, self.target)
        return CompiledStep(graph, built, (), (), self.checks).run

    def _trace(
        self,
        call: Call,
        assumed: Assumed = NOTHING,
        function: Callable[..., Any] | None = None,
        joins: bool = False,
    ) -> Traced:
        known = [each for group in self._known.values() for each in group]
        plan = frozenset(name for each in known for name in each.traced.holding.moved)
        tree, arguments = call.tree, call.arguments
        with tracing(), recording(call.grad), resumed(call.autocast):
            traced = function or self.function
            return trace_call(traced, tree, arguments, self.keep_grads, plan, assumed, joins)

    def next_trace(
        self,
        assumed: Assumed = NOTHING,
        function: Callable[..., Any] | None = None,
        added: Mapping[str, Any] | None = None,
    ) -> Traced:
        """What another call like the latest one would run; it is not compiled.

        Modules are in the modes in which the latest call left them.

        Args:
            assumed: what the trace need not look at.
            function: what to trace in place of this function, for the same arguments.
            added: values or specs of more arguments that it takes, by name.

        Raises:
            RuntimeError: if the function was not called yet.
            TraceError: if the function has to be traced again, and cannot be.
        """
        latest = self._specialization()
        call = next(c for c, group in self._known.items() if latest in group)
        call = call._replace(arguments=latest.traced.numbers.filled(call.arguments))
        with latest.alone():
            plain = assumed == NOTHING and function is None and latest.traced.pullback is None
            if plain and latest.is_valid():
                return latest.traced
        if added:
            args, kwargs = unflatten(call.tree, list(call.arguments))
            more = {name: argument_of(value)[0] for name, value in added.items()}
            leaves: list[Any] = []
            tree = flatten((args, kwargs | more), leaves)
            call = Call(tree, tuple(leaves), call.grad, call.autocast)
        return self._trace(call, replace(assumed, modes=latest.traced.modes), function)

    def _note(self, traced: Traced, call: Call, reason: Reason) -> None:
        name = getattr(self, "__name__", "function")
        shown = ", ".join(str(a.type) for a in call.arguments if a.type is not None)
        count = len(self._history) + 1
        line = f"trace {count} ({reason.text}): {shown} -> {len(traced.graph)} nodes"
        self._history.append((line, traced))
        _log.debug("%s: %s", name, line)
        if reason.sizes:
            return
        self._reasons.append(reason.text)
        if len(self._reasons) == _MANY + 1:
            listed = "\n".join(f"    {text}" for text in self._reasons[1:])
            warnings.warn(
                f"{name} was traced {count} times, which takes long each time; the reasons:\n"
                f"{listed}\nPass numbers that change as floats or tensors, and what else changes "
                "from call to call to functions of their own. (This is said once.)",
                RuntimeWarning,
                stacklevel=2,
            )

    @property
    def graph(self) -> Graph:
        """The graph of the latest call's trace, as traced (before any pass).

        Raises:
            RuntimeError: if the function was not called yet.
        """
        return self._specialization().traced.graph

    @property
    def traced(self) -> Traced:
        """The latest trace."""
        return self._specialization().traced

    def _specialization(self) -> Specialization:
        if self._latest is None:
            raise RuntimeError(
                "nothing was traced yet: call the compiled function once, or use "
                "ng.trace(function, *arguments)"
            )
        return self._latest

    def explain(self) -> str:
        """What was traced and why, and what the passes of the latest trace did.

        Of each trace: what changes from call to call (carried Python values, states of the graph,
        numbers that are read), what is guarded - another value of it traces again - and what is
        baked into the graph.
        """
        parts = [f"{self.target.backend} on {self.target.device}"]
        for line, traced in self._history:
            parts += [line, *traced.explained()]
        if self._varying is not None:
            parts += self._varying.fixed
        if self._latest is not None:
            parts += ["passes of the latest trace:", *self._latest.step.built.log]
        return "\n".join(parts)


def _named(function: FunctionType) -> Any:
    """What is found in the function's module by its name."""
    found: Any = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found


def _with_fixed_numbers(call: Call) -> Call:
    return call._replace(arguments=tuple(map(fixed, call.arguments)))


def kind_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, list[Any]]:
    """What decides which traces may serve a call, and the values of the graph's inputs."""
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    arguments, passed = arguments_of(leaves)
    return Call(tree, arguments, is_grad_enabled(), current()), passed
