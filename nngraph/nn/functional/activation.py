"""Activation functions."""

from __future__ import annotations

import warnings

from nngraph import ops
from nngraph.frontend.functional import random
from nngraph.frontend.functional.access import write_result
from nngraph.frontend.functional.activations import hardshrink, prelu
from nngraph.frontend.functional.kinds import need_floats, need_numbers
from nngraph.frontend.functional.selection import where
from nngraph.frontend.generator import Generator
from nngraph.frontend.limits import finfo
from nngraph.frontend.precision.casting import autocasts
from nngraph.frontend.promotion import as_number
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, uint8
from nngraph.ops.composite import wide, wide_dtype

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _placed(x: Tensor, y: Tensor, inplace: bool) -> Tensor:
    return write_result(x, y) if inplace else y


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; its gradient at 0 is 0."""
    return _placed(input, input.relu(), inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it is greater than the threshold, ``value`` elsewhere."""
    need_numbers("threshold", input.dtype)
    return _placed(input, where(input <= threshold, as_number(value, input.dtype), input), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(x, 0), 6)``."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``x`` limited to the bounds, where its gradient is 0.

    Raises:
        ValueError: if the lower bound is above the upper one.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype is uint8 and min_val < 0:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return _placed(input, ops.hardtanh(input, min_val, max_val), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``negative_slope * x`` elsewhere."""
    need_floats("leaky_relu", input)
    return _placed(input, where(input > 0, input, input * negative_slope), inplace)


@autocasts
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere."""
    need_floats("elu", input)
    return _placed(input, _elu(input, alpha, 1.0, 1.0), inplace)


def _elu(x: Tensor, alpha: float, scale: float, inner: float) -> Tensor:
    # The bound keeps the unused side from overflowing into 0 * inf in the gradient.
    below, slope = x < 0, alpha * inner
    low = (where(below, x, 0.0) * inner).expm1() * (alpha * scale)
    if slope == 1:
        return where(below, low, x * scale)
    return where(below, low, where(x.eq(0), x * (slope * scale), x * scale))


@autocasts
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The self-normalizing ``elu`` (Klambauer et al., 2017)."""
    need_floats("selu", input)
    return _placed(input, _elu(input, _SELU_ALPHA, _SELU_SCALE, 1.0), inplace)


@autocasts
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Raises:
        RuntimeError: if ``alpha`` is 0.
    """
    need_floats("celu", input)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _placed(input, _elu(input, alpha, 1.0, 1.0 / alpha), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``x * P(N(0, 1) < x)``; ``approximate="tanh"`` for the formula with tanh.

    Raises:
        RuntimeError: for another ``approximate``.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return ops.gelu(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``."""
    return _placed(input, ops.silu(input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``."""
    return _placed(input, ops.mish(input), inplace)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return input.sigmoid()


def logsigmoid(input: Tensor) -> Tensor:
    """The logarithm of ``sigmoid``, without overflow."""
    return 0.0 - ops.softplus(-input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``x / 6 + 1/2`` limited to [0, 1]."""
    need_floats("hardsigmoid", input)
    limited = (input.detach() + 3).clamp(0.0, 6.0)
    y = where((input > -3) & (input < 3), input + 3, limited) / 6
    return _placed(input, y, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)``."""
    return _placed(input, ops.hardswish(input), inplace)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return input.tanh()


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - input.tanh()


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return input / (input.abs() + 1)


@autocasts
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; ``x`` itself where ``beta * x > threshold``."""
    return ops.softplus(input, beta, threshold)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` moved towards 0 by ``lambd``.

    Raises:
        RuntimeError: if ``lambd`` is negative.
    """
    need_floats("softshrink", input)
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    inside = where(input.isnan(), input, input.detach() * 0)  # NaN, or 0 of the same sign
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, inside))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)`` for the halves ``a``, ``b`` of a dimension.

    Raises:
        RuntimeError: if its size is odd, or there is none.
    """
    need_floats("glu", input)
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    a, b = input.chunk(2, dim)
    return (wide(a) * wide(b).sigmoid()).to(input.dtype)


def _softmax_dim(name: str, dim: int | None, rank: int) -> int:
    if dim is None:
        raise TypeError(
            f"{name}() needs dim= (PyTorch's guess, {0 if rank in (0, 1, 3) else 1} "
            "here, is deprecated)"
        )
    return dim


@autocasts
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``."""
    return input.softmax(_softmax_dim("softmax", dim, input.ndim), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """``softmax(-x)``."""
    return (-input).softmax(_softmax_dim("softmin", dim, input.ndim), dtype)


@autocasts
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """The logarithm of ``softmax``."""
    return input.log_softmax(_softmax_dim("log_softmax", dim, input.ndim), dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """``softmax((logits + g) / tau)`` with random ``g`` of Gumbel's distribution.

    Args:
        logits: unnormalized log-probabilities.
        tau: the temperature.
        hard: give the largest as one-hot vectors, with the gradient of the others.
        eps: deprecated, without effect.
        dim: along which the softmax is.

    Source: Jang et al., "Categorical Reparameterization with Gumbel-Softmax", 2017.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    uniform = random.rand(logits.aval.shape, dtype=wide_dtype(logits.dtype)).to(logits.dtype)
    # Half precision rounds what is nearly 1 to 1, whose noise would be infinite.
    uniform = uniform.clamp(max=1 - finfo(logits.dtype).eps)
    soft = ((logits - (-uniform.log()).log()) / tau).softmax(dim)
    if not hard:
        return soft
    place = soft.detach().argmax(dim, keepdim=True)
    return soft.detach().new_zeros(soft.aval.shape).scatter(dim, place, 1.0) - soft.detach() + soft


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``leaky_relu`` with slopes drawn from ``lower`` to ``upper``; their mean if not training.

    Raises:
        RuntimeError: if ``lower`` is above ``upper``.
    """
    return _rrelu(input, lower, upper, training, inplace)


def _rrelu(
    input: Tensor,
    lower: float,
    upper: float,
    training: bool,
    inplace: bool,
    generator: Generator | None = None,
) -> Tensor:
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = random.rand_like(input, generator=generator) * (upper - lower) + lower
    return _placed(input, input * where(input <= 0, slope, 1.0), inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``celu`` in place."""
    return celu(input, alpha, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``elu`` in place."""
    return elu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``hardtanh`` in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``leaky_relu`` in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def relu_(input: Tensor) -> Tensor:
    """``relu`` in place."""
    return relu(input, inplace=True)


def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """``rrelu`` in place."""
    return _rrelu(input, lower, upper, training, True, generator)


def selu_(input: Tensor) -> Tensor:
    """``selu`` in place."""
    return selu(input, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """``threshold`` in place."""
    return _threshold(input, threshold, value, inplace=True)


_threshold = threshold
