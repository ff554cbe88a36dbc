"""Every function once with an axis of no elements, in each position: PyTorch decides."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from nngraph.frontend import functional
from nngraph.frontend.functional.variants import declared
from tests.frontend.parity import cases, floats, plain
from tests.support.backends import BACKENDS

SHAPES = ((0,), (0, 3), (2, 0), (0, 2, 3), (2, 0, 3), (2, 3, 0))

#: For each axis ``d``; ``n`` is an index of the shape of ``x``.
ALONG = cases(r"""
    x.softmax(d)  x.log_softmax(d)  x.logsumexp(d)  x.logsumexp(d, True)  x.sum(d)  x.sum(d, True)
    x.mean(d)  x.prod(d)  x.amax(d)  x.amin(d)  x.max(d)  x.min(d)  x.argmax(d)  x.argmin(d)
    x.any(d)  x.all(d)  x.var(d)  x.std(d)  x.std(d, correction=0)  x.norm(2, d)  x.norm(1, d)
    x.norm(0, d)  x.norm(float('inf'), d)  x.median(d)  x.sort(d)  x.argsort(d)  x.topk(0, d)
    x.topk(1, d)  x.kthvalue(1, d)  x.cumsum(d)  x.cumprod(d)  x.diff(dim=d)  x.diff(n=2, dim=d)
    x.diff(n=0, dim=d)  x.chunk(2, d)  x.chunk(1, d)  x.split(2, d)  x.split(0, d)  x.split([0], d)
    x.split([0, 0], d)  x.tensor_split(2, d)  x.tensor_split((1,), d)  x.unbind(d)  x.flip(d)
    x.roll(1, d)  x.narrow(d, 0, 0)  x.select(d, 0)  x.unsqueeze(d)  x.squeeze(d)
    x.repeat_interleave(2, d)  x.index_select(d, m.arange(0))  x.index_select(d, m.arange(1))
    x.gather(d, n)  x.scatter(d, n, x)  x.scatter(d, n, 1.0)  x.scatter_add(d, n, x)
    x.scatter_reduce(d, n, x, 'mean')  x.index_fill(d, m.arange(0), 1)  m.cat([x, x], d)
    m.stack([x, x], d)  x.count_nonzero(d)  x.nansum(d)  x.nanmean(d)  x.aminmax(dim=d)
    F.normalize(x, dim=d)  F.softmin(x, d)  F.glu(x, d)  F.cosine_similarity(x, x, d)
    m.var_mean(x, d)  m.std_mean(x, d)  x.movedim(d, 0)  x.transpose(d, 0)  x.flatten(d)
    x.take_along_dim(n, d)  x.unflatten(d, (1, x.shape[d]))  x.slice_scatter(x, d)
""")

WHOLE = cases(r"""
    x.sum()  x.mean()  x.prod()  x.amax()  x.max()  x.min()  x.argmax()  x.any()  x.all()  x.var()
    x.std()  x.norm()  x.norm(1)  x.norm(3)  x.norm(float('inf'))  x.median()  x.exp()  x + x
    x.double().median()  x.long().median()  x.int().prod()  x.reshape(-1)  x.reshape(0, 5)
    x.view(-1)  x.view(3, 0)  x.view(0, -1)  x.flatten()  x.squeeze()  x.unique()  x.nonzero()
    x.masked_select(x > 0)  x[x > 0]  x[:]  x[None]  x[0:1]  x[m.arange(0)]  x[m.arange(1)]  x[0]
    x.diag_embed()  m.einsum('...i,...i->...', x, x)  m.einsum('...i->...', x)
    x.repeat(2, *[1] * x.ndim)  x.tile(2)  x.expand(2, *x.shape)  x.clone()  x.to(m.float64)
    x.clamp(0, 1)  m.where(x > 0, x, x)  x.masked_fill(x > 0, 1)  x.cumsum(-1)  m.zeros_like(x)
    x.equal(x)  x.isclose(x)  m.stack([x])  m.hstack([x, x])  m.vstack([x, x])  m.cat([x])
    m.tensordot(x, x, dims=x.ndim)  m.tensordot(x, x, dims=0)  x.aminmax()  x.count_nonzero()
    x.dist(x)  x.nan_to_num()  x.roll(1)  x.flip(0)  x.repeat_interleave(2)  x.take(m.arange(0))
    x.inner(x)  x.item()  bool(x)  len(x)  x.kthvalue(1)  x.argwhere()  m.atleast_2d(x)
    m.broadcast_tensors(x, x.new_ones(1))  x + x.new_ones(1)  m.maximum(x, x.new_ones(()))
    x.transpose(0, -1) @ x  x @ x.transpose(-1, 0)  m.meshgrid(x.flatten(), indexing='ij')
    F.one_hot(x.long(), 3)  F.embedding(x.long(), m.ones(4, 2))  F.relu(x)  F.gelu(x)  F.elu(x)
    F.softplus(x)  F.prelu(x, x.new_ones(1))  F.dropout(x, 0.5, False)  F.mse_loss(x, x)
    F.l1_loss(x, x)  F.smooth_l1_loss(x, x)  F.huber_loss(x, x)  F.kl_div(x, x)
    F.binary_cross_entropy(x, x.detach())  F.binary_cross_entropy_with_logits(x, x)
    F.mse_loss(x, x, reduction='sum')  F.mse_loss(x, x, reduction='none')
    F.layer_norm(x, x.shape[-1:])  F.layer_norm(x, x.shape)  F.rms_norm(x, x.shape[-1:])
    F.layer_norm(x, x.shape[-1:], x.new_ones(x.shape[-1:]), x.new_ones(x.shape[-1:]))
    F.linear(x, x.new_ones(2, x.shape[-1]))  F.linear(x, x.new_ones(2, x.shape[-1]), x.new_ones(2))
    F.pad(x, (1, 1))  F.pad(x, (0, 0))  F.pairwise_distance(x, x)  F.logsigmoid(x)
    F.margin_ranking_loss(x, x, x.detach())  F.poisson_nll_loss(x, x)
""")

#: For tensors of two axes or more: with channels, or matrices.
CHANNELS = cases(r"""
    x.tril()  x.triu()  x.diagonal()  x @ x.transpose(-1, -2)  x.transpose(-1, -2) @ x
    F.batch_norm(x, None, None, training=True)
    F.batch_norm(x, x.new_zeros(x.shape[1]), x.new_ones(x.shape[1]))
    F.cross_entropy(x, m.zeros(x.shape[:1] + x.shape[2:], dtype=m.int64))
    F.cross_entropy(x, m.zeros(x.shape[:1] + x.shape[2:], dtype=m.int64), reduction='sum')
    x.flatten(1).mm(x.flatten(1).t())  x.flatten(1).mv(x.new_ones(x.flatten(1).shape[1]))
    m.addmm(x.new_ones(1), x.flatten(1), x.flatten(1).t())  x.flatten(1).fliplr()
    x.flatten(1).trace()
    m.addmv(x.new_ones(x.shape[0]), x.flatten(1), x.new_ones(x.flatten(1).shape[1]))
    x.flatten(1).fill_diagonal_(1)  x.flatten(1).t_()  x.transpose_(0, 1)  x.swapaxes_(0, 1)
    F.nll_loss(x, m.zeros(x.shape[:1] + x.shape[2:], dtype=m.int64))  F.triplet_margin_loss(x, x, x)
    F.group_norm(x, 1)  F.scaled_dot_product_attention(x, x, x, scale=1.0)
""")


_UNARY = cases("""
    abs  acos  acosh  asin  asinh  atan  atanh  ceil  cos  cosh  deg2rad  erf  erfc  exp2  expm1
    fix  floor  frac  isfinite  isinf  isnan  isneginf  isposinf  log  log10  log1p  log2
    logical_not  logit  neg  positive  rad2deg  reciprocal  round  rsqrt  sigmoid  sign  signbit
    sin  sinh  sqrt  square  tan  tanh  trunc  ones_like  empty_like  msort  ravel  argwhere
    rand_like.shape  randn_like.shape  is_floating_point  is_complex  conj  numel
""")

_BINARY = cases("""
    add  atan2  copysign  div  eq  fmax  fmin  fmod  ge  gt  hypot  le  logaddexp  logaddexp2
    logical_and  logical_or  logical_xor  lt  minimum  mul  ne  pow  remainder  rsub  sub
    true_divide  xlogy  float_power  allclose
""")

_BITS = cases("""
    bitwise_and  bitwise_or  bitwise_xor  bitwise_left_shift  bitwise_right_shift
""")

_ACTIVATIONS = cases("""
    celu  hardshrink  hardsigmoid  hardswish  hardtanh  leaky_relu  mish  relu6  selu  silu
    softshrink  softsign  tanhshrink
""")

POINTWISE = [
    *[f"m.{name.replace('.shape', '')}(x){'.shape' * ('.' in name)}" for name in _UNARY],
    *[f"m.{name}(x, x)" for name in _BINARY],
    *[f"m.{name}(x.long(), x.long())" for name in _BITS],
    *[f"F.{name}(x)" for name in _ACTIVATIONS],
    *cases(r"""
        m.bitwise_not(x.long())  x.clamp_min(1)  x.clamp_max(1)  x.lerp(x, 0.5)  x.addcmul(x, x)
        x.addcdiv(x, x + 1)  x.half()  x.bfloat16()  x.byte()  x.char()  x.short()  x.float()
        x.type_as(x.double())  x.view_as(x)  x.reshape_as(x)  x.expand_as(x)
        x.broadcast_to(x.shape)  x.type('torch.LongTensor')
        x.permute(*range(x.ndim))  x.swapaxes(0, -1)  x.contiguous()  x.fill_(1)  x.zero_()
        x.normal_()  x.uniform_()  x.bernoulli_()
        x.lgamma()  x.digamma()  m.polygamma(1, x)  x.polygamma(2)  x.mvlgamma(2)  x.erfinv()
        m.igamma(x.detach(), x)  m.igammac(x.detach(), x)  x.i0()  x.sinc()
        x.copy_(x * 2)  x.masked_scatter(x > 0, x)  x.index_put((m.arange(0),), x[:0])
        x.new_full((0, 2), 1.0)  x.new_empty((2, 0))  x.new_tensor([])  m.full_like(x, 2)
        x.size()  x.dim()  x.element_size()  x.is_contiguous()
        x.index_add(0, m.arange(x.shape[0]), x)
        x.index_copy(0, m.arange(x.shape[0]), x)  x.flatten().dot(x.flatten())  x.flipud()
        x.flatten().outer(x.flatten())  x.flatten().vdot(x.flatten())  x.flatten().diag()
        x.select_scatter(x.select(-1, 0), -1, 0)  m.is_nonzero(x)  x.squeeze_()  x.unsqueeze_(0)
        F.threshold(x, 0, 1)  F.hinge_embedding_loss(x, x.detach())
        F.soft_margin_loss(x, x.detach())  m.heaviside(x.detach(), x.detach())
        x.double().float_power_(2)  m.floor_divide(x.detach(), x.detach())  m.sgn(x.detach())
        F.gaussian_nll_loss(x, x.detach(), x * x)  F.alpha_dropout(x, 0.5, False)  m.atleast_1d(x)
        x.cpu()  m.matmul(x.flatten(), x.flatten())  m.arange(0)  m.linspace(0, 1, 0)  m.eye(0, 2)
        m.full((0, 2), 1.0)  m.rand(0).shape  m.randn(2, 0).shape  m.randint(5, (0,))  m.randperm(0)
        m.as_tensor([])  m.tensor([[], []])  m.atleast_3d(x)  x.adjoint()  x.hsplit(1)  x.vsplit(1)
        x.dsplit(1)  x.split_with_sizes([x.shape[0]])  x.unfold(0, 0, 1)  x.unfold(-1, 1, 1)
        x.as_strided((0, 2), (2, 1))  x.as_strided((0,), (1,), 0)
        x.diagonal_scatter(x.diagonal() * 2)
    """),
]


def _evaluate(library: Any, text: str, shape: tuple[int, ...], axis: int, data: Any = None) -> Any:
    """The value, or the exception, and the gradient."""
    functional = torch.nn.functional if library is torch else ng_functional
    leaf = (library.zeros(shape) if data is None else data.detach()).requires_grad_()
    x = leaf * 1
    index = library.zeros(shape, dtype=library.int64)
    try:
        value = eval(text, {"m": library, "F": functional, "x": x, "d": axis, "n": index})
    except Exception as error:  # noqa: BLE001 - its kind is what the test compares
        return error, None
    roots = floats(library, value)
    if not roots or text.startswith("x.diff"):  # PyTorch gives an empty difference no history
        return value, None
    try:
        sum((t.sum() for t in roots), library.zeros(())).backward()
    except (RuntimeError, NotImplementedError):
        return value, None
    return value, leaf.grad


#: For tensors ``[0, C, L]``: PyTorch refuses them without channels or positions.
BATCHES = cases(r"""
    F.avg_pool1d(x, 2)  F.max_pool1d(x, 2)  F.avg_pool2d(x[:, None], 1)  F.max_pool2d(x[:, None], 1)
    F.avg_pool3d(x[:, None, None], 1)  F.max_pool3d(x[:, None, None], 1)
    F.conv1d(x, m.ones(4, 2, 2))  F.conv_transpose1d(x, m.ones(2, 4, 2), m.ones(4))
    F.conv2d(x[:, None], m.ones(4, 1, 2, 2), padding=1)
    F.conv_transpose2d(x[:, None], m.ones(1, 4, 2, 2), stride=2)
    F.pad(x, (1, 1), mode='reflect')  F.pad(x, (1, 1), mode='replicate')
    F.bilinear(x, x, m.ones(4, 3, 3))
""")

#: For tensors ``[N, C, L]``, of which N, C or L is 0.
IMAGES = cases(r"""
    m.bmm(x, x.transpose(1, 2))  F.instance_norm(x)  F.local_response_norm(x, 2)
    m.baddbmm(x.new_zeros(x.shape[0], x.shape[1], x.shape[1]), x, x.transpose(1, 2))
    F.adaptive_avg_pool1d(x, 1)  F.dropout1d(x, 0.5, False)
    F.adaptive_avg_pool2d(x[None], 1)
    F.dropout2d(x[None], 0.5, False)  F.dropout3d(x[None, None], 0.5, False)
    F.adaptive_avg_pool3d(x[None, None], 1)
""")


def _assert_same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple) and len(wanted) == 3 and isinstance(wanted[2], np.ndarray):
        assert got[:2] == wanted[:2]
        np.testing.assert_array_equal(got[2], wanted[2])
    elif isinstance(wanted, tuple):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            _assert_same(g, w)
    else:
        assert got == wanted


def _check(text: str, shape: tuple[int, ...], axis: int = 0) -> None:
    wanted, wanted_gradient = _evaluate(torch, text, shape, axis)
    got, gradient = _evaluate(ng, text, shape, axis)
    if isinstance(wanted, Exception):
        assert isinstance(got, RuntimeError | IndexError | TypeError), (shape, axis, got, wanted)
        return
    if isinstance(got, Exception):
        raise got
    _assert_same(plain(got), plain(wanted))
    assert (gradient is None) == (wanted_gradient is None), (shape, axis)
    if gradient is not None:
        _assert_same(plain(gradient), plain(wanted_gradient))


@pytest.mark.filterwarnings("ignore")  # PyTorch's words on empty tensors
@pytest.mark.parametrize("text", ALONG)
def test_along_an_axis(text: str) -> None:
    for shape in SHAPES:
        for axis in range(len(shape)):
            _check(text, shape, axis)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", WHOLE)
def test_of_the_whole(text: str) -> None:
    for shape in SHAPES:
        _check(text, shape)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", POINTWISE)
def test_of_elements(text: str) -> None:
    for shape in SHAPES:
        _check(text, shape)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", IMAGES)
def test_of_images(text: str) -> None:
    for shape in SHAPES[3:]:
        _check(text, shape)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", BATCHES)
def test_of_batches(text: str) -> None:
    _check(text, (0, 2, 3))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", CHANNELS)
def test_with_channels(text: str) -> None:
    for shape in SHAPES[1:]:
        _check(text, shape)


#: What depends on values, or is none of tensors.
_EAGER = ("nonzero", "unique", "x > 0)", "x > 0]", "item", "bool(", "len(", "equal", "argwhere")
#: What a trace refuses: a shape changed in place, and one more value.
_REFUSED = ("masked_scatter", "allclose", "squeeze_", "t_()", "transpose_", "swapaxes_")
#: Shapes and facts, which are no results of a compiled function.
_FACTS = ("size()", ".shape")


def _programs() -> list[tuple[str, tuple[int, ...], int]]:
    """What eager code computes, with shape and axis."""
    listed = WHOLE + CHANNELS + IMAGES + POINTWISE
    left_out = _EAGER + _REFUSED
    texts = [t for t in listed if not any(word in t for word in left_out)]
    texts = [t for t in texts if not t.endswith(_FACTS)]
    drawn = [(t, (2, 0, 3), d) for t in ALONG for d in (0, 1)]
    drawn += [(t, (2, 0, 3), 0) for t in texts]
    return [p for p in drawn if not isinstance(_evaluate(ng, *p)[0], Exception)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    programs = _programs()
    compiled = ng.compile(lambda x: [_evaluate(ng, *p, x) for p in programs], backend=backend)
    for program, got in zip(programs, compiled(ng.zeros(2, 0, 3)), strict=True):
        eager = _evaluate(ng, *program)
        _assert_same(plain(got), plain(eager))


#: What takes no tensor that may be empty; functions of matrices, which test_linalg.py calls; and
#: those whose rows of the sweep tell empty shapes.
_ELSEWHERE = cases("""
    normal  bernoulli  multinomial  exponential_  geometric_  cauchy_  log_normal_  random_
    randint_like  poisson  binomial
    bartlett_window  blackman_window  block_diag  bucketize  cartesian_prod  column_stack
    asarray  histogram  scalar_tensor  sum_to_size
    addbmm  addr  angle  can_cast  cdist  cummax  cummin  cumulative_trapezoid  frexp  gcd
    gradient  index_reduce  is_conj  is_neg  is_same_size  is_signed  isreal  lcm  ldexp
    logcumsumexp  narrow_copy  nextafter  nonzero_static  put  real  renorm  resolve_conj
    resolve_neg  trapezoid  trapz
    combinations  corrcoef  cov  diagflat  dstack  hamming_window  hann_window  histc  isin
    kaiser_window  kron  logspace  mode  nanmedian  nanquantile  quantile  rot90  row_stack
    searchsorted  tril_indices  triu_indices  unique_consecutive  unravel_index
    cholesky  cholesky_inverse  cholesky_solve  det  inverse  logdet  slogdet
    chain_matmul  matrix_exp  matrix_power  pinverse  qr  svd  vander
    bincount  broadcast_shapes  coalesce  cross  cuda  empty  from_dlpack  from_numpy  is_inference
    is_tensor  xpu  get_device  pin_memory  is_pinned  frombuffer  is_storage  typename  data_ptr
    fill  frobenius_norm  norm_except_dim  nuclear_norm  range  resize_  resize_as_  unsafe_chunk
    unsafe_split  unsafe_split_with_sizes
    storage_offset  storage  untyped_storage  new  apply_  map_  map2_
    is_shared  promote_types  result_type  share_memory_  to_dense
""")


def test_every_function_is_here() -> None:
    text = " ".join(ALONG + WHOLE + CHANNELS + IMAGES + BATCHES + POINTWISE)
    called = set(re.findall(r"\w+", text))
    missing = []
    for info in pkgutil.iter_modules(functional.__path__):
        module = importlib.import_module(f"{functional.__name__}.{info.name}")
        names: dict[Any, set[str]] = {}
        for name, form in declared(module).items():
            if form.variants.attribute:
                continue
            names.setdefault(form.plain, set()).update({name, form.variants.name or name})
        missing += [sorted(each) for each in names.values() if not each & (called | {*_ELSEWHERE})]
    assert not missing


@pytest.mark.parametrize("shape", [(3, 0), (3, 1), (0, 3)])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_differences_of_nothing_are_the_operand(shape: tuple[int, ...], n: int) -> None:
    found = []
    for library in (torch, ng):
        x = library.zeros(*shape)
        y = x.diff(n, dim=1).requires_grad_()
        found.append((tuple(y.shape), x.requires_grad))
    assert found[0] == found[1]
