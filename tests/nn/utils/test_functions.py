"""Modules called with other tensors, folded normalizations, modules without initial values."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.utils.sides import Show, compare, linear
from tests.support.backends import BACKENDS


def calls(f: Any, show: Show) -> None:
    call, layer, x = f.func.functional_call, linear(f), f.ones(1, 3)
    weight, bias = {"weight": f.ones(2, 3)}, {"bias": f.ones(2)}
    show(lambda: [call(layer, weight, x), layer.weight])
    show(lambda: call(layer, (weight, bias), (x,)))
    show(lambda: call(layer, weight, kwargs={"input": x}))
    show(lambda: call(layer, (weight, weight), x))
    show(lambda: call(layer, 3, x))
    show(lambda: call(layer, [3], x))
    show(lambda: call(layer, weight, x, strict=True))
    show(lambda: call(layer, {**weight, **bias, "more": f.ones(1)}, x, strict=True))
    show(lambda: call(layer, {"nowhere.weight": f.ones(2, 3)}, x))
    show(lambda: [call(layer, {"new": f.ones(2, 3)}, x), hasattr(layer, "new")])
    show(lambda: call(layer, {"weight": 3}, x))
    show(lambda: call(layer, {"in_features": f.ones(1)}, x))
    show(lambda: [layer.weight, layer.in_features])
    show(lambda: f.nn.utils.stateless.functional_call(layer, weight, x))
    given = f.ones(2, 3, requires_grad=True)
    call(layer, {"weight": given}, x).sum().backward()
    show(lambda: [given.grad, layer.weight.grad, layer.bias.grad])
    show(lambda: call(f.nn.DataParallel(layer), weight, x))


def ties_and_buffers(f: Any, show: Show) -> None:
    call, x = f.func.functional_call, f.ones(1, 2)
    tied = f.nn.Sequential(linear(f, 2, 2), linear(f, 2, 2))
    tied[1].weight = tied[0].weight
    show(lambda: call(tied, {"0.weight": f.ones(2, 2)}, x))
    show(lambda: call(tied, {"0.weight": f.ones(2, 2)}, x, tie_weights=False))
    show(lambda: call(tied, {"0.weight": f.ones(2, 2), "1.weight": f.ones(2, 2)}, x))
    norm, rows = f.nn.BatchNorm1d(2), f.arange(6).reshape(3, 2) * 1.0
    state = {"running_mean": f.zeros(2), "running_var": f.ones(2)}
    show(lambda: [call(norm, state, rows), state, norm.running_mean])


def stacks(f: Any, show: Show) -> None:
    stack = f.func.stack_module_state
    show(lambda: stack([linear(f), linear(f)]))
    show(lambda: stack([]))
    show(lambda: stack([linear(f), linear(f).eval()]))
    show(lambda: stack([linear(f), f.nn.Tanh()]))
    show(lambda: {k: v.requires_grad for k, v in stack([linear(f), linear(f)])[0].items()})
    show(lambda: stack([linear(f), linear(f).requires_grad_(False)]))
    show(lambda: list(stack([f.nn.BatchNorm1d(2), f.nn.BatchNorm1d(2)])[1]))


def norm_of(f: Any, features: int, **options: Any) -> Any:
    norm = f.nn.BatchNorm1d(features, **options)
    with f.no_grad():
        for number, t in enumerate([norm.running_mean, norm.running_var, *norm.parameters()]):
            t.copy_(f.arange(features) * 0.5 + number + 0.5)
    return norm.eval()


def fusions(f: Any, show: Show) -> None:
    u = f.nn.utils
    layer, norm = linear(f).eval(), norm_of(f, 2)
    fused = u.fuse_linear_bn_eval(layer, norm)
    x = f.ones(1, 3)
    show(lambda: [fused(x), norm(layer(x)), [p.requires_grad for p in fused.parameters()]])
    show(lambda: u.fuse_linear_bn_eval(linear(f), norm))
    show(lambda: u.fuse_linear_bn_eval(linear(f, 3, 4).eval(), norm))
    for name in ("Conv1d", "ConvTranspose1d"):
        for bias in (False, True):
            conv = getattr(f.nn, name)(2, 2, 2, bias=bias).eval()
            with f.no_grad():
                for p in conv.parameters():
                    p.copy_(f.arange(p.numel()).reshape(p.shape) * 0.1)
            for affine in (True, False):
                norm = norm_of(f, 2, affine=affine)
                made = u.fuse_conv_bn_eval(conv, norm, name == "ConvTranspose1d")
                rows = f.arange(8).reshape(1, 2, 4) * 1.0
                show(lambda made=made, rows=rows: made(rows))
                show(lambda norm=norm, conv=conv, rows=rows: norm(conv(rows)))
                show(lambda made=made: [p.requires_grad for p in made.parameters()])
    show(lambda: u.fuse_conv_bn_eval(conv, f.nn.BatchNorm1d(2, track_running_stats=False).eval()))


def the_rest(f: Any, show: Show) -> None:
    u = f.nn.utils
    show(lambda: u.skip_init(f.nn.Linear, 2, 3))
    show(lambda: list(u.skip_init(f.nn.Conv2d, 2, 3, 1, dtype=f.float64).weight.shape))
    show(lambda: u.skip_init(f.nn.Tanh))
    show(lambda: u.skip_init(int))
    show(lambda: u.convert_conv2d_weight_memory_format(f.nn.Conv2d(1, 1, 1), f.channels_last))
    show(lambda: u.convert_conv3d_weight_memory_format(f.nn.Conv3d(1, 1, 1), f.channels_last_3d))
    layer = linear(f)
    layer(f.ones(1, 3)).sum().backward()
    show(lambda: [u.clip_grad_norm(layer.parameters(), 1.0), layer.weight.grad])


PROGRAMS = [calls, ties_and_buffers, stacks, fusions, the_rest]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_they_are_pytorchs(program: Any) -> None:
    compare(program)


def test_every_public_name_is_there() -> None:
    for module in (torch.nn.utils, torch.nn.utils.parametrize):
        ours: Any = ng.nn.utils if module is torch.nn.utils else ng.nn.utils.parametrize
        assert not {n for n in module.__all__ if not hasattr(ours, n)} - {"rnn"}
    theirs = importlib.import_module("torch.nn.utils.prune")
    names = {n for n, v in vars(theirs).items() if getattr(v, "__module__", "") == theirs.__name__}
    assert {n for n in names if not n.startswith("_")} == {*ng.nn.utils.prune.__all__}


def test_skip_init_draws_no_numbers() -> None:
    ng.manual_seed(5)
    wanted = ng.rand(3).tolist()
    ng.manual_seed(5)
    ng.nn.utils.skip_init(ng.nn.Linear, 4, 4)
    assert ng.rand(3).tolist() == wanted
    with pytest.raises(AssertionError, match="no device 'cuda'"):
        ng.nn.utils.skip_init(ng.nn.Linear, 4, 4, device="cuda")


def test_old_names_warn() -> None:
    layer = linear(ng)
    with pytest.warns(FutureWarning, match=r"in favor of `nngraph\.nn\.utils\.clip_grad_norm_`"):
        ng.nn.utils.clip_grad_norm(layer.parameters(), 1.0)
    with pytest.warns(FutureWarning, match=r"use `nngraph\.func\.functional_call`"):
        ng.nn.utils.stateless.functional_call(layer, {}, ng.ones(1, 3))
    with pytest.warns(UserWarning, match="empty generator"):
        ng.nn.utils.clip_grad_norm_((p for p in []), 1.0)
    with pytest.raises(TypeError, match=r"such as ng\.channels_last"):
        ng.nn.utils.convert_conv2d_weight_memory_format(layer, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_with_other_tensors_are_compiled(backend: str) -> None:
    """One step of gradient descent on weights that are arguments, and an ensemble's members."""

    def step(f: Any, layer: Any, weights: Any, x: Any) -> Any:
        tensors = {k: v.detach().requires_grad_() for k, v in weights.items()}
        loss = (f.func.functional_call(layer, tensors, (x,)) ** 2).mean()
        found = f.autograd.grad(loss, list(tensors.values()))
        return {k: v - 0.1 * g for (k, v), g in zip(weights.items(), found, strict=True)}

    layers = {f: linear(f) for f in (ng, torch)}
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    compiled = ng.compile(lambda w, x: step(ng, layers[ng], w, x), backend=backend)
    ours: Any = {k: v.detach() for k, v in layers[ng].named_parameters()}
    theirs: Any = {k: v.detach() for k, v in layers[torch].named_parameters()}
    for _ in range(3):
        ours, theirs = compiled(ours, x), step(torch, layers[torch], theirs, torch.tensor(x))
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name].numpy(), value.detach().numpy(), rtol=1e-5)
    assert layers[ng].weight.tolist() == linear(ng).weight.tolist()
