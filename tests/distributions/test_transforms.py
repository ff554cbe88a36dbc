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
    "stick_breaking": (
        lambda t, d: d.StickBreakingTransform(),
        [[-2.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
    ),
    "corr_cholesky": (lambda t, d: d.CorrCholeskyTransform(), [[-2.0, 0.3, 1.0], [0.1, 0.0, 0.5]]),
    "reshape": (lambda t, d: d.ReshapeTransform((4,), (2, 2)), [[-2.0, 0.3, 1.0, 4.0]]),
    "cat": (
        lambda t, d: d.CatTransform([d.ExpTransform(), d.AffineTransform(1, 2.0)], -1, [2, 1]),
        [[-2.0, 0.3, 1.0], [0.5, 0.2, 0.0]],
    ),
    "cat_events": (
        lambda t, d: d.CatTransform(
            [d.IndependentTransform(d.ExpTransform(), 1), d.TanhTransform()][:1] * 2, 0
        ),
        [[-2.0, 0.3, 1.0], [0.5, 0.2, 0.0]],
    ),
    "stack": (
        lambda t, d: d.StackTransform([d.ExpTransform(), d.AffineTransform(1, 2.0)], 0),
        [[-2.0, 0.3, 1.0], [0.5, 0.2, 0.0]],
    ),
    "cumulative": (
        lambda t, d: d.CumulativeDistributionTransform(d.Laplace(0.0, 2.0)),
        [-2.0, 0.3, 1.0],
    ),
    "compose_axes": (
        lambda t, d: d.ComposeTransform(
            [d.ExpTransform(), d.StickBreakingTransform(), d.AffineTransform(0.0, 2.0)]
        ),
        [[-2.0, 0.0, 1.0]],
    ),
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
    try:
        sign = transform.sign
    except NotImplementedError:
        sign = None
    shown = sign.tolist() if hasattr(sign, "tolist") else sign
    domain, codomain = transform.domain, transform.codomain
    shapes = transform.forward_shape(x.shape), transform.inverse_shape(y.shape)
    facts = [shown, transform.bijective, domain.event_dim, codomain.event_dim]
    return [y, back, transform.log_abs_det_jacobian(x, y), *facts, *map(tuple, shapes)]


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


def test_maps_without_a_volume() -> None:
    x = [[1.0, -2.0], [0.5, 0.3]]
    for name in ("LowerCholeskyTransform", "PositiveDefiniteTransform"):
        wanted, got = getattr(theirs, name)(), getattr(ours, name)()
        y = got(ng.tensor(x))
        assert_close(y.numpy(), wanted(torch.tensor(x)).numpy(), scale=4)
        assert_close(got.inv(y).numpy(), wanted.inv(wanted(torch.tensor(x))).numpy(), scale=20)
        assert got == type(got)() and got.domain.event_dim == 2 == got.codomain.event_dim


REFUSED = [
    lambda t, d: d.ReshapeTransform((2,), (3,)),
    lambda t, d: d.ReshapeTransform((2,), (2, 1)).forward_shape((3,)),
    lambda t, d: d.StickBreakingTransform().forward_shape(()),
    lambda t, d: d.CorrCholeskyTransform()(t.zeros(2)),
    lambda t, d: d.CorrCholeskyTransform().inverse_shape((2, 3)),
    lambda t, d: d.CatTransform([d.ExpTransform()], 0, [1, 2]),
    lambda t, d: d.CatTransform(["exp"]),
    lambda t, d: d.CatTransform([d.ExpTransform()], 0, [2])(t.zeros(3)),
    lambda t, d: d.StackTransform([d.ExpTransform()], 1)(t.zeros(3)),
    lambda t, d: d.biject_to(d.constraints.boolean),
    lambda t, d: d.biject_to(d.constraints.lower_cholesky),
    lambda t, d: d.transform_to.register(3, abs),
    lambda t, d: d.constraints.cat(["real"]),
    lambda t, d: d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform()),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals_are_pytorchs(number: int) -> None:
    with pytest.raises(Exception) as wanted:
        REFUSED[number](torch, theirs)
    with pytest.raises(wanted.type):
        REFUSED[number](ng, ours)


REGIONS: dict[str, Any] = {
    "real": lambda c: c.real,
    "positive": lambda c: c.positive,
    "nonnegative": lambda c: c.nonnegative,
    "less_than": lambda c: c.less_than(2.0),
    "unit_interval": lambda c: c.unit_interval,
    "half_open": lambda c: c.half_open_interval(-1.0, 2.0),
    "real_vector": lambda c: c.real_vector,
    "simplex": lambda c: c.simplex,
    "corr_cholesky": lambda c: c.corr_cholesky,
    "cat": lambda c: c.cat([c.positive, c.unit_interval], -1, [2, 1]),
    "stack": lambda c: c.stack([c.positive, c.unit_interval, c.real], -1),
}


@pytest.mark.parametrize("name", REGIONS)
def test_maps_to_regions(name: str) -> None:
    x = [[-0.5, 0.3, 1.5], [0.0, 2.0, -1.0]]
    mine = REGIONS[name](ours.constraints)
    for to in ("biject_to", "transform_to"):
        wanted = getattr(theirs, to)(REGIONS[name](theirs.constraints))
        got = getattr(ours, to)(mine)
        assert type(got).__name__ == type(wanted).__name__
        y = got(ng.tensor(x, dtype=ng.float64))
        known = wanted(torch.tensor(x, dtype=torch.float64))
        assert_close(y.numpy(), known.numpy(), scale=4)
        assert mine.check(y).all()


CHECKED = {
    "lower_triangular": [[1.0, 0.0], [2.0, -1.0]],
    "lower_cholesky": [[1.0, 0.0], [2.0, 1.0]],
    "corr_cholesky": [[1.0, 0.0], [0.6, 0.8]],
    "symmetric": [[1.0, 0.5], [0.5, -2.0]],
    "positive_semidefinite": [[1.0, 0.0], [0.0, 0.0]],
    "positive_definite": [[1.0, 0.5], [0.5, 1.0]],
    "square": [[1.0, 0.5], [0.25, 1.0]],
}


def test_regions_of_matrices() -> None:
    matrices = [*CHECKED.values(), [[2.0, 3.0], [1.0, 0.0]]]
    for name in CHECKED:
        ng_one, one = getattr(ours.constraints, name), getattr(theirs.constraints, name)
        for matrix in matrices:
            x = [matrix, matrix]
            found = ng_one.check(ng.tensor(x, dtype=ng.float64))
            assert found.tolist() == one.check(torch.tensor(x, dtype=torch.float64)).tolist()
        assert ng_one.event_dim == one.event_dim and repr(ng_one) == repr(one)
    for d, t in ((ours, ng), (theirs, torch)):
        counts = d.constraints.multinomial(3)
        assert counts.check(t.tensor([[1.0, 2.0], [1.0, 3.0], [-1.0, 2.0]])).tolist() == [
            *(True, False, False)
        ]
        mixture = d.constraints.MixtureSameFamilyConstraint(d.constraints.positive)
        assert mixture.check(t.tensor([1.0, -1.0])).tolist() == [True, False]
        assert repr(mixture) == "MixtureSameFamilyConstraint(GreaterThan(lower_bound=0.0))"


def test_softmax_and_abs() -> None:
    x = [[1.0, -2.0, 0.5]]
    for name in ("SoftmaxTransform", "AbsTransform"):
        wanted = getattr(theirs, name)()(torch.tensor(x))
        assert_close(getattr(ours, name)()(ng.tensor(x)).numpy(), wanted.numpy())
    assert ours.ExpTransform() == ours.ExpTransform() != ours.TanhTransform()
    assert ours.PowerTransform(2.0) == ours.PowerTransform(2) != ours.PowerTransform(3)
    scale = ng.tensor([1.0, 2.0])
    assert ours.AffineTransform(0, scale) == ours.AffineTransform(0.0, scale + 0)
    assert ours.AffineTransform(0, scale) != ours.AffineTransform(0, scale + 1)


def test_copies_with_a_cache() -> None:
    for d, t in ((ours, ng), (theirs, torch)):
        for one in (
            d.ExpTransform(),
            d.AffineTransform(0.0, 2.0),
            d.ComposeTransform([d.ExpTransform(), d.PowerTransform(2.0)]),
            d.CatTransform([d.ExpTransform()] * 2),
            d.ReshapeTransform((2,), (2, 1)),
            d.CumulativeDistributionTransform(d.Laplace(0.0, 1.0)),
        ):
            cached = one.with_cache()
            x = t.tensor([0.5, 1.0])
            y = cached(x)
            assert cached is not one and cached(x) is y and cached.inv(y) is x
