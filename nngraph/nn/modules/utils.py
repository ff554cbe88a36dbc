"""One number, or one a dimension: for layers that users write (``torch.nn.modules.utils``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

# fmt: off
__all__ = [
    "_list_with_default", "_ntuple", "_pair", "_quadruple", "_reverse_repeat_tuple", "_single",
    "_triple",
]
# fmt: on


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function from a number to ``n`` times this number; what can be iterated is kept."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single, _pair = _ntuple(1, "_single"), _ntuple(2, "_pair")
_triple, _quadruple = _ntuple(3, "_triple"), _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """The members from the last to the first, each ``n`` times: paddings as ``F.pad`` has them."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def _list_with_default(out_size: list[int | None], defaults: list[int]) -> list[int]:
    """Sizes, those that are None from the last of ``defaults``."""
    if len(out_size) >= len(defaults):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    own = defaults[-len(out_size) :]
    return [given if given is not None else d for given, d in zip(out_size, own, strict=True)]
