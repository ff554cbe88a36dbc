"""Tensor methods that PyTorch also has as functions, and small functions made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.frontend.functions import cat
from nngraph.frontend.tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "addmm", "all", "allclose",
    "amax", "amin", "any", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "argmax", "argmin", "argsort", "asin", "asinh", "atan", "atan2", "atanh",
    "baddbmm", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "bmm", "broadcast_tensors", "broadcast_to", "ceil",
    "chunk", "clamp", "clip", "clone", "copysign", "cos", "cosh", "cumprod", "cumsum",
    "deg2rad", "detach", "div", "divide", "dot", "eq", "equal", "erf", "exp", "exp2", "expm1",
    "fix", "flatten", "flip", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod",
    "frac", "gather", "ge", "greater", "greater_equal", "gt", "heaviside", "hstack", "hypot",
    "index_add", "index_copy", "index_select", "is_floating_point", "is_nonzero", "isclose",
    "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le", "lerp", "less", "less_equal",
    "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logaddexp2", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logit", "logsumexp", "lt", "masked_fill",
    "masked_select", "matmul", "max", "maximum", "mean", "min", "minimum", "mm", "moveaxis",
    "movedim", "mul", "multiply", "mv", "nan_to_num", "narrow", "ne", "neg", "negative",
    "nonzero", "norm", "not_equal", "outer", "permute", "positive", "pow", "prod", "rad2deg",
    "reciprocal", "relu", "remainder", "reshape", "roll", "round", "rsqrt", "rsub", "scatter",
    "scatter_add", "scatter_reduce", "sgn", "sigmoid", "sign", "signbit", "sin", "sinh",
    "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sub", "subtract", "sum",
    "swapaxes", "swapdims", "t", "take_along_dim", "tan", "tanh", "tensordot", "tile", "topk",
    "transpose", "tril", "triu", "true_divide", "trunc", "unbind", "unflatten", "unsqueeze",
    "var", "vstack", "xlogy",
]  # fmt: skip

abs = absolute = Tensor.abs
acos = arccos = Tensor.acos
acosh = arccosh = Tensor.acosh
add = Tensor.add
addcdiv = Tensor.addcdiv
addcmul = Tensor.addcmul
all = Tensor.all
amax = Tensor.amax
amin = Tensor.amin
any = Tensor.any
argmax = Tensor.argmax
argmin = Tensor.argmin
argsort = Tensor.argsort
asin = arcsin = Tensor.asin
asinh = arcsinh = Tensor.asinh
atan = arctan = Tensor.atan
atan2 = arctan2 = Tensor.atan2
atanh = arctanh = Tensor.atanh
bitwise_and = Tensor.bitwise_and
bitwise_left_shift = Tensor.bitwise_left_shift
bitwise_not = Tensor.bitwise_not
bitwise_or = Tensor.bitwise_or
bitwise_right_shift = Tensor.bitwise_right_shift
bitwise_xor = Tensor.bitwise_xor
bmm = Tensor.bmm
broadcast_to = Tensor.broadcast_to
ceil = Tensor.ceil
chunk = Tensor.chunk
clamp = clip = Tensor.clamp
clone = Tensor.clone
cos = Tensor.cos
cosh = Tensor.cosh
cumprod = Tensor.cumprod
cumsum = Tensor.cumsum
detach = Tensor.detach
div = divide = true_divide = Tensor.div
dot = Tensor.dot
eq = Tensor.eq
erf = Tensor.erf
exp = Tensor.exp
expm1 = Tensor.expm1
flatten = Tensor.flatten
flip = Tensor.flip
floor = Tensor.floor
floor_divide = Tensor.floor_divide
fmod = Tensor.fmod
gather = Tensor.gather
ge = greater_equal = Tensor.ge
gt = greater = Tensor.gt
index_add = Tensor.index_add
index_copy = Tensor.index_copy
index_select = Tensor.index_select
is_floating_point = Tensor.is_floating_point
isfinite = Tensor.isfinite
isinf = Tensor.isinf
isnan = Tensor.isnan
le = less_equal = Tensor.le
lerp = Tensor.lerp
log = Tensor.log
log1p = Tensor.log1p
log2 = Tensor.log2
log_softmax = Tensor.log_softmax
logical_and = Tensor.logical_and
logical_not = Tensor.logical_not
logical_or = Tensor.logical_or
logical_xor = Tensor.logical_xor
logsumexp = Tensor.logsumexp
lt = less = Tensor.lt
masked_fill = Tensor.masked_fill
masked_select = Tensor.masked_select
matmul = Tensor.matmul
max = Tensor.max
maximum = Tensor.maximum
mean = Tensor.mean
min = Tensor.min
minimum = Tensor.minimum
mm = Tensor.mm
movedim = moveaxis = Tensor.movedim
mul = multiply = Tensor.mul
mv = Tensor.mv
nan_to_num = Tensor.nan_to_num
narrow = Tensor.narrow
ne = not_equal = Tensor.ne
neg = negative = Tensor.neg
nonzero = Tensor.nonzero
norm = Tensor.norm
outer = Tensor.outer
permute = Tensor.permute
pow = Tensor.pow
prod = Tensor.prod
reciprocal = Tensor.reciprocal
relu = Tensor.relu
remainder = Tensor.remainder
reshape = Tensor.reshape
roll = Tensor.roll
round = Tensor.round
rsqrt = Tensor.rsqrt
scatter = Tensor.scatter
scatter_add = Tensor.scatter_add
scatter_reduce = Tensor.scatter_reduce
sigmoid = Tensor.sigmoid
sign = sgn = Tensor.sign
sin = Tensor.sin
sinh = Tensor.sinh
softmax = Tensor.softmax
sort = Tensor.sort
split = Tensor.split
sqrt = Tensor.sqrt
square = Tensor.square
squeeze = Tensor.squeeze
std = Tensor.std
sub = subtract = Tensor.sub
sum = Tensor.sum
swapaxes = swapdims = Tensor.swapaxes
t = Tensor.t
take_along_dim = Tensor.take_along_dim
tan = Tensor.tan
tanh = Tensor.tanh
tile = Tensor.repeat
topk = Tensor.topk
transpose = Tensor.transpose
tril = Tensor.tril
triu = Tensor.triu
trunc = fix = Tensor.trunc
unbind = Tensor.unbind
unflatten = Tensor.unflatten
unsqueeze = Tensor.unsqueeze
var = Tensor.var
log10 = Tensor.log10
exp2 = Tensor.exp2
frac = Tensor.frac
deg2rad = Tensor.deg2rad
rad2deg = Tensor.rad2deg
logit = Tensor.logit
signbit = Tensor.signbit
isposinf = Tensor.isposinf
isneginf = Tensor.isneginf
hypot = Tensor.hypot
logaddexp = Tensor.logaddexp
logaddexp2 = Tensor.logaddexp2
fmax = Tensor.fmax
fmin = Tensor.fmin
copysign = Tensor.copysign
xlogy = Tensor.xlogy
float_power = Tensor.float_power
heaviside = Tensor.heaviside
isclose = Tensor.isclose
allclose = Tensor.allclose
equal = Tensor.equal
positive = Tensor.positive
rsub = Tensor.rsub


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1,
          alpha: float = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * mat1 @ mat2``."""
    product = mat1.mm(mat2) if alpha == 1 else mat1.mm(mat2) * alpha
    return product if beta == 0 else (input if beta == 1 else input * beta) + product


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1,
            alpha: float = 1) -> Tensor:  # fmt: skip
    """``beta * input + alpha * batch1 @ batch2``."""
    product = batch1.bmm(batch2) if alpha == 1 else batch1.bmm(batch2) * alpha
    return product if beta == 0 else (input if beta == 1 else input * beta) + product


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums products over pairs of dimensions: their number, or two lists."""
    if isinstance(dims, int):
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    left, right = ([d % n.ndim for d in ds] for ds, n in zip(dims, (a, b), strict=True))
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    shape = [*(a.shape[d] for d in keep_a), *(b.shape[d] for d in keep_b)]
    rows = a.permute(*keep_a, *left).flatten(len(keep_a)) if left else a.unsqueeze(-1)
    count = rows.shape[-1]
    columns = b.permute(*right, *keep_b)
    return (rows.reshape(-1, count) @ columns.reshape(count, -1)).reshape(shape)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins tensors along axis 1 (axis 0 for vectors)."""
    listed = [x.reshape(1) if x.ndim == 0 else x for x in tensors]
    return cat(listed, 0 if listed[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins tensors along axis 0; vectors become rows."""
    return cat([x.reshape(1, -1) if x.ndim < 2 else x for x in tensors], 0)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors in their common shape."""
    from nngraph.ops.core import broadcast_shapes

    shape = broadcast_shapes("broadcast_tensors", [x.type.shape for x in tensors])
    return tuple(x.expand(*shape) for x in tensors)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; needs its value."""
    return bool(input)
