"""Small calls of every function of tensors, from which the sweeps draw their programs.

A line is a function and what its calls are given after the tensor, ``()`` for nothing. Operands:

- ``x``, ``y``: of the shape and dtype that are tried; ``f``, ``i``, ``b``: of that shape, float32,
  int64 (0 or 1) and bool;
- ``k``: indices of the first axis, two of them equal; ``k0``: one index, without axes;
- ``m``: PyTorch or nngraph, ``F`` its ``nn.functional``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import nngraph as ng
from nngraph import nn
from tests.frontend.parity import cases
from tests.frontend.sweep.neural import NEURAL, NEURAL_ALONE

__all__ = ["NOT_CALLED", "programs"]

#: Methods, and functions that are none, of which the tensor is the first argument.
_AFTER = r"""
    add  y  f  i  b  2  1.5  True  -1  y, alpha=2  y, alpha=1.5
    sub  y  f  i  b  2  1.5  True  -1  y, alpha=2  y, alpha=1.5
    mul  y  f  i  b  2  1.5  True  -1
    div  y  f  i  b  2  1.5  True  -1  y, rounding_mode='floor'  y, rounding_mode='trunc' \
        2, rounding_mode='floor'  f, rounding_mode='trunc'
    floor_divide  y  f  i  b  2  1.5  True
    remainder  y  f  i  b  2  1.5  True
    fmod  y  f  i  b  2  1.5  True
    pow  y  f  i  b  2  1.5  True  -1  0
    rsub  y  f  i  b  2  1.5  True  y, alpha=2
    addcmul  y, y  f, y  y, y, value=2  y, y, value=1.5  i, i
    addcdiv  y, y  f, y  y, y, value=2  i, i
    lerp  y, 0.5  y, y  y, 2  f, 0.5  f, f  y, True
    maximum  y  f  i  b
    minimum  y  f  i  b
    clamp  0, 1  0.5, 1.5  y, y  min=y  max=1  f  max=i  None, y  y, 2  True, 2  b
    clamp_min  1  0.5  y  f  True
    clamp_max  1  0.5  y  f  True
    eq  y  f  i  b  2  1.5  True
    ne  y  f  i  b  2  1.5  True
    lt  y  f  i  b  2  1.5  True
    le  y  f  i  b  2  1.5  True
    gt  y  f  i  b  2  1.5  True
    ge  y  f  i  b  2  1.5  True
    isclose  y  f  i
    allclose  y  f
    equal  y  f  x
    to  m.float32  m.int64  m.bool  m.float16  m.uint8  m.bfloat16  f  'cpu'  m.int8
    type_as  f  i  b
    type  m.float32  m.int64  'torch.BoolTensor'  m.HalfTensor
    new_zeros  2  (2, 3)  2, dtype=m.int64
    new_ones  2
    new_empty  (0, 2)
    new_full  (2,), 1.5  (2,), True  (2,), 3
    new_tensor  [1, 2]  [1.5]  [True]  5
    max  ()  0  y  -1, True  f
    min  ()  0  y  -1, True  i
    argmax  ()  0  -1, True
    argmin  ()  0  -1, True
    size  ()  0  -1
    index_select  0, k  -1, k[:1]  0, k.int()  0, k0
    take  k  k0  i
    take_along_dim  i, 0  i  i, -1
    gather  0, i  -1, i  0, k0
    scatter  0, i, y  0, i, 2  0, i, 1.5  -1, i, y  0, i, f  0, i, True  0, i, y, reduce='add' \
        0, i, 2, reduce='multiply'  0, k0, 1
    scatter_add  0, i, y  -1, i, y  0, i, f
    scatter_reduce  0, i, y, 'sum'  0, i, y, 'prod'  0, i, y, 'mean'  0, i, y, 'amax' \
        0, i, y, 'amin'  0, i, y, 'amax', include_self=False \
        0, i, y, 'mean', include_self=False  0, i, y, 'prod', include_self=False \
        0, i, y, 'sum', include_self=False
    index_add  0, k, y[k]  0, k, y[k], alpha=2  0, k, f[k]  0, k0, y
    index_copy  0, i, y  0, k, y[k]  0, k, f[k]  0, k0, y
    index_fill  0, i, 2  0, k, 2  -1, k[:1], 1.5  0, k, y.flatten()[0]  0, k0, 1  0, k, True \
        0, k, f.flatten()[0]
    index_put  (k,), y[k]  (k,), y[k], True  (k,), y.flatten()[0]  (b,), y.flatten()[0] \
        (k,), f[k]
    select_scatter  y.select(0, 0), 0, 1  f.select(0, 0), 0, 1
    slice_scatter  y  y[:1], 0, 1, 2  f
    matmul  y.mT  y[0]  y  f
    mm  y.t()  f.t()
    mv  y[0]
    inner  y  y[0]  f
    addmm  x, y.t()  x, y.t(), beta=2  x, y.t(), beta=1.5, alpha=0.5
    cross  y, dim=-1  y
    tril  ()  1  -1
    triu  ()  1  -1
    logical_and  y  f
    logical_or  y  i
    logical_xor  y  b
    bitwise_and  y  i  b  2  True
    bitwise_or  y  i  b  2  True
    bitwise_xor  y  i  b  2  True
    bitwise_left_shift  y.abs()  1  i  70  -1
    bitwise_right_shift  y.abs()  1  i  70  -1
    permute  1, 0  0  (-1, 0)  ()
    transpose  0, 1  -1, -2  0, 0  0, -1
    swapaxes  0, 1  0, 0
    movedim  0, 1  0, 0  0, -1
    flip  0  0, 1  (0,)  ()  -1
    roll  1  1, 0  (1, 2), (0, 1)  0, 0  -5, -1
    repeat  2  2, 1  1, 1  2, 2, 1  0, 2
    tile  2  1, 2  0
    repeat_interleave  2  2, 0  0, 0  k[:1]
    sort  ()  0  -1, True  stable=True  dim=0, descending=True
    argsort  ()  0, True
    topk  1  2, -1  1, 0, False  0
    kthvalue  1  1, 0  2, -1, True
    median  ()  0  -1, True
    nanmedian  ()  0  -1, True
    mode  ()  0  -1, True
    quantile  0.5  0.3, 0  0.6, -1, True  x.new_ones(2) / 4, 0  1.0, interpolation='lower' \
        0.3, 0, interpolation='higher'  0.3, 0, interpolation='midpoint' \
        0.3, 0, interpolation='nearest'
    nanquantile  0.5  0.3, 0  0.6, -1, True  x.new_ones(2) / 4, 0
    searchsorted  y  y, right=True  y, side='right', out_int32=True
    histc  5, -2, 2  4, 0, 1
    histogram  4, range=(-1.0, 2.0)  3, range=(0.0, 1.0), weight=y  4, range=(-2, 3), density=True
    sum_to_size  x.shape  1  (1, *x.shape[1:])
    cov  ()  correction=0
    corrcoef  ()
    unique_consecutive  ()  return_inverse=True, return_counts=True  dim=0
    rot90  ()  -1  2, (-1, 0)
    kron  y  f  i
    diagflat  ()  1  -1
    unique  ()  return_inverse=True  return_counts=True  dim=0
    copy_  y  f  i  b  y[0]  2
    fill_  2  1.5  True  y.flatten()[0]  f.flatten()[0]
    fill_diagonal_  2  1.5  2, True
    normal_  2.0, 0.0
    uniform_  1.0, 1.0
    bernoulli_  1.0  0.0  b.float()  x
    bernoulli  1.0  0.0
    random_  1, 2  1  255, 256
    transpose_  0, 1  0, -1
    swapaxes_  0, 1
    squeeze_  ()  0  -1
    unsqueeze_  0  -1  1
    resize_  x.shape  x.numel()  (0, 2)
    resize_as_  y  y[:0]
    narrow  0, 0, 1  -1, 1, 1  0, 0, 0  0, k0, 1
    select  0, 0  -1, -1  0, 1
    split  1  2  1, -1  [1, 1]  0
    chunk  2  1  3, -1  2, 0
    unsafe_chunk  2  3, -1
    unsafe_split  1  2  1, -1
    unsafe_split_with_sizes  [1, 1]  [2]
    unbind  ()  -1
    tensor_split  2  (1,)  2, -1  k  k0
    hsplit  1  (1,)
    vsplit  1  (1,)
    dsplit  1
    split_with_sizes  [1, 1]  [2]
    diagonal  ()  1  0, 1, 0
    diagonal_scatter  y.diagonal()  f.diagonal()
    diag  ()  1
    diag_embed  ()  1
    round  ()  decimals=1  decimals=-1
    sum  ()  0  -1, True  dtype=m.float32  (0, 1)  dtype=m.int64  ()  0, dtype=m.float16
    mean  ()  0  -1, True  dtype=m.float32  (0, 1)
    prod  ()  0  -1, True  dtype=m.float32
    amax  ()  0  (0, 1), True
    amin  ()  0  (0, 1), True
    any  ()  []  0  -1, True  (0, 1)
    all  ()  []  0  -1, True  (0, 1)
    logsumexp  0  -1, True  (0, 1)
    var  ()  0  -1, False  0, correction=0  (0, 1)
    std  ()  0  -1, False  0, correction=0
    norm  ()  2, 0  1  0  float('inf'), 0  3, -1, True  p=2, dim=0, dtype=m.float64  'fro'
    aminmax  ()  dim=0  dim=-1, keepdim=True
    count_nonzero  ()  0
    nansum  ()  0  -1, True
    nanmean  ()  0
    dist  y  y, 1  y, 0  y, float('inf')  f
    cumsum  0  -1  0, dtype=m.float32
    cumprod  0  -1  0, dtype=m.float64
    cummax  0  -1
    cummin  0  -1
    logcumsumexp  0  -1
    trapezoid  ()  y  dx=2  dim=0
    trapz  ()  y  dx=0.5, dim=0
    cumulative_trapezoid  ()  y, dim=0  f
    gradient  ()  dim=0  spacing=0.5, dim=(0, 1)  edge_order=2  spacing=(1.0, 2.0)
    cdist  y  y, 1  y, 0.0  y, float('inf')  f  y, 3.0
    renorm  2, 0, 1  1, -1, 0.5
    addr  x[:, 0], y[0]  x[:, 0], y[0], beta=2  f[:, 0], f[0], alpha=0.5
    gcd  y  i  k0
    lcm  y  i
    ldexp  i  f  y
    frexp  ()
    nextafter  y  f
    fill  2  1.5  True  y.flatten()[0]
    frobenius_norm  0  (0, 1), True
    norm_except_dim  2  2, 1  2, -1
    angle  ()
    is_same_size  y  k
    put  k, y.flatten()[:3]  k, y.flatten()[:3], True  k0, y.flatten()[0]
    index_reduce  0, k, y[k], 'amax'  0, k, y[k], 'mean', include_self=False \
        -1, k, y[:, k], 'prod'  0, k, f[k], 'amin'
    narrow_copy  0, 0, 1  -1, 1, 1
    nonzero_static  size=4  size=20, fill_value=-7  size=0
    hardshrink  ()  0.25
    prelu  x.new_ones(1)  y[0]
    softmax  0  -1  0, dtype=m.float32
    log_softmax  0  -1  0, dtype=m.float64
    diff  ()  2  dim=0  prepend=y  append=y, dim=0  0  prepend=y, append=y, dim=0
    masked_fill  b, 2  b, 1.5  b, y.flatten()[0]  b, True  b, f.flatten()[0]  i, 2  b[0], 2
    masked_scatter  b, y  b, f  b[0], y
    masked_select  b  b[0]  i  m.tensor(True)
    nonzero  ()  as_tuple=True
    reshape  -1  x.shape  1, *x.shape
    view  -1  x.shape  1, *x.shape  m.int32
    view_as  y
    reshape_as  y
    flatten  ()  0  -1  0, 0
    unflatten  0, (1, -1)  -1, (-1, 1)
    squeeze  (0, -1)  ()  0  -1  (0, 1)
    unsqueeze  0  -1  1
    expand  *x.shape  2, *x.shape  -1, -1
    broadcast_to  x.shape  (2, *x.shape)
    expand_as  y
    atan2  y  f  i
    hypot  y  f
    logaddexp  y  f
    logaddexp2  y  f
    fmax  y  f  i  b
    fmin  y  f  i  b
    copysign  y  f  2  -1.5
    xlogy  y  f  2  1.5
    float_power  y  2  1.5  f
    heaviside  y  f
    polygamma  1  2
    mvlgamma  2
    logit  ()  0.1
    nan_to_num  ()  1.0  1, 2, 3
    unfold  0, 1, 1  -1, 2, 1  0, 0, 1
    as_strided  (2,), (1,)  (), ()  (2, 2), (0, 1)
    where  b, y  b, 2  b, 1.5  b, f  b, i  y > 0, 0  i, y
"""

#: The same, with no further argument.
_ALONE = """
    neg  positive  isnan  isinf  isfinite  isposinf  isneginf  float  double  half  bfloat16
    char  short  int  long  byte  bool  cpu  clone  detach  numel  dim  is_floating_point
    is_complex  is_inference  is_nonzero  element_size  stride  is_contiguous  contiguous
    trace  logical_not
    bitwise_not  conj  isreal  is_conj  is_neg  is_signed  resolve_conj  resolve_neg
    t  adjoint  fliplr  flipud  msort  zero_  t_  exp  expm1  log  log1p  log2
    sqrt  rsqrt  reciprocal  sin  cos  tan  asin  acos  atan  sinh  cosh  tanh  asinh  acosh
    atanh  erf  erfc  erfinv  i0  lgamma  digamma  sinc  sigmoid  abs  sign  sgn  exp2  log10
    square  deg2rad  rad2deg  relu  floor  ceil  trunc  frac  argwhere  ravel  signbit
"""

#: Calls that are written out: attributes, operators, assignments, functions of other arguments.
_WHOLE = cases(r"""
    m.cat([x, y])  m.cat([x, f])  m.cat([x, i], -1)  m.cat([x, b])  m.cat([x])
    m.cat([x, m.tensor([])])
    m.stack([x, y])  m.stack([x, f], -1)  m.stack([x])  m.stack([x, b], 1)
    m.hstack([x, y])  m.hstack([x])  m.hstack([x, f])
    m.vstack([x, y])  m.vstack([x, f])
    m.broadcast_tensors(x, y[0])  m.broadcast_tensors(x, f)
    m.meshgrid(x, y, indexing='ij')  m.meshgrid(x.flatten(), y.flatten(), indexing='xy')
    m.meshgrid(x.flatten(), f.flatten(), indexing='ij')  m.meshgrid(x, indexing='xy')
    m.column_stack([x, y])  m.column_stack([x, f])  m.row_stack([x, y])  m.dstack([x, y])
    m.block_diag(x, y)  m.block_diag(x, f)  m.block_diag(x)
    m.cartesian_prod(x.flatten(), y.flatten())  m.cartesian_prod(x.flatten())
    m.combinations(x.flatten())  m.combinations(x.flatten(), 3, True)
    m.isin(x, y)  m.isin(x, 1)  m.isin(x, y, invert=True)  m.isin(x, f)
    m.bucketize(x, m.tensor([-1.0, 0.0, 0.5, 1.0]))  m.bucketize(x, y.flatten().sort().values)
    m.bucketize(f, m.tensor([0.5, 1.0]), right=True, out_int32=True)
    m.searchsorted(y.flatten().sort().values, x, right=True)
    m.logspace(0, 2, 3, dtype=x.dtype)  m.logspace(-1, 1, 4, 2.0)
    m.tril_indices(3, 4, 1)  m.triu_indices(4, 3, -1, dtype=m.int32)  m.tril_indices(0, 2)
    m.unravel_index(i, (2, 3))  m.unravel_index(k, (2, 3, 2))  m.unravel_index(k0, 4)
    m.vander(x.flatten())  m.vander(x.flatten(), 3, True)
    m.hann_window(5)  m.hann_window(1)  m.hann_window(0)  m.hamming_window(5, False)
    m.hamming_window(4, True, 0.6, 0.3)  m.blackman_window(6)
    m.bartlett_window(5)  m.bartlett_window(6, False)  m.kaiser_window(5)
    m.kaiser_window(6, False, 3.0, dtype=m.float64)
    m.atleast_1d(x)  m.atleast_1d(x, y)
    m.atleast_2d(x)
    m.atleast_3d(x)
    m.einsum('...i,...i->...', x, y)  m.einsum('ij->ji', x)  m.einsum('...,...->...', x, y)
    m.einsum('ij,kj->ik', x, y)  m.einsum('ij,ij->i', x, f)
    m.tensordot(x, y, x.ndim)  m.tensordot(x, y, 0)  m.tensordot(x, y, dims=([0], [0]))
    x[None].bmm(y.mT[None])
    m.addbmm(x, x[None], y.mT[None])  m.addbmm(x, x[None], y.mT[None], beta=0.5, alpha=2)
    x.clone().addbmm_(x[None], y.mT[None])
    m.can_cast(x.dtype, m.int32)  m.real(x)  m.asarray(x)  m.scalar_tensor(2, dtype=x.dtype)
    x.flatten().dot(y.flatten())  x[0].dot(y[0])  x.flatten().dot(f.flatten())
    x[0].vdot(y[0])
    x[0].outer(y[0])  x.flatten().outer(f.flatten())
    m.addmv(x[:, 0], x, y[0])  x[:, 0].clone().addmv_(x, y[0])
    x[None].clone().baddbmm_(x[None], y.mT[None])
    m.baddbmm(x[None], x[None], y.mT[None])  m.baddbmm(x[None], x[None], y.mT[None], beta=0.5)
    m.var_mean(x)  m.var_mean(x, 0)
    m.std_mean(x)  m.std_mean(x, 0)
    x.T
    x.mT
    x.mH
    x.H
    x.itemsize
    x.real
    x.name
    x.output_nr
    x.nbytes
    m.is_tensor(x)
    m.full_like(x, 2)  m.full_like(x, 1.5)  m.full_like(x, True)
    m.zeros_like(x)
    m.ones_like(x)  m.ones_like(x, dtype=m.int64)
    m.empty_like(x).shape
    m.where(b, 2, x)  m.where(b, 1.5, x)  m.where(b, x, True)  m.where(x)  m.where(x, y, y)
    m.rand_like(x).dtype  m.rand(2, dtype=x.dtype).shape  m.randn(2).shape  m.randperm(3).shape
    m.randn_like(x).dtype
    m.randint(5, x.shape).dtype  m.randint_like(x, 1)  m.randint_like(x, 1, 2)
    m.randint_like(x, 255, 256)  m.randint_like(x, 2, dtype=m.int64).dtype
    m.multinomial(m.eye(3).to(x.dtype), 1)  m.multinomial(m.eye(3)[1].to(x.dtype), 4, True)
    m.multinomial(x, 1).shape  m.bernoulli(b.to(x.dtype))
    m.normal(x, 0.0) + 0  m.normal(x, i * 0) + 0  m.normal(f, x * 0) + 0
    m.normal(2, x * 0)  m.normal(x, b & ~b) + 0
    m.poisson(x * 0)  m.poisson(x).shape  m.binomial(x * 0, x)  m.binomial(f.abs(), x * 0)
    m.binomial(x.abs().trunc(), b.to(x.dtype))
    m.tensor(x)
    m.as_tensor(x)  m.as_tensor(x, dtype=m.float32)
    i.flatten().bincount()  x.flatten().abs().bincount()  i.flatten().bincount(x.flatten())
    m.full((2,), x.flatten()[0])
    m.arange(3, dtype=x.dtype)  m.arange(0, 2, 0.5, dtype=x.dtype)
    m.linspace(0, 3, 4, dtype=x.dtype)
    m.range(0, 3)  m.range(1, 6, 2, dtype=x.dtype)
    m.eye(2, dtype=x.dtype)
    m.ones(2, dtype=x.dtype)  m.zeros(2, dtype=x.dtype)  m.empty((0, 2), dtype=x.dtype)
    x.is_shared()  x.share_memory_()  x.to_dense()  x.is_cpu  x.is_cuda  x.is_sparse  x.is_pinned()
    x.get_device()  x.is_ipu  x.is_maia  x.is_meta  x.is_mkldnn  x.is_mps  x.is_mtia  x.is_nested
    x.is_quantized  x.is_sparse_csr  x.is_vulkan  x.is_xla  x.is_xpu
    x.tolist()  x.flatten()[0].item()  x.detach_()  x.ndim  x.dtype  x.shape
    x + y  x + 1  x + 1.5  1 - x  x * True  2 ** x  x ** 2  x / 2  2 / x  x // 2  5 // x  x % 2
    5 % x  x & y  x | y  x ^ y  x << 1  x >> 1  ~x  -x  +x  abs(x)  x < y  x == 1  x @ y.mT
    2 ** x  x & 1  1 | x  x[0]  x[..., 0]  x[b]  x[k]  x[None]  x[:1]  x[b > 0, ...]  x[()]  x[k0]
    x[b[0]]  x[i]  x[True]  x[:, k]  round(x.flatten()[0])  float(x.flatten()[0])
    int(x.flatten()[0])  bool(x.flatten()[0])
    t = x.clone(); t[0] = 2; t  t = x.clone(); t[b] = 2; t
    t = x.clone(); t[b] = y.flatten()[0]; t  t = x.clone(); t[k] = y[k]; t
    t = x.clone(); t[...] = 1.5; t  t = x.clone(); t[b] = f.flatten()[0]; t
    t = x.clone(); t[()] = 1; t  t = x.clone(); t[b[0]] = 1; t  t = x.clone(); t[b] = y[b]; t
    t = x.clone(); t[:1] = y[:1]; t  t = x.clone(); t[0] = f[0]; t  t = x.clone(); t += 1; t
    t = x.clone(); t += 1.5; t  t = x.clone(); t *= f; t  t = x.clone(); t /= 2; t
    t = x.clone(); t //= 2; t  t = x.clone(); t %= 2; t  t = x.clone(); t **= 2; t
    t = x.clone(); t &= y; t  t = x.clone(); t[k0] = 1; t
    t = x.clone(); t[m.tensor([True])] = y; t  t = x.clone(); t[None] = 1; t
    t = x.clone(); t[i] = 1; t  t = x.clone(); t -= True; t
    f.igamma(x)  f.abs().igammac(x.abs())  x.clone().abs().igamma_(y)
    x.clone().igammac_(f.abs())
    m.broadcast_shapes(x.shape, (1,))  m.from_numpy(x.numpy())  m.from_dlpack(x)
""")

#: Public names without a row, and why.
NOT_CALLED = {
    "gumbel_softmax": "its result is random",
    **dict.fromkeys(("exponential_", "geometric_", "cauchy_", "log_normal_"), "test_filling.py"),
    "cuda": "PyTorch has to be built for it",
    "layout": "a name of the module's: test_devices.py",
    "nuclear_norm": "of singular values, which no backend has: test_constructors.py",
    "pin_memory": "refused: test_devices.py",
    "xpu": "PyTorch has to be built for it",
    "coalesce": "for gradients of tables: test_sparse_adam.py",
}
_MEMORY = """
    apply_  data_ptr  frombuffer  is_storage  map2_  map_  new  storage  storage_offset  typename
    untyped_storage
"""
_MATRICES = """
    cholesky  cholesky_inverse  cholesky_solve  det  inverse  logdet  slogdet
    chain_matmul  matrix_exp  matrix_power  pinverse  qr  svd
"""
NOT_CALLED |= dict.fromkeys(_MEMORY.split(), "of memory: test_constructors.py")
NOT_CALLED |= dict.fromkeys(_MATRICES.split(), "of matrices that are regular: test_linalg.py")


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    joined = re.sub(r",\s*\\\n\s*", ", ", text)
    joined = re.sub(r"\s*\\\n\s*", "  ", joined)
    for line in joined.strip().splitlines():
        name, *calls = line.strip().split("  ")
        yield name, ["" if call == "()" else call for call in calls]


def _methods(name: str, call: str) -> Iterator[str]:
    """As a method or, where there is none, a function; and in place."""
    if name.endswith("_"):
        yield f"x.clone().{name}({call})"
    elif hasattr(ng.Tensor, name):
        yield f"x.{name}({call})"
    else:
        yield f"m.{name}(x{', ' * bool(call)}{call})"
    if hasattr(ng.Tensor, f"{name}_"):
        yield f"x.clone().{name}_({call})"


@cache
def programs() -> dict[str, list[str]]:
    """The programs, by what they call."""
    found: dict[str, list[str]] = {}
    rows = [*_rows(_AFTER), *((name, [""]) for name in _ALONE.split())]
    for name, calls in rows:
        found.setdefault(name, []).extend(p for call in calls for p in _methods(name, call))
    for text in _WHOLE:
        found.setdefault(_called(text), []).append(text)
    rows = [*_rows(NEURAL), *((name, ["x"]) for name in NEURAL_ALONE.split())]
    for name, calls in rows:
        texts = found.setdefault(f"F.{name}", [])
        texts += [f"F.{name}({call})" for call in calls]
        if f"{name}_" in nn.functional.__all__:
            texts += [f"F.{name}_({call.replace('x', 'x.clone()', 1)})" for call in calls]
    return found


def _called(text: str) -> str:
    """What a program that is written out is listed under."""
    if "; " in text:
        return "assignment"
    match = re.match(r"(?:m|x|i)(?:\[[^\]]*\]|\.flatten\(\))*\.(\w+)", text)
    return match[1] if match else "operator"
