"""Transforms beside PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributions as theirs

import nngraph as ng
import nngraph.distributions as ours
from tests.support.tolerances import assert_close

CASES = {
    "exp": (lambda t, d: d.ExpTransform(), [-1.0, 0.0, 2.0]),
    "power": (lambda t, d: d.PowerTransform(2.0), [0.5, 1.0, 3.0]),
    "power_tensor": (lambda t, d: d.PowerTransform(t.tensor([-1.0, 0.5, 2.0])), [0.5, 1.0, 3.0]),
    "sigmoid": (lambda t, d: d.SigmoidTransform(), [-30.0, 0.0, 5.0]),
    "softplus": (lambda t, d: d.transforms.SoftplusTransform(), [-3.0, 0.0, 5.0]),
    "tanh": (lambda t, d: d.TanhTransform(), [-2.0, 0.0, 1.0]),
    "affine": (lambda t, d: d.AffineTransform(1.0, -3.0), [-2.0, 0.0, 1.0]),
    "affine_event": (
        lambda t, d: d.AffineTransform(1.0, t.tensor([1.0, -2.0, 3.0]), event_dim=1),
        [-2.0, 0.0, 1.0],
    ),
    "compose": (
        lambda t, d: d.ComposeTransform([d.AffineTransform(0.5, 2.0), d.ExpTransform()]),
        [-2.0, 0.0, 1.0],
    ),
    "independent": (lambda t, d: d.IndependentTransform(d.ExpTransform(), 1), [-2.0, 0.0, 1.0]),
    "inverse": (lambda t, d: d.ExpTransform().inv, [0.5, 1.0, 2.0]),
    "inverse_compose": (
        lambda t, d: d.ComposeTransform([d.AffineTransform(0.5, 2.0), d.ExpTransform()]).inv,
        [0.5, 1.0, 2.0],
    ),
}


def asked(t: Any, d: Any, name: str) -> list[Any]:
    build, at = CASES[name]
    transform = build(t, d)
    x = t.tensor(at, dtype=t.float64)
    y = transform(x)
    back = transform.inv(y)
    sign = transform.sign
    shown = sign.tolist() if hasattr(sign, "tolist") else sign
    return [y, back, transform.log_abs_det_jacobian(x, y), shown, transform.bijective]


@pytest.mark.parametrize("name", CASES)
def test_transforms_are_pytorchs(name: str) -> None:
    wanted, got = asked(torch, theirs, name), asked(ng, ours, name)
    for a, b in zip(got[:3], wanted[:3], strict=True):
        assert_close(a.numpy(), b.numpy(), name, scale=100)
    assert got[3:] == wanted[3:]


def test_caches_give_back_the_argument() -> None:
    transform = ours.ExpTransform(cache_size=1)
    x = ng.tensor([1.0, 2.0])
    y = transform(x)
    assert transform(x) is y and transform.inv(y) is x
    with pytest.raises(ValueError, match="cache_size"):
        ours.ExpTransform(cache_size=2)


def test_softmax_and_abs() -> None:
    x = [[1.0, -2.0, 0.5]]
    for name in ("SoftmaxTransform", "AbsTransform"):
        wanted = getattr(theirs, name)()(torch.tensor(x))
        assert_close(getattr(ours, name)()(ng.tensor(x)).numpy(), wanted.numpy())
    assert ours.ExpTransform() == ours.ExpTransform() != ours.TanhTransform()
