"""Rewrite rules: a pattern, a check that refuses with a reason, and a replacement, each apart.

A pattern is a plain function of its variables: ``lambda x: node(Neg, node(Neg, x))``. A variable
that occurs twice stands for one value. Operators marked commutative match in either order.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from nngraph.ir.graph import Node, Value
from nngraph.ir.op import Op, Trait
from nngraph.ir.types import TensorType
from nngraph.passes.splat import SPLATS, is_number, number_of

__all__ = ["Match", "Pattern", "Rule", "Soundness", "any_node", "node", "splat"]


class Soundness(enum.Enum):
    """What a rule assumes. Strict compilation leaves out all but ``EXACT``."""

    EXACT = "the same number for every input, NaN, infinity and the sign of zero included"
    REASSOCIATES = "equal in real arithmetic; rounding may differ"
    FINITE_ONLY = "equal if no value is NaN or infinite and the sign of zero does not matter"


@dataclass(frozen=True)
class _Variable:
    name: str


@dataclass(frozen=True)
class _Splat:
    name: str
    number: float | int | bool | None


@dataclass(frozen=True)
class _Apply:
    op: type[Op] | tuple[type[Op], ...]
    inputs: tuple[Pattern, ...] | None  # None: any
    name: str
    having: Pattern | None = None
    trait: Trait | None = None


Pattern = _Variable | _Splat | _Apply
Binding = Mapping[str, Value]
O = TypeVar("O", bound=Op)  # noqa: E741 - an operator class


def node(op: type[Op] | tuple[type[Op], ...], *inputs: Pattern, name: str = "") -> _Apply:
    """A node with an operator of this class (or one of these), whose only output is meant."""
    return _Apply(op, inputs, name)


def any_node(
    op: type[Op] | tuple[type[Op], ...] = Op,
    *,
    having: Pattern | None = None,
    trait: Trait | None = None,
    name: str = "",
) -> _Apply:
    """A node with any number of inputs, one of which fits ``having``, and an operator of ``trait``.

    It matches once for each input that fits.
    """
    return _Apply(op, None, name, having, trait)


def splat(number: float | int | bool | None = None, name: str = "") -> _Splat:
    """A value filled with this number (any known one for None)."""
    return _Splat(name, number)


class Match:
    """Where a pattern fits: the values of its variables and named parts."""

    def __init__(self, root: Node, values: Binding) -> None:
        self.root = root
        self.values = values

    def __getattr__(self, name: str) -> Value:
        try:
            values: Binding = self.__dict__["values"]
            return values[name]
        except KeyError:
            raise AttributeError(f"the pattern has no part {name!r}") from None

    @property
    def result(self) -> TensorType:
        """The type of the result, which the replacement must have (up to broadcasting)."""
        return self.root.outputs[0].type

    def op(self, kind: type[O], name: str = "") -> O:
        """The operator of the root, or of the part that the pattern calls ``name``."""
        found = self.values[name].producer if name else self.root
        assert found is not None and isinstance(found.op, kind), f"{name}: {found!r}"
        return found.op

    def number(self, name: str) -> float:
        """The number of a ``splat`` part."""
        found = number_of(self.values[name])
        assert found is not None, name
        return found


def accept(match: Match) -> str | None:
    """The check of a rule that needs none."""
    return None


@dataclass(frozen=True)
class Rule:
    """One rewriting.

    Attributes:
        name: shown in traces, as in ``neg(neg(x)) = x``.
        pattern: a function from variables to a pattern; its parameters name the variables.
        replace: builds the value that takes the root's place; it is broadcast to the root's shape.
        check: None to go on, or the reason why not.
        soundness: what the rule assumes.
    """

    name: str
    pattern: Callable[..., _Apply]
    replace: Callable[[Match], Value]
    check: Callable[[Match], str | None] = accept
    soundness: Soundness = Soundness.EXACT

    @cached_property
    def root(self) -> _Apply:
        """The pattern with its variables filled in."""
        names = inspect.signature(self.pattern).parameters
        return self.pattern(*map(_Variable, names))

    def may_match(self, op: type[Op], makers: Sequence[type[Op] | None]) -> bool:
        """False if the pattern cannot fit an ``op`` whose inputs such operators make.

        None stands for an input that no node makes. It looks at classes alone, so that one answer
        serves all such places.
        """
        root = self.root
        if not issubclass(op, root.op) or (root.trait and root.trait not in op.traits):
            return False
        if root.inputs is None:
            return root.having is None or any(_may_fit(root.having, m) for m in makers)
        if len(root.inputs) != len(makers):
            return False
        orders = (makers, makers[::-1]) if Trait.COMMUTATIVE in op.traits else (makers,)
        return any(all(map(_may_fit, root.inputs, order)) for order in orders)

    def matches(self, root: Node) -> Iterator[Match]:
        """All ways in which the pattern fits at ``root``."""
        for values in _fit_node(self.root, root, {}):
            yield Match(root, values)


def _may_fit(pattern: Pattern, maker: type[Op] | None) -> bool:
    if isinstance(pattern, _Variable):
        return True
    wanted = pattern.op if isinstance(pattern, _Apply) else SPLATS
    return maker is not None and issubclass(maker, wanted)


def _fit(pattern: Pattern, value: Value, known: Binding) -> Iterator[Binding]:
    if isinstance(pattern, _Apply):
        if value.producer is not None:
            yield from _fit_node(pattern, value.producer, known)
    elif isinstance(pattern, _Variable):
        if known.get(pattern.name, value) is value:
            yield {**known, pattern.name: value}
    else:
        number = number_of(value)
        fits = number is not None if pattern.number is None else is_number(number, pattern.number)
        if fits:
            yield {**known, pattern.name: value} if pattern.name else known


def _fit_node(pattern: _Apply, found: Node, known: Binding) -> Iterator[Binding]:
    if not isinstance(found.op, pattern.op) or len(found.outputs) != 1:
        return
    if pattern.trait is not None and pattern.trait not in found.op.traits:
        return
    if pattern.name:
        known = {**known, pattern.name: found.outputs[0]}
    if pattern.inputs is None:
        if pattern.having is None:
            yield known
        else:
            for value in dict.fromkeys(found.inputs):
                yield from _fit(pattern.having, value, known)
        return
    inputs = found.inputs
    if len(inputs) != len(pattern.inputs):
        return
    yield from _fit_all(pattern.inputs, inputs, known)
    if Trait.COMMUTATIVE in found.op.traits:
        yield from _fit_all(pattern.inputs, inputs[::-1], known)


def _fit_all(
    patterns: Sequence[Pattern], values: Sequence[Value], known: Binding
) -> Iterator[Binding]:
    if not patterns:
        yield known
        return
    for partial in _fit(patterns[0], values[0], known):
        yield from _fit_all(patterns[1:], values[1:], partial)
