"""Numbers of Python's among the arguments: each call reads those that differ from call to call.

They are given to the code as numbers that it finds in Python's objects are: they compute as
Python's do, and the graph reads what a tensor meets. Floats always are; integers under
``ng.compile(dynamic=True)``, because most of them are sizes and axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nngraph.frontend.capture.arguments import Argument
from nngraph.frontend.capture.boxes import Box, Kind

__all__ = ["Numbers", "are_integers", "fixed", "varying"]


def are_integers(*arguments: Argument) -> bool:
    """Whether all are integers of Python's, which are no bools."""
    return all(a.type is None and a.same is None and a.kind is int for a in arguments)


def varying(argument: Argument) -> Argument:
    """What stands for all integers."""
    return replace(argument, value=None, varies=True)


def fixed(argument: Argument) -> Argument:
    """A float of this very value: 0.0 and -0.0 are equal, and are two."""
    if argument.kind is not float:
        return argument
    value: float = argument.number
    kind = float, math.copysign(1.0, value)
    return Argument(None, value=value, kind=kind, number=value)


class Numbers:
    """Those of one trace, by their names, with the values of the call that is made.

    Args:
        arguments: of the trace.
        names: of all arguments.
    """

    def __init__(self, arguments: Sequence[Argument], names: Sequence[str]) -> None:
        pairs = zip(arguments, names, strict=True)
        self._at = {name: i for i, (a, name) in enumerate(pairs) if a.varies}
        self.values = {name: arguments[i].number for name, i in self._at.items()}
        self.box: Box | None = None
        if self._at:
            self.box = Box(Kind.ARGUMENTS, "arguments", self.values)
            self.box.varying, self.box.is_guarded = True, False

    def give(self, arguments: Sequence[Argument]) -> None:
        """The values of the next call."""
        for name, position in self._at.items():
            self.values[name] = arguments[position].number

    def filled(self, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The arguments with the values of the latest call."""
        made = list(arguments)
        for name, position in self._at.items():
            made[position] = replace(made[position], number=self.values[name])
        return tuple(made)
