"""Programs over ``func``, as functions of a library and of A[3, 4], B[4], C[3, 4, 2]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, Callable[..., Any]] = {}
MAPS: dict[str, Callable[..., Any]] = {}

# -- gradients -------------------------------------------------------------------------------
PROGRAMS |= {
    "grad": lambda f, A, B, C: f.func.grad(lambda x: (x**3).sum())(A),
    "second": lambda f, A, B, C: f.func.grad(
        lambda x: f.func.grad(lambda y: (y**3).sum())(x).sum()
    )(A),
    "third": lambda f, A, B, C: f.func.grad(f.func.grad(f.func.grad(lambda x: x.sin() * x)))(B[0]),
    "of two": lambda f, A, B, C: f.func.grad_and_value(lambda x, y: (x @ y).sin().sum(), (0, 1))(
        A, B
    ),
    "of the second": lambda f, A, B, C: f.func.grad(lambda x, y: (x @ y).sin().sum(), 1)(A, B),
    "of the last": lambda f, A, B, C: f.func.grad(lambda x, y: (x @ y).sin().sum(), -1)(A, B),
    "of a dict": lambda f, A, B, C: f.func.grad(lambda p: (p["a"] @ p["b"][0]).sum())(
        {"a": A, "b": [B]}
    ),
    "unused": lambda f, A, B, C: f.func.grad(lambda x, y: x.sum(), (0, 1))(A, B),
    "constant": lambda f, A, B, C: f.func.grad(lambda x: f.ones(()))(A),
    "aux": lambda f, A, B, C: f.func.grad(lambda x: ((x**2).sum(), (x, x * 2)), has_aux=True)(A),
    "value and aux": lambda f, A, B, C: f.func.grad_and_value(
        lambda x: ((x**2).sum(), {"k": x}), has_aux=True
    )(A),
    "keyword": lambda f, A, B, C: f.func.grad(lambda x, k: (x * k).sum())(A, k=2.0),
    "closure": lambda f, A, B, C: f.func.grad(lambda x: x * f.func.grad(lambda y: (x * y) ** 2)(x))(
        B[0]
    ),
    "not recorded": lambda f, A, B, C: f.no_grad()(f.func.grad(lambda x: (x**2).sum()))(A),
    "no_grad inside": lambda f, A, B, C: f.func.grad(
        lambda x: (x**2).sum() + f.no_grad()(lambda y: (y**3).sum())(x)
    )(A),
    "detach inside": lambda f, A, B, C: f.func.grad(lambda x: (x.detach() * x).sum())(A),
    "vjp": lambda f, A, B, C: f.func.vjp(lambda x, y: (x @ y).sin(), A, B)[1](f.ones(3)),
    "vjp of one": lambda f, A, B, C: f.func.vjp(lambda x: x.sin(), B)[1](f.ones(4)),
    "vjp of a dict": lambda f, A, B, C: f.func.vjp(
        lambda x: {"a": x["p"].sin(), "b": x["p"] * 2}, {"p": B}
    )[1]({"a": f.ones(4), "b": B}),
    "vjp, aux": lambda f, A, B, C: (lambda out, back, aux: (out, back(f.ones(4)), aux))(
        *f.func.vjp(lambda x: (x.sin(), x * 2), B, has_aux=True)
    ),
    "vjp twice": lambda f, A, B, C: (lambda back: (back(f.ones(4)), back(B)))(
        f.func.vjp(lambda x: x.sin(), B)[1]
    ),
    "grad of vjp": lambda f, A, B, C: f.func.grad(
        lambda v: f.func.vjp(lambda x: x.sin() * v, B)[1](f.ones(4))[0].sum()
    )(B),
    "jvp": lambda f, A, B, C: f.func.jvp(lambda x, y: ((x @ y).sin(), y * 2), (A, B), (A, B)),
    "jvp of a dict": lambda f, A, B, C: f.func.jvp(
        lambda p: {"k": p["a"].exp()}, ({"a": A},), ({"a": A * 2},)
    ),
    "jvp, aux": lambda f, A, B, C: f.func.jvp(lambda x: (x.sin(), x), (B,), (B,), has_aux=True),
    "jvp of jvp": lambda f, A, B, C: f.func.jvp(
        lambda x: f.func.jvp(lambda y: y.sin() * y, (x,), (B,))[1], (B,), (B,)
    ),
    "jvp, constant": lambda f, A, B, C: f.func.jvp(lambda x: f.ones(2), (B,), (B,)),
    "linearize": lambda f, A, B, C: f.func.linearize(lambda x: x.sin(), B)[1](B),
    "jacrev": lambda f, A, B, C: f.func.jacrev(lambda x, y: ((x @ y).sin(), y * 2), (0, 1))(A, B),
    "jacfwd": lambda f, A, B, C: f.func.jacfwd(lambda x, y: ((x @ y).sin(), y * 2), (0, 1))(A, B),
    "jacrev, chunks": lambda f, A, B, C: f.func.jacrev(lambda x: x.sin() @ B, chunk_size=2)(A),
    "jacrev, aux": lambda f, A, B, C: f.func.jacrev(lambda x: (x.sin(), x), has_aux=True)(B),
    "jacfwd, aux": lambda f, A, B, C: f.func.jacfwd(lambda x: (x.sin(), x), has_aux=True)(B),
    "jacrev of a dict": lambda f, A, B, C: f.func.jacrev(lambda p: {"o": p["a"] @ p["b"]})(
        {"a": A, "b": B}
    ),
    "hessian": lambda f, A, B, C: f.func.hessian(lambda x: (x**3).sum() * x.sum())(B),
    "hessian of two": lambda f, A, B, C: f.func.hessian(lambda x, y: (x @ y).sin().sum(), (0, 1))(
        A, B
    ),
    "jacfwd of jacfwd": lambda f, A, B, C: f.func.jacfwd(f.func.jacfwd(lambda x: x.sin() * x))(B),
    "functionalize": lambda f, A, B, C: f.func.functionalize(lambda x: x.clone().add_(1))(A),
}


# -- maps ------------------------------------------------------------------------------------
def vmap(f: Any, *args: Any, **options: Any) -> Any:
    return f.vmap(*args, **options)


MAPS |= {
    "product": lambda f, A, B, C: vmap(f, lambda v: v @ B)(A),
    "dot": lambda f, A, B, C: vmap(f, f.dot)(A, A),
    "second axis": lambda f, A, B, C: vmap(f, lambda v: v * 2, 1)(A),
    "last axis out": lambda f, A, B, C: vmap(f, lambda v: v * 2, out_dims=-1)(A),
    "axes of both": lambda f, A, B, C: vmap(f, lambda v, w: v * w.sum(), (1, 0), 1)(A, B),
    "one for all": lambda f, A, B, C: vmap(f, lambda v, w: v * w, (0, None))(A, B),
    "a number": lambda f, A, B, C: vmap(f, lambda v, k: v * k, (0, None))(A, 3.0),
    "by name": lambda f, A, B, C: vmap(f, lambda v, w: v * w)(A, w=A),
    "a nest": lambda f, A, B, C: vmap(f, lambda p: {"o": p["a"] * p["b"][0]})({"a": A, "b": (A,)}),
    "axes of a nest": lambda f, A, B, C: vmap(
        f, lambda p: (p["a"] * 2, p["b"].sum()), ({"a": 1, "b": 0},), (0, 0)
    )({"a": A, "b": C.permute(1, 0, 2)}),
    "several out": lambda f, A, B, C: vmap(f, lambda v: (v, v.sum()), out_dims=(1, 0))(A),
    "the same for all": lambda f, A, B, C: vmap(f, lambda v: B * 2)(A),
    "out None": lambda f, A, B, C: vmap(f, lambda v: (v, B), out_dims=(0, None))(A),
    "nested": lambda f, A, B, C: vmap(f, lambda p: vmap(f, lambda q: (p * q).sum())(A))(A),
    "nested by two": lambda f, A, B, C: vmap(f, vmap(f, vmap(f, lambda x: x.exp())))(C),
    "chunks": lambda f, A, B, C: vmap(f, lambda v: (v.sum(), v * 2), chunk_size=2)(A),
    "chunks of axes": lambda f, A, B, C: vmap(f, lambda v: v * 2, 1, 1, chunk_size=3)(A),
    "reductions": lambda f, A, B, C: vmap(
        f, lambda v: (v.mean(), v.var(0), v.max(0).values, v.argmin(0), v.norm(), v.prod())
    )(C),
    "softmax": lambda f, A, B, C: vmap(f, lambda v: (v.softmax(-1), v.logsumexp(0)))(C),
    "order": lambda f, A, B, C: vmap(f, lambda v: (v.sort(0)[0], v.topk(2, 0)[1], v.median()))(C),
    "sums": lambda f, A, B, C: vmap(f, lambda v: (v.cumsum(0), v.cumprod(-1), v.flip(0)))(C),
    "shapes": lambda f, A, B, C: vmap(
        f, lambda v: (v.t(), v.reshape(-1), v.unsqueeze(1), v[1:, 0], v[..., -1], v.view(2, 4))
    )(C),
    "joined": lambda f, A, B, C: vmap(f, lambda v: (f.cat([v, B]), f.stack([v, B], 1)))(A),
    "split": lambda f, A, B, C: vmap(f, lambda v: v.chunk(2, 0))(C),
    "padded": lambda f, A, B, C: vmap(f, lambda v: f.nn.functional.pad(v, (1, 2)))(A),
    "gathered": lambda f, A, B, C: vmap(f, lambda v, i: v.gather(0, i))(
        A, f.tensor([[0, 3], [1, 1], [2, 0]])
    ),
    "indexed": lambda f, A, B, C: vmap(f, lambda v, i: (v[i], B[i], v.index_select(0, i)))(
        A, f.tensor([[0, 3], [1, 1], [2, 0]])
    ),
    "indexed by one": lambda f, A, B, C: vmap(f, lambda i: C[i])(f.tensor([0, 2, 1])),
    "scattered": lambda f, A, B, C: vmap(f, lambda v, i: v.scatter_add(0, i, v[:2]))(
        A, f.tensor([[0, 3], [1, 1], [2, 0]])
    ),
    "embedding": lambda f, A, B, C: vmap(f, f.nn.functional.embedding, (0, None))(
        f.tensor([[0, 1], [2, 2]]), A
    ),
    "where": lambda f, A, B, C: vmap(f, lambda v: f.where(v > 0, v, B))(A),
    "triangle": lambda f, A, B, C: vmap(f, lambda v: (v.tril(), v.diagonal()))(C),
    "einsum": lambda f, A, B, C: vmap(f, lambda v: f.einsum("ij,i->j", v, B))(C),
    "convolution": lambda f, A, B, C: vmap(
        f, lambda w: f.nn.functional.conv1d(A.reshape(1, 3, 4), w)
    )(C.reshape(2, 2, 3, 2)),
    "pool": lambda f, A, B, C: vmap(f, lambda v: f.nn.functional.max_pool1d(v[None], 2))(C),
    "layer norm": lambda f, A, B, C: vmap(f, lambda v: f.nn.functional.layer_norm(v, (4,), B))(A),
    "loss": lambda f, A, B, C: vmap(f, lambda v, t: f.nn.functional.cross_entropy(v, t), (0, None))(
        C, f.tensor([0, 1, 1, 0])
    ),
    "attention": lambda f, A, B, C: vmap(
        f, lambda v: f.nn.functional.scaled_dot_product_attention(v, v, v)
    )(C),
    "in place": lambda f, A, B, C: vmap(f, lambda v: v.clone().add_(v).mul_(B))(A),
    "a view in place": lambda f, A, B, C: vmap(f, lambda v: in_view(v.clone()))(A),
    "made of it": lambda f, A, B, C: vmap(f, lambda v: v.new_zeros(2) + v[:2])(A),
    "of grad": lambda f, A, B, C: vmap(f, f.func.grad(lambda x: (x**3).sum()))(A),
    "per sample": lambda f, A, B, C: vmap(f, f.func.grad(lambda w, x: (w @ x).tanh()), (None, 0))(
        B, A
    ),
    "grad of": lambda f, A, B, C: f.func.grad(lambda w: vmap(f, lambda x: (w @ x).tanh())(A).sum())(
        B
    ),
    "grad of the mapped": lambda f, A, B, C: f.func.grad(
        lambda x: vmap(f, lambda v: (v @ B).tanh())(x).sum()
    )(A),
    "grad of grad": lambda f, A, B, C: f.func.grad(
        lambda w: vmap(f, f.func.grad(lambda w, x: (w @ x).tanh()), (None, 0))(w, A).pow(2).sum()
    )(B),
    "grad of nested": lambda f, A, B, C: f.func.grad(
        lambda w: vmap(f, lambda p: vmap(f, lambda q: (p * q * w).sum().exp())(A))(A).sum()
    )(B),
    "of jacrev": lambda f, A, B, C: vmap(f, f.func.jacrev(lambda x: x.sin() * x.sum()))(A),
    "of jacfwd": lambda f, A, B, C: vmap(f, f.func.jacfwd(lambda x: x.sin() * x.sum()))(A),
    "of hessian": lambda f, A, B, C: vmap(f, f.func.hessian(lambda x: (x.sin() * x.sum()).sum()))(
        A
    ),
    "jacfwd of": lambda f, A, B, C: f.func.jacfwd(
        lambda w: vmap(f, f.func.grad(lambda w, x: (w @ x).tanh()), (None, 0))(w, A).sum(0)
    )(B),
    "of vjp": lambda f, A, B, C: vmap(f, f.func.vjp(lambda x: x.sin() * x.sum(), B)[1])(f.eye(4)),
    "of jvp": lambda f, A, B, C: vmap(
        f, lambda v: f.func.jvp(lambda x: x.sin() * x.sum(), (B,), (v,))[1]
    )(f.eye(4)),
    "nothing": lambda f, A, B, C: vmap(f, lambda v: (v * 2, v.sum()))(A[:0]),
    "one": lambda f, A, B, C: vmap(f, lambda v: v.sum())(A[:1]),
    "is_grads_batched": lambda f, A, B, C: batched_gradients(f, B),
}


def in_view(v: Any) -> Any:
    v[2:] += v[:2]
    v[0] = 7.0
    return v


def batched_gradients(f: Any, b: Any) -> Any:
    x = b.detach().clone().requires_grad_()
    return f.autograd.grad([x.sin(), x * 2], x, [f.eye(4), f.eye(4)], is_grads_batched=True)
