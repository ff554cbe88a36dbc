"""What update rules are made of, rounding where PyTorch's functions round.

Of 16 bits PyTorch computes each function in float32 and rounds what it gives: ``wide`` operands
keep the digits until ``copy_`` or ``to``. Of other types these are the plain formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.selection import where
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import bfloat16, float16, float32
from nngraph.ops.composite import wide

__all__ = [
    "add_decay",
    "addcmul_to",
    "either",
    "in_float32",
    "lerp_to",
    "moment_numbers",
    "moments",
    "scaled",
]


def scaled(x: Tensor, factor: Any) -> Tensor:
    """``factor * x`` as PyTorch's ``add`` takes it with ``alpha``: of 16 bits in float32, with the
    factor rounded to 16 bits.
    """
    product: Tensor
    if x.dtype not in (float16, bfloat16):
        product = x * factor
    elif isinstance(factor, Tensor):
        product = wide(x) * wide(factor.to(x.dtype))
    else:
        product = wide(x) * float(np.asarray(factor, x.dtype.numpy))
    return product


def add_decay(grad: Tensor, param: Tensor, rate: Any) -> Tensor:
    """``grad + rate * param``."""
    return (wide(grad) + scaled(param, rate)).to(grad.dtype)


def lerp_to(mean: Tensor, g: Tensor, rate: Any) -> Tensor:
    """``mean += rate * (g - mean)`` in place; ``g`` is wide."""
    return mean.copy_(wide(mean) + (g - wide(mean)) * rate)


def addcmul_to(total: Tensor, keep: Any, g: Tensor, rate: Any) -> Tensor:
    """``total = keep * total + rate * g * g`` in place; ``g`` is wide."""
    return total.copy_(wide(total * keep) + g * rate * g)


def moment_numbers(n: Any) -> dict[str, Any]:
    """What ``moments`` reads of the options ``betas``, and ``eps``, which goes with them."""
    beta1, beta2 = n.betas
    return {"rate1": 1 - beta1, "beta2": beta2, "rate2": 1 - beta2, "eps": n.eps}


def moments(state: dict[str, Tensor], g: Tensor, s: Any) -> tuple[Tensor, Tensor]:
    """The means of the gradient and of its square, brought up to date; ``g`` is wide."""
    mean = lerp_to(state["exp_avg"], g, s.rate1)
    return mean, addcmul_to(state["exp_avg_sq"], s.beta2, g, s.rate2)


def in_float32(number: Any) -> Tensor:
    """A number as a tensor of PyTorch's default dtype, which rounds it."""
    return number.to(float32) if isinstance(number, Tensor) else tensor(float(number), float32)


def either(condition: Any, yes: Any, no: Any) -> Any:
    """``yes() if condition else no()``, of numbers that a call may only have in the graph."""
    if isinstance(condition, Tensor):
        return where(condition, yes(), no())
    return yes() if condition else no()
