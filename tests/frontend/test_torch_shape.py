"""Shapes, joins, reductions and products, as PyTorch has them."""

from __future__ import annotations

import pytest

from tests.frontend.parity import cases, check, check_compiled, check_gradients, valid

VIEWS = cases(r"""
    x.view(6, 4)  x.view(-1)  x.view(2, -1)  x.view((4, 6))  x.view(5, -1)  x.view(-1, -1)
    x.view(2, 3)  x.view_as(x)  x.reshape(-1, 2)  x.reshape([4, 6])  x.reshape(0, -1)  x.reshape(7)
    x.reshape_as(r[:, :, :3])  e.view(-1)  e.view(0, 3)  e.reshape(-1, 3)  e.view(-1, 0)  s.view(1)
    s.view(())  x.flatten()  x.flatten(1)  x.flatten(0, 1)  x.flatten(-2)  x.flatten(2, 1)
    x.flatten(3)  s.flatten()  x.unflatten(2, (2, 2))  x.unflatten(-1, (-1, 2))
    x.unflatten(1, (2, 2))  m.flatten(x, 1)  m.unflatten(x, 2, (2, 2))  x.permute(2, 0, 1)
    x.permute((1, 0, 2))  x.permute(0, -1, 1)  x.permute(0, 1)  x.permute(0, 0, 1)
    x.permute(0, 1, 5)  x.transpose(0, 2)  x.transpose(-1, -2)  x.transpose(0, 3)  x.swapaxes(0, 1)
    x.swapdims(0, 1)  y.t()  v.t()  x.t()  s.t()  y.T  x.mT  y.mT  v.mT  x.movedim(0, 2)
    x.movedim((0, 1), (2, 0))  m.movedim(x, -1, 0)  x.moveaxis(0, 1)  s.movedim(0, -1)
    s.movedim(1, 0)  x.squeeze()  q.squeeze()
    q.squeeze(1)  q.squeeze(0)  q.squeeze((1, 2))  q.squeeze(-3)  x.squeeze(5)  s.squeeze(0)
    x.unsqueeze(0)  x.unsqueeze(-1)  x.unsqueeze(3)  x.unsqueeze(4)  x.unsqueeze(-5)  s.unsqueeze(0)
    v.expand(3, 4)  v.expand(3, -1)  q.expand(2, 5, 3, 4)  q.expand(-1, 5, -1, -1)  v.expand(2, 2)
    v.expand(2)  y.expand(-1, 3, 4)  s.expand(2, 3)  v.expand_as(y)  v.broadcast_to((3, 4))
    m.broadcast_to(v, (2, 4))  m.broadcast_tensors(v, z.t(), s)  m.broadcast_tensors(v, z)
    m.broadcast_shapes((2, 1), (3,))  v.repeat(3)  v.repeat(2, 3)  y.repeat(2, 1)  y.repeat(2)
    y.repeat((1, 2, 2))  v.tile(2)  y.tile((2,))  y.tile(2, 1, 1)  m.tile(y, (1, 2))
    v.repeat_interleave(2)  y.repeat_interleave(2, dim=1)  y.repeat_interleave(3, 0)
    m.repeat_interleave(v, 2)  y.repeat_interleave(2)  v.repeat_interleave(m.tensor([1, 0, 2, 1]))
    x.flip(0)  x.flip(0, 2)  x.flip((1,))  x.flip(-1)  m.flip(x, (0, 1))  x.flip(3)  x.flip(0, 0)
    y.fliplr()  y.flipud()  x.narrow(2, 1, 2)  x.narrow(1, -2, 1)  x.narrow(0, 0, 5)
    m.narrow(x, 1, 0, 2)  x.select(1, 2)  x.select(0, -1)  x.select(1, 3)  x.split(2, 2)
    x.split(3, -1)  x.split([1, 3], 2)  x.split([1, 1], 2)  m.split(x, 1)  x.split(0)  y.chunk(2, 1)
    y.chunk(3, 1)  y.chunk(5)  y.chunk(0)  m.chunk(y, 2)  y.tensor_split(2, 1)
    y.tensor_split((1, 3), 1)  y.tensor_split(3, dim=1)  x.unbind()  x.unbind(2)  m.unbind(x, -1)
    s.unbind()  x.tril()  x.triu(1)  y.tril(-1)  m.triu(y, -2)  v.tril()  y.roll(1)  y.roll(1, 0)
    y.roll((1, -1), (0, 1))  y.roll(-5, 1)  m.roll(y, 2, -1)  y.roll((1, 2), 0)  y.size()  y.size(0)
    y.size(-1)  y.size(2)  tuple(y.shape)  y.numel()  y.dim()  y.ndim  y.nelement()  y.ndimension()
    len(y)  len(s)  y.shape[0]  y.shape.numel()  y.stride()  y.t().stride()  x[:, 1:, ::2].stride()
    x.stride(1)  y.is_contiguous()  y.t().is_contiguous()  x[1].is_contiguous()
    x[:, 1].is_contiguous()  v.expand(3, 4).stride()  y.t().contiguous().stride()  y.T.view(-1)
    x[:, :2].view(-1)  x[:, :2].view(2, 8)  x.transpose(0, 1).view(3, 8)
    x.transpose(1, 2).reshape(2, 12)  x.permute(0, 2, 1).flatten(1)  x[:, :, ::2].reshape(-1)
    x[1].view(-1)  x.view(2, 12)[:, 4:].view(2, 2, 4)  x.transpose(0, 1).view(3, 2, 2, 2)  v.diag()
    y.diag()  y.diag(1)  v.diag(-1)  m.diag(y)  y.diagonal()  y.diagonal(1)  y.diagonal(-1)
    x.diagonal(0, 1, 2)  x.diagonal(1, 0, 2)  m.diagonal(y)  m.diag_embed(v)  m.diag_embed(y)
    y.trace()  y.element_size()  y.itemsize  y.nbytes  m.atleast_1d(s)  m.atleast_2d(v)  y.ravel()
    m.ravel(y.t())  m.squeeze(q)  m.unsqueeze(y, 1)  m.transpose(y, 0, 1)  m.permute(x, (2, 1, 0))
    m.reshape(x, (6, 4))  m.t(y)  m.swapaxes(x, 0, 1)  y.is_complex()
""")

JOINS = cases(r"""
    m.cat([y, p])  m.cat([y, p], 1)  m.cat((y, p), dim=-1)  m.cat([y, d], 0)  m.cat([y, i])
    m.cat([y, v])  m.cat([])  m.cat([y, z])  m.cat([y], 2)  m.cat([i, b])
    m.cat([e, e[:, :0].expand(0, 0)], 1)  m.cat([m.tensor([]), v])  m.cat([s, s])  m.concat([y, p])
    m.stack([y, p])  m.stack([y, p], 1)  m.stack([y, p], -1)  m.stack([y, z])  m.stack([s, s])
    m.stack([])  m.stack([y, d])  m.stack([y, p], 3)  m.hstack([v, v])  m.hstack([y, p])
    m.vstack([v, v])  m.meshgrid(v, v, indexing='ij')  m.meshgrid(v, idx, indexing='xy')
    m.meshgrid([v, v], indexing='ij')  m.einsum('ij,jk->ik', y, z)  m.einsum('ij->ji', y)
    m.einsum('ij->', y)  m.einsum('ii->i', y[:, :3])  m.einsum('ii', y[:, :3])
    m.einsum('bij,bjk->bik', x, r)  m.einsum('bij,jk', x, z)  m.einsum('i,j->ij', v, w)
    m.einsum('ij,j', y, v)  m.einsum('bij,bik->bjk', x, x)  m.einsum('...ij,jk->...ik', x, z)
    m.einsum('b...->...', x)  m.einsum('...i,...i->...', x, y)  m.einsum('ij,ij,ij->i', y, p, y)
    m.einsum('i,j->k', v, w)  m.einsum('ij,jk->ik', y, y)  m.einsum('ij', v)  m.einsum('i->ii', v)
    m.einsum('ab,cb->ac', y, p)  m.einsum('ij,ij->ij', y, p)  m.einsum('i,i->', v, w)
    m.einsum(' i j , j -> i', y, v)  m.einsum('bhqd,bhkd->bhqk', q, q)
    m.einsum('ij,jk,kl->il', y, z, y)  m.einsum('...->...', y)  m.einsum('ij,jk->', y, z)
    m.einsum('Ab,bC->AC', y, z)  y @ z  y @ v  v @ z  v @ w  x @ z  x @ r  q @ z
    q @ x.transpose(1, 2)  x @ v  v @ x.transpose(1, 2)  y @ y  s @ v  y @ d.t()  i @ j.t()  e @ y
    e.t() @ e  b @ b.t()  h @ h.t()  m.matmul(y, z)  y.mm(z)  y.mm(v)  x.mm(z)  y.mm(y)  x.bmm(r)
    x.bmm(x)  y.bmm(z)  y.mv(v)  y.mv(z)  v.dot(w)  v.dot(y)  v.dot(idx)  v.outer(w)  v.outer(y)
    m.outer(v, idx)  v.inner(w)  m.inner(y, p)  v.ger(w)  v.vdot(w)  m.addmm(m.zeros(3, 3), y, z)
    m.addmm(v[:3], y, z, beta=2, alpha=0.5)  y.addmm(y, z @ y)  m.baddbmm(m.zeros(2, 3, 5), x, r)
    m.addmv(v[:3], y, v)  m.tensordot(y, z, 1)  m.tensordot(x, y, ([1, 2], [0, 1]))
    m.tensordot(y, p, 2)  m.tensordot(x, y, dims=([2], [1]))  m.cross(y[:, :3], p[:, :3], dim=1)
    m.cross(y[:, :3], p[:, :3])
""")

# A tensor without dimensions has one position that a dimension may name, or none.
SCALARS = cases(r"""
    s.flip(0)  s.flip(-1)  s.roll(1, 0)  s.roll(1)  s.median(0)  nans[1].median(0)
    s.narrow(0, 0, 1)
    s.chunk(2)  s.split(1)  s.tensor_split(1)  s.diff()  m.cat([s])  m.stack([s])  s.cross(s)
    s.fliplr()  s.unflatten(0, (1, 1))  s.permute(0)  s.permute(0, 1)  y.permute(0)  s.select(0, 0)
    s.index_select(0, idx[1:2])  s.index_select(0, i0 - 2)  s.index_select(-1, idx)
    s.gather(0, i0 - 2)  s.gather(0, idx[1:2])  s.gather(0, idx)  s.scatter(0, i0 - 2, 2.0)
    s.scatter_add(0, i0 - 2, s)  s.scatter(-1, idx[1:2], v[:1])  s.index_add(0, idx[1:2], s)
    s.index_add(0, i0 - 2, s)  s.index_fill(0, i0 - 2, 1)  s.index_copy(0, i0 - 2, s)
    s.take_along_dim(i0 - 2, 0)  s.take_along_dim(idx[1:2], 0)  s.sort(0)  s.topk(1, 0)
    s.kthvalue(1, -1)  s.cumsum(0)  s.softmax(0)  s.logsumexp(0)  s.argmax(0)  s.max(0)  s.all(0)
    s.repeat_interleave(2, 0)  s.count_nonzero(0)  s.norm(dim=0)  s.var(0, correction=0)
    s.movedim((), ())  s.movedim((0,), (0,))  s.unbind(0)  s.transpose(0, -1)  s.squeeze(0)
""")

REDUCTIONS = cases(r"""
    x.sum()  x.sum(0)  x.sum(-1, True)  x.sum((0, 2))  x.sum([0, 1], keepdim=True)  x.sum(dim=1)
    x.sum(())  x.sum([])  x.sum(3)  x.sum((0, 0))  i.sum()  b.sum()  b.sum(0)  i32.sum()  u8.sum()
    i.sum(dtype=m.float32)  x.sum(dtype=m.float64)  h.sum()  e.sum()  e.sum(0)  e.sum(1)  s.sum()
    s.sum(0)  s.sum(-1)  s.sum(1)  m.sum(x, (1, 2))  m.sum(x, dim=0, keepdim=True)  x.sum(axis=1)
    x.mean()  x.mean(0)  x.mean((1, 2), keepdim=True)  i.mean()  i.mean(dtype=m.float32)  b.mean()
    e.mean(0)  m.mean(x, -1)  h.mean()  x.prod()  x.prod(1)  x.prod(1, keepdim=True)  i.prod(1)
    b.prod()  x.prod(dtype=m.float64)  m.prod(y, 0)  x.amax()  x.amax(0)  x.amax((0, 1))
    x.amin(-1, True)  i.amax(1)  b.amax()  e.amax()  e.amax(1)  x.max()  x.min()  x.max(1)  x.min(1)
    x.max(1, keepdim=True)  x.max(dim=-1)  ties.max(1)  ties.min(1)  ties.max(0)  nans.max(0)
    nans.min(0)  x.max(1).values  x.max(1).indices  x.max(1)[0]  x.max((0, 1))  i.max(0)  e.max()
    e.max(1)  e.max(0)  b.max()  b.max(0)  s.max(0)  m.max(x, 1)  m.min(x, dim=1)  m.max(x, y)
    x.argmax()  x.argmax(1)  x.argmax(-1, True)  x.argmin(0)  x.argmin(keepdim=True)  ties.argmax(1)
    ties.argmin(1)  nans.argmax()  e.argmax()  e.argmax(1)  b.argmax()  s.argmax()  s.argmax(0)
    i.argmin(1)  m.argmax(x, 2)  ties.amax(1)  ties.amin(1)  b.any()  b.any(1)  b.all(0)
    b.all(1, keepdim=True)  x.any()  i.all(1)  i.any((0, 1))  e.any()  e.all()  e.all(1)  u8.any()
    u8.all()  m.all(b)  m.any(b, 0)  x.logsumexp(1)  x.logsumexp((0, 1))  x.logsumexp(0, True)
    m.logsumexp(x, -1)  nans.logsumexp(0)  i.logsumexp(0)  e.logsumexp(0)  x.var()  x.var(0)
    x.var(1, False)  x.var(1, unbiased=False)  x.var((0, 1), keepdim=True)
    x.var(dim=1, correction=0)  x.var(correction=2)  x.var(False)  x.std()  x.std(1)
    x.std(1, unbiased=False, keepdim=True)  x.std(dim=(1, 2), correction=0)  i.var()  i.std()
    m.var(x, 1)  m.std(x, dim=0)  h.var()  m.var_mean(x, 1)  m.std_mean(x, 0, unbiased=False)
    s.var(correction=0)  x.norm()  x.norm(2)  x.norm(1)  x.norm(3)  x.norm(float('inf'))
    x.norm(-float('inf'))  x.norm('fro')  x.norm(2, 1)  x.norm(p=2, dim=-1, keepdim=True)
    x.norm(dim=1)  y.norm(p=1, dim=0)  x.norm(2, (0, 1))  i.norm()  m.norm(x)  m.norm(x, dim=0)
    m.norm(x, p=1)  m.zeros(3).norm()  x.norm(0.5)  x.cumsum(0)  x.cumsum(-1)  i.cumsum(1)
    b.cumsum(0)  i32.cumsum(0)  i.cumsum(0, dtype=m.float32)  x.cumprod(1)  i.cumprod(0)
    m.cumsum(x, 1)  m.cumsum(x, dim=1)  x.cumsum(3)  s.cumsum(0)  e.cumsum(0)  x.softmax(1)
    x.softmax(-1)  x.log_softmax(2)  m.softmax(x, 0)  m.softmax(x, dim=1)  m.log_softmax(x, dim=-1)
    x.softmax(1, dtype=m.float64)  i.softmax(1)  s.softmax(0)  h.softmax(1)  nans.softmax(0)
    i.softmax(1, dtype=m.float32)  y.sort()  y.sort(0)  y.sort(1, descending=True)
    y.sort(dim=0, descending=True)  i.sort(1)  nans.sort()  nans.sort(descending=True)  m.sort(y)
    y.argsort()  y.argsort(0, True)  m.argsort(y, dim=1, descending=True)  s.sort()  e.sort(0)
    b.sort(stable=True)  y.msort()  y.topk(2)  y.topk(2, 0)  y.topk(1, dim=1, largest=False)
    i.topk(3, 1)  y.topk(5)  y.topk(0)  m.topk(y, 2)  y.topk(2).values  y.kthvalue(2)  y.median()
    y.median(1)  y.median(1).values  y.aminmax()  y.aminmax(dim=1)  y.count_nonzero()
    y.count_nonzero(1)  b.count_nonzero(0)  nans.nansum()  nans.nanmean()  y.diff()  y.diff(dim=0)
    b.diff()  b.diff(dim=0)  b.diff(n=2)
    y.diff(n=2)  y.unique()  idx.unique()  m.unique(idx, return_inverse=True)
    m.unique(idx, return_counts=True)  idx.bincount()  idx.bincount(minlength=5)
    idx.bincount(weights=v[:3])  m.dist(y, p)  m.nn.functional.normalize(y)
""")

CONSTRUCTORS = cases(r"""
    m.zeros(2, 3)  m.zeros((2, 3))  m.zeros([2])  m.zeros(())  m.zeros(0)  m.zeros(2, dtype=m.int64)
    m.ones(3, dtype=m.bool)  m.ones(2, 2, dtype=m.float64)  m.full((2,), 3)  m.full((2,), 3.0)
    m.full((2,), True)  m.full((2, 1), 3, dtype=m.float32)  m.full((), 2.5)
    m.full((2,), 2.7, dtype=m.int64)  m.full((2,), s)  m.empty(2, 3).shape
    m.empty(2, dtype=m.int32).dtype  m.arange(5)  m.arange(2, 5)  m.arange(0, 10, 3)  m.arange(5.0)
    m.arange(0, 1, 0.25)  m.arange(5, 0, -2)  m.arange(5, dtype=m.float32)  m.arange(0)
    m.arange(3, 1)  m.arange(0, 3, 0)  m.arange(1.5, 4)  m.arange(start=1, end=4)  m.arange(end=4)
    m.arange(0.1, 0.9, 0.1)  m.arange(0, 5, 2, dtype=m.int32)  m.linspace(0, 1, 5)
    m.linspace(-1, 1, steps=4)  m.linspace(0, 10, 1)  m.linspace(0, 1, 0)
    m.linspace(0, 5, 6, dtype=m.float64)  m.linspace(0, 1, -1)  m.eye(3)  m.eye(2, 3)
    m.eye(2, dtype=m.int64)  m.eye(0)  m.eye(-1)  m.zeros_like(y)  m.ones_like(i)
    m.ones_like(i, dtype=m.float32)  m.full_like(y, 3)  m.full_like(i, 2.5)  m.empty_like(y).shape
    m.zeros(-1)  m.tensor([1, 2])  m.tensor([1.0, 2])  m.tensor([True, False])  m.tensor(3)
    m.tensor(2.5)  m.tensor(True)  m.tensor([])  m.tensor([[]])  m.tensor([[1, 2], [3, 4]])
    m.tensor([1, 2.5])  m.tensor([1, True])  m.tensor([1], dtype=m.float64)
    m.tensor([1.7], dtype=m.int64)  m.tensor([1, 0], dtype=m.bool)  m.tensor(np.float64(2))
    m.tensor(np.array([1.0]))  m.tensor(np.array([1], 'i2'))  m.tensor(np.array(3, 'f4'))
    m.tensor([np.float32(1), 2])  m.tensor([s, s])  m.tensor([[1], [2, 3]])  m.tensor('a')
    m.tensor(None)  m.tensor([None])  m.tensor(range(3))  m.tensor((1, 2))  m.tensor(2**40)
    m.tensor(300, dtype=m.uint8)  m.tensor(float('nan'))  m.as_tensor([1.0])  m.as_tensor(y)
    m.as_tensor(y, dtype=m.float64)  m.as_tensor(np.arange(3))  m.from_numpy(np.arange(3.0))
    m.from_numpy([1])  m.tensor([1.0], requires_grad=True).requires_grad
    m.tensor([1], requires_grad=True)  y.new_zeros(2, 3)  i.new_ones((2,))  y.new_full((2, 2), 3)
    y.new_tensor([1, 2])  y.new_empty(2).shape  y.new_zeros(2, dtype=m.int64)
    m.zeros(2, device='cpu')  m.tensor([1.0], device='cpu')  m.finfo(m.float32).eps
    m.finfo(m.float16).max  m.finfo(m.bfloat16).tiny  m.finfo(m.float64).bits  m.iinfo(m.int32).max
    m.iinfo(m.uint8).min  m.finfo(m.int32)  m.finfo().eps  m.iinfo(m.float32)  m.rand(2, 3).shape
    m.randn(2).dtype  m.randint(3, (2,)).dtype  m.randint(1, 3, (2, 2)).shape
    m.randperm(4).sort().values  m.rand_like(y).shape  m.randn(2, dtype=m.float64).dtype
    m.randint(3, 3, (2,))  m.rand(()).shape  m.randn((2, 3)).shape  m.is_tensor(3)
""")

ALL = {
    "views": VIEWS,
    "scalars": SCALARS,
    "joins": JOINS,
    "reductions": REDUCTIONS,
    "made": CONSTRUCTORS,
}
TEXTS = [text for table in ALL.values() for text in table]


@pytest.mark.parametrize("text", TEXTS)
def test_values_and_errors(text):
    check(text)


@pytest.mark.parametrize("text", [t for t in VIEWS + SCALARS + JOINS + REDUCTIONS if valid(t)])
def test_gradients(text):
    check_gradients(text)


@pytest.mark.parametrize("text", [t for t in TEXTS if valid(t)])
def test_compiled(text):
    check_compiled(text)
