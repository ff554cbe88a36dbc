"""``ng._foreach_add_`` and the others: one function on each tensor of a list, as PyTorch has them.

PyTorch's users write optimizers with these, for their speed there; here a compiled step has the
same graph as with a loop.
Source: https://docs.pytorch.org/docs/stable/torch.html#foreach-operations
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from nngraph.frontend.functional import pointwise
from nngraph.frontend.tensor import Tensor

__all__ = ["FOREACH"]

#: Functions that are there in place, too: those of one operand, and these.
_BOTH = (
    *(name for name in vars(pointwise)["__all__"] if hasattr(Tensor, f"{name}_")),
    *("add", "addcdiv", "addcmul", "div", "lerp", "mul", "neg", "pow", "sub"),
    *("clamp_max", "clamp_min", "maximum", "minimum"),
)
#: Those whose second tensor is followed by a factor, ``value``.
_WITH_VALUE = ("addcmul", "addcdiv")
#: The greatest and least of two, in place too, which tensors have no methods for.
_BOUNDS: dict[str, Callable[..., Any]] = {
    "clamp_max": lambda x, bound: x.clamp(max=bound),
    "clamp_min": lambda x, bound: x.clamp(min=bound),
    "maximum": lambda x, other: x.clamp(min=other),
    "minimum": lambda x, other: x.clamp(max=other),
}


def _rows(name: str, lists: Sequence[Any]) -> list[list[Any]]:
    """The arguments at each position of the lists; what is no list goes to all."""
    sizes = [len(each) for each in lists if isinstance(each, list | tuple)]
    if not sizes or not sizes[0]:
        raise RuntimeError(f"{name}: Tensor list must have at least one tensor.")
    if len(set(sizes)) > 1:
        raise RuntimeError(
            f"{name}: Tensor lists must have the same number of tensors, got {sizes}"
        )
    return [[a[i] if isinstance(a, list | tuple) else a for a in lists] for i in range(sizes[0])]


def _foreach(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of lists; a keyword may be a list, too."""

    def foreach(*lists: Any, **kwargs: Any) -> list[Any]:
        return [
            function(*row[: len(lists)], **dict(zip(kwargs, row[len(lists) :], strict=True)))
            for row in _rows(f"_foreach_{name}", [*lists, *kwargs.values()])
        ]

    foreach.__name__ = foreach.__qualname__ = f"_foreach_{name}"
    return foreach


def _function(name: str) -> Callable[..., Any]:
    """What is done to one tensor."""
    plain, in_place = name.removesuffix("_"), name.endswith("_")
    if plain in _BOUNDS:
        bound = _BOUNDS[plain]
        return (lambda x, other: x.copy_(bound(x, other))) if in_place else bound
    method = getattr(Tensor, name)
    if plain in _WITH_VALUE:
        return lambda x, one, two, value=1: method(x, one, two, value=value)
    if plain == "lerp":  # a weight for all is a number, of whatever dtype
        return lambda x, end, weight: method(
            x, end, weight.to(x.dtype) if isinstance(weight, Tensor) else weight
        )
    if name == "pow":  # a number to the power of each tensor
        return lambda x, exponent: method(x, exponent) if isinstance(x, Tensor) else x**exponent
    return cast("Callable[..., Any]", method)


def _norm(x: Tensor, ord: float = 2, dtype: Any = None) -> Tensor:
    return x.norm(ord, dtype=dtype)


#: The functions by their names in ``ng``.
FOREACH: dict[str, Callable[..., Any]] = {
    f"_foreach_{name}": _foreach(name, _function(name))
    for both in _BOTH
    for name in (both, f"{both}_")
}
FOREACH |= {
    f"_foreach_{name}": _foreach(name, _function(name))
    for name in ("max", "clone", "mm", "copy_", "zero_")
}
FOREACH["_foreach_norm"] = _foreach("norm", _norm)
