"""Methods that fill a tensor with random numbers; a compiled function draws anew at each call."""

from __future__ import annotations

from nngraph.frontend.functional.access import replace
from nngraph.frontend.functional.random import rand, randn
from nngraph.frontend.functional.variants import method
from nngraph.frontend.generator import Generator
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ir.dtypes import float32

__all__: list[str] = []


@method
def uniform_(
    input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Uniform on [from, to); ``from``, a word of Python's, goes by its place.

    Raises:
        RuntimeError: for integers, or an empty interval.
    """
    _need_floats("uniform_", input)
    if from_ > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}"
        )
    drawn = rand(input.type.shape, generator=generator, dtype=input.dtype)
    return replace(input, drawn * (to - from_) + from_)


@method
def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation.

    Raises:
        RuntimeError: for integers, or a negative deviation.
    """
    _need_floats("normal_", input)
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    drawn = randn(input.type.shape, generator=generator, dtype=input.dtype)
    return replace(input, drawn * std + mean)


@method
def bernoulli_(input: Tensor, p: Operand = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability ``p``, a number or a tensor that broadcasts; else 0.

    Raises:
        RuntimeError: for a number that is no probability.
    """
    if not isinstance(p, Tensor) and not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    drawn = rand(input.type.shape, generator=generator, dtype=float32)
    chosen = drawn < (p.detach().to(float32) if isinstance(p, Tensor) else p)
    return replace(input, chosen.to(input.dtype))


def _need_floats(name: str, input: Tensor) -> None:
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"{name}: expected a floating point tensor, got {input.type}")
