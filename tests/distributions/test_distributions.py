"""``nngraph.distributions`` beside PyTorch's: numbers, gradients, draws, errors."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributions as theirs

import nngraph as ng
import nngraph.distributions as ours
from tests.distributions.cases import CASES, numbers
from tests.support.backends import BACKENDS
from tests.support.tolerances import assert_close

NO_MEAN = (
    *("VonMises", "LKJCholesky"),
    *("LogitRelaxedBernoulli", "RelaxedBernoulli", "RelaxedOneHotCategorical", "LogisticNormal"),
    *("TransformedDistribution", "Transformed_down", "Squashed"),
)
#: Cases whose entropy PyTorch gives nine digits of, or in whose gradient its trigamma has nine.
ROUGH = (
    *("Gamma", "Chi2", "Beta", "Dirichlet", "StudentT", "InverseGamma", "Kumaraswamy"),
    *("Multinomial", "Wishart"),
)
#: Whose ``cdf`` has no derivative by the concentration, in PyTorch neither.
NO_SLOPE = ("Gamma", "Chi2", "InverseGamma", "InverseGamma_heavy")
#: Of which PyTorch gives seven digits: its Bessel functions.
ROUGHER = {("VonMises", "log_prob"), ("VonMises", "variance"), ("VonMises", "stddev")}
PARTS = ("log_prob", "cdf", "icdf", "entropy", "mean", "variance", "stddev", "mode", "perplexity")


def asked(t: Any, d: Any, case: str, part: str) -> Any:
    build, at = CASES[case]
    made = build(t, d)
    kind = t.int64 if isinstance(np.ravel(at)[0], np.integer) else t.float64
    member = getattr(made, part) if part not in ("mean", "variance", "stddev", "mode") else None
    if member is None:
        return getattr(made, part)
    if part == "icdf":
        return member(t.tensor([0.1, 0.5, 0.9][: np.shape(at)[-1]], dtype=t.float64))
    return member(t.tensor(at, dtype=kind)) if part in ("log_prob", "cdf") else member()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("case", CASES)
def test_numbers_and_gradients_are_pytorchs(case: str, part: str) -> None:
    leaves: dict[str, list[Any]] = {}
    found: dict[str, Any] = {}
    for name, t, d in (("torch", torch, theirs), ("nngraph", ng, ours)):
        made: list[Any] = leaves.setdefault(name, [])
        before = t.tensor

        def noting(*args: Any, _before: Any = before, _made: Any = made, **options: Any) -> Any:
            tensor = _before(*args, **options)
            if options.get("requires_grad"):
                _made.append(tensor)
            return tensor

        t.tensor = noting
        try:
            found[name] = asked(t, d, case, part)
        except NotImplementedError:
            found[name] = NotImplementedError
        finally:
            t.tensor = before
    wanted, got = found["torch"], found["nngraph"]
    if wanted is NotImplementedError:
        assert got is NotImplementedError
        return
    scale = 1e4 if part in ("entropy", "perplexity") and case.startswith(ROUGH) else 1
    scale = 1e5 if (case, part) in ROUGHER else scale
    assert_close(got.detach().numpy(), wanted.detach().numpy(), f"{case}.{part}", scale=scale)
    assert got.requires_grad == wanted.requires_grad
    if not wanted.requires_grad or (part == "cdf" and case in NO_SLOPE):
        return
    weights = np.random.default_rng(5).uniform(0.5, 1, wanted.shape)
    (wanted * torch.tensor(weights)).sum().backward()
    (got * ng.tensor(weights)).sum().backward()
    for a, b in zip(leaves["nngraph"], leaves["torch"], strict=True):
        zeros = np.zeros(b.shape)
        first, second = (zeros if x.grad is None else x.grad.numpy() for x in (a, b))
        assert_close(first, second, f"{case}.{part} grad", scale=scale)


@pytest.mark.filterwarnings("ignore:Singular sample detected")
@pytest.mark.parametrize("case", CASES)
def test_shapes_support_and_text(case: str) -> None:
    build = CASES[case][0]
    wanted, got = build(torch, theirs), build(ng, ours)
    if case.startswith(("Normal", "Uniform", "Bern", "Cat", "Exp", "Lap", "Cau", "Gum", "Geo")):
        assert repr(got) == repr(wanted).replace("torch.", "nngraph.")
    for name in ("batch_shape", "event_shape"):
        assert tuple(getattr(got, name)) == tuple(getattr(wanted, name))
    assert got.has_rsample == wanted.has_rsample
    assert got.has_enumerate_support == wanted.has_enumerate_support
    assert tuple(got.sample((4, 2)).shape) == tuple(wanted.sample((4, 2)).shape)
    assert str(got.sample().dtype).split(".")[-1] == str(wanted.sample().dtype).split(".")[-1]
    wide = (2, *got.batch_shape)
    assert tuple(got.expand(wide).sample().shape) == tuple(wanted.expand(wide).sample().shape)
    at = np.asarray(CASES[case][1])
    value = got.expand(wide).log_prob(ng.tensor(at))
    known = wanted.expand(wide).log_prob(torch.tensor(at))
    scale = 1e5 if (case, "log_prob") in ROUGHER else 1
    assert_close(value.detach().numpy(), known.detach().numpy(), scale=scale)


#: Those that test_draws.py looks at, those without moments, and variants.
WITHOUT = re.compile("auchy|Cat|_heavy|VonMises|LKJ|_few|inomial_logits")


@pytest.mark.parametrize("case", [c for c in CASES if not WITHOUT.search(c)])
def test_draws_have_the_moments(case: str) -> None:
    made = CASES[case][0](ng, ours)
    ng.manual_seed(0)
    drawn = made.sample((20_000,)).numpy()
    if case in NO_MEAN:
        values = CASES[case][0](torch, theirs).sample((20_000,)).numpy()
        mean, spread = values.mean(0), values.std(0)
    else:
        mean, spread = made.mean.detach().numpy(), made.stddev.detach().numpy()
    error = 6 * spread / math.sqrt(len(drawn))
    assert (np.abs(drawn.mean(0) - mean) < error + 1e-12).all()
    if case != "LogNormal":  # whose fourth moment is large
        assert np.allclose(drawn.std(0), spread, rtol=0.06)


def test_categories_come_as_often_as_their_probabilities_say() -> None:
    probs = np.array([[0.1, 0.0, 0.9], [0.3, 0.5, 0.2]])
    ng.manual_seed(1)
    drawn = ours.Categorical(ng.tensor(probs)).sample((20_000,)).numpy()
    for row in range(2):
        shares = np.bincount(drawn[:, row], minlength=3) / 20_000
        assert np.abs(shares - probs[row]).max() < 0.02
        assert (shares[probs[row] == 0] == 0).all()


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Gumbel", "Cauchy"])
def test_draws_pass_gradients_on(name: str) -> None:
    loc, scale = ng.tensor(0.5, requires_grad=True), ng.tensor(2.0, requires_grad=True)
    drawn = getattr(ours, name)(loc, scale).rsample((5,))
    drawn.sum().backward()
    assert loc.grad.item() == 5
    assert_close(scale.grad.numpy(), ((drawn - 0.5) / 2).sum().detach().numpy(), scale=4)
    assert not getattr(ours, name)(loc, scale).sample().requires_grad


MORE_PAIRS = [
    ("Bernoulli", "Bernoulli_logits"),
    ("Binomial", "Binomial_few"),
    ("Geometric", "Geometric_logits"),
    ("Categorical", "Categorical_logits"),
    ("MultivariateNormal", "MultivariateNormal_cov"),
    ("MultivariateNormal_precision", "MultivariateNormal"),
    ("Uniform_unit", "Uniform"),
    ("Uniform_unit", "Beta"),
    ("Uniform_low", "Gamma"),
    ("Uniform_low", "Beta"),
    ("Uniform_low", "Exponential"),
    ("Beta", "Uniform_unit"),
    ("Uniform_low", "ContinuousBernoulli"),
    ("Uniform", "Pareto_low_heavy"),
    ("Pareto_heavy", "Exponential"),
    ("Pareto_heavy", "Gamma"),
    ("Pareto_heavy", "Normal_numbers"),
    ("Pareto", "Pareto_low_heavy"),
    ("MultivariateNormal_cov", "LowRankMultivariateNormal"),
    ("LowRankMultivariateNormal", "MultivariateNormal_cov"),
]
#: Of each pair of classes that PyTorch has and whose cases are named after them.
NAMED = {(p.__name__, q.__name__) for p, q in theirs.kl._KL_REGISTRY}
PAIRS = sorted((p, q) for p, q in NAMED if p in CASES and q in CASES)
PAIRS.remove(("Pareto", "Normal"))  # PyTorch's does not broadcast: see below


@pytest.mark.parametrize(("p", "q"), [*PAIRS, *MORE_PAIRS])
def test_divergences_are_pytorchs(p: str, q: str) -> None:
    first, second = (CASES[name][0](torch, theirs) for name in (p, q))
    wanted = theirs.kl_divergence(first, second)
    got = ours.kl_divergence(CASES[p][0](ng, ours), CASES[q][0](ng, ours))
    assert_close(got.detach().numpy(), wanted.detach().numpy(), f"{p} || {q}", scale=100)


def test_continuous_bernoulli_beside_uniform() -> None:
    """Of equal supports, where PyTorch says that it is infinite."""
    one, unit = ours.ContinuousBernoulli(ng.tensor([0.5, 0.3])), ours.Uniform(ng.zeros(2), 1.0)
    found = ours.kl_divergence(one, unit), ours.kl_divergence(unit, one)
    assert abs(found[0][0].item()) < 1e-6 and abs(found[1][0].item()) < 1e-6
    assert_close(found[0].numpy(), -one.entropy().numpy())
    assert ours.kl_divergence(one, ours.Uniform(0.1, 1.0))[0].item() == math.inf


def test_every_pair_of_pytorchs_is_there() -> None:
    wanted = {(p, q) for p, q in NAMED if hasattr(ours, p) and hasattr(ours, q)}
    assert not wanted - {(p.__name__, q.__name__) for p, q in ours.kl._RULES}


def test_divergences_of_ones_own() -> None:
    class Mine(ours.Normal):
        pass

    one, two = Mine(0.0, 1.0), ours.Normal(1.0, 1.0)
    assert ours.kl_divergence(one, two).item() == 0.5

    @ours.register_kl(Mine, ours.Normal)
    def rule(p: Any, q: Any) -> Any:
        return p.loc + 7

    assert ours.kl_divergence(one, two).item() == 7
    with pytest.raises(NotImplementedError, match="p type Cauchy and q type Mine"):
        ours.kl_divergence(ours.Cauchy(0.0, 1.0), one)


REFUSED = {
    "scale": lambda t, d: d.Normal(0.0, -1.0),
    "nan": lambda t, d: d.Normal(t.tensor(math.nan), 1.0),
    "kinds": lambda t, d: d.Normal("a", 1.0),
    "both": lambda t, d: d.Bernoulli(0.5, 0.5),
    "neither": lambda t, d: d.Categorical(),
    "probability": lambda t, d: d.Bernoulli(1.5),
    "scalar": lambda t, d: d.Categorical(t.tensor(0.5)),
    "negative": lambda t, d: d.Categorical(t.tensor([-0.5, 1.5])),
    "interval": lambda t, d: d.Uniform(1.0, 0.0),
    "value": lambda t, d: d.Exponential(1.0).log_prob(t.tensor(-1.0)),
    "value_kind": lambda t, d: d.Exponential(1.0).log_prob(1.0),
    "value_shape": lambda t, d: d.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2)),
    "event_shape": lambda t, d: d.OneHotCategorical(t.ones(3)).log_prob(t.zeros(2)),
    "half": lambda t, d: d.Bernoulli(0.5).log_prob(t.tensor(0.5)),
    "category": lambda t, d: d.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    "zero": lambda t, d: d.Geometric(0.0),
    "axes": lambda t, d: d.Independent(d.Normal(t.zeros(3), 1.0), 2),
    "no_rsample": lambda t, d: d.Categorical(t.ones(3)).rsample(),
    "matrix": lambda t, d: d.MultivariateNormal(t.zeros(2), -t.eye(2)),
    "matrices": lambda t, d: d.MultivariateNormal(t.zeros(2), t.eye(2), t.eye(2)),
    "mixture": lambda t, d: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(0.0, 1.0)),
    "components": lambda t, d: d.MixtureSameFamily(
        d.Categorical(t.ones(3)), d.Normal(t.zeros(2), 1.0)
    ),
    "transform": lambda t, d: d.TransformedDistribution(d.Normal(0.0, 1.0), ["exp"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_of_pytorchs_kind(name: str) -> None:
    with pytest.raises(Exception) as wanted:
        REFUSED[name](torch, theirs)
    with pytest.raises(wanted.type):
        REFUSED[name](ng, ours)


def test_checks_can_be_left_out() -> None:
    assert ours.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    ours.Distribution.set_default_validate_args(False)
    try:
        ours.Normal(0.0, -1.0)
    finally:
        ours.Distribution.set_default_validate_args(True)


COMPILED = [c for c in CASES if not re.search("_(numbers|few|corner|heavy|unit|low)", c)]
#: Which draw by other cases' numbers, and whose kernels take TVM long: there without the draw.
LONG = ("FisherSnedecor", "InverseGamma", "NegativeBinomial", "Multinomial", "Wishart", "LKJ")
LOGITS = [c for c in COMPILED if c.endswith("nomial_logits")]


@pytest.mark.parametrize("case", [c for c in COMPILED if c not in LOGITS])
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_code_gives_the_same(case: str, backend: str) -> None:
    build, at = CASES[case]
    is_index = isinstance(np.ravel(at)[0], np.integer)
    value = ng.tensor(at, dtype=ng.int64 if is_index else ng.float64)

    def code(value: Any) -> Any:
        made = build(ng, ours)
        mean = value if case in NO_MEAN else made.mean.detach()
        is_drawn = backend != "tvm" or not case.startswith(LONG)
        drawn = made.sample((3,)) if is_drawn else value
        return made.log_prob(value).detach(), drawn, mean

    ng.manual_seed(3)
    wanted = code(value)
    ng.manual_seed(3)
    for a, b in zip(ng.compile(code, backend=backend)(value), wanted, strict=True):
        assert_close(a.numpy(), b.numpy(), case)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_policy_gradient_step(backend: str) -> None:
    def trained(t: Any, d: Any, c: Any) -> list[Any]:
        w = numbers(t, 4, 3)
        opt = t.optim.SGD([w], lr=0.1)

        def step(states: Any, actions: Any, rewards: Any) -> Any:
            opt.zero_grad()
            policy = d.Categorical(logits=states @ w)
            loss = -(policy.log_prob(actions) * rewards).mean() - 0.01 * policy.entropy().mean()
            loss.backward()
            opt.step()
            return loss.detach()

        run = c(step)
        losses = []
        for i in range(4):
            given = numbers(t, 5, 4, seed=i).detach(), numbers(t, 5, seed=9).detach()
            losses.append(run(given[0], t.tensor([0, 1, 2, 1, 0]), given[1]).item())
        return [*losses, w.tolist()]

    found = trained(ng, ours, lambda f: ng.compile(f, backend=backend))
    wanted = trained(torch, theirs, lambda f: f)
    np.testing.assert_allclose(np.ravel(found[:-1]), np.ravel(wanted[:-1]), rtol=1e-9)
    np.testing.assert_allclose(found[-1], wanted[-1], rtol=1e-9)
