"""Why a function was traced, and traced again: in words, for ``explain``, the log and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from nngraph.frontend.capture.arguments import Argument
from nngraph.frontend.precision.state import State
from nngraph.frontend.pytree import Tree
from nngraph.ir.types import TensorType

__all__ = ["Call", "Reason", "same_but_sizes", "why_another_call"]

#: How many reasons one line lists.
_SHOWN = 3


class Call(NamedTuple):
    """One kind of call: what is equal for all that share traces.

    Attributes:
        tree: the structure of the arguments.
        arguments: how each enters the graph.
        grad: whether gradients were recorded.
        autocast: what was on outside.
    """

    tree: Tree
    arguments: tuple[Argument, ...]
    grad: bool
    autocast: State


@dataclass(frozen=True)
class Reason:
    """Why a trace was made.

    Attributes:
        text: in words.
        sizes: whether only sizes of arguments are new.
        count: how many things were otherwise.
    """

    text: str
    sizes: bool = False
    count: int = 1

    @classmethod
    def of(cls, texts: Sequence[str], sizes: bool = False) -> Reason:
        """Several reasons as one, the first ones in full."""
        shown = "; ".join(texts[:_SHOWN])
        rest = len(texts) - _SHOWN
        return cls(f"{shown}; and {rest} more" if rest > 0 else shown, sizes)


def why_another_call(call: Call, known: Sequence[Call], names: Sequence[str]) -> Reason:
    """In what a call differs from the nearest of the known kinds."""
    if not known:
        return Reason("first call")
    return min((_differences(call, other, names) for other in reversed(known)), key=_distance)


def _distance(reason: Reason) -> tuple[int, bool]:
    return reason.count, not reason.sizes


def _differences(call: Call, other: Call, names: Sequence[str]) -> Reason:
    texts: list[str] = []
    sizes = True
    if call.autocast != other.autocast:
        texts.append(f"autocast is {call.autocast} now, and was {other.autocast}")
    if call.grad is not other.grad:
        texts.append("gradients are recorded now" if call.grad else "called under no_grad() now")
        sizes = False
    if call.tree != other.tree:
        return Reason.of([*texts, "the arguments have another structure"])
    for name, now, was in zip(names, call.arguments, other.arguments, strict=True):
        if now == was:
            continue
        texts.append(_difference(name, now, was))
        sizes = sizes and same_but_sizes(now, was)
    return Reason.of(texts, sizes)


def _difference(name: str, now: Argument, was: Argument) -> str:
    if now.varies:
        return f"{name} is another integer now, it was {was.value!r}"
    if now.type is None and was.type is None:
        return f"{name} is {now.value!r} now, it was {was.value!r}"
    if now.hooks != was.hooks:
        return f"{name} has other hooks now"
    if now.type == was.type:
        return f"{name} requires {'a' if now.requires_grad else 'no'} gradient now"
    was_text = was.type if was.type is not None else repr(was.value)
    now_text = now.type if now.type is not None else repr(now.value)
    return f"{name} is {now_text} now, it was {was_text}"


def same_but_sizes(now: Argument, was: Argument) -> bool:
    """Whether both enter a graph in the same way, but for the sizes of axes."""
    if now == was:
        return True
    return _shapeless(now) == _shapeless(was)


def _shapeless(argument: Argument) -> Argument:
    def ranked(kind: Any) -> Any:
        return kind.with_shape([0] * kind.rank) if isinstance(kind, TensorType) else kind

    return replace(argument, type=ranked(argument.type), gradient=ranked(argument.gradient))
