"""What distributions have in common: shapes of parameters, probabilities and log-odds."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, TypeVar, overload

import numpy as np

from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.functional.joining import broadcast_tensors
from nngraph.frontend.limits import finfo
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import float32
from nngraph.nn.functional import softmax

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "seen_equal",
    "seen_false",
]

R = TypeVar("R")


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers are of the tensors' dtype.

    Raises:
        ValueError: for anything else.
    """
    if not all(isinstance(v, Tensor | bool | int | float) for v in values):
        raise ValueError(
            "Input arguments must all be instances of numbers.Number, nngraph.Tensor: got "
            + ", ".join(type(v).__name__ for v in values)
        )
    floats = [v.dtype for v in values if isinstance(v, Tensor) and v.dtype.is_floating_point]
    kind = floats[0] if floats else float32
    made = [v if isinstance(v, Tensor) else as_tensor(v, dtype=kind) for v in values]
    return tuple(broadcast_tensors(*made))


def seen_false(mask: Tensor) -> bool:
    """Whether a mask has an element that is known to be false; while tracing none is."""
    array = world().peek(mask._storage, mask._path)
    return array is not None and not bool(array.all())


def seen_equal(one: Any, other: Any) -> bool:
    """Whether numbers or tensors are known to be equal; while tracing only a tensor to itself."""
    if one is other or not (isinstance(one, Tensor) or isinstance(other, Tensor)):
        return one is other or bool(one == other)
    tensors = [x if isinstance(x, Tensor) else as_tensor(x) for x in (one, other)]
    arrays = [world().peek(x._storage, x._path) for x in tensors]
    first, second = arrays
    return first is not None and second is not None and np.array_equal(first, second)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1 by the dtype's epsilon."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log-odds, or of unnormalised log-probabilities along the last axis."""
    return logits.sigmoid() if is_binary else softmax(logits, dim=-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds of probabilities, or their logarithms."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


class lazy_property(Generic[R]):
    """An attribute that is computed when it is first asked for."""

    def __init__(self, wrapped: Callable[[Any], R]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> lazy_property[R]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> R: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
