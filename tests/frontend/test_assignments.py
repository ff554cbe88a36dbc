"""In-place forms that replace all elements: gradients and leaves are PyTorch's, on all backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

PROGRAMS = """
u = v.clone(); u[:] = w; out = u * 2
u = v.detach().clone(); u[:] = w; out = u * 2
u = m.zeros(3); u[:] = w; out = u
u = m.zeros(3); u[...] = w; out = u * 2
u = m.zeros(3); u[0:3] = w; out = u * 2
u = m.zeros(3); u[::1] = w; out = u
u = m.zeros(3); u[None] = w; out = u * 2
u = m.zeros(1, 3); u[0] = w; out = u * 2
u = m.zeros(1, 3); u.select(0, 0).copy_(w); out = u * 2
u = m.zeros(1, 3); u.squeeze(0).copy_(w); out = u * 2
u = m.zeros(()); u[()] = w[0]; out = u * 2
u = m.zeros(()); u[...] = w.sum(); out = u * 2
u = m.zeros(3); u.copy_(w); out = u * 2
u = v.clone(); u.copy_(w); out = u * 2
u = v.clone(); u.copy_(w * 3); out = u * 2
u = w.clone(); u.copy_(w); out = u * 2
u = w.clone(); u.copy_(u); out = u * 2
u = w.clone(); u[:] = u.flip(0); out = u * 2
u = w.clone(); u[:] = v.detach(); out = u * 2
u = w.clone(); u[:] = 1.0; out = u * 2
u = w.clone(); u.zero_(); out = u * 2
u = w.clone(); u.fill_(3); out = u * 2
u = m.zeros(3); u.fill_(w[0]); out = u * 2
u = m.zeros(3, dtype=m.float64); u.copy_(w); out = u * 2
u = m.zeros(2, 3); u[:] = w; out = u * 2
u = m.zeros(2, 3); u[0] = w; u[1] = v; out = u * 2
u = m.zeros(2, 3); u.T.copy_(w[:, None]); out = u * 2
u = m.zeros(3); u.view(1, 3)[:] = w; out = u * 2
u = m.zeros(3); u.view(3, 1).copy_(w[:, None]); out = u * 2
u = m.zeros(3); t = u[:]; t.copy_(w); out = t * u
u = m.zeros(3); b = u[1:]; u[:] = w; out = b * 2
u = m.zeros(3); t = u.view(3); t[:] = w; u[:] = t * 2; out = u + t
u = m.zeros(3); u[:] = w; t = u.clone(); u[:] = v; out = u * t
u = m.zeros(3); u[m.tensor([0, 1, 2])] = w; out = u * 2
u = m.zeros(3); u.index_copy_(0, m.tensor([0, 1, 2]), w); out = u * 2
u = m.zeros(3); u.scatter_(0, m.tensor([0, 1, 2]), w); out = u * 2
u = m.zeros(3); u.index_put_((m.tensor([0, 1, 2]),), w); out = u * 2
u = m.zeros(3); u.mul_(0).add_(w); out = u * 2
u = m.zeros(3); u.lerp_(w, 1.0); out = u
""".strip().splitlines()

REFUSED = """
w[:] = v
w.copy_(v)
w.copy_(w)
w[:] = w
w.fill_(1)
w.zero_()
w.view(3, 1).copy_(v[:, None])
w[:].copy_(v)
""".strip().splitlines()


def _leaves(library: Any) -> dict[str, Any]:
    v = library.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = library.tensor([4.0, 5.0, 6.0], requires_grad=True)
    return {"m": library, "v": v, "w": w}


def _run(library: Any, text: str) -> dict[str, Any]:
    scope = _leaves(library)
    exec(text, scope)
    return scope


def _found(library: Any, text: str) -> list[Any]:
    """Value and gradients, and what requires grad and is a leaf."""
    scope = _run(library, text)
    scope["out"].sum().backward()
    found = [scope["out"].tolist()]
    found += [None if scope[n].grad is None else scope[n].grad.tolist() for n in "vw"]
    return found + [(n, scope[n].requires_grad, scope[n].is_leaf) for n in "utb" if n in scope]


@pytest.mark.parametrize("text", PROGRAMS)
def test_gradients_pass_whole_assignments(text: str) -> None:
    assert _found(ng, text) == _found(torch, text)


@pytest.mark.parametrize("text", REFUSED)
def test_leaves_are_not_assigned(text: str) -> None:
    for library in (torch, ng):
        with pytest.raises(RuntimeError, match="in-place operation"):
            _run(library, text)


@pytest.mark.parametrize("text", ["u.copy_(w)", "u[:] = w", "u.fill_(1)"])
def test_assignments_without_grad_change_no_history(text: str) -> None:
    found = []
    for library in (torch, ng):
        scope = _leaves(library)
        u = scope["u"] = scope["v"].clone()
        with library.no_grad():
            exec(text, scope)
        (u * 2).sum().backward()
        found.append((u.tolist(), scope["v"].grad.tolist(), scope["w"].grad, u.is_leaf))
    assert found[0] == found[1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_whole_assignments(backend: str) -> None:
    def step(v: ng.Tensor, w: ng.Tensor) -> list[Any]:
        found = []
        for text in PROGRAMS:
            a, b = v.detach().requires_grad_(), w.detach().requires_grad_()
            scope: dict[str, Any] = {"m": ng, "v": a, "w": b}
            exec(text, scope)
            scope["out"].sum().backward()
            found.append((scope["out"], a.grad, b.grad))
        return found

    scope = _leaves(ng)
    compiled = ng.compile(step, backend=backend)(scope["v"].detach(), scope["w"].detach())
    for text, got in zip(PROGRAMS, compiled, strict=True):
        for found, wanted in zip(got, _found(torch, text)[:3], strict=True):
            assert (found is None) == (wanted is None), text
            if wanted is not None:
                np.testing.assert_allclose(found.detach().numpy(), wanted, 1e-6, err_msg=text)
