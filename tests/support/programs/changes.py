"""Statements that change something: in place, through views, gradients, modules, optimizers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.support.programs.draw import Draw, NothingFits
from tests.support.programs.expressions import subscript

__all__ = ["CHANGES"]

Writer = Callable[[Draw], str]
CHANGES: list[tuple[float, Writer]] = []


def change(weight: float) -> Callable[[Writer], Writer]:
    """Adds a writer to the table."""

    def add(writer: Writer) -> Writer:
        CHANGES.append((weight, writer))
        return writer

    return add


def _target(d: Draw) -> str:
    """A tensor to write to: seldom one that PyTorch refuses."""

    def fits(t: torch.Tensor) -> bool:
        apart = all(s or n < 2 for n, s in zip(t.shape, t.stride(), strict=True))
        return apart and (not (t.is_leaf and t.requires_grad) or d.chance(0.05))

    return d.tensor(fits)


def _operator(d: Draw, name: str, sign: str, value: str) -> str:
    """An operator in place; its method for names that are not the step's own."""
    if name[0] in "thx":
        return f"{name} {sign} {value}"
    method = {"+=": "add_", "-=": "sub_", "*=": "mul_", "/=": "div_"}[sign]
    return f"{name}.{method}({value})"


@change(5)
def in_place(d: Draw) -> str:
    x = _target(d)
    sign = d.one("+=", "-=", "*=", "+=", "*=", "/=")
    number = d.number() if d.value(x).is_floating_point() else d.between(-2, 3)
    return d.one(
        _operator(d, x, sign, d.covered(x)),
        _operator(d, x, sign, d.covered(x)),
        f"{x}.mul_({number})",
        f"{x}.add_({d.covered(x)}, alpha={d.one(1, 2, -1)})",
        f"{x}.{d.one('zero_', 'neg_', 'abs_', 'square_', 'relu_', 'exp_', 'tanh_', 'sigmoid_')}()",
        f"{x}.clamp_({d.one('min', 'max')}={number})",
        f"{x}.fill_({number})",
        f"{x}.copy_({d.covered(x)})" if d.chance(0.5) else f"{x}.sub_({d.covered(x)})",
        f"{x}.masked_fill_({d.covered(x)} {d.one('<', '==', '>=')} {x}, {number})",
    )


@change(5)
def assignment(d: Draw) -> str:
    x = _target(d)
    part = subscript(d, x, views=d.chance(0.6))
    shape = f"{x}[{part}]"
    try:
        taken = eval(shape, {**d.space})
    except (IndexError, RuntimeError, TypeError) as error:
        raise NothingFits from error
    d.space["_part"] = taken
    value = d.covered("_part")
    return d.one(
        f"{shape} = {value}", f"{shape} = {value}", f"{shape} += {value}", f"{shape} *= {value}"
    )


@change(2)
def masked(d: Draw) -> str:
    x = _target(d)
    mask = d.one(f"{x} > {d.number()}", f"{x} != {x}", f"{x} == 0")
    if d.chance(0.4):
        mask = d.tensor(lambda t: t.dtype == torch.bool and t.shape == d.value(x).shape)
    return f"{x}[{mask}] = {d.number() if d.value(x).is_floating_point() else d.between(-2, 3)}"


@change(2)
def through_view(d: Draw) -> str:
    x = _target(d)
    if not d.value(x).ndim:
        raise NothingFits
    a, b = d.dim(x), d.dim(x)
    size = d.value(x).shape[a]
    way = d.one(
        f"transpose({a}, {b})",
        f"diagonal(dim1={a}, dim2={b})",
        f"narrow({a}, 0, {d.between(0, size)})",
        f"unsqueeze({a})",
        "view(-1)",
        "view(-1)",
        f"unbind({a})[{d.one(0, -1)}]",
        "squeeze()",
        "detach()",
    )
    number = d.number() if d.value(x).is_floating_point() else d.between(-2, 3)
    what = d.one(f"mul_({number})", f"add_({number})", "zero_()", f"fill_({number})", "neg_()")
    return f"{x}.{way}.{what}"


@change(1)
def scattered(d: Draw) -> str:
    x = d.tensor(lambda t: t.ndim and not (t.is_leaf and t.requires_grad))
    t = d.value(x)
    dim = d.dim(x)
    same = d.indices(t.shape[dim], t.shape, negative=False)
    rows = d.indices(t.shape[dim], (t.shape[dim],), negative=False)
    reduce = d.one("sum", "amax", "mean")
    return d.one(
        f"{x}.scatter_add_({dim}, {same}, {x}.detach().clone())",
        f"{x}.index_add_({dim}, {rows}, {x}.detach() * 1)",
        f"{x}.index_fill_({dim}, {rows}, 2)",
        f"{x}.scatter_reduce_({dim}, {same}, {x}.detach().clone(), {reduce!r})",
        f"{x}.t_()",
        f"{x}.unsqueeze_({dim})",
        f"{x}.squeeze_()",
        f"{x}.transpose_({dim}, {d.dim(x)})",
    )


def _recorded(d: Draw) -> str:
    return d.tensor(lambda t: t.requires_grad and t.numel() > 0)


def _leaves(d: Draw) -> list[str]:
    return [n for n in d.pool if d.value(n).requires_grad and d.value(n).is_leaf]


@change(3)
def backward(d: Draw) -> str:
    x = _recorded(d)
    scalar = (
        x if d.value(x).numel() == 1 else d.one(f"{x}.sum()", f"{x}.mean()", f"({x} * {x}).sum()")
    )
    keep = d.one("", "", "retain_graph=True")
    if d.chance(0.2):
        return f"{x}.backward(torch.ones_like({x}))"
    return f"{scalar}.backward({keep})"


@change(1)
def leaf_gradients(d: Draw) -> str:
    leaves = [n for n in _leaves(d) if d.value(n).grad is not None]
    if not leaves:
        raise NothingFits
    w = d.random.choice(leaves)
    return d.one(
        f"{w}.grad = None",
        f"{w}.grad.zero_()",
        f"{w}.grad.mul_({d.number()})",
        f"{w}.grad = {w}.grad * 2",
        f"{w}.grad += {w}.detach()",
    )


@change(0.7)
def flags(d: Draw) -> str:
    """What requires a gradient from here on."""
    w = d.tensor(lambda t: t.is_leaf and t.is_floating_point())
    return d.one(
        f"{w}.requires_grad_({d.chance(0.5)})",
        f"{w}.requires_grad = {d.chance(0.5)}",
        f"{w}.detach_()",
    )


@change(0.5)
def other_data(d: Draw) -> str:
    """Other elements for a tensor, which what shares its memory does not see."""
    x = d.tensor(lambda t: t.is_floating_point())
    y = d.fitting(x, lambda t: t.dtype == d.value(x).dtype and t.shape == d.value(x).shape)
    return f"{x}.data = {d.one(f'{x}.data * 2', f'{y}.data.clone()', f'({y} + 1).detach()')}"


@change(2)
def quiet(d: Draw) -> str:
    w = d.tensor(lambda t: t.is_leaf and t.is_floating_point())
    return "with torch.no_grad():\n    " + d.one(
        f"{w}.add_({d.covered(w)})",
        _operator(d, w, "-=", f"0.1 * {w}"),
        f"{w}.mul_({d.number()})",
        f"{w}[:1] = {d.number()}",
        f"{w}.clamp_({d.number()}, 2.0)",
        f"{w}.copy_({w}.flip(0))" if d.value(w).ndim else f"{w}.zero_()",
    )


@change(1)
def into(d: Draw) -> str:
    """Results that are written to a tensor that is there."""
    x = _target(d)
    y = d.fitting(x, lambda t: t.dtype == d.value(x).dtype and not t.requires_grad)
    if d.value(x).requires_grad:
        raise NothingFits
    return d.one(
        f"torch.{d.one('add', 'mul', 'maximum', 'sub')}({x}, {y}, out={x})",
        f"torch.neg({x}, out={x})",
        f"{x}.data.mul_(2)",
        f"{x}.detach().copy_({y})",
    )


@change(1)
def switches(d: Draw) -> str:
    names = [n for n, v in d.space.items() if isinstance(v, torch.nn.Module)]
    optimizers = [n for n, v in d.space.items() if isinstance(v, torch.optim.Optimizer)]
    choices = [f"{n}.{w}()" for n in names for w in ("train", "eval", "zero_grad")]
    choices += [f"{n}.{w}()" for n in optimizers for w in ("zero_grad", "step", "step", "step")]
    if not choices:
        raise NothingFits
    return d.random.choice(choices)


@change(2)
def optimizer_step(d: Draw) -> str:
    names = [n for n, v in d.space.items() if isinstance(v, torch.optim.Optimizer)]
    if not names:
        raise NothingFits
    x = _recorded(d)
    o = d.random.choice(names)
    return f"{o}.zero_grad()\n({x} * {x}).mean().backward()\n{o}.step()"
