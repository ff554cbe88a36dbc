"""Every function once with an axis of no elements, in each position: PyTorch decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
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
    F.group_norm(x, 1)  F.scaled_dot_product_attention(x, x, x, scale=1.0)
""")


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
@pytest.mark.parametrize("text", CHANNELS)
def test_with_channels(text: str) -> None:
    for shape in SHAPES[1:]:
        _check(text, shape)


#: What depends on values, or is none of tensors.
_EAGER = ("nonzero()", "unique", "x > 0)", "x > 0]", "item", "bool(", "len(", "equal", "argwhere")


def _programs() -> list[tuple[str, tuple[int, ...], int]]:
    """What eager code computes, with shape and axis."""
    texts = [t for t in WHOLE + CHANNELS if not any(word in t for word in _EAGER)]
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
