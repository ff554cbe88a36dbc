"""Linear algebra is PyTorch's: values, gradients of two orders, errors, compiled programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.frontend.linear_algebra import (
    both_sides,
    given,
    gradients,
    gradients_of,
    outcome,
    unlike,
    weighted,
)
from tests.frontend.parity import cases, evaluate, floats, plain, same
from tests.support.backends import BACKENDS

pytestmark = pytest.mark.filterwarnings("ignore:torch.* is deprecated")
SYSTEMS = cases(r"""
    m.cholesky(c)  c.cholesky(upper=True)  m.linalg.cholesky(c)  m.linalg.cholesky(c0, upper=True)
    m.linalg.cholesky(none)  m.linalg.cholesky(nobatch)  m.linalg.cholesky_ex(c)
    m.linalg.cholesky(c + m.triu(a))  m.linalg.cholesky(c + m.tril(a), upper=True)
    m.inverse(a)  a.inverse()  m.linalg.inv(a0)  m.linalg.inv(A=none)  m.linalg.inv(nobatch)
    m.linalg.inv_ex(a)  m.linalg.inv(nan)
    a.det()  m.det(a0)  m.linalg.det(none)  m.linalg.det(nobatch)
    m.slogdet(a)  a.slogdet().logabsdet  m.linalg.slogdet(a0).sign  m.linalg.slogdet(none)
    m.logdet(c)  c0.logdet()  (-c0).logdet()  m.logdet(none)
    m.linalg.solve(a, b)  m.linalg.solve(a0, b)  m.linalg.solve(a, b0)  m.linalg.solve(a0, v)
    m.linalg.solve(a, b[..., 0])  m.linalg.solve(a, b.mT, left=False)  m.linalg.solve(none, none)
    m.linalg.solve(a, v)  m.linalg.solve(nobatch, b0)  m.linalg.solve_ex(a, b)
    m.linalg.solve_triangular(a, b, upper=True)  m.linalg.solve_triangular(a0, b, upper=False)
    m.linalg.solve_triangular(a, b.mT, upper=False, left=False)
    m.linalg.solve_triangular(a, b.mT, upper=True, left=False)
    m.linalg.solve_triangular(a, b, upper=False, unitriangular=True)
    m.linalg.solve_triangular(a, b.mT, upper=True, left=False, unitriangular=True)
    m.linalg.solve_triangular(none, none, upper=True)
    m.cholesky_solve(b, c.cholesky())  b0.cholesky_solve(c.cholesky(upper=True), True)
    m.cholesky_solve(b, c.tril()).sin()  m.cholesky_inverse(c.cholesky())
    c0.cholesky(True).cholesky_inverse(upper=True)
    m.linalg.tensorinv(m.eye(6).double().reshape(2, 3, 6) + a0.sum(), ind=2)
    m.linalg.tensorsolve(a.reshape(2, 3, 3)[0].reshape(3, 1, 3), v[:, None])
    m.linalg.tensorsolve(a0.reshape(3, 3, 1), v, dims=(1,))
""")

FACTORS = cases(r"""
    m.qr(t)  m.linalg.qr(w)  m.linalg.qr(a)  a0.qr().R
    m.linalg.qr(none)  m.linalg.qr(nobatch)
    m.matrix_power(a, 3)  m.linalg.matrix_power(a, -2)  a0.matrix_power(1)
    m.linalg.matrix_power(a0, 6)  m.linalg.matrix_power(a0, -1)
    m.matrix_exp(a)  m.linalg.matrix_exp(a0 * 4)  (a0 * 0.01).matrix_exp()  m.matrix_exp(none)
    m.linalg.multi_dot([a0, b0])  m.linalg.multi_dot([v, t0.mT, t0, v])  m.chain_matmul(w0, t0, a0)
    m.linalg.multi_dot([t0, a0, b0, b0.mT])
    m.linalg.cross(a, c)  m.linalg.cross(a, c0[None], dim=1)  m.linalg.vecdot(a, c0)
    m.linalg.vecdot(a, c, dim=0)
    m.linalg.vander(v)  m.linalg.vander(a, N=4)  m.vander(v)  m.vander(v, 2, True)
    m.linalg.diagonal(t)  m.linalg.diagonal(a, offset=1, dim1=0, dim2=2)  m.linalg.matmul(a, b)
    m.linalg.vector_norm(a)  m.linalg.vector_norm(a, 3, dim=(0, 1))  m.linalg.vector_norm(a, 0)
    m.linalg.vector_norm(a, float('inf'), 1, True)  m.linalg.vector_norm(a, 1, dtype=m.float64)
    m.linalg.matrix_norm(a)  m.linalg.matrix_norm(t, 1)  m.linalg.matrix_norm(t, float('inf'))
    m.linalg.matrix_norm(t, -1, keepdim=True)  m.linalg.matrix_norm(t, 1, (0, 1))
    m.linalg.matrix_norm(t, -float('inf'), (2, 0), True)
    m.linalg.norm(a)  m.linalg.norm(a, dim=1)  m.linalg.norm(a0, 1)  m.linalg.norm(v, 3)
    m.linalg.norm(a0, 'fro')  m.linalg.norm(a, 1, dim=(0, 2), keepdim=True)
    m.linalg.cond(a, 1)  m.linalg.cond(a0, 'fro')
    m.linalg.lstsq(t0, b.new_ones(4, 2), driver='gels').solution
    m.linalg.lstsq(w, b, driver='gels').solution
""")

#: Eager, and on the reference backend: signs are the machine's.
SPECTRA = cases(r"""
    m.linalg.eigh(c).eigenvalues  m.linalg.eigh(c0 + a0.triu(1)).eigenvalues
    m.linalg.eigh(c0 + a0.tril(-1), 'U').eigenvalues  m.linalg.eigvalsh(c)
    m.linalg.eigvalsh(none)  m.linalg.eigh(c).eigenvectors.square()
    (lambda e: e[1] @ m.diag_embed(e[0].sin()) @ e[1].mT)(m.linalg.eigh(c))
    m.linalg.svdvals(t)  m.linalg.svdvals(w0)  m.svd(a).S  m.linalg.svd(t, False).S
    (lambda s: s.U @ m.diag_embed(s.S.sin()) @ s.Vh)(m.linalg.svd(t, False))
    (lambda s: s[0] @ m.diag_embed(s[1].exp()) @ s[2].mT)(m.svd(w))
    (lambda s: s.U @ m.diag_embed(s.S.sin()) @ s.Vh)(m.linalg.svd(a))
    m.linalg.svd(t, False).U.square()  m.linalg.svd(w, False).Vh.abs()
    m.svd(t, compute_uv=False).S
    m.linalg.pinv(t)  m.linalg.pinv(w)  m.pinverse(a)  t0.pinverse()  m.linalg.pinv(singular)
    m.linalg.pinv(c, hermitian=True)  m.linalg.pinv(a, rtol=0.5)  m.linalg.pinv(a, atol=1.5)
    m.linalg.lstsq(t0, b.new_ones(4, 2)).solution  m.linalg.lstsq(w0, v).solution
    m.linalg.lstsq(t, b.new_ones(2, 4)).solution  m.linalg.lstsq(singular, singular * 2).solution
    m.linalg.matrix_norm(a, 2)  m.linalg.matrix_norm(t, 'nuc')  m.linalg.matrix_norm(w, -2)
    m.linalg.matrix_norm(t, 'nuc', (0, 1), True)  m.linalg.norm(a0, 2)  m.linalg.cond(a)
    m.linalg.cond(t, -2)
""")

#: What PyTorch refuses, and nngraph with the same kind of error.
REFUSED = cases(r"""
    m.linalg.cholesky(-c)  m.linalg.cholesky(t)  m.linalg.cholesky(v)  m.linalg.cholesky(n)
    m.linalg.cholesky(nan)  m.linalg.cholesky(h)  m.linalg.cholesky_ex(-c, check_errors=True)
    m.linalg.inv(singular)  m.linalg.inv(t)  m.linalg.inv(v)  m.linalg.inv(n)  m.linalg.inv(h)
    m.linalg.inv_ex(singular, check_errors=True)  m.inverse(zero)
    m.linalg.det(t)  m.linalg.det(n)  m.det(v)  m.linalg.slogdet(h)  m.logdet(t)
    m.linalg.solve(singular, singular)  m.linalg.solve(a, t)  m.linalg.solve(a0, b0.half())
    m.linalg.solve(t, b)  m.linalg.solve(a0, v, left=False)  m.linalg.solve(n, n)
    m.linalg.solve_triangular(a0, v, upper=True)  m.linalg.solve_triangular(a0, b0.mT, upper=True)
    m.linalg.solve_triangular(n, n, upper=True)  m.cholesky_solve(v, c0)  m.cholesky_inverse(t)
    m.linalg.qr(v)  m.linalg.qr(h)  m.linalg.qr(a, 'x')  m.linalg.eigh(a, 'X')  m.linalg.eigh(t)
    m.linalg.svd(nan)  m.linalg.svdvals(v)  m.linalg.pinv(n)  m.matrix_power(t, 2)
    m.linalg.matrix_power(n, -1)  m.matrix_exp(t)  m.matrix_exp(n)
    m.linalg.multi_dot([a0])  m.linalg.multi_dot([a0, t0])  m.linalg.multi_dot([a0, a, a0])
    m.linalg.cross(a, c0)  m.linalg.vecdot(n, n)  m.linalg.vander(v, N=1)  m.linalg.vander(n > 2)
    m.vander(a)
    m.linalg.vector_norm(n)  m.linalg.vector_norm(none, -1)
    m.linalg.vector_norm(none, float('inf'))
    m.linalg.matrix_norm(v)  m.linalg.matrix_norm(a, 3)  m.linalg.matrix_norm(a, 2, (1,))
    m.linalg.matrix_norm(h, 2)  m.linalg.norm(a, 2)  m.linalg.norm(v, 'fro')
    m.linalg.norm(a, 2, (0, 1, 2))  m.linalg.cond(t, 1)  m.linalg.norm(a0, 2, dtype=m.float16)
    m.linalg.lstsq(t, b)  m.linalg.lstsq(t0, t0.half())  m.linalg.lstsq(t, t, driver='x')
    m.linalg.tensorinv(a0, ind=0)  m.linalg.tensorinv(t0, ind=1)
""")

#: As ``SYSTEMS``, but with no gradient to compare: the value is NaN, infinity, or no float.
VALUES = cases(r"""
    m.linalg.cholesky_ex(c - 2 * c.flip(0)).info  m.linalg.cholesky_ex(m.eye(2).double() - zero)
    m.linalg.inv_ex(m.stack([singular, singular + m.eye(2).double()])).info
    m.linalg.solve_ex(singular, singular).info
    m.linalg.qr(t, mode='r').R  m.linalg.qr(t, mode='complete').R.abs()  m.vander(v, 0)
     m.qr(t0, some=False).Q.shape
    m.linalg.svd(t).U.shape  m.linalg.svd(w).Vh.shape  m.svd(t, False).V.shape
    m.linalg.svd(none).S  m.linalg.svd(nobatch).U  m.linalg.eigh(nan)  m.linalg.pinv(nobatch)
    m.linalg.matrix_rank(t)  m.linalg.matrix_rank(singular)
    m.linalg.matrix_rank(c, hermitian=True)
    m.linalg.matrix_rank(a, tol=10.0)  m.linalg.matrix_rank(a, rtol=0.6)  m.linalg.matrix_rank(none)
    m.linalg.matrix_rank(zero)  m.linalg.lstsq(t0, b.new_ones(4, 2)).rank
    m.linalg.cond(singular, 1)
    m.linalg.lstsq(t0, b.new_ones(4, 2), driver='gelss').singular_values
    m.linalg.lstsq(t0, b.new_ones(4, 2), driver='gelsd').residuals
    m.linalg.lstsq(t0, b.new_ones(4, 2), driver='gels').residuals
    n.matrix_power(3)  a.matrix_power(0)  m.vander(n[0])
    m.linalg.matrix_norm(none, 2)  m.linalg.matrix_norm(none, 1)  m.linalg.vector_norm(none)
    m.linalg.matrix_norm(h)  m.linalg.matrix_norm(h, 1)
    m.linalg.det(zero + 1)  m.linalg.slogdet(zero)
    m.linalg.solve_triangular(zero, zero + 1, upper=True)
    m.linalg.solve_triangular(singular * nan.triu(1).isnan(), singular, upper=False)
""")
FINE = [*SYSTEMS, *FACTORS, *SPECTRA]
UNREAD = (
    "m.linalg.solve_triangular(c0 + nan[0, 0] * m.ones(3, 3).double().triu(1), b0, upper=False)"
)


@pytest.mark.parametrize("text", [*FINE, *VALUES, *REFUSED])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_refusals(text: str, dtype: str) -> None:
    wanted, got = both_sides(text, dtype)
    assert isinstance(wanted, Exception) is (text in REFUSED), wanted
    assert not unlike(got, wanted, dtype)


#: PyTorch writes over what its own gradient reads.
BROKEN = ("matrix_power(a, -2", "gels'", "m.vander", "cond(a, 1", "cond(a0, 'fro")


@pytest.mark.parametrize("text", [t for t in FINE if not any(b in t for b in BROKEN)])
def test_gradients(text: str) -> None:
    wanted, got = gradients(torch, text), gradients(ng, text)
    assert (got is None) is (wanted is None)
    for g, w in zip(got or (), wanted or (), strict=True):
        if (
            "eigenvectors" in text or "hermitian" in text
        ):  # here they are the symmetric part of PyTorch's
            w = (*w[:2], (w[2] + w[2].swapaxes(-1, -2)) / 2)
        same(g, w, 1e-8, 1e-9)


@pytest.mark.parametrize("text", [t for t in FINE if any(b in t for b in BROKEN)])
def test_gradients_that_pytorch_lacks(text: str) -> None:
    """By differences along one direction."""
    operands = given(ng, text, "float64", False)
    name, array = next(iter(operands.items()))
    grad = gradients(ng, text)
    assert grad is not None
    step = np.cos(np.arange(array.numel())).reshape(tuple(array.shape)) * 1e-6
    ends = []
    for sign in (1, -1):
        moved = operands | {name: array + ng.tensor(sign * step)}
        ends.append(float(weighted(ng, [evaluate(ng, text, moved)])))
    assert np.sum(grad[0][2] * step) == pytest.approx((ends[0] - ends[1]) / 2, 1e-5)


def second(library: Any, text: str) -> list[Any]:
    """Gradients of the sum of squares of the gradients."""
    operands = given(library, text, "float64", True)
    roots = floats(library, evaluate(library, text, operands))
    leaves = list(operands.values())
    total = sum((root.sin().sum() for root in roots), library.zeros(()).double())
    options = {"allow_unused": True, "materialize_grads": True}
    first = library.autograd.grad(total, leaves, create_graph=True, **options)
    squares = sum(((g * g).sum() for g in first), library.zeros(()).double())
    return [plain(g) for g in library.autograd.grad(squares, leaves, **options)]


_ONCE = ("none", "nobatch", "nan", "vector_norm(a, 0)", "eigenvectors", "hermitian", *BROKEN)
SECOND = [t for t in FINE if not any(w in t for w in _ONCE)]


@pytest.mark.parametrize("text", [t for t in SECOND if not t.endswith((".sign", "(a)"))])
def test_second_gradients(text: str) -> None:
    for g, w in zip(second(ng, text), second(torch, text), strict=True):
        same(g, w, 1e-7, 1e-8)


def programs(backend: str) -> list[str]:
    return FINE if backend == "reference" else [*SYSTEMS, *FACTORS]


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(backend: str) -> None:
    """All programs in one graph, and their gradients."""
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    texts = programs(backend)
    eager = [(outcome(ng, t, "float32"), gradients(ng, t, "float32")) for t in texts]
    tensors = given(ng, "; ".join(texts), "float32", True)

    def function(*operands: Any) -> Any:
        out = []
        for text in texts:
            known = dict(zip(tensors, operands, strict=True))
            value = evaluate(ng, text, known)
            out.append((value, _gradients(value, known, text)))
        return out

    found = ng.compile(function, backend=backend)(*tensors.values())
    for text, (value, grads), (wanted, slopes) in zip(texts, found, eager, strict=True):
        try:
            same(plain(value), plain(wanted), 1e-4, 1e-4)
            for g, w in zip(grads, slopes or (), strict=True):
                same(plain(g), w, 1e-3, 1e-3)
        except AssertionError as error:
            raise AssertionError(f"{text}: {error}") from error


def _gradients(value: Any, known: dict[str, Any], text: str) -> list[Any]:
    roots = floats(ng, value)
    names = compile(text, "<case>", "exec").co_names
    leaves = [known[n] for n in names if n in known and known[n].requires_grad]
    return gradients_of(ng, roots, leaves) if roots else []


def test_the_other_triangle_is_unread() -> None:
    assert not unlike(*reversed(both_sides(UNREAD, "float64")), "float64")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("m.linalg.cholesky(-c)", "linalg.cholesky: .Batch element 0.: .*order 1 is not positive"),
        ("m.linalg.inv(singular)", "linalg.inv: The diagonal element 2 is zero"),
        ("m.linalg.solve(zero, zero)", "linalg.solve: The solver failed .* is singular"),
    ],
)
def test_a_matrix_that_does_not_fit_fails_the_call(backend: str, text: str, words: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    operands = given(ng, text, "float32", False)

    def function(*tensors: Any) -> Any:
        return evaluate(ng, text, dict(zip(operands, tensors, strict=True)))

    with pytest.raises(ng.linalg.LinAlgError, match=words):
        function(*operands.values())
    step = ng.compile(function, backend=backend)
    with pytest.raises(ng.linalg.LinAlgError, match=words):
        step(*operands.values())
    fine = [ng.eye(t.shape[-1]).expand(*t.shape) for t in operands.values()]
    fine = [-t for t in fine] if "-c" in text else fine
    assert np.isfinite(step(*fine).numpy()).all()


@pytest.mark.parametrize("backend", ["onnx", "tvm"])
@pytest.mark.parametrize("name", ["eigh", "svd", "pinv"])
def test_what_a_backend_lacks_is_named(backend: str, name: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    step = ng.compile(getattr(ng.linalg, name), backend=backend)
    with pytest.raises(ng.BackendError, match=rf"(?s){name}.*computed eagerly only.*linalg\.qr"):
        step(ng.eye(2))


def test_complex_results_are_refused() -> None:
    for name in ("eig", "eigvals"):
        with pytest.raises(NotImplementedError, match=rf"linalg.{name} .*no complex numbers"):
            getattr(ng.linalg, name)(ng.eye(2))


def test_no_gradient_of_all_columns() -> None:
    tall = ng.ones(3, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="no gradient with mode='complete'"):
        ng.linalg.qr(tall, "complete")
    assert ng.linalg.qr(tall.detach(), "complete").Q.shape == (3, 3)


def test_an_exponential_out_of_reach_is_nan() -> None:
    assert ng.matrix_exp(ng.eye(2) * -1e6).isnan().all()


def test_the_determinants_gradient_of_a_singular_matrix() -> None:
    """PyTorch gives the cofactors where the gradient has one of its own, else zeros."""
    x = torch.tensor([[1.0, 2], [2, 4]], dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad(torch.det(x), x, create_graph=True)
    y = ng.tensor(x.detach().numpy(), requires_grad=True)
    (got,) = ng.autograd.grad(ng.det(y), y)
    np.testing.assert_allclose(got.numpy(), wanted.detach().numpy(), 1e-9)


def test_out() -> None:
    x = ng.tensor([[2.0, 0], [0, 4]])
    out = ng.empty(2, 2)
    assert ng.linalg.inv(x, out=out) is out
    assert out.tolist() == [[0.5, 0], [0, 0.25]]
    sign, log = ng.empty(()), ng.empty(())
    assert ng.linalg.slogdet(x, out=(sign, log)).sign is sign
    assert sign.item() == 1 and log.item() == pytest.approx(np.log(8))


def test_the_error_is_pytorchs_kind() -> None:
    assert issubclass(ng.linalg.LinAlgError, RuntimeError)
