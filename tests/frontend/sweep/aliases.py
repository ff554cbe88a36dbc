"""Which functions of tensors copy, which show the memory of an operand, and which do either.

A function that stands in none of the tables copies, whatever it is given.
"""

from __future__ import annotations

__all__ = ["EITHER", "SHARES", "TEMPTING"]

#: Results that are a view of an operand, or the operand itself, whatever is given.
SHARES = {
    *("view", "view_as", "expand", "expand_as", "broadcast_to", "broadcast_tensors", "unflatten"),
    *("squeeze", "unsqueeze", "permute", "transpose", "swapaxes", "movedim", "t", "T", "mT"),
    *("adjoint", "H", "mH", "narrow", "select", "split", "split_with_sizes", "chunk", "unbind"),
    *("tensor_split", "hsplit", "vsplit", "dsplit", "diagonal", "unfold", "as_strided"),
    *("meshgrid", "atleast_1d", "atleast_2d", "atleast_3d", "positive", "cpu", "detach", "data"),
    *("from_numpy", "from_dlpack", "conj", "to_dense", "resolve_conj", "resolve_neg", "real"),
    *("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"),
    *("asarray",),
}

#: When a result shares memory with an operand.
EITHER = {
    "sum_to_size": "of its own size it is the tensor itself",
    "cartesian_prod": "of one tensor it is the tensor itself",
    "to": "with the same dtype it is the tensor itself",
    "type": "with the same dtype it is the tensor itself",
    "type_as": "with the same dtype it is the tensor itself",
    "contiguous": "of elements that lie in order it is the tensor itself",
    "float": "of float32 it is the tensor itself; so are double(), half(), long() of their dtypes",
    "reshape": "a view where strides permit",
    "reshape_as": "a view where strides permit",
    "flatten": "a view where strides permit; of one axis, the tensor itself",
    "ravel": "a view where strides permit",
    "einsum": "a view where one operand is permuted, or its diagonal taken",
    "F.dropout": "the input itself in evaluation and for p = 0",
    "F.dropout1d": "the input, or a view of it, in evaluation and for p = 0",
    "F.dropout2d": "the input itself in evaluation and for p = 0",
    "F.dropout3d": "the input itself in evaluation and for p = 0",
    "F.alpha_dropout": "the input itself in evaluation and for p = 0",
    "F.feature_alpha_dropout": "the input itself in evaluation and for p = 0",
    "as_tensor": "with the same dtype it is the tensor itself",
    "subscript": "a view without masks, lists and tensors among the indices",
}

#: Arguments with which there is nothing to do: one operand, no shift, a factor of 1, size 1, all of
#: an axis, the same dtype. A line is a function and its programs.
_TEXT = r"""
    cat  m.cat([x])  m.cat((x,), -1)  m.concat([x])
    stack  m.stack([x])
    hstack  m.hstack([x])
    vstack  m.vstack([x])
    roll  x.roll(0, 0)  x.roll(0)  x.roll(x.shape[0], 0)
    repeat  x.repeat(1, 1)  x.repeat(1)
    repeat_interleave  x.repeat_interleave(1, 0)  x.repeat_interleave(1)
    tile  x.tile(1)  x.tile(1, 1)
    flip  x.flip(())
    diff  x.diff(n=0)  x.diff(n=0, prepend=y)
    pow  x ** 1  x.pow(1)  x.pow(0)
    mul  x * 1
    add  x + 0
    sub  x - 0
    div  x / 1
    positive  +x
    index_select  x.index_select(0, m.arange(x.shape[0]))
    where  m.where(b == b, x, y)  x.where(b == b, y)
    masked_fill  x.masked_fill(b != b, 1)
    masked_scatter  x.masked_scatter(b != b, y)
    masked_select  x.masked_select(b == b)
    gather  x.gather(0, i * 0)
    take  x.take(m.arange(x.numel()))
    scatter  x.scatter(0, i[:0], 1.0)
    scatter_add  x.scatter_add(0, i[:0], y)
    index_add  x.index_add(0, k[:0], y[:0])
    index_copy  x.index_copy(0, k[:0], y[:0])
    index_fill  x.index_fill(0, k[:0], 1)
    index_put  x.index_put((k[:0],), y[:0])
    select_scatter  x.select_scatter(y.select(0, 0), 0, 0)
    slice_scatter  x.slice_scatter(y)  x.slice_scatter(y[:0], 0, 0, 0)
    diagonal_scatter  x.diagonal_scatter(y.diagonal())
    sum  x.sum(())  x.sum(0)  x.sum(0, True)
    mean  x.mean(0)
    prod  x.prod(0)
    amax  x.amax(0)  x.amax(0, True)
    max  x.max(0)
    median  x.median(0)
    logsumexp  x.logsumexp(0)
    norm  x.norm(dim=0)
    cumsum  x.cumsum(0)
    cumprod  x.cumprod(0)
    sort  x.sort(0)
    topk  x.topk(1, 0)
    kthvalue  x.kthvalue(1, 0)
    tril  x.tril(9)
    triu  x.triu(-9)
    clamp  x.clamp(-9, 9)  x.clamp(-float('inf'))
    maximum  m.maximum(x, x)
    lerp  x.lerp(y, 0.0)  x.lerp(y, 1.0)
    addmm  m.addmm(x, y, y, alpha=0)
    addcmul  m.addcmul(x, y, y, value=0)
    clone  x.clone()
    tensor  m.tensor(x)
    F.pad  F.pad(x, (0, 0))  F.pad(x, ())  F.pad(x, (0, 0), 'reflect')  F.pad(x, (0, 0), 'circular')
    F.interpolate  F.interpolate(x[None], scale_factor=1)  F.interpolate(x[None], x.shape[-1])
    F.interpolate  F.interpolate(x[None, None], scale_factor=1, mode='bilinear')
    F.avg_pool1d  F.avg_pool1d(x, 1)
    F.max_pool1d  F.max_pool1d(x, 1)
    F.adaptive_avg_pool1d  F.adaptive_avg_pool1d(x, x.shape[-1])
    F.adaptive_avg_pool2d  F.adaptive_avg_pool2d(x[None], None)
    F.adaptive_max_pool1d  F.adaptive_max_pool1d(x, x.shape[-1])
    F.pixel_shuffle  F.pixel_shuffle(x[None], 1)
    F.pixel_unshuffle  F.pixel_unshuffle(x[None], 1)
    F.channel_shuffle  F.channel_shuffle(x[None], 1)  F.channel_shuffle(x[None, None], 1)
    F.unfold  F.unfold(x[None, None], 1)
    F.fold  F.fold(x[None], (1, x.shape[-1]), 1)
    F.threshold  F.threshold(x, -9, 0)
    F.leaky_relu  F.leaky_relu(x, 1.0)
    F.hardshrink  F.hardshrink(x, 0)
    F.hardtanh  F.hardtanh(x, -9, 9)
    F.embedding  F.embedding(m.arange(x.shape[0]), x)
    to  x.to(x.dtype)  x.to(x)  x.to('cpu')  x.to(x.dtype, copy=True)
    type_as  x.type_as(x)
    type  x.type(x.dtype)
    contiguous  x.contiguous()  x.mT.contiguous()
    reshape  x.reshape(x.shape)  x.mT.reshape(x.shape)  x.mT.reshape(-1)
    reshape_as  x.mT.reshape_as(x)  x.mT.reshape_as(x.flatten())
    float  x.float()  i.float()
    flatten  x.flatten()  x.mT.flatten()  x.flatten(0, 0)
    ravel  x.ravel()  x.mT.ravel()
    as_tensor  m.as_tensor(x)  m.as_tensor(x, dtype=x.dtype)  m.as_tensor(x, dtype=m.float64)
    einsum  m.einsum('ij->ij', x)  m.einsum('ij->ji', x)  m.einsum('ii->i', x)  m.einsum('ij->i', x)
    expand  x.expand(-1, -1)  x.expand(x.shape)
    view  x.view(x.shape)
    broadcast_tensors  m.broadcast_tensors(x)  m.broadcast_tensors(x, m.ones(2, *x.shape))
    meshgrid  m.meshgrid(x.flatten(), indexing='ij')
    split  x.split(x.shape[0])  x.split([x.shape[0]])
    chunk  x.chunk(1)
    unbind  x.unbind(0)
    narrow  x.narrow(0, 0, x.shape[0])
    unfold  x.unfold(0, x.shape[0], 1)
    as_strided  x.as_strided(x.shape, x.stride())
    data  x.data
    F.dropout  F.dropout(x, 0.0)  F.dropout(x, 1.0)
    F.dropout1d  F.dropout1d(x, 1.0)
    F.dropout2d  F.dropout2d(x[None], 1.0)
    F.dropout3d  F.dropout3d(x[None, None], 1.0)
    F.alpha_dropout  F.alpha_dropout(x, 1.0, True)
    F.feature_alpha_dropout  F.feature_alpha_dropout(x, 1.0, True)
    subscript  x[:]  x[...]  x[()]  x[:, :]  x[0:1]  x[None]  x[True]  x[b == b]  x[[0]]  x[k0:1]
"""

TEMPTING: dict[str, list[str]] = {}
for _line in _TEXT.strip().splitlines():
    _name, *_programs = _line.strip().split("  ")
    TEMPTING.setdefault(_name, []).extend(_programs)
