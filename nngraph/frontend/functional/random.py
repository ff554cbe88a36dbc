"""Random numbers from counter-based states: (key, key, draw number).

Every draw uses a generator's state and then advances it, eagerly and in compiled functions alike
(there the state is one of the graph's states), so that a seed fixes the whole sequence on every
backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.axes import need_sizes, sizes_of
from nngraph.frontend.functional.variants import function
from nngraph.frontend.generator import Generator, default_generator, next_key
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import DType, as_dtype, float64, int64
from nngraph.ops import random as ops

__all__ = [
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "rand",
    "rand_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


def manual_seed(seed: int) -> Generator:
    """Starts the sequence of the default generator that belongs to ``seed``; returns it.

    Raises:
        ValueError: beyond 64 bits.
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Starts a sequence of the operating system's choice; returns its seed.

    Raises:
        TraceError: in a compiled function, where it would be chosen once.
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed in force."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """A copy of the default generator's state: uint32[3] of key, key, number of draws."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Goes on from a state that ``get_rng_state`` gave.

    Raises:
        TypeError, RuntimeError: for what is none.
    """
    default_generator.set_state(new_state)


@overload
def rand(
    size: Sequence[Dim],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def rand(
    *size: Dim,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform on [0, 1)."""
    need_sizes(shape := sizes_of(size))
    out = ops.uniform(next_key(generator), shape, as_dtype(dtype or default_dtype()), 0.0, 1.0)
    return out.requires_grad_() if requires_grad else out


@overload
def randn(
    size: Sequence[Dim],
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def randn(
    *size: Dim,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor: ...
@function.overloaded
def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal."""
    need_sizes(shape := sizes_of(size))
    out = ops.normal(next_key(generator), shape, as_dtype(dtype or default_dtype()))
    return out.requires_grad_() if requires_grad else out


@function
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``rand`` of the shape (and dtype) of ``input``."""
    shape, kind = input.aval.shape, dtype or input.dtype
    return rand(shape, generator=generator, dtype=kind, requires_grad=requires_grad)


@function
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: object = None,
) -> Tensor:
    """``randn`` of the shape (and dtype) of ``input``."""
    shape, kind = input.aval.shape, dtype or input.dtype
    return randn(shape, generator=generator, dtype=kind, requires_grad=requires_grad)


@function
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A random order of 0 .. n-1."""
    order = rand(n, generator=generator, dtype=float64).argsort().to(dtype or int64)
    return order.requires_grad_() if requires_grad else order
