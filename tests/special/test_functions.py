"""``ng.special`` is PyTorch's: every name, all dtypes, edges, gradients, compiled programs."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from nngraph.frontend.errors import ConcretizationError
from tests.frontend.parity import cases
from tests.support.backends import BACKENDS
from tests.support.tolerances import BACKEND, PYTORCH_SPECIAL

NAN, INF = np.nan, np.inf
EDGES = [NAN, INF, -INF, 0.0, -0.0, 1.0, 2.0, -1.0, -2.0, -30.0, 30.0, 1e30, -1e30, 1e-40, -1e-40]
INSIDE = [0.2, -0.2, 0.47, 0.5, -0.5, 0.7, -0.7, 0.99, 1.46, 1.5, 2.5, -2.5, 3.3, -3.3, 8.0, 11.7]
NUMBERS = np.array([*EDGES, *INSIDE, -9.1, 15.2, 100.25, -100.25, 1e5])

#: Calls of every function, with operands of one axis (x), and of another one (y: their size).
CALLS = cases("""
    airy_ai(x)  bessel_j0(x)  bessel_j1(x)  bessel_y0(x)  bessel_y1(x)  digamma(x)  entr(x)  erf(x)
    erfc(x)  erfcx(x)  erfinv(x)  exp2(x)  expit(x)  expm1(x)  gammaln(x)  i0(x)  i0e(x)  i1(x)
    i1e(x)  log1p(x)  log_ndtr(x)  logit(x)  modified_bessel_i0(x)  modified_bessel_i1(x)
    modified_bessel_k0(x)  modified_bessel_k1(x)  ndtr(x)  ndtri(x)  psi(x)  round(x)
    scaled_modified_bessel_k0(x)  scaled_modified_bessel_k1(x)  sinc(x)  spherical_bessel_j0(x)
    polygamma(0,x)  polygamma(1,x)  polygamma(3,x)  multigammaln(x,2)  logsumexp(x,0)  softmax(x,0)
    log_softmax(x,0)  gammainc(y,x)  gammaincc(y,x)  zeta(y,x)  zeta(2,x)  zeta(x,2)  xlogy(y,x)
    xlog1py(x,y)  xlog1py(2,x)  xlogy(x,1.5)
""")
POLYNOMIALS = [name for name in torch.special.__all__ if "polynomial" in name]
#: Where PyTorch's number is none (docs/special-functions.md): the call, and what x is there.
OTHERS: dict[str, Any] = {
    "airy_ai(x)": lambda x: (x == INF) | (x < -2),
    "polygamma(1,x)": lambda x: (x < 0) & (x == np.floor(x)),
    "polygamma(3,x)": np.isinf,
    "zeta(2,x)": np.isinf,
    "zeta(x,2)": lambda x: x > 1e29,
    "zeta(y,x)": np.isinf,
}
#: What PyTorch takes no integers for, or leaves integers.
OF_FLOATS = ("round", "softmax", "log_softmax", "gammainc", "gammaincc")
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64")


def given(library: Any, dtype: str) -> dict[str, Any]:
    """The operands; for PyTorch those of nngraph's dtype as float64."""
    kind = {"bfloat16": ml_dtypes.bfloat16}.get(dtype, dtype)
    with np.errstate(all="ignore"):
        x = (NUMBERS[np.abs(NUMBERS) < 1e9] if dtype == "int64" else NUMBERS).astype(kind)
    y = np.array([0.0, 0.5, 1.0, 2.0, 2.5, 5.3, 40.0])[:, None].astype(kind)
    made = [a if library is ng else a.astype(np.float64) for a in (x, y)]
    return {"s": library.special, "x": library.tensor(made[0]), "y": library.tensor(made[1])}


def limited(values: np.ndarray, dtype: str) -> np.ndarray:
    """float64 as ``dtype`` holds it."""
    with np.errstate(all="ignore"):
        kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        return values.astype(kind).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS)
def test_values(call: str, dtype: str) -> None:
    """The right side is PyTorch's result in float64, of the same numbers."""
    if dtype == "int64" and call.startswith(OF_FLOATS):
        return
    mine, theirs = given(ng, dtype), given(torch, dtype)
    found = eval(f"s.{call}", mine)
    kind = "float32" if dtype == "int64" else dtype
    assert found.dtype.name == kind
    got = found.double().numpy()
    exact = eval(f"s.{call}", theirs).double().numpy()
    wanted = limited(exact, kind)
    keep = np.ones(wanted.shape, bool)
    if call in OTHERS:
        keep &= ~OTHERS[call](theirs["x"].numpy())
    relative, absolute = PYTORCH_SPECIAL[kind]
    np.testing.assert_allclose(got[keep], wanted[keep], relative, absolute)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    """Degrees as numbers and as tensors; PyTorch's values at NaN and infinity are not compared."""
    x = NUMBERS[np.abs(NUMBERS) < 20]
    mine, theirs = getattr(ng.special, name), getattr(torch.special, name)
    for dtype, tolerance in (("float64", 1e-9), ("float32", 2e-4)):
        a, b = ng.tensor(x.astype(dtype)), torch.tensor(x.astype(dtype)).double()
        for n in (-1, 0, 1, 2, 5, 8, 9, 12, 2.7):
            np.testing.assert_allclose(mine(a, n).numpy(), theirs(b, n).numpy(), tolerance, 1e-6)
        degrees = np.arange(-2, 11)[:, None]
        got = mine(a, ng.tensor(degrees))
        assert got.dtype.name == dtype and not got.requires_grad
        wanted = theirs(b, torch.tensor(degrees)).numpy()
        np.testing.assert_allclose(got.numpy(), wanted, tolerance, 1e-5)
    assert mine(ng.tensor([1, 2]), ng.tensor([2, 3])).dtype is ng.float32
    assert mine(0.5, ng.tensor([0, 1])).shape == (2,)
    assert mine(ng.zeros(0), ng.zeros(0)).shape == (0,)


GRADIENTS = cases("""
    gammaln(x)  psi(x)  polygamma(2,x)  multigammaln(y+2,3)  erfinv(p-0.5)  ndtri(p)  erfcx(x/2)
    ndtr(x)  log_ndtr(x)  entr(p)  sinc(x)  i0(x)  i0e(x)  i1(x)  i1e(x)  xlog1py(x,p)
    gammainc(k,y)  gammaincc(k,y)  zeta(k,y)  logit(p)
""")
POINTS = np.array([0.3, -0.4, 1.2, -1.7, 2.3, 3.6, -2.6, 0.0])


@pytest.mark.parametrize("call", GRADIENTS)
def test_gradients_of_two_orders(call: str) -> None:
    found = []
    for library in (ng, torch):
        x = library.tensor(POINTS, requires_grad=True)
        made = {"s": library.special, "x": x if "x" in call else None, "k": library.tensor(2.5)}
        made["k"] = made["k"].double()
        made["y"], made["p"] = x.abs() + 0.2, (x * 0.2).sigmoid()
        made["x"] = x + 0.05 if "gamma" in call or "psi" in call else x
        first = eval(f"s.{call}", made).sum()
        (slope,) = library.autograd.grad(first, x, create_graph=True)
        (second,) = library.autograd.grad(slope.sin().sum(), x)
        found.append([v.detach().numpy() for v in (first, slope, second)])
    for got, wanted in zip(*found, strict=True):
        known = ~np.isnan(wanted)  # the second derivative of sinc at 0
        assert np.isfinite(got).all() and known.sum() >= known.size - 1
        np.testing.assert_allclose(got[known], wanted[known], 1e-8, 1e-9)


@pytest.mark.parametrize("name", ["entr", "sinc", "i0", "i1", "i1e", "erfinv", "erfcx", "log_ndtr"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_at_edges(name: str, dtype: str) -> None:
    found = []
    numbers = np.array([*(x for x in EDGES if np.abs(x) < 1e9 or np.isinf(x)), 0.5, -0.5])
    if name == "log_ndtr":
        numbers = numbers[numbers != -INF]  # PyTorch's is NaN, the limit is infinite
    for library in (ng, torch):
        kind = dtype if library is ng else "float64"
        x = library.tensor(numbers.astype(dtype).astype(kind), requires_grad=True)
        getattr(library.special, name)(x).sum().backward()
        found.append(x.grad.double().numpy())
    np.testing.assert_allclose(found[0], limited(found[1], dtype), *PYTORCH_SPECIAL[dtype])


def test_what_has_no_gradient() -> None:
    x = ng.tensor([0.5, 2.0], requires_grad=True)
    for name in ("bessel_j0", "airy_ai", "modified_bessel_i0", "scaled_modified_bessel_k1"):
        assert not getattr(ng.special, name)(x).requires_grad
        assert not getattr(torch.special, name)(torch.ones(2, requires_grad=True)).requires_grad
    for call in (ng.igamma, ng.igammac, ng.special.zeta):
        y = call(x, ng.tensor([1.5, 2.5]))
        assert y.requires_grad
        with pytest.raises(NotImplementedError, match=r"'\w+: input' is not implemented.*detach"):
            y.sum().backward()
        assert x.grad is None
    with pytest.raises(NotImplementedError, match="igamma"):
        torch.igamma(torch.ones(1, requires_grad=True), torch.ones(1)).backward()
    z = ng.tensor([1.5, 2.5], requires_grad=True)
    y = ng.igamma(x, z)  # the gradient by the other operand alone
    assert ng.autograd.grad(y.sum(), z)[0].isfinite().all()


def test_refusals() -> None:
    x = ng.ones(2)
    with pytest.raises(RuntimeError, match="negative n, and n is -1"):
        ng.polygamma(-1, x)
    with pytest.raises(TypeError, match="'n' must be int, not float"):
        ng.polygamma(1.5, x)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="greater than or equal to 1, and is 0"):
        ng.mvlgamma(x, 0)
    with pytest.raises(RuntimeError, match="boolean"):
        ng.mvlgamma(x > 0, 1)
    with pytest.raises(NotImplementedError, match=r"int64; convert with \.float"):
        ng.igamma(x.long(), x.long())
    with pytest.raises(TypeError, match="'other' must be Tensor, not float"):
        ng.igamma(x, 2.0)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"can't be cast|result type"):
        x.long().lgamma_()
    with pytest.raises(ConcretizationError, match=r"legendre_polynomial_p\(x, 3\)"):
        ng.compile(ng.special.legendre_polynomial_p, backend="reference")(x, x)
    assert ng.special.chebyshev_polynomial_t(x, 3).tolist() == [1, 1]


def test_forms() -> None:
    x = ng.tensor([0.5, 1.5])
    out = ng.empty(2)
    assert ng.special.ndtri(ng.tensor([0.25, 0.75]), out=out) is out
    assert out.tolist() == pytest.approx([-0.6744898, 0.6744898])
    assert ng.special.gammaln is ng.lgamma and ng.special.gammainc is ng.igamma
    assert ng.special.expit is ng.sigmoid and ng.special.multigammaln is ng.mvlgamma
    y = x.clone()
    assert y.lgamma_() is y and y.tolist() == x.lgamma().tolist()
    assert x.clone().polygamma_(1).tolist() == ng.polygamma(1, x).tolist()
    assert not {*torch.special.__all__} - {*ng.special.__all__}
    assert all(hasattr(ng.special, name) for name in ng.special.__all__)


def compiled_calls(x: Any, y: Any, p: Any) -> list[Any]:
    """What the contract of operators does not hold: compositions, and gradients of their own."""
    s = ng.special
    k = ng.full_like(y, 2.5)
    roots = [s.gammainc(k, y), s.gammaincc(k, y), s.zeta(k, y), s.ndtr(x), s.erfinv(p - 0.5)]
    slopes = [
        ng.autograd.grad(r.sum(), v, create_graph=True)[0]
        for r, v in zip(roots, (y, y, y, x, p), strict=True)
    ]
    again = ng.autograd.grad(slopes[0].sum(), y)
    degrees = ng.arange(8) + 4
    return [
        *roots,
        *slopes,
        *again,
        s.spherical_bessel_j0(x),
        s.multigammaln(y + 2, 3),
        s.chebyshev_polynomial_u(x, degrees),
        s.chebyshev_polynomial_v(x, 12),
        s.shifted_chebyshev_polynomial_w(p, 3),
        s.legendre_polynomial_p(x, 5),
        s.laguerre_polynomial_l(x, 3),
        s.hermite_polynomial_he(x, 4),
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    x = POINTS.astype("f4")
    operands = [x, np.abs(x) + np.float32(0.2), 1 / (1 + np.exp(-x))]
    leaves = [[ng.tensor(v, requires_grad=True) for v in operands] for _ in range(2)]
    wanted = compiled_calls(*leaves[0])
    got = ng.compile(compiled_calls, backend=backend)(*leaves[1])
    relative, absolute = BACKEND["float32"]
    for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), relative, absolute * 10, err_msg=str(number)
        )
