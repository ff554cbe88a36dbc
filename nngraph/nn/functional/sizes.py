"""Arguments that are one number for all spatial axes or a tuple with one for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim

__all__ = ["PerAxis", "batched", "each", "need_shape", "symmetric"]

#: One number for all axes, or one for each.
PerAxis = int | Sequence[int]
_R = TypeVar("_R")


def each(value: Any, count: int, what: str = "argument") -> tuple[int, ...]:
    """``value`` for each of ``count`` axes.

    Raises:
        RuntimeError: if it is a tuple of another length.
    """
    if isinstance(value, int):
        return (value,) * count
    listed = tuple(int(v) for v in value)
    if len(listed) == 1:
        return listed * count
    if len(listed) != count:
        raise RuntimeError(f"{what} must be one int or {count} ints, but got {value!r}")
    return listed


def need_shape(what: str, tensor: Tensor | None, *shape: Dim) -> None:
    """Refuses a parameter of another shape, which might broadcast.

    Raises:
        RuntimeError: naming both shapes.
    """
    if tensor is not None and tensor.aval.shape != shape:
        wanted = ", ".join(map(str, shape))
        raise RuntimeError(f"Expected {what} of shape [{wanted}], but got {tensor.aval}")


def symmetric(padding: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The same padding before and after, for each axis."""
    return tuple((p, p) for p in padding)


def batched(name: str, input: Tensor, count: int, run: Callable[[Tensor], _R]) -> _R:
    """Runs on ``[N, C, *S]``; for ``[C, *S]`` the batch axis is added and taken away.

    Raises:
        RuntimeError: for other ranks.
    """
    if input.ndim == count + 2:
        return run(input)
    if input.ndim != count + 1:
        raise RuntimeError(
            f"Expected {count + 1}D (unbatched) or {count + 2}D (batched) input to "
            f"{name}, but got input of size: {list(input.shape)}"
        )
    found: Any = run(input.unsqueeze(0))
    without = found.squeeze(0) if isinstance(found, Tensor) else tuple(t.squeeze(0) for t in found)
    return cast("_R", without)
