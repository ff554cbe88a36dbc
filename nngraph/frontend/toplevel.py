"""Tensor methods that PyTorch also has as functions, and small functions made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nngraph.frontend.functions import cat
from nngraph.frontend.tensor import Size, Tensor
from nngraph.ir.types import TypeMismatch
from nngraph.ops import core

# fmt: off
__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "addmm", "addmv", "all",
    "allclose", "amax", "amin", "aminmax", "any", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort", "argwhere", "asin", "asinh",
    "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "baddbmm", "bincount", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "ceil", "chunk", "clamp",
    "clip", "clone", "copysign", "cos", "cosh", "count_nonzero", "cross", "cumprod", "cumsum",
    "deg2rad", "detach", "diag", "diag_embed", "diagonal", "diff", "dist", "div", "divide",
    "dot", "eq", "equal", "erf", "exp", "exp2", "expm1", "fix", "flatten", "flip", "fliplr",
    "flipud", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "gather",
    "ge", "ger", "greater", "greater_equal", "gt", "heaviside", "hstack", "hypot", "index_add",
    "index_copy", "index_fill", "index_put", "index_select", "inner", "is_floating_point",
    "is_nonzero", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "kthvalue",
    "le", "lerp", "less", "less_equal", "log", "log10", "log1p", "log2", "log_softmax",
    "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logit", "logsumexp", "lt", "masked_fill", "masked_scatter", "masked_select", "matmul",
    "max", "maximum", "mean", "median", "min", "minimum", "mm", "moveaxis", "movedim", "msort",
    "mul", "multiply", "mv", "nan_to_num", "nanmean", "nansum", "narrow", "ne", "neg",
    "negative", "nonzero", "norm", "not_equal", "outer", "permute", "positive", "pow", "prod",
    "rad2deg", "ravel", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape",
    "roll", "round", "rsqrt", "rsub", "scatter", "scatter_add", "scatter_reduce", "select",
    "select_scatter", "sgn", "sigmoid", "sign", "signbit", "sin", "sinh", "slice_scatter",
    "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "std_mean", "sub",
    "subtract", "sum", "swapaxes", "swapdims", "t", "take", "take_along_dim", "tan", "tanh",
    "tensor_split", "tensordot", "tile", "topk", "transpose", "tril", "triu", "true_divide",
    "trunc", "unbind", "unflatten", "unique", "unsqueeze", "var", "var_mean", "vdot", "vstack",
    "xlogy",
]
# fmt: on

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
tile = Tensor.tile
topk = Tensor.topk
transpose = Tensor.transpose
tril = Tensor.tril
triu = Tensor.triu
trunc = fix = Tensor.trunc
unbind = Tensor.unbind
unflatten = Tensor.unflatten
unsqueeze = Tensor.unsqueeze
var = Tensor.var
addmm = Tensor.addmm
addmv = Tensor.addmv
aminmax = Tensor.aminmax
argwhere = Tensor.argwhere
baddbmm = Tensor.baddbmm
bincount = Tensor.bincount
count_nonzero = Tensor.count_nonzero
cross = Tensor.cross
diag = Tensor.diag
diag_embed = Tensor.diag_embed
diagonal = Tensor.diagonal
diff = Tensor.diff
fliplr = Tensor.fliplr
flipud = Tensor.flipud
ger = Tensor.ger
index_fill = Tensor.index_fill
index_put = Tensor.index_put
inner = Tensor.inner
kthvalue = Tensor.kthvalue
median = Tensor.median
masked_scatter = Tensor.masked_scatter
nanmean = Tensor.nanmean
nansum = Tensor.nansum
ravel = Tensor.ravel
repeat_interleave = Tensor.repeat_interleave
select = Tensor.select
select_scatter = Tensor.select_scatter
slice_scatter = Tensor.slice_scatter
take = Tensor.take
tensor_split = Tensor.tensor_split
unique = Tensor.unique
vdot = Tensor.vdot
msort = Tensor.msort
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
    shape = broadcast_shapes(*(x.type.shape for x in tensors))
    return tuple(x.expand(*shape) for x in tensors)


def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape of tensors that are combined element by element.

    Raises:
        RuntimeError: if two sizes differ and neither is 1.
    """
    try:
        listed = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
        return Size(core.broadcast_shapes("broadcast_shapes", listed))
    except TypeMismatch as error:
        raise RuntimeError(str(error)) from None


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    variance = input.var(dim, unbiased, keepdim, correction=correction)
    return variance, input.mean(None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    variance, mean = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return variance.sqrt(), mean


def atleast_1d(input: Tensor) -> Tensor:
    """A tensor without axes gets one."""
    return input if input.ndim else input.reshape(1)


def atleast_2d(input: Tensor) -> Tensor:
    """A tensor with fewer than two axes becomes a row."""
    return input if input.ndim > 1 else input.reshape(1, -1)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference."""
    return (input - other).norm(p)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; needs its value."""
    return bool(input)
