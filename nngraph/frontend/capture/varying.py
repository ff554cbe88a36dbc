"""Sizes of arguments that differ from call to call, as names: one trace serves them all.

As in ``torch.compile(dynamic=True)`` sizes that are equal in all calls so far, together, are taken
for one size ("duck sizing"); calls where they are not get a trace of their own.
Source: https://docs.pytorch.org/docs/stable/torch.compiler_dynamic_shapes.html
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TypeVar, cast

from nngraph.frontend.capture.arguments import Argument
from nngraph.frontend.capture.history import Call, same_but_sizes
from nngraph.frontend.capture.numbers import are_integers, varying
from nngraph.ir.dims import Dim, SymDim, sym
from nngraph.ir.types import TensorType

__all__ = ["Varying", "with_numbers_of"]

_T = TypeVar("_T")
#: For how many kinds of calls it is remembered which trace serves them.
_KEPT = 4096
#: For each kind of pair (size in one call, size in another): the dimension that stands for both.
_Names = dict[tuple[Dim, Dim], Dim]


class Varying:
    """The kinds of calls of one function, by the sizes that may vary.

    Attributes:
        fixed: why sizes that differed got a trace each, a line each.
    """

    def __init__(self) -> None:
        self.fixed: list[str] = []
        self._of: dict[Call, Call] = {}
        self._general: list[Call] = []
        self._single: list[Call] = []
        self._refused = set[Call]()
        self._lock = threading.Lock()

    def general(self, call: Call) -> Call:
        """The kind whose trace shall serve a call: it has names for sizes that differed."""
        found = self._of.get(call)
        if found is None:
            with self._lock:
                if len(self._of) > _KEPT:  # integers and sizes that differ for ever
                    self._of.clear()
                found = self._of.get(call) or self._find(call)
                self._of[call] = found
        return found

    def _find(self, call: Call) -> Call:
        for kind in self._general:
            if _fits(call, kind):
                return kind
        for kind in (*reversed(self._general), *reversed(self._single)):
            made = _joined(kind, call)
            if made is not None and made not in self._refused:
                self._general.append(made)
                return made
        self._single.append(call)
        return call

    def give_up(self, kind: Call, error: Exception) -> None:
        """Traces with these names failed where one for the very sizes did not."""
        with self._lock:
            self._refused.add(kind)
            self._general = [k for k in self._general if k is not kind]
            calls = [call for call, of in self._of.items() if of is kind]
            self._of.update((call, call) for call in calls)
            self._single += calls
        names = ", ".join(str(a.type) for a in kind.arguments if a.type is not None)
        reason = str(error).strip().replace("\n", "\n    ")
        self.fixed.append(f"each size of {names} has a trace of its own: {reason}")


def _fits(call: Call, kind: Call) -> bool:
    """Whether a call is one of a kind: each name has one size, other integers are equal."""
    if not _alike(call, kind):
        return False
    pairs = zip(call.arguments, kind.arguments, strict=True)
    if any(are_integers(now) and not was.varies and now != was for now, was in pairs):
        return False
    sizes: dict[str, Dim] = {}
    for size, dim in _dims(call, kind):
        wanted = sizes.setdefault(str(dim), size) if isinstance(dim, SymDim) else dim
        if size != wanted:
            return False
    return True


def _joined(kind: Call, call: Call) -> Call | None:
    """The kind that serves both; None if more than sizes differs."""
    if not _alike(call, kind):
        return None
    names: _Names = {}
    for size, dim in _dims(call, kind):
        if size != dim and (dim, size) not in names:
            names[dim, size] = sym(f"s{len(names)}")
    pairs = zip(kind.arguments, call.arguments, strict=True)
    return call._replace(arguments=tuple(_serving(was, now, names) for was, now in pairs))


def _serving(was: Argument, now: Argument, names: _Names) -> Argument:
    """What stands for both."""
    if are_integers(was, now):
        return was if was.varies or was == now else varying(was)
    return replace(
        was,
        type=_named(was.type, now.type, names),
        gradient=_named(was.gradient, now.gradient, names),
    )


def with_numbers_of(call: Call, kind: Call) -> Call:
    """The kind with the numbers of one of its calls, from which it is traced."""
    pairs = zip(kind.arguments, call.arguments, strict=True)
    filled = (replace(was, number=now.number) if was.varies else was for was, now in pairs)
    return kind._replace(arguments=tuple(filled))


def _named(was: _T, now: object, names: _Names) -> _T:
    if not isinstance(was, TensorType) or not isinstance(now, TensorType):
        return was
    shape = [names.get(pair, pair[0]) for pair in zip(was.shape, now.shape, strict=True)]
    return cast("_T", was.with_shape(shape))


def _alike(call: Call, kind: Call) -> bool:
    same = call.tree == kind.tree and call.grad is kind.grad
    same = same and call.autocast == kind.autocast
    return same and all(map(_like, call.arguments, kind.arguments))


def _like(now: Argument, was: Argument) -> bool:
    return are_integers(now, was) or same_but_sizes(now, was)


def _dims(call: Call, kind: Call) -> list[tuple[Dim, Dim]]:
    """The sizes of a call's arguments and of their gradients, each beside that of a kind."""
    rows: list[tuple[Dim, Dim]] = []
    for now, was in zip(call.arguments, kind.arguments, strict=True):
        for one, two in ((now.type, was.type), (now.gradient, was.gradient)):
            if isinstance(one, TensorType) and isinstance(two, TensorType):
                rows += zip(one.shape, two.shape, strict=True)
    return rows
