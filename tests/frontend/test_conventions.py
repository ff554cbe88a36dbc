"""Values and derivatives at joints, ties, NaN, infinities, signed zeros and in half precision.

PyTorch is the oracle. Its vector loops decide NaN and signed zeros in other ways than its scalar
ones; operands with a stride, which get the scalar loops, make it decide once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.support.backends import BACKENDS

Case = Callable[..., Any]
Arrays = Sequence[np.ndarray]
Outcome = dict[str, np.ndarray]

# fmt: off
POINTS = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 6, -6, 5, -5, 2.5, -2.5,
    20, -20, 20.5, 15, -15, 88, -88, 104, -104, 150, -150, 1e4, -1e4, 6e4, -6e4, 1e-3, -1e-3,
    1e-6, 0.3, -0.3, 0.999, 1.001, 0.25, -0.25, 12, -12, 30, -30,
]
PAIR = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, 2, -3, 20, -20, 200, -200]

_PLAIN = [
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu",
    "sigmoid", "logsigmoid", "hardswish", "hardtanh", "tanh", "tanhshrink", "softsign",
    "softplus", "softshrink", "hardshrink", "mish",
]
# fmt: on
_F = "m.nn.functional."
_NONE = "reduction='none'"
ONE = {name: f"{_F}{name}(x)" for name in _PLAIN} | {
    "threshold": f"{_F}threshold(x, 0.5, 2.0)",
    "hardsigmoid": f"{_F}hardsigmoid(x)",
    "elu, steep": f"{_F}elu(x, 2.0)",
    "celu, wide": f"{_F}celu(x, 2.0)",
    "softplus, early": f"{_F}softplus(x, 2.0, 7.0)",
    "softshrink by 0": f"{_F}softshrink(x, 0.0)",
    "hardtanh to 6": f"{_F}hardtanh(x, 0.0, 6.0)",
    "clamp": "x.clamp(-1, 1)",
    "clamp from 0": "x.clamp(min=0)",
    "clamp to 0": "x.clamp(max=0)",
    "clamp from -0": "x.clamp(min=-0.0)",
    "clamp across": "x.clamp(1, -1)",
    "clamp by NaN": "x.clamp(0, float('nan'))",
    "logits, target 0": f"{_F}binary_cross_entropy_with_logits(x, m.zeros_like(x), {_NONE})",
    "logits, target 1": f"{_F}binary_cross_entropy_with_logits(x, m.ones_like(x), {_NONE})",
    "logits, weight": f"{_F}binary_cross_entropy_with_logits(x, m.full_like(x, 0.25), {_NONE}, "
    "pos_weight=m.full_like(x, 2.0))",
    "smooth_l1": f"{_F}smooth_l1_loss(x, m.zeros_like(x), {_NONE})",
    "smooth_l1, wide": f"{_F}smooth_l1_loss(x, m.zeros_like(x), {_NONE}, beta=2.0)",
    "huber": f"{_F}huber_loss(x, m.zeros_like(x), {_NONE})",
    "huber, wide": f"{_F}huber_loss(x, m.zeros_like(x), {_NONE}, delta=2.0)",
    "l1": f"{_F}l1_loss(x, m.zeros_like(x), {_NONE})",
    "hinge 1": f"{_F}hinge_embedding_loss(x, m.ones_like(x), {_NONE})",
    "hinge -1": f"{_F}hinge_embedding_loss(x, -m.ones_like(x), {_NONE})",
    "kl": f"{_F}kl_div(x, m.full_like(x, 0.5), {_NONE})",
    "std of equals": "m.std(m.stack([x, x], -1), -1)",
    "norm": "m.norm(m.stack([x, x], -1), dim=-1)",
    "logit": "m.logit(x.clamp(0, 1))",
    "logit, limited": "m.logit(x, 0.1)",
    "softmargin": f"{_F}soft_margin_loss(x.clamp(-10, 10), m.ones_like(x), {_NONE})",
    "gaussian": f"{_F}gaussian_nll_loss(m.ones_like(x), m.zeros_like(x), x.abs(), {_NONE})",
    "prelu": f"{_F}prelu(x, m.tensor([0.25]).to(x.dtype))",
    "glu": f"{_F}glu(m.stack([m.ones_like(x), x], -1)).squeeze(-1)",
}
TWO = {
    "fmax": "m.fmax(x, y)",
    "fmin": "m.fmin(x, y)",
    "maximum": "m.maximum(x, y)",
    "minimum": "m.minimum(x, y)",
    "clamp from": "x.clamp(min=y)",
    "clamp to": "x.clamp(max=y)",
    "clamp between": "x.nan_to_num(0.7).clamp(y.nan_to_num(0.7), y.nan_to_num(0.7).flip(0))",
    "atan2": "m.atan2(x, y)",
    "logaddexp": "m.logaddexp(x, y)",
    "logits": f"{_F}binary_cross_entropy_with_logits(x, y, {_NONE})",
    "saturated": f"{_F}binary_cross_entropy(x.sigmoid().nan_to_num(0.5), (y > 0).to(x.dtype), "
    f"{_NONE})",
    "smooth_l1": f"{_F}smooth_l1_loss(x, y, {_NONE})",
    "huber": f"{_F}huber_loss(x, y, {_NONE})",
    "where": "m.where(x > 0, x, y)",
}
_SECOND = ("d00", "d01", "d10", "d11")
# Parts in which NaN, equal infinities and what is NaN in PyTorch are left out: its formulas for
# them subtract or multiply infinities (or overflow in half precision); here a number comes out.
LOOSE = {
    "mish": _SECOND,
    "gelu": _SECOND,
    "atan2": _SECOND,
    "logaddexp": ("d0", "d1", *_SECOND),
    "logits": _SECOND,
    "smooth_l1": _SECOND,
    "smooth_l1, wide": _SECOND,
    "huber": _SECOND,
    "huber, wide": _SECOND,
    "saturated": ("d0", "d1"),
    "logit": _SECOND,
    "logit, limited": _SECOND,
}
FIRST_ONLY = {"norm", "saturated"}  # PyTorch's second derivative cancels, or has a bound of its own
# Signs of zero are compared where PyTorch keeps the operand's.
SIGNED = {"relu", "relu6", "clamp", "clamp from 0", "clamp to 0", "hardtanh", "leaky_relu", "elu"}
SIGNED |= {"hardswish", "hardtanh to 6", "clamp from -0", "threshold"}
SIGNED |= {"maximum", "minimum"}
TOLERANCE = {"float64": (1e-8, 1e-8), "float32": (2e-5, 2e-6)}
TOLERANCE |= {"float16": (6e-3, 2e-3), "bfloat16": (4e-2, 1.6e-2)}


def to_torch(array: np.ndarray) -> Any:
    wide = np.stack([array, array], -1)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(wide.view(np.int16)).view(torch.bfloat16)[..., 0]
    return torch.from_numpy(wide)[..., 0]


def as_array(tensor: Any) -> np.ndarray:
    if isinstance(tensor, torch.Tensor):
        return tensor.detach().double().numpy(force=True)
    return np.asarray(tensor.detach().double().numpy())


def outcome(m: Any, text: str, operands: list[Any], order: int) -> Outcome:
    """Value (``y``), first (``d0``) and second (``d01``) derivatives of the sum."""
    for operand in operands:
        operand.requires_grad_()
    names = dict(zip("xy", operands, strict=False))
    value = eval(text, {"m": m}, names)
    found = {"y": value}

    def differentiate(what: Any, label: str, again: bool) -> list[Any]:
        grads = m.autograd.grad(
            what.sum(), operands, create_graph=again, retain_graph=True, allow_unused=True
        )
        zero = [m.zeros_like(x) if g is None else g for x, g in zip(operands, grads, strict=True)]
        found.update({f"{label}{i}": g for i, g in enumerate(zero)})
        return zero

    first = differentiate(value, "d", order > 1)
    for i, grad in enumerate(first if order > 1 else []):
        if grad.requires_grad:
            differentiate(grad, f"d{i}", False)
    return {name: as_array(t) for name, t in found.items()}


_ZERO = np.float32(0)


@np.errstate(invalid="ignore")
def _undefined(x: np.ndarray, y: Any = _ZERO) -> np.ndarray:
    """Where an operand is NaN, or their difference."""
    return np.isnan(x.astype("f4") - y.astype("f4"))


def compare(name: str, text: str, arrays: Arrays, dtype: str, order: int) -> None:
    try:
        theirs = outcome(torch, text, [to_torch(a) for a in arrays], order)
    except RuntimeError as error:  # PyTorch lacks the second derivative
        assert "not implemented" in str(error)
        theirs = outcome(torch, text, [to_torch(a) for a in arrays], 1)
    ours = outcome(ng, text, [ng.tensor(a) for a in arrays], order)
    # PyTorch's sixth in hardsigmoid is a float32 number
    single = dtype == "float64" and name == "hardsigmoid"
    relative, absolute = TOLERANCE["float32" if single else dtype]
    for part, wanted in theirs.items():
        got = ours.get(part, np.zeros_like(wanted))
        if part in LOOSE.get(name, ()):
            unknown = np.isnan(wanted) | _undefined(*arrays)
            got = np.where(unknown, wanted, got)
        note = f"{name}, {part} in {dtype}"
        wrong = ~np.isclose(got, wanted, relative, absolute, equal_nan=True)
        places = [tuple(float(a[i]) for a in arrays) for i in np.flatnonzero(wrong)[:6]]
        assert not wrong.any(), f"{note} at {places}: {got[wrong][:6]}, not {wanted[wrong][:6]}"
    if name in SIGNED:
        zero = theirs["y"] == 0
        different = np.signbit(theirs["y"]) != np.signbit(ours["y"])
        assert not (zero & different).any(), f"{name}: signs of zero at {arrays[0][zero]}"


def pairs(dtype: Any) -> Arrays:
    x, y = (a.ravel() for a in np.meshgrid(PAIR, PAIR))
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_operand(name: str, dtype: str) -> None:
    compare(name, ONE[name], [np.asarray(POINTS, dtype)], dtype, 1 if name in FIRST_ONLY else 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_operands(name: str, dtype: str) -> None:
    compare(name, TWO[name], pairs(dtype), dtype, 1 if name in FIRST_ONLY else 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ONE)
def test_half_precision_over_the_whole_range(name: str, dtype: str) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    every = np.arange(0, 1 << 16, 5, dtype=np.uint16).view(kind)
    size = np.abs(every.astype("f4"))  # beyond, PyTorch's own float32 sums overflow
    fit = (size < 1e37) & ((size > 1e-2) & (size < 4e4) if name == "norm" else True)
    compare(name, ONE[name], [every[fit]], dtype, 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", TWO)
def test_half_precision_of_two_operands(name: str, dtype: str) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    compare(name, TWO[name], pairs(kind), dtype, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_median_of_what_has_nan_is_nan(dtype: str) -> None:
    rows = np.asarray([[1, np.nan, 0], [np.inf, 2, -np.inf], [np.nan, np.nan, 1]], dtype)
    theirs, ours = torch.tensor(rows).median(1), ng.tensor(rows).median(1)
    np.testing.assert_array_equal(as_array(ours.values), as_array(theirs.values))
    np.testing.assert_array_equal(as_array(ours.indices), as_array(theirs.indices))
    assert np.isnan(float(ng.tensor(rows).median()))
    kept = ng.tensor(rows).median(0, keepdim=True)
    assert kept.values.shape == kept.indices.shape == (1, 3)


def _compiled() -> list[tuple[str, str, Arrays]]:
    # Runtimes round sigmoid to 0 or 1 earlier, so the loss gets these themselves.
    share = "x.abs().clamp(max=1).nan_to_num(0.5)"
    loss = f"{_F}binary_cross_entropy({share}, (y > 0).to(x.dtype), {_NONE})"
    two = {**TWO, "saturated": loss}
    one = {n: text for n, text in ONE.items() if n != "mish"}  # TVM's tanh never reaches 1
    x = np.asarray(POINTS, np.float32)
    found: list[tuple[str, str, Arrays]] = [(n, text, [x]) for n, text in one.items()]
    return found + [(n, text, pairs(np.float32)) for n, text in two.items()]


GROUPS = 5
# ONNX Runtime's Where takes a zero from its other side, and its Max and Min from either.
UNSIGNED = {"onnx": {"relu6", "hardtanh to 6", "hardswish", "maximum", "minimum"}}


@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_keep_the_conventions(backend: str, group: int) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    chosen = _compiled()[group::GROUPS]

    def run(*arrays: Any) -> list[Any]:
        left, out = list(arrays), []
        for _, text, given in chosen:
            mine = [left.pop(0) for _ in given]
            value = eval(text, {"m": ng}, dict(zip("xy", mine, strict=False)))
            grads = ng.autograd.grad(value.sum(), mine, allow_unused=True)
            out.append(value)
            both = zip(mine, grads, strict=True)
            out += [ng.zeros_like(x) if g is None else g for x, g in both]
        return out

    flat = list(itertools.chain.from_iterable(given for *_, given in chosen))
    eager = run(*(ng.tensor(a, requires_grad=True) for a in flat))
    compiled = ng.compile(run, backend=backend)(*(ng.tensor(a, requires_grad=True) for a in flat))
    labels = [(n, i) for n, _, given in chosen for i in range(len(given) + 1)]
    for (name, part), got, wanted in zip(labels, compiled, eager, strict=True):
        note, a, b = f"{backend}: {name} {part}", as_array(got), as_array(wanted)
        np.testing.assert_allclose(a, b, 2e-5, 2e-6, err_msg=note)
        if name in SIGNED and not part and name not in UNSIGNED.get(backend, ()):
            different = (b == 0) & (np.signbit(a) != np.signbit(b))
            assert not different.any(), f"{note}: signs of zero"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_of_halves(backend: str, dtype: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    every = np.arange(0, 1 << 16, 37, dtype=np.uint16).view(kind)
    some = every[np.abs(every.astype("f4")) < 1e37]
    x = np.concatenate([some, np.asarray(POINTS).astype(kind)])
    # A kernel of TVM rounds once, at its end: what overflows on the way elsewhere does not there.
    left_out = {"mish", "gaussian", "logits, weight"}
    chosen = {name: text for name, text in ONE.items() if name not in left_out}

    def run(x: Any) -> list[Any]:
        out = []
        for text in chosen.values():
            value = eval(text, {"m": ng}, {"x": x})
            out += [value, *ng.autograd.grad(value.sum(), [x])]
        return out

    eager = run(ng.tensor(x).requires_grad_())
    compiled = ng.compile(run, backend=backend)(ng.tensor(x).requires_grad_())
    relative, absolute = TOLERANCE[dtype]
    for number, (got, wanted) in enumerate(zip(compiled, eager, strict=True)):
        note = f"{backend}: {list(chosen)[number // 2]} {number % 2}"
        a, b = as_array(got), as_array(wanted)
        np.testing.assert_allclose(a, b, relative, absolute, err_msg=note)
