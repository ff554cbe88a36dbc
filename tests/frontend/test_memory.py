"""Which results are copies and which show an operand's memory: as in PyTorch, function by function.

The arguments are those that tempt to give the operand itself: one operand, a shift of nothing, a
factor of 1, a dimension of size 1, the whole slice, the same dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from nngraph.nn import utils
from tests.frontend.parity import cases, same
from tests.frontend.parity import plain as facts
from tests.support.backends import BACKENDS

# PyTorch's word on tensors made of tensors.
pytestmark = pytest.mark.filterwarnings("ignore:To copy construct")

COPIES = cases(r"""
    m.cat([a])  m.cat([a], 1)  m.cat([v])  m.cat([a, a[:0]])  m.concat([a])  m.concatenate([a])
    m.stack([a])  m.stack([a], 1)  m.stack([s])  m.hstack([a])  m.hstack([v])  m.hstack([s])
    m.vstack([a])  m.vstack([v])  m.roll(a, 0)  m.roll(a, 0, 0)  m.roll(a, (0, 0), (0, 1))
    m.roll(a, 4, 1)  a.roll(12)  m.roll(s, 1)  m.roll(s, 0)  a.repeat_interleave(1, 0)
    a.repeat_interleave(1)  a.repeat_interleave(2, 0)  v.repeat_interleave(1)  a.repeat(1, 1)
    a[:1].repeat_interleave(3, 0)  v[:1].repeat_interleave(3)  o.repeat_interleave(1, 1)
    a.repeat_interleave(m.tensor([1, 1, 1]), 0)  a.tile(1)  a.tile((1, 1))  m.tile(a, ())
    s.tile(())  a.clone()  m.clone(a)  a.t().contiguous()  a.to(m.float32, copy=True)  a.double()
    a[:, m.tensor([0, 1])]  a[:, m.tensor([0, 0])].view(-1)
    a[m.tensor([0, 1, 2])]  a[[0, 1, 2]]  v[m.tensor([0, 1, 2, 3])]  a[True]  a[a == a]
    a.t().reshape(12)  a.t().flatten()  a.diag()  v.diag()  v[:1].diag()  m.diag_embed(v[:1])
    a.tril(5)  a.triu(-5)  a.flip(0)  a.flip(())  a[:1].flip(0)  a[:1].flipud()
    v.gather(0, m.arange(4))  a.index_select(0, m.arange(3))  v.take(m.arange(4))
    m.take_along_dim(v, m.arange(4), 0)  a.masked_select(a == a)  a.masked_fill(a != a, 0)
    a.index_add(0, m.arange(0), a[:0])  a.index_copy(0, m.arange(0), a[:0])
    a.index_fill(0, m.arange(0), 1)  a.index_put((m.arange(3),), a)  v.scatter(0, m.arange(4), v)
    v.scatter_add(0, m.arange(0), v[:0])  v.index_copy(0, m.arange(4), v)  a.select_scatter(v, 0, 0)
    o.select_scatter(o[0], 0, 0)  a.slice_scatter(a, 0)  a.slice_scatter(a)  m.where(a == a, a, a)
    a + 0  a * 1  a / 1  a ** 1  a.abs()  a.clamp(-99, 99)  a.clamp(min=-99)  m.maximum(a, a)
    a.add(0)  a.nan_to_num()  a.neg().neg()  i.floor()  i.round()  i.ceil()  i.trunc()  i + 0
    i.clamp(min=-99)  i & i  i << 0  i // 1  i % 100  a.double().float_power(1.0)  o.sum(0)
    o.sum((0, 2))  s.sum()  s.mean()  s.prod()  s.amax()  o.mean(0)  o.prod(0)  o.amax(0)
    o.max(0)[0]  o.median(0)[0]  s.cumsum(0)  o.cumsum(0)  o.sort(0)[0]  s.sort()[0]
    o.topk(1, 0)[0]  o.kthvalue(1, 0)[0]  a.diff(n=0)  v.diff(n=0)  v.unique()  a @ m.eye(4)
    m.full_like(a, 1)  m.tensor(a)  a.new_tensor(a)  F.pad(a, ())  F.pad(a, (0, 0))
    F.relu(a)  F.leaky_relu(a, 1.0)  F.threshold(a, -99, 0)  F.hardtanh(a, -99, 99)
    F.softshrink(a, 0.0)  F.max_pool1d(a[None], 1)  F.avg_pool1d(a[None], 1)
    F.adaptive_avg_pool1d(a[None], 4)  F.embedding(m.arange(3), a)
    F.l1_loss(s, s, reduction='none')
    utils.parameters_to_vector([v])  utils.parameters_to_vector([a])
""")

VIEWS = cases(r"""
    a.view(3, 4)  a.view(-1)  a.reshape(3, 4)  a.reshape(12)  a.t().reshape(4, 3)  s.reshape(1)
    a.flatten()  v.flatten()  s.flatten()  a.ravel()  v.ravel()  a.unflatten(0, (3,))
    a.unflatten(0, (1, 3))  a.squeeze()  o.squeeze()  o.squeeze(0)  a.squeeze(0)  a.unsqueeze(0)
    a.permute(0, 1)  a.permute(1, 0)  a.transpose(0, 0)  a.transpose(0, 1)  v.transpose(0, 0)  a.t()
    v.t()  a.T  a.mT  a.swapaxes(0, 0)  a.movedim(0, 0)  a.movedim(0, 1)  a.expand(3, 4)
    a.expand(2, 3, 4)  v.expand(4)  a.expand_as(a)  a.broadcast_to((3, 4))
    m.broadcast_tensors(a)[0]  m.broadcast_tensors(a, s)[1]  m.meshgrid(v, indexing='ij')[0]
    m.meshgrid(v, v, indexing='ij')[0]  m.atleast_1d(a)  m.atleast_1d(s)  m.atleast_2d(v)
    a.narrow(0, 0, 3)  a.narrow(1, 1, 2)  a.select(0, 0)  o.select(0, 0)  a.split(3)[0]
    a.split(1)[0]  a.chunk(1)[0]  a.tensor_split(1)[0]  a.unbind()[0]  o.unbind()[0]  a.diagonal()
    a[:]  a[...]  a[None]  a[0]  a[0:3, 0:4]  a[::1]  a[()]  s[()]  s[None]  a.detach()
    a.contiguous()  a.to(m.float32)  a.float()  a.type_as(a)  m.as_tensor(a)  i.long()
    F.dropout(a, 0.5, False)  F.dropout(a, 0.0)
""")


def _given(library: Any) -> dict[str, Any]:
    numbers = np.arange(1.0, 13.0, dtype="f4").reshape(3, 4) / 7
    arrays = {
        "a": numbers,
        "v": numbers[0],
        "s": np.array(1.5, "f4"),
        "o": numbers[:1, :3, None],
        "i": np.array([3, 1, 2, 5]),
    }
    return {name: library.tensor(array.copy()) for name, array in arrays.items()}


def _evaluate(library: Any, text: str, given: dict[str, Any]) -> Any:
    functional = torch.nn.functional if library is torch else ng_functional
    helpers = torch.nn.utils if library is torch else utils
    return eval(text, {"m": library, "F": functional, "utils": helpers, **given})


def _after_a_write(library: Any, text: str, given: dict[str, Any]) -> tuple[Any, Any]:
    """The result before and after its operands were written."""
    own = {name: value * 1 for name, value in given.items()}
    result = _evaluate(library, text, own)
    before = result.clone()
    for value in own.values():
        value.add_(1)
    return before, result


def _program(text: str) -> Callable[..., Any]:
    names = list(_given(ng))

    def program(*operands: Any) -> Any:
        return _after_a_write(ng, text, dict(zip(names, operands, strict=True)))

    return program


@pytest.mark.parametrize("text", COPIES)
def test_copies_have_memory_of_their_own(text: str) -> None:
    wanted, kept = _after_a_write(torch, text, _given(torch))
    assert torch.equal(wanted, kept), "PyTorch gives a view"
    before, after = _after_a_write(ng, text, _given(ng))
    same(facts(before), facts(wanted))
    same(facts(after), facts(before))


@pytest.mark.parametrize("text", COPIES)
def test_a_copy_can_be_written(text: str) -> None:
    given = _given(ng)
    before = {name: value.clone() for name, value in given.items()}
    _evaluate(ng, text, given).zero_()
    for name, value in given.items():
        assert value.equal(before[name]), f"writing to the result wrote to {name}"


@pytest.mark.parametrize("text", VIEWS)
def test_views_show_what_is_written(text: str) -> None:
    wanted, changed = _after_a_write(torch, text, _given(torch))
    assert not torch.equal(wanted, changed), "PyTorch gives a copy"
    before, after = _after_a_write(ng, text, _given(ng))
    same(facts(before), facts(wanted))
    same(facts(after), facts(changed))


@pytest.mark.parametrize("text", VIEWS)
def test_views_are_handles_of_their_own(text: str) -> None:
    theirs, ours = _given(torch), _given(ng)
    wanted, found = _evaluate(torch, text, theirs), _evaluate(ng, text, ours)
    if any(wanted is operand for operand in theirs.values()):
        return  # PyTorch gives the operand itself
    before = {name: (x.type, x.requires_grad) for name, x in ours.items()}
    found.unsqueeze_(0)
    if found.dtype.is_floating_point:
        found.requires_grad_()
    assert {name: (x.type, x.requires_grad) for name, x in ours.items()} == before


def test_a_whole_view_of_a_leaf_is_no_leaf() -> None:
    weight = ng.ones(2, 3, requires_grad=True)
    whole = (weight[:], weight.view(2, 3), weight.squeeze(), weight.expand(2, 3))
    assert not any(view.is_leaf for view in whole)
    (whole[0] * whole[1] * whole[2] * whole[3]).sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [[4.0] * 3] * 2


#: Their results depend on values, or their arguments are lists of a trace's own making.
_EAGER = ("unique", "masked_select", "a[a == a]", "m.tensor([1, 1, 1])")


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_programs_copy_and_view_alike(backend: str) -> None:
    texts = [t for t in COPIES + VIEWS if not any(word in t for word in _EAGER)]
    programs = [_program(t) for t in texts]
    compiled = ng.compile(lambda *operands: [p(*operands) for p in programs], backend=backend)
    found = compiled(*_given(ng).values())
    for text, got in zip(texts, found, strict=True):
        wanted = _after_a_write(torch, text, _given(torch))
        for g, w in zip(got, wanted, strict=True):
            np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), 1e-5, err_msg=text)


def test_a_step_does_not_change_what_was_joined_before() -> None:
    weight = ng.nn.Parameter(ng.ones(2, 2))
    kept = ng.cat([weight]), ng.stack([weight]), weight.roll(0), weight.repeat_interleave(1, 0)
    weight.grad = ng.ones(2, 2)
    ng.optim.SGD([weight], 0.5).step()
    assert weight.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    for copy in kept:
        assert copy.reshape(2, 2).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("text", ["y", "y.t()", "y[:, :2]", "y[::2]", "y[1:].t()"])
def test_fill_diagonal_writes_where_memory_is_not_contiguous(text: str) -> None:
    found = []
    for library in (torch, ng):
        y = library.zeros(3, 4)
        eval(text, {"y": y}).fill_diagonal_(2)
        found.append(facts(y))
    same(found[1], found[0])
