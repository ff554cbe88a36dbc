"""Random numbers from one counter-based state: (key, key, draw number).

Every draw uses the state and then advances it, eagerly and in compiled functions alike (there the
state is one of the graph's states), so that a seed fixes the whole sequence on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.axes import need_sizes, sizes_of
from nngraph.frontend.functional.variants import function
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype, float32, int64
from nngraph.ops import random as ops
from nngraph.ops.elementwise import floor

__all__ = [
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_rng_state",
]

_state = Tensor(Storage(np.zeros(3, np.uint32)))


def manual_seed(seed: int) -> None:
    """Starts the sequence that belongs to ``seed`` (an integer of at most 64 bits)."""
    low, high = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    _state._storage.exchange(np.array([low, high, 0], np.uint32))


def initial_seed() -> int:
    """The seed in force."""
    low, high, _ = (int(v) for v in elements(_state, "initial_seed()"))
    return high << 32 | low


def get_rng_state() -> Tensor:
    """A copy of the state: uint32[3] of key, key, number of draws."""
    return _state.clone()


def set_rng_state(new_state: Tensor) -> None:
    """Goes on from a state that ``get_rng_state`` gave."""
    _state.copy_(new_state)


def need_seed(generator: object) -> None:
    """Refuses a generator of its own.

    Raises:
        NotImplementedError: for one.
    """
    if generator is not None:
        raise NotImplementedError(
            "there are no generators: call ng.manual_seed(seed) before what is to be drawn"
        )


def next_key() -> Tensor:
    """The state for one draw; the sequence advances."""
    here = world()
    here.name(_state._storage, "rng")
    used = Tensor(here.copied(_state._read(here)))
    _state._write(ops.advance(used))
    return used


@overload
def rand(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def rand(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def rand(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform on [0, 1)."""
    need_sizes(shape := sizes_of(size))
    out = ops.uniform(next_key(), shape, as_dtype(dtype or float32), 0.0, 1.0)
    return out.requires_grad_() if requires_grad else out


@overload
def randn(
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def randn(
    *size: Dim,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def randn(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal."""
    need_sizes(shape := sizes_of(size))
    out = ops.normal(next_key(), shape, as_dtype(dtype or float32))
    return out.requires_grad_() if requires_grad else out


@function
def rand_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``rand`` of the shape (and dtype) of ``input``."""
    return rand(input.type.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def randn_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``randn`` of the shape (and dtype) of ``input``."""
    return randn(input.type.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


@overload
def randint(
    high: int,
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def randint(
    low: int,
    high: int,
    size: Sequence[Dim],
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (0 if left out) to ``high - 1``.

    Raises:
        RuntimeError: if the range is empty.
        TypeError: if ``high`` or ``size`` is missing.
    """
    first, last, shape = _interval(low, high, size)
    if last <= first:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got {first} >= {last}"
        )
    spread = rand(shape, dtype=as_dtype("float64")) * float(last - first)
    result = (floor(spread) + first).to(as_dtype(dtype or int64))
    return result.requires_grad_() if requires_grad else result


def _interval(low: Any, high: Any, size: Any) -> tuple[int, int, Any]:
    """What ``(high, size)`` and ``(low, high, size)`` mean, by position and by name."""
    if size is None and high is not None and not isinstance(high, int | np.integer):
        high, size = None, high
    if high is None:
        low, high = 0, low
    if high is None or size is None:
        raise TypeError("randint() takes (high, size) or (low, high, size)")
    return 0 if low is None else int(low), int(high), size


@function
def randperm(
    n: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: object = None,
    requires_grad: bool = False,
) -> Tensor:
    """A random order of 0 .. n-1."""
    order = rand(n, dtype=as_dtype("float64")).argsort().to(dtype or int64)
    return order.requires_grad_() if requires_grad else order
