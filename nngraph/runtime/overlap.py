"""Refuses memory that a call would write in one place and read in another.

A graph takes arguments and states as values of their own: what the code writes to one does not
show in another that shares its memory, as it does in eager code.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from nngraph.backends.spans import Spans
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature

__all__ = ["Apart"]

#: How many sets of arrays are noted after so many calls in a row that brought unknown ones.
_KEPT = (0, 1, 2, 2, 1)


class Apart:
    """The check of one graph's calls.

    Ranges of addresses are looked at first; only arrays that come near each other are compared
    exactly. Those of the states are noted: a backend uses one set of arrays, or two in turns. What
    is noted holds memory. So arrays that came from elsewhere, which the backend exchanges for its
    own in the same call, are not noted; and of a backend that makes new arrays for every call only
    the latest are.

    Args:
        signature: of the graph.
        written: positions of the arguments that a call writes to.
    """

    def __init__(self, signature: Signature, written: Sequence[int]) -> None:
        self._inputs = signature.inputs
        self._states = signature.states
        self._written = frozenset(written)
        states = range(len(signature.states))
        self._watched = tuple(states) if written else signature.changed
        self._known: list[tuple[Sequence[Array], Spans]] = []
        self._misses = 0  # in a row

    def check(self, inputs: Sequence[Array], states: Sequence[Array]) -> None:
        """Looks at the arrays of one call.

        Raises:
            RuntimeError: naming two that share memory, one of which the call writes to.
        """
        if self._watched:
            spans = self._spans(states)
            for position, array in enumerate(inputs):
                for state in spans.near(array):
                    self._compare_with_state(position, array, state, states[state])
        for position in self._written:
            self._compare_arguments(position, inputs)

    def _compare_with_state(self, position: int, array: Array, state: int, held: Array) -> None:
        is_changed = self._states[state].is_changed
        if not (is_changed or position in self._written) or not _share(array, held):
            return
        argument, name = self._inputs[position].name, self._states[state].name
        written = f"{name!r}" if is_changed else f"{argument!r}"
        raise RuntimeError(
            f"argument {argument!r} shares memory with {name!r}, which the function also meets "
            f"inside, and it writes to {written}: use {name!r} inside without passing it, or pass "
            "a clone() of it"
        )

    def _compare_arguments(self, position: int, inputs: Sequence[Array]) -> None:
        for other, array in enumerate(inputs):
            if other != position and _share(inputs[position], array):
                raise RuntimeError(
                    f"the function writes to argument {self._inputs[position].name!r}, which "
                    f"shares memory with argument {self._inputs[other].name!r}: pass a clone() of "
                    "one of them"
                )

    def _spans(self, states: Sequence[Array]) -> Spans:
        for arrays, spans in self._known:
            if not any(map(operator.is_not, states, arrays)):
                self._misses = 0
                return spans
        self._misses += 1
        made = self._noted(states)
        known = [(list(states), made), *self._known]
        self._known = known[: _KEPT[min(self._misses, len(_KEPT)) - 1]]
        return made

    def _noted(self, states: Sequence[Array]) -> Spans:
        """The ranges of the states, once they are found to be apart from each other."""
        spans = Spans()
        changed = [s.is_changed for s in self._states]
        for i, array in enumerate(states):
            for other in spans.near(array):
                if (changed[i] or changed[other]) and _share(array, states[other]):
                    self._refuse(other, i)
            spans.add(array, i)
        if len(self._watched) == len(states):
            return spans
        watched = Spans()
        for i in self._watched:
            watched.add(states[i], i)
        return watched

    def _refuse(self, first: int, second: int) -> None:
        one, other = self._states[first], self._states[second]
        written = one if one.is_changed else other
        raise RuntimeError(
            f"{one.name!r} and {other.name!r} share memory, and the function writes to "
            f"{written.name!r}: make one of them a view of the other (b = a[2:6]), or a clone()"
        )


def _share(one: Array, other: Array) -> bool:
    """Whether two arrays have an element in common; where that takes long to find out, yes."""
    if not np.may_share_memory(one, other):
        return False
    try:
        return np.shares_memory(one, other, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
