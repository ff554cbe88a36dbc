"""Programs of one and of two operands whose edges are compared with PyTorch's, and the exceptions.

``m`` is PyTorch or nngraph, ``F`` its nn.functional. An exception says which parts are left out
and why: ``y`` is the value, ``d0`` the first derivative by the first operand, ``d01`` the second.
"""

from __future__ import annotations

import numpy as np

# fmt: off
POINTS = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 6, -6, 5, -5, 2.5, -2.5,
    20, -20, 20.5, 15, -15, 88, -88, 104, -104, 150, -150, 1e4, -1e4, 6e4, -6e4, 1e-3, -1e-3,
    1e-6, 0.3, -0.3, 0.999, 1.001, 0.25, -0.25, 12, -12, 30, -30,
]
PAIR = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, 2, -3, 20, -20, 200, -200]

_UNARY = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "clone", "cos", "cosh",
    "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "floor", "frac", "log", "log10", "log1p",
    "log2", "nan_to_num", "neg", "positive", "rad2deg", "reciprocal", "relu", "round", "rsqrt",
    "sgn", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
]
_BINARY = [
    "add", "sub", "mul", "div", "pow", "fmod", "remainder", "hypot", "copysign", "xlogy",
    "logaddexp", "logaddexp2", "atan2", "fmax", "fmin", "maximum", "minimum",
]
_ACTIVATIONS = [
    "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "sigmoid", "logsigmoid",
    "hardswish", "hardtanh", "hardsigmoid", "tanh", "tanhshrink", "softsign", "softplus",
    "softshrink", "hardshrink", "mish",
]
_REDUCED = [
    "amax", "amin", "sum", "mean", "prod", "var", "std", "logsumexp", "nansum", "nanmean",
    "cumsum", "cumprod", "median", "max", "min", "sort", "softmax", "log_softmax",
]
# fmt: on
_NONE = "reduction='none'"
_ROW = "m.stack([x, m.ones_like(x)], -1)"
_ROWS = "m.stack([x, y], -1)"


def _first(name: str) -> str:
    """What comes beside the values of functions that also give positions."""
    return ".values" if name in ("median", "max", "min", "sort") else ""


ONE = {name: f"m.{name}(x)" for name in _UNARY}
ONE |= {name: f"F.{name}(x)" for name in _ACTIVATIONS}
ONE |= {f"x ** {p}": f"x ** {p}" for p in (0, 0.5, -0.5, 1, -1, 2, -2, 3, 1.5, -1.5)}
ONE |= {f"{p} ** x": f"{p} ** x" for p in (0.0, 0.5, 1.0, 2.0, -1.0)}
ONE |= {f"norm {p}": f"m.norm({_ROW}, {p}, dim=-1)" for p in (0.5, 1.5, 2, 3, -1)}
ONE |= {f"norm {p} of equals": f"m.norm(m.stack([x, x], -1), {p}, dim=-1)" for p in (0.5, 2, -1)}
ONE |= {f"norm {p} of one": f"m.norm(x[..., None], {p}, dim=-1)" for p in (0.5, 1, 2, 3, -1)}
_INF = "float('inf')"
ONE |= {f"norm {s}inf": f"m.norm(m.stack([x, x * 0.5], -1), {s}{_INF}, dim=-1)" for s in ("", "-")}
ONE |= {
    "x + 0": "x + 0",
    "x * 0": "x * 0",
    "x / 0": "x / 0",
    "1 / x": "1 / x",
    "x - x": "x - x",
    "x / x": "x / x",
    "x + inf": f"x + {_INF}",
    "x * inf": f"x * {_INF}",
    "x ** tensor": "m.pow(x, m.full_like(x, 2.0))",
    "x ** zeros": "m.pow(x, m.zeros_like(x))",
    "x ** nan": "x ** float('nan')",
    "x ** inf": f"x ** {_INF}",
    "float_power": "m.float_power(x, 0.5).to(x.dtype)",
    "rsub": "m.rsub(x, 1)",
    "x % 2": "x % 2",
    "x % -3": "x % -3",
    "x % 0": "x % 0",
    "fmod by number": "m.fmod(x, 3)",
    "floor of quotient": "m.div(x, 2, rounding_mode='floor')",
    "trunc of quotient": "m.div(x, 2, rounding_mode='trunc')",
    "round 2": "m.round(x, decimals=2)",
    "round -1": "m.round(x, decimals=-1)",
    "threshold": "F.threshold(x, 0.5, 2.0)",
    "threshold at 0": "F.threshold(x, 0, 0)",
    "leaky, negative": "F.leaky_relu(x, -0.5)",
    "leaky, flat": "F.leaky_relu(x, 0.0)",
    "elu, steep": "F.elu(x, 2.0)",
    "elu, flat": "F.elu(x, 0.0)",
    "celu, wide": "F.celu(x, 2.0)",
    "gelu, tanh": "F.gelu(x, approximate='tanh')",
    "softplus, early": "F.softplus(x, 2.0, 7.0)",
    "softplus at 3": "F.softplus(x, 1.0, 3.0)",
    "softplus, falling": "F.softplus(x, -1.0)",
    "softshrink by 0": "F.softshrink(x, 0.0)",
    "hardshrink by 0": "F.hardshrink(x, 0.0)",
    "hardtanh to 6": "F.hardtanh(x, 0.0, 6.0)",
    "hardtanh of nothing": "F.hardtanh(x, 1.0, 1.0)",
    "prelu": "F.prelu(x, m.tensor([0.25]).to(x.dtype))",
    "prelu, negative": "F.prelu(x, m.tensor([-0.5]).to(x.dtype))",
    "glu": "F.glu(m.stack([m.ones_like(x), x], -1)).squeeze(-1)",
    "clamp": "x.clamp(-1, 1)",
    "clamp from 0": "x.clamp(min=0)",
    "clamp to 0": "x.clamp(max=0)",
    "clamp from -0": "x.clamp(min=-0.0)",
    "clamp across": "x.clamp(1, -1)",
    "clamp by NaN": "x.clamp(0, float('nan'))",
    "clamp_min": "x.clamp_min(1)",
    "clamp_max": "x.clamp_max(1)",
    "where": "m.where(x > 0, x, 0.0)",
    "masked_fill": "x.masked_fill(x > 0, 3.0)",
    "lerp": "m.lerp(x, m.ones_like(x), 0.25)",
    "lerp far": "m.lerp(x, m.ones_like(x), 0.75)",
    "addcmul": "m.addcmul(x, x, x)",
    "addcdiv": "m.addcdiv(x, m.ones_like(x), x)",
    "logit": "m.logit(x + 0)",  # PyTorch's loops differ at -0,
    "logit, limited": "m.logit(x.nan_to_num(0.3), 0.1)",  # and at NaN
    "std of equals": "m.std(m.stack([x, x], -1), -1)",
    "std": f"m.std({_ROW}, -1)",
    "var": f"m.var({_ROW}, -1)",
    "logsumexp": f"m.logsumexp({_ROW}, -1)",
    "softmax": f"m.softmax({_ROW}, -1)[..., 0]",
    "log_softmax": f"m.log_softmax({_ROW}, -1)[..., 0]",
    "softmin": f"F.softmin({_ROW}, -1)[..., 0]",
    "normalize": f"F.normalize({_ROW}, dim=-1)[..., 0]",
    "layer_norm": "F.layer_norm(m.stack([x, m.ones_like(x), x * 0.5], -1), (3,))[..., 0]",
    "rms_norm": f"F.rms_norm({_ROW}, (2,))[..., 0]",
    "rms_norm of one": "F.rms_norm(x[..., None], (1,))[..., 0]",
    "local_response_norm": f"F.local_response_norm({_ROW}[..., None], 2)[..., 0, 0]",
    "logits, target 0": f"F.binary_cross_entropy_with_logits(x, m.zeros_like(x), {_NONE})",
    "logits, target 1": f"F.binary_cross_entropy_with_logits(x, m.ones_like(x), {_NONE})",
    "logits, weight": f"F.binary_cross_entropy_with_logits(x, m.full_like(x, 0.25), {_NONE}, "
    "pos_weight=m.full_like(x, 2.0))",
    "mse": f"F.mse_loss(x, m.zeros_like(x), {_NONE})",
    "l1": f"F.l1_loss(x, m.zeros_like(x), {_NONE})",
    "smooth_l1": f"F.smooth_l1_loss(x, m.zeros_like(x), {_NONE})",
    "smooth_l1, wide": f"F.smooth_l1_loss(x, m.zeros_like(x), {_NONE}, beta=2.0)",
    "smooth_l1, sharp": f"F.smooth_l1_loss(x, m.zeros_like(x), {_NONE}, beta=0)",
    "huber": f"F.huber_loss(x, m.zeros_like(x), {_NONE})",
    "huber, wide": f"F.huber_loss(x, m.zeros_like(x), {_NONE}, delta=2.0)",
    "hinge 1": f"F.hinge_embedding_loss(x, m.ones_like(x), {_NONE})",
    "hinge -1": f"F.hinge_embedding_loss(x, -m.ones_like(x), {_NONE})",
    "hinge 0": f"F.hinge_embedding_loss(x, m.zeros_like(x), {_NONE})",
    "kl": f"F.kl_div(x, m.full_like(x, 0.5), {_NONE})",
    "kl of nothing": f"F.kl_div(x, m.zeros_like(x), {_NONE})",
    "kl of logarithms": f"F.kl_div(x, m.full_like(x, -0.5), {_NONE}, log_target=True)",
    "softmargin": f"F.soft_margin_loss(x.clamp(-10, 10), m.ones_like(x), {_NONE})",
    "softmargin -1": f"F.soft_margin_loss(x.clamp(-10, 10), -m.ones_like(x), {_NONE})",
    "gaussian": f"F.gaussian_nll_loss(m.ones_like(x), m.zeros_like(x), x.abs(), {_NONE})",
    "gaussian, input": f"F.gaussian_nll_loss(x, m.zeros_like(x), m.ones_like(x), {_NONE})",
    "gaussian, full": f"F.gaussian_nll_loss(x, m.zeros_like(x), m.ones_like(x), True, {_NONE})",
    "poisson": f"F.poisson_nll_loss(x, m.full_like(x, 2.0), {_NONE})",
    "poisson, full": f"F.poisson_nll_loss(x, m.full_like(x, 2.0), full=True, {_NONE})",
    "poisson, plain": f"F.poisson_nll_loss(x, m.full_like(x, 2.0), False, {_NONE})",
    "ranking": f"F.margin_ranking_loss(x, m.zeros_like(x), m.ones_like(x), 1.0, {_NONE})",
    "ranking, no margin": f"F.margin_ranking_loss(x, m.zeros_like(x), m.ones_like(x), {_NONE})",
    "triplet": f"F.triplet_margin_loss(x[:, None], m.zeros_like(x)[:, None], "
    f"m.ones_like(x)[:, None], {_NONE})",
    "triplet, swapped": f"F.triplet_margin_loss(x[:, None], m.zeros_like(x)[:, None], "
    f"m.ones_like(x)[:, None], swap=True, {_NONE})",
    "cosine": f"F.cosine_similarity({_ROW}, m.ones(1, 2).to(x.dtype))",
    "cosine of nothing": f"F.cosine_similarity({_ROW}, m.zeros(1, 2).to(x.dtype))",
    "cosine along one": "F.cosine_similarity(x[:, None], m.ones(1, 1).to(x.dtype))",
    "distance": f"F.pairwise_distance({_ROW}, m.ones(2).to(x.dtype))",
    "distance 1": f"F.pairwise_distance({_ROW}, m.ones(2).to(x.dtype), p=1)",
    "cross_entropy": f"F.cross_entropy({_ROW}, m.zeros_like(x).long(), {_NONE})",
    "cross_entropy, weight 0": f"F.cross_entropy({_ROW}, m.zeros_like(x).long(), "
    f"m.tensor([0.0, 1.0]).to(x.dtype), {_NONE})",
    "cross_entropy, smooth": f"F.cross_entropy({_ROW}, m.zeros_like(x).long(), "
    f"label_smoothing=0.1, {_NONE})",
    "cross_entropy, ignored": f"F.cross_entropy({_ROW}, m.zeros_like(x).long(), "
    f"ignore_index=0, {_NONE})",
    "cross_entropy, shares": f"F.cross_entropy({_ROW}, m.full_like({_ROW}, 0.5), {_NONE})",
    "nll": f"F.nll_loss({_ROW}, m.zeros_like(x).long(), {_NONE})",
    "nll, ignored": f"F.nll_loss({_ROW}, m.zeros_like(x).long(), ignore_index=0, {_NONE})",
}

TWO = {name: f"m.{name}(x, y)" for name in _BINARY}
TWO |= {f"{n} of two": f"m.{n}({_ROWS}, -1){_first(n)}" for n in _REDUCED}
TWO |= {
    f"{n} of three": f"m.{n}(m.stack([x, y, x], -1), -1){_first(n)}" for n in ("prod", "median")
}
_ALL = ("max", "min", "median", "prod", "std", "norm", "amax", "amin", "sum", "mean")
TWO |= {f"{n} of all": f"m.stack([m.{n}(m.stack([a, b])) for a, b in zip(x, y)])" for n in _ALL}
TWO |= {
    "clamp from": "x.clamp(min=y)",
    "clamp to": "x.clamp(max=y)",
    "clamp between": "x.nan_to_num(0.7).clamp(y.nan_to_num(0.7), y.nan_to_num(0.7).flip(0))",
    "where": "m.where(x > 0, x, y)",
    "trunc of quotient": "m.div(x, y, rounding_mode='trunc')",
    "floor of quotient": "m.div(x, y, rounding_mode='floor')",
    "lerp": "m.lerp(x, y, m.full_like(x, 0.5))",
    "lerp, weight": "m.lerp(m.ones_like(x), x, y)",
    "addcmul": "m.addcmul(x, x, y, value=2)",
    "addcdiv": "m.addcdiv(x, x, y)",
    "kthvalue": f"m.kthvalue({_ROWS}, 2, -1).values",
    "topk": f"m.topk({_ROWS}, 1, -1).values",
    "topk, least": f"m.topk({_ROWS}, 2, -1, largest=False).values",
    "sort, descending": f"m.sort({_ROWS}, -1, True).values",
    "diff": f"m.diff({_ROWS}, dim=-1)",
    "norm inf": f"m.norm({_ROWS}, {_INF}, dim=-1)",
    "norm -inf": f"m.norm({_ROWS}, -{_INF}, dim=-1)",
    "norm 0.5": f"m.norm({_ROWS}, 0.5, dim=-1)",
    "norm 3": f"m.norm({_ROWS}, 3, dim=-1)",
    "std, biased": f"m.std({_ROWS}, -1, correction=0)",
    "var of too few": f"m.var({_ROWS}, -1, correction=2)",
    "matmul": f"({_ROWS}[:, None] @ m.stack([y, x], -1)[..., None]).flatten()",
    "glu": f"F.glu({_ROWS}, -1)[..., 0]",
    "logits": f"F.binary_cross_entropy_with_logits(x, y, {_NONE})",
    "saturated": f"F.binary_cross_entropy(x.sigmoid().nan_to_num(0.5), (y > 0).to(x.dtype), "
    f"{_NONE})",
    "mse": f"F.mse_loss(x, y, {_NONE})",
    "l1": f"F.l1_loss(x, y, {_NONE})",
    "smooth_l1": f"F.smooth_l1_loss(x, y, {_NONE})",
    "huber": f"F.huber_loss(x, y, {_NONE})",
    "kl": f"F.kl_div(x, y, {_NONE})",
    "kl of logarithms": f"F.kl_div(x, y, {_NONE}, log_target=True)",
    "poisson": f"F.poisson_nll_loss(x, y, {_NONE})",
    "poisson, full": f"F.poisson_nll_loss(x, y, full=True, {_NONE})",
    "poisson, plain": f"F.poisson_nll_loss(x, y, False, {_NONE})",
    "gaussian": f"F.gaussian_nll_loss(x, y, m.ones_like(x), {_NONE})",
    "gaussian, variance": f"F.gaussian_nll_loss(x, m.zeros_like(x), y.abs(), {_NONE})",
    "ranking": f"F.margin_ranking_loss(x, y, m.ones_like(x), 1.0, {_NONE})",
    "hinge": f"F.hinge_embedding_loss(x, y, 1.0, {_NONE})",
    "triplet": f"F.triplet_margin_loss(x[:, None], y[:, None], m.ones_like(x)[:, None], {_NONE})",
    "cosine": f"F.cosine_similarity({_ROWS}, m.ones(1, 2).to(x.dtype))",
    "distance": "F.pairwise_distance(x[:, None], y[:, None])",
    "cross_entropy": f"F.cross_entropy({_ROWS}, m.zeros_like(x).long(), {_NONE})",
    "layer_norm": f"F.layer_norm({_ROWS}, (2,))",
    "rms_norm": f"F.rms_norm({_ROWS}, (2,))",
    "max_pool": f"F.max_pool1d({_ROWS}[:, None], 2)[:, 0]",
    "avg_pool": f"F.avg_pool1d({_ROWS}[:, None], 2)[:, 0]",
    "bilinear": "F.bilinear(x[:, None], y[:, None], m.ones(1, 1, 1).to(x.dtype))[:, 0]",
}
TWO |= {
    f"scatter {how}": "x[..., None].scatter_reduce(1, m.zeros_like(y).long()[:, None], "
    f"y[:, None], '{how}')[:, 0]"
    for how in ("amax", "amin", "mean", "prod", "sum")
}

#: Parts that are not compared, and why.
LEFT_OUT = {"nanmean of two": (("d0", "d1"), "of nothing but NaN PyTorch multiplies infinity by 0")}
#: Compared without a second derivative, and why.
FIRST_ONLY = {
    "cumprod of two": "asked for a second derivative, PyTorch computes the first in another way",
    "distance 1": "PyTorch's second derivative of this norm reads memory that nothing wrote",
    "norm inf": "so does that of the maximum norm",
    "norm -inf": "so does that of the maximum norm",
    "norm 1 of one": "so does that of the 1-norm",
    "saturated": "PyTorch bounds p * (1 - p) otherwise in the second than in the first",
}
#: Whose zeros may have either sign, in PyTorch too: by the width of its vector loops.
UNSIGNED = (
    "max of all",
    "min of all",
    "amax of all",
    "amin of all",
    "clamp between",
    "max_pool",
    "scatter amax",
    "scatter amin",
)
#: Of numbers up to 1e18 only: the squares of larger ones overflow in float32, or do not where
#: PyTorch adds them up in float64.
SQUARES = (
    "gaussian,",
    "norm",
    "std",
    "var",
    "layer_norm",
    "rms_norm",
    "distance",
    "triplet",
    "cosine",
)
