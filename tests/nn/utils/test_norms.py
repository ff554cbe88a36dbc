"""Weight norm and spectral norm, as hooks and as parametrizations; eager and traced."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.nn import utils
from tests.nn.utils.sides import Show, compare, linear
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


def fixed_vectors(f: Any, module: Any, u: str, v: str) -> None:
    """Both libraries start the power method at the same vectors."""
    with f.no_grad():
        for name, shift in ((u, 1.0), (v, -1.5)):
            vector = getattr(module, name)
            start = f.arange(vector.numel()) * 1.0 + shift
            vector.copy_(f.nn.functional.normalize(start, dim=0))


def weight_norms(f: Any, show: Show) -> None:
    u = f.nn.utils
    for dim in (0, 1, None, -1):
        new, old = linear(f), linear(f)
        show(lambda new=new, dim=dim: u.parametrizations.weight_norm(new, dim=dim))
        show(lambda old=old, dim=dim: u.weight_norm(old, dim=dim))
        for layer in (new, old):
            show(lambda layer=layer: [layer.weight, dict(layer.state_dict())])
            layer(f.ones(1, 3)).sum().backward()
            show(lambda layer=layer: [p.grad for p in layer.parameters()])
        twin = u.parametrizations.weight_norm(linear(f), dim=dim)
        show(lambda twin=twin, old=old: twin.load_state_dict(old.state_dict()))
        show(lambda twin=twin: twin.weight)
        show(lambda old=old, dim=dim: u.weight_norm(old, dim=dim))
        show(lambda old=old: u.remove_weight_norm(old))
        show(lambda old=old: [old.weight, list(old.state_dict()), len(old._forward_pre_hooks)])
        show(lambda old=old: u.remove_weight_norm(old))
    for dim in (0, 1):
        conv = u.parametrizations.weight_norm(f.nn.Conv2d(2, 3, 2), dim=dim)
        show(lambda conv=conv: list(conv.parametrizations.weight.original0.shape))
    show(lambda: u.weight_norm(f.nn.LazyLinear(2)))


def spectral_parametrization(f: Any, show: Show) -> None:
    norm = f.nn.utils.parametrizations.spectral_norm
    layer = linear(f)
    show(lambda: [norm(layer), list(layer.state_dict())])
    fixed_vectors(f, layer.parametrizations.weight[0], "_u", "_v")
    show(lambda: [layer.weight, dict(layer.state_dict())])
    layer.eval()
    show(lambda: [layer.weight, layer.weight])
    layer(f.ones(1, 3)).sum().backward()
    show(lambda: layer.parametrizations.weight.original.grad)
    show(lambda: norm(linear(f), n_power_iterations=0))
    show(lambda: norm(linear(f), dim=5))
    show(lambda: norm(linear(f), "nowhere"))
    show(lambda: list(norm(f.nn.ConvTranspose2d(2, 3, 2)).parametrizations.weight[0]._u.shape))
    show(lambda: norm(linear(f), "bias").bias)


def spectral_hook(f: Any, show: Show) -> None:
    u = f.nn.utils
    layer, twin = linear(f), linear(f)
    show(lambda: [u.spectral_norm(layer), list(layer.state_dict()), layer.state_dict()._metadata])
    fixed_vectors(f, layer, "weight_u", "weight_v")
    show(lambda: [layer(f.ones(1, 3)), dict(layer.state_dict())])
    layer.eval()
    show(lambda: layer(f.ones(1, 3)))
    layer(f.ones(1, 3)).sum().backward()
    show(lambda: layer.weight_orig.grad)
    u.spectral_norm(twin).eval()
    show(lambda: twin.load_state_dict(layer.state_dict()))
    show(lambda: twin(f.ones(1, 3)))
    show(lambda: u.spectral_norm(layer))
    show(lambda: [u.remove_spectral_norm(layer), layer.weight, list(layer.state_dict())])
    show(lambda: u.remove_spectral_norm(layer))
    show(lambda: u.spectral_norm(linear(f), n_power_iterations=0))
    show(lambda: u.spectral_norm(f.nn.Linear(2, 2, bias=False), "bias"))
    show(lambda: u.spectral_norm(f.nn.LazyLinear(2)))
    show(lambda: list(u.spectral_norm(f.nn.ConvTranspose2d(2, 3, 2)).weight_u.shape))


@pytest.mark.parametrize(
    "program", [weight_norms, spectral_parametrization, spectral_hook], ids=lambda p: p.__name__
)
def test_norms_are_pytorchs(program: Any) -> None:
    compare(program)


def test_the_old_form_warns() -> None:
    for f, name in ((torch, "torch"), (ng, "nngraph")):
        with pytest.warns(FutureWarning, match=f"`{name}.nn.utils.weight_norm` is deprecated"):
            f.nn.utils.weight_norm(linear(f))


def test_spectral_norm_is_one() -> None:
    layer = utils.parametrizations.spectral_norm(ng.nn.Linear(6, 4), n_power_iterations=50)
    largest = np.linalg.svd(layer.weight.detach().numpy())[1][0]
    np.testing.assert_allclose(largest, 1, rtol=1e-4)


def test_dicts_of_old_versions_are_refused() -> None:
    layer = utils.spectral_norm(linear(ng))
    state = {**layer.state_dict(), "weight": np.zeros((2, 3), np.float32)}
    del state["weight_v"]
    with pytest.raises(RuntimeError, match="load it in PyTorch and save it again"):
        layer.load_state_dict(state)


FORMS: dict[str, Any] = {
    "weight": lambda u, layer: u.weight_norm(layer),
    "weight parametrization": lambda u, layer: u.parametrizations.weight_norm(layer),
    "spectral": lambda u, layer: u.spectral_norm(layer),
    "spectral parametrization": lambda u, layer: u.parametrizations.spectral_norm(layer),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_normed_layers_train_compiled(form: str, backend: str) -> None:
    def make(f: Any) -> Any:
        model = f.nn.Sequential(linear(f, 3, 3), f.nn.Tanh(), linear(f, 3, 1))
        FORMS[form](f.nn.utils, model[0])
        if form == "spectral":
            fixed_vectors(f, model[0], "weight_u", "weight_v")
        elif "spectral" in form:
            fixed_vectors(f, model[0].parametrizations.weight[0], "_u", "_v")
        optimizer = f.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    (ours, step), (theirs, wanted) = make(ng), make(torch)
    compiled = ng.compile(step, backend=backend)
    for number in range(4):
        x = np.random.default_rng(number).standard_normal((4, 3)).astype(np.float32)
        expected = float(wanted(torch.tensor(x)).detach())
        np.testing.assert_allclose(float(compiled(x)), expected, rtol=1e-5)
    assert count_traces(compiled) <= 2
    for name, value in theirs.state_dict().items():
        found = ours.state_dict()[name].numpy()
        np.testing.assert_allclose(found, value.numpy(), rtol=1e-4, atol=1e-6)
    x = np.ones((1, 3), np.float32)
    after = ours.eval()(ng.tensor(x)).detach().numpy()
    np.testing.assert_allclose(after, theirs.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-4)
    if "parametrization" in form:
        np.testing.assert_array_equal(copy.deepcopy(ours)(ng.tensor(x)).detach().numpy(), after)
