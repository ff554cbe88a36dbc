"""Expressions that make a tensor from live ones: a table of small writers of text."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.support.programs.draw import FLOATS, INTEGERS, Draw, NothingFits, words

__all__ = ["EXPRESSIONS", "subscript"]

Writer = Callable[[Draw], str]
EXPRESSIONS: list[tuple[float, Writer]] = []

SMOOTH = words("""
    exp sin cos tanh sigmoid sqrt square log1p expm1 erf erfc atan asinh log reciprocal rsqrt exp2
    sinh cosh log2 softmax
""")
KINKED = words("abs neg relu floor ceil round trunc sign frac clone contiguous positive")
ACTIVATIONS = words("""
    relu elu gelu silu softplus logsigmoid hardtanh hardswish hardsigmoid leaky_relu relu6 selu celu
    mish softsign tanhshrink softshrink hardshrink sigmoid tanh
""")
PAIRS = words("atan2 hypot copysign logaddexp fmod remainder xlogy lerp addcmul float_power")


def expression(weight: float) -> Callable[[Writer], Writer]:
    """Adds a writer to the table."""

    def add(writer: Writer) -> Writer:
        EXPRESSIONS.append((weight, writer))
        return writer

    return add


@expression(3)
def unary(d: Draw) -> str:
    name = d.one(*SMOOTH, *KINKED, *KINKED)
    x = d.float() if d.chance(0.9) else d.any()
    if name == "softmax":
        return f"{x}.softmax({d.dim(x)})"
    return d.one(f"{x}.{name}()", f"torch.{name}({x})") if name != "contiguous" else f"{x}.t()"


@expression(1.5)
def activation(d: Draw) -> str:
    return f"F.{d.one(*ACTIVATIONS)}({d.float()})"


@expression(6)
def arithmetic(d: Draw) -> str:
    x = d.any()
    sign = d.one("+", "-", "*", "*", "/", "+", "-", "*", "//", "%", "**")
    if sign == "**":
        x = d.float()
        return d.one(f"{x} ** {d.one(2, 3, 0.5, -1, 2.0, 1)}", f"{d.one(2.0, 0.5)} ** {x}")
    number = d.number() if d.chance(0.6) else d.between(-3, 4)
    if d.chance(0.25):
        return f"{x} {sign} {number}" if d.chance(0.7) else f"{number} {sign} {x}"
    return f"{x} {sign} {d.fitting(x)}"


@expression(1)
def extremes(d: Draw) -> str:
    x = d.any()
    y = d.fitting(x, lambda t: t.dtype == d.value(x).dtype)
    return f"torch.{d.one('maximum', 'minimum', 'fmax', 'fmin')}({x}, {y})"


@expression(1)
def two_operands(d: Draw) -> str:
    x = d.float()
    y = d.fitting(x, lambda t: t.dtype == d.value(x).dtype)
    name = d.one(*PAIRS)
    if name == "lerp":
        return f"torch.lerp({x}, {y}, {d.number()})"
    if name == "addcmul":
        return f"torch.addcmul({x}, {y}, {y}, value={d.number()})"
    return f"torch.{name}({x}, {y})"


@expression(1.5)
def clamp(d: Draw) -> str:
    x = d.any()
    low, high = sorted((d.number(), d.number()))
    return d.one(
        f"{x}.clamp({low}, {high})", f"{x}.clamp(min={low})", f"torch.clamp({x}, max={high})"
    )


@expression(2)
def comparison(d: Draw) -> str:
    x = d.any()
    y = d.fitting(x) if d.chance(0.6) else str(d.number())
    return f"{x} {d.one('<', '<=', '>', '>=', '==', '!=')} {y}"


@expression(1)
def truth(d: Draw) -> str:
    x = d.any()
    return d.one(
        f"torch.isnan({x})",
        f"torch.isfinite({x})",
        f"torch.logical_not({x})",
        f"torch.logical_and({x}, {d.fitting(x)})",
        f"torch.logical_xor({x}, {d.fitting(x)})",
        f"~{d.bool()}",
        f"{x}.any({d.dim(x)})",
        f"{x}.all({d.dim(x)}, keepdim=True)",
    )


@expression(1)
def integers(d: Draw) -> str:
    x = d.integer()
    whole = lambda t: not t.is_floating_point()  # noqa: E731
    return d.one(
        f"{x} {d.one('&', '|', '^')} {d.fitting(x, whole)}",
        f"{x} {d.one('<<', '>>')} {d.between(0, 3)}",
        f"{x} // {d.one(2, 3, -2)}",
        f"{x} % {d.one(2, 3, -3)}",
        f"torch.div({x}, {d.one(2, -3)}, rounding_mode={d.one('trunc', 'floor')!r})",
        f"{x} * {d.one(2, 3, 100)}",
        f"~{x}",
        f"{x}.abs()",
    )


@expression(2)
def choice(d: Draw) -> str:
    c = d.bool()
    x = d.fitting(c) if d.chance(0.8) else str(d.number())
    y = d.fitting(c) if d.chance(0.7) else str(d.number())
    masked = d.any()
    return d.one(
        f"torch.where({c}, {x}, {y})",
        f"{masked}.masked_fill({d.fitting(masked, lambda t: t.dtype == torch.bool)}, {d.number()})",
    )


@expression(4)
def reduction(d: Draw) -> str:
    x = d.any() if d.chance(0.3) else d.float()
    keep = d.one("", ", keepdim=True")
    dim, dims = d.dim(x), d.dims(x)
    name = d.one("sum", "mean", "sum", "mean", "amax", "amin", "prod", "logsumexp", "var", "std")
    if name in ("var", "std"):
        return f"{x}.{name}({dim}, correction={d.one(0, 1)}{keep})"
    if name == "prod":
        return f"{x}.prod({dim}{keep})"
    if name in ("sum", "mean") and d.chance(0.4):
        return f"{x}.{name}()"
    return f"{x}.{name}({dims if d.chance(0.5) and name != 'prod' else dim}{keep})"


@expression(1.5)
def extreme(d: Draw) -> str:
    x = d.any(1)
    keep = d.one("", ", keepdim=True")
    return d.one(
        f"{x}.{d.one('max', 'min')}()",
        f"{x}.{d.one('max', 'min')}({d.dim(x)}{keep})[{d.one(0, 0, 1)}]",
        f"{x}.{d.one('argmax', 'argmin')}({d.dim(x)}{keep})",
        f"{x}.detach().median({d.dim(x)})[0]",
        f"{x}.norm()",
        f"{x}.norm(dim={d.dim(x)}{keep})",
        f"{x}.nansum({d.dim(x)})",
        f"{x}.count_nonzero({d.dim(x)})",
    )


def subscript(d: Draw, name: str, views: bool = False) -> str:
    """What stands between brackets: slices with steps, numbers, None, ellipsis, tensors."""
    shape = d.value(name).shape
    parts: list[str] = []
    tensors = 0
    for size in shape:
        kind = d.random.random()
        if kind < 0.2 and size:
            parts.append(str(d.between(-size, size - 1)))
        elif kind < 0.6:
            start = d.one("", "", str(d.between(-size - 1, size + 1)))
            stop = d.one("", "", str(d.between(-size - 1, size + 2)))
            parts.append(f"{start}:{stop}{d.one('', '', ':2', ':3')}")
        elif kind < 0.72 and size and not views and not tensors:
            tensors += 1
            parts.append(d.indices(size, (d.between(0, 3),)))
        else:
            parts.append(":")
    if d.chance(0.15):
        parts.insert(d.between(0, len(parts)), "None")
    while parts and parts[-1] == ":" and d.chance(0.7):
        parts.pop()
    if d.chance(0.15):
        parts = ["..."] + (parts if len(parts) == len(shape) else [])
    return ", ".join(parts) or "..."


@expression(7)
def view(d: Draw) -> str:
    x = d.any(0, 4)
    t = d.value(x)
    rank = t.ndim
    order = list(range(rank))
    d.random.shuffle(order)
    a, b = d.dim(x), d.dim(x)
    size = t.shape[a] if rank else 1
    # Whether these copy depends on strides, which PyTorch's results inherit from their operands.
    dense = x if t.is_contiguous() else f"{x}.clone()"
    ways = [
        f"{x}[{subscript(d, x, views=True)}]",
        f"{x}[{subscript(d, x, views=True)}]",
        f"{x}.permute({', '.join(map(str, order))})" if rank else f"{x}.permute(())",
        f"{x}.transpose({a}, {b})",
        f"{x}.unsqueeze({d.between(-rank - 1, rank)})",
        f"{x}.squeeze({d.one('', a)})",
        f"{dense}.reshape(-1)",
        f"{dense}.flatten({d.one('', '0, 1', '1')})",
        f"{dense}.reshape({', '.join(map(str, _reshaped(d, t)))})",
        f"{x}.view({', '.join(map(str, _reshaped(d, t)))})",
        f"{x}.expand({', '.join(map(str, _expanded(d, t)))})",
        f"{x}.diagonal(offset={d.between(-1, 1)}, dim1={a}, dim2={b})",
        f"{x}.movedim({a}, {b})",
        f"{x}.narrow({a}, {d.between(0, size)}, {d.between(0, size)})",
        f"{x}.select({a}, {d.between(-size, size)})",
        f"{x}.split({d.between(1, 3)}, {a})[{d.one(0, 0, -1)}]",
        f"{x}.chunk({d.between(1, 3)}, {a})[{d.one(0, 0, -1)}]",
        f"{x}.unbind({a})[{d.one(0, -1)}]",
        f"{x}.detach()" if d.chance(0.5) else f"{x}.t()",
        f"{x}.mT" if rank > 1 else f"{x}.view_as({x})",
    ]
    return d.one(*ways)


def _reshaped(d: Draw, t: torch.Tensor) -> list[int]:
    """Another shape of as many elements."""
    factors = [f for size in t.shape for f in ((2, 2) if size == 4 else (size,))]
    d.random.shuffle(factors)
    out = [1] * d.between(1, 3)
    for factor in factors:
        out[d.between(0, len(out) - 1)] *= factor
    if d.chance(0.3) and t.numel():
        out[d.between(0, len(out) - 1)] = -1
    return out


def _expanded(d: Draw, t: torch.Tensor) -> list[int]:
    sizes = [d.between(1, 3) if s == 1 else d.one(s, -1) for s in t.shape]
    return [*([d.between(1, 2)] if d.chance(0.4) or not sizes else []), *sizes]


@expression(4)
def moving(d: Draw) -> str:
    x = d.any(1, 4)
    t = d.value(x)
    dim = d.dim(x)
    same = d.tensor(lambda o: o.dtype == t.dtype and o.shape == t.shape)
    pads = ", ".join(str(d.between(-1, 2)) for _ in range(2 * d.between(1, t.ndim)))
    return d.one(
        f"{x}.flip({dim})",
        f"{x}.roll({d.between(-2, 3)}, {dim})",
        f"{x}.repeat({', '.join('12'[d.chance(0.3)] for _ in t.shape)})",
        f"{x}.repeat_interleave({d.between(1, 3)}, {dim})",
        f"torch.cat([{x}, {same}], {dim})",
        f"torch.cat([{x}, {x}[:1], {same}])",
        f"torch.stack([{x}, {same}], {dim})",
        f"torch.stack([{x}])",
        f"{x}.tril({d.between(-1, 1)})",
        f"{x}.triu({d.between(-1, 1)})",
        f"F.pad({x}, ({pads}))",
        f"F.pad({x}, ({pads}), value={d.number()})",
        f"{x}.clone()",
        f"{x}.diff(dim={dim})",
        f"torch.tile({x}, (2, 1))",
        f"torch.diag_embed({x})",
    )


@expression(3)
def indexing(d: Draw) -> str:
    x = d.any(1, 4)
    t = d.value(x)
    dim = d.dim(x)
    size = t.shape[dim]
    rows = d.indices(size, (d.between(1, 4),), negative=False)
    same = d.indices(size, [max(0, s - d.between(0, 1)) for s in t.shape], negative=False)
    many = d.indices(t.shape[0], (2, 2))
    return d.one(
        f"{x}.index_select({dim}, {rows})",
        f"{x}.gather({dim}, {same})",
        f"{x}.scatter({dim}, {same}, {d.number()})",
        f"{x}.scatter_add({dim}, {same}, {x})",
        f"{x}[{many}]",
        f"{x}[{subscript(d, x)}]",
        f"{x}[{subscript(d, x)}]",
        f"{x}.take({d.indices(t.numel(), (3,))})",
        f"{x}.index_add({dim}, {rows}, {x}.index_select({dim}, {rows}))",
        f"{x}.index_fill({dim}, {rows}, {d.number()})",
        f"F.embedding({d.indices(t.shape[0], d.shape(1, 2), negative=False)}, {x})",
        f"{x}.take_along_dim({same}, {dim})",
    )


@expression(2)
def running(d: Draw) -> str:
    x = d.any(1, 4)
    dim = d.dim(x)
    floating = d.value(x).is_floating_point()
    return d.one(
        f"{x}.cumsum({dim})",
        f"{x}.cumsum({dim})",
        # PyTorch's gradient divides by the elements: NaN at infinite ones.
        f"{x}{'.detach()' if d.special else ''}.cumprod({dim})",
        f"{x}.sort(dim={dim}, descending={d.chance(0.5)}, stable=True)[{d.one(0, 0, 1)}]",
        f"{x}.argsort(dim={dim}, stable=True)",
        f"{x}.detach().topk({d.between(1, 2)}, {dim})[0]",
        f"{x}.detach().kthvalue({d.between(1, 2)}, {dim})[0]",
        *([f"F.softmax({x}, {dim})", f"F.log_softmax({x}, {dim})"] if floating else []),
    )


@expression(2)
def product(d: Draw) -> str:
    x = d.float(1, 3)
    t = d.value(x)
    last = t.shape[-1]
    y = d.tensor(
        lambda o: o.dtype == t.dtype and o.ndim and last == (o.shape[-2] if o.ndim > 1 else len(o))
    )
    rows = d.tensor(lambda o: o.dtype == t.dtype and o.ndim == 2 and o.shape[1] == last)
    return d.one(
        f"{x} @ {y}",
        f"{x} @ {x}.transpose(-1, -2)",
        f"torch.matmul({y}.mT, {y})",
        f"F.linear({x}, {rows})",
        f"torch.einsum('...i,...j->...ij', {x}, {x})",
        f"torch.outer({x}, {x})",
        f"torch.einsum('...i,...i->...', {x}, {x})",
    )


@expression(1.5)
def window(d: Draw) -> str:
    x = d.float(2, 4)
    t = d.value(x)
    kind = str(t.dtype).rpartition(".")[2]
    if t.ndim == 2:
        x = f"{x}.unsqueeze(0)"
    n = 1 if t.ndim < 4 else 2
    channels = t.shape[-n - 1]
    if not t.numel():
        raise NothingFits
    # Whether zeros of the padding meet infinite weights depends on PyTorch's kernel.
    weight = d.leaf((2, channels, *([d.between(1, 2)] * n)), kind, finite=True)
    return d.one(
        f"F.conv{n}d({x}, {weight}, padding={d.between(0, 1)}, stride={d.between(1, 2)})",
        f"F.max_pool{n}d({x}, {d.between(1, 2)}, stride={d.between(1, 2)}, padding=0)",
        f"F.avg_pool{n}d({x}, {d.between(1, 2)}, stride={d.between(1, 2)})",
        f"F.adaptive_avg_pool{n}d({x}, {d.between(1, 2)})",
        f"F.conv_transpose{n}d({x}, {weight}.transpose(0, 1), stride={d.between(1, 2)})",
    )


@expression(1)
def normalization(d: Draw) -> str:
    x = d.float(2, 4)
    t = d.value(x)
    return d.one(
        f"F.layer_norm({x}, ({t.shape[-1]},))",
        f"F.group_norm({x}, {d.between(1, 2)})",
        f"F.batch_norm({x}, None, None, training=True)",
        f"F.instance_norm({x})",
        f"F.normalize({x}, dim={d.dim(x)})",
        f"F.rms_norm({x}, ({t.shape[-1]},))",
    )


@expression(1)
def loss(d: Draw) -> str:
    x = d.float()
    t = d.value(x)
    y = d.tensor(lambda o: o.dtype == t.dtype and o.shape == t.shape)
    name = d.one("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
    choices = [
        f"F.{name}({x}, {y})",
        f"F.{name}({x}, {y}, reduction={d.one('sum', 'none')!r})",
        f"F.binary_cross_entropy_with_logits({x}, {y}.detach().sigmoid())",
        f"F.soft_margin_loss({x}, {y}.detach().sign())",
    ]
    if t.ndim == 2 and t.shape[1]:
        classes = d.indices(t.shape[1], (t.shape[0],), negative=False)
        choices += [f"F.cross_entropy({x}, {classes})"] * 3
    return d.one(*choices)


@expression(3)
def cast(d: Draw) -> str:
    x = d.any()
    dtype = d.one(*FLOATS, *INTEGERS, "bool")
    return d.one(
        f"{x}.to(torch.{dtype})",
        f"{x}.{d.one('float', 'double', 'half', 'bfloat16', 'int', 'long', 'bool')}()",
        f"{x}.type_as({d.any()})",
    )


@expression(1)
def scaled(d: Draw) -> str:
    """By a number that is an argument: another one at each call."""
    if "n0" not in d.space:
        raise NothingFits
    x = d.float()
    return d.one(f"{x} * n0", f"{x} + n0", f"{x} / (n0 + 2)", f"torch.add({x}, {x}, alpha=n0)")


@expression(1.5)
def gradient(d: Draw) -> str:
    """A gradient that is computed with, and may be differentiated again."""
    x = d.tensor(lambda t: t.requires_grad and t.numel() > 0)
    leaves = d.tensor(lambda t: t.requires_grad)
    again = d.one("", ", create_graph=True", ", retain_graph=True")
    root = d.one(f"{x}.sum()", f"({x} * {x}).mean()", f"{x}.sin().sum()")
    return f"torch.autograd.grad({root}, {leaves}{again})[0]"


@expression(1)
def combined(d: Draw) -> str:
    x = d.float(1, 3)
    t = d.value(x)
    same = d.tensor(lambda o: o.dtype == t.dtype and o.shape == t.shape)
    return d.one(
        f"torch.meshgrid({x}, {same}, indexing='ij')[{d.one(0, 1)}]",
        f"torch.tensordot({x}, {same}, {t.ndim})",
        f"torch.einsum('i...,i...->...', {x}, {same})",
        f"torch.hstack([{x}, {same}])",
        f"torch.vstack([{x}, {same}])",
        f"F.scaled_dot_product_attention({x}, {same}, {same})",
        f"F.cosine_similarity({x}, {same}, dim={d.dim(x)})",
        f"F.pairwise_distance({x}, {same})",
        f"torch.dist({x}, {same})",
        f"F.kl_div({x}.log_softmax(-1), {same}.detach().softmax(-1), reduction='sum')",
        f"F.gaussian_nll_loss({x}, {same}.detach(), {x}.square() + 0.5)",
        f"F.dropout({x}, 0.5, training=False)",
        f"F.glu(torch.cat([{x}, {same}], {d.dim(x)}), {d.dim(x)})",
        f"F.one_hot({d.indices(3, (2, 2), negative=False)}, 3)",
        f"torch.var_mean({x}, {d.dim(x)})[{d.one(0, 1)}]",
    )


@expression(1)
def creation(d: Draw) -> str:
    x = d.any()
    return d.one(
        f"torch.zeros_like({x})",
        f"torch.ones_like({x})",
        f"torch.full_like({x}, {d.between(-2, 3)})",
        f"{x}.new_ones({d.shape(0, 2)})",
        f"torch.arange({d.between(0, 5)})",
        f"torch.eye({d.between(1, 3)})",
        f"torch.linspace(0, 1, {d.between(1, 4)})",
        d.leaf(d.shape(), d.one(*FLOATS)),
        d.leaf(d.shape(), d.one(*INTEGERS, "bool")),
    )
