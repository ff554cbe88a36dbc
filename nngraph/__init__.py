"""PyTorch-style training code compiled into one typed graph, and from there to ONNX or TVM."""

from __future__ import annotations

from nngraph import nn, optim
from nngraph.backends.base import BackendError
from nngraph.frontend import autograd
from nngraph.frontend.checkpoint import load, save
from nngraph.frontend.compile import compile, trace
from nngraph.frontend.export import export
from nngraph.frontend.functional.arithmetic import *
from nngraph.frontend.functional.comparison import *
from nngraph.frontend.functional.contraction import *
from nngraph.frontend.functional.conversion import *
from nngraph.frontend.functional.creation import *
from nngraph.frontend.functional.extremes import *
from nngraph.frontend.functional.facts import *
from nngraph.frontend.functional.indexing import *
from nngraph.frontend.functional.joining import *
from nngraph.frontend.functional.linalg import *
from nngraph.frontend.functional.logic import *
from nngraph.frontend.functional.moving import *
from nngraph.frontend.functional.order import *
from nngraph.frontend.functional.parts import *
from nngraph.frontend.functional.pointwise import *
from nngraph.frontend.functional.random import *
from nngraph.frontend.functional.reduction import *
from nngraph.frontend.functional.scan import *
from nngraph.frontend.functional.selection import *
from nngraph.frontend.functional.shaping import *
from nngraph.frontend.functional.special import *
from nngraph.frontend.limits import finfo, iinfo
from nngraph.frontend.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from nngraph.frontend.promotion import promote_types, result_type
from nngraph.frontend.tensor import Size, Tensor
from nngraph.frontend.trace import ConcretizationError, TraceError
from nngraph.frontend.tracing import spec
from nngraph.ir.dtypes import DType as dtype
from nngraph.ir.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from nngraph.ir.dtypes import bool_ as bool
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.finite import NonFiniteError
from nngraph.version import __version__

float = float32
double = float64
half = float16
int = int32
long = int64
short = int16

# fmt: off
__all__ = [
    "BackendError", "CheckpointError", "ConcretizationError", "NonFiniteError", "Size",
    "Tensor", "TraceError", "__version__", "abs", "absolute", "acos", "acosh", "add", "addcdiv",
    "addcmul", "addmm", "addmv", "all", "allclose", "amax", "amin", "aminmax", "any", "arange",
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax",
    "argmin", "argsort", "argwhere", "as_tensor", "asin", "asinh", "atan", "atan2", "atanh",
    "atleast_1d", "atleast_2d", "autograd", "baddbmm", "bfloat16", "bincount", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "bmm", "bool", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "cat", "ceil",
    "chunk", "clamp", "clamp_max", "clamp_min", "clip", "clone", "compile", "concat",
    "concatenate", "copysign", "cos", "cosh", "count_nonzero", "cross", "cumprod", "cumsum",
    "deg2rad", "detach", "diag", "diag_embed", "diagonal", "diff", "dist", "div", "divide",
    "dot", "double", "dtype", "einsum", "empty", "empty_like", "enable_grad", "eq", "equal",
    "erf", "exp", "exp2", "expm1", "export", "eye", "finfo", "fix", "flatten", "flip", "fliplr",
    "flipud", "float", "float16", "float32", "float64", "float_power", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "frac", "from_dlpack", "from_numpy", "full", "full_like", "gather",
    "ge", "ger", "get_rng_state", "greater", "greater_equal", "gt", "half", "heaviside",
    "hstack", "hypot", "iinfo", "index_add", "index_copy", "index_fill", "index_put",
    "index_select", "initial_seed", "inner", "int", "int16", "int32", "int64", "int8",
    "is_floating_point", "is_grad_enabled", "is_nonzero", "is_tensor", "isclose", "isfinite",
    "isinf", "isnan", "isneginf", "isposinf", "kthvalue", "le", "lerp", "less", "less_equal",
    "linspace", "load", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logit",
    "logsumexp", "long", "lt", "manual_seed", "masked_fill", "masked_scatter", "masked_select",
    "matmul", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm",
    "moveaxis", "movedim", "msort", "mul", "multiply", "mv", "nan_to_num", "nanmean", "nansum",
    "narrow", "ne", "neg", "negative", "nn", "no_grad", "nonzero", "norm", "not_equal", "numel",
    "ones", "ones_like", "optim", "outer", "permute", "positive", "pow", "prod",
    "promote_types", "rad2deg", "rand", "rand_like", "randint", "randn", "randn_like",
    "randperm", "ravel", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape",
    "result_type", "roll", "round", "rsqrt", "rsub", "save", "scatter", "scatter_add",
    "scatter_reduce", "select", "select_scatter", "set_grad_enabled", "set_rng_state", "sgn",
    "short", "sigmoid", "sign", "signbit", "sin", "sinh", "slice_scatter", "softmax", "sort",
    "spec", "split", "sqrt", "square", "squeeze", "stack", "std", "std_mean", "sub", "subtract",
    "sum", "swapaxes", "swapdims", "t", "take", "take_along_dim", "tan", "tanh", "tensor",
    "tensor_split", "tensordot", "tile", "topk", "trace", "transpose", "tril", "triu",
    "true_divide", "trunc", "uint16", "uint32", "uint64", "uint8", "unbind", "unflatten",
    "unique", "unsqueeze", "var", "var_mean", "vdot", "vstack", "where", "xlogy", "zeros",
    "zeros_like",
]
# fmt: on
