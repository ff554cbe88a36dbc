"""What Module has besides its contents: devices, state dicts' hooks, copies, compile, paths."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS


def is_pytorchs(value: Any) -> bool:
    """Whether PyTorch itself put it there, and no other package that a test imports."""
    return getattr(value, "__module__", "torch").startswith("torch")


def test_every_public_attribute_is_there() -> None:
    own = (n for n, v in vars(torch.nn.Module).items() if is_pytorchs(v))
    theirs = {n for n in (*own, *vars(torch.nn.Module())) if not n.startswith("_")}
    assert len(theirs) > 50 and not {n for n in theirs if not hasattr(ng.nn.Module(), n)}
    hooks = {n for n in dir(torch.nn.modules.module) if n.startswith("register_module_")}
    assert hooks <= set(ng.nn.modules.module.__all__)


def linear(f: Any) -> Any:
    layer = f.nn.Linear(2, 1)
    with f.no_grad():
        layer.weight.copy_(f.tensor([[1.0, 2.0]]))
        layer.bias.copy_(f.tensor([3.0]))
    return layer


def with_hook(layer: Any, register: str, hook: Any) -> Any:
    getattr(layer, register)(hook)
    return layer


def post(*_: Any) -> None:
    return None


def twice_registered(f: Any) -> None:
    layer = linear(f)
    layer.register_state_dict_post_hook(post)
    layer._register_state_dict_hook(post)


class OldBuffers:
    """A subclass whose ``register_buffer`` is older than the argument ``persistent``."""

    @staticmethod
    def of(f: Any) -> Any:
        class Old(f.nn.Module):  # type: ignore[misc, name-defined]
            def register_buffer(self, name: str, tensor: Any) -> None:
                super().register_buffer(name, tensor)

        return Old()


SAID: dict[str, Callable[[Any], Any]] = {
    "extra state": lambda f: linear(f).load_state_dict(
        {**linear(f).state_dict(), "_extra_state": 3}
    ),
    "load hook": lambda f: with_hook(
        linear(f), "register_load_state_dict_post_hook", lambda *_: 3
    ).load_state_dict(linear(f).state_dict()),
    "save hook": lambda f: with_hook(
        linear(f), "register_state_dict_post_hook", lambda *_: 3
    ).state_dict(),
    "save hook twice": twice_registered,
    "positional": lambda f: list(linear(f).state_dict({}, "a.", True)),
    "arguments": lambda f: f.nn.Module(3),
    "named arguments": lambda f: f.nn.Module(a=3),
    "no name": lambda f: linear(f).set_submodule("", linear(f)),
    "no parent": lambda f: linear(f).set_submodule("a.b", linear(f)),
    "no place": lambda f: linear(f).set_submodule("weight", linear(f)),
    "no module": lambda f: linear(f).set_submodule("a", 3),
    "strict": lambda f: linear(f).set_submodule("q", linear(f), strict=True),
    "a dot": lambda f: linear(f).register_buffer("a.b", None),
    "a dot in a parameter": lambda f: linear(f).register_parameter("a.b", None),
    "a dot in a module": lambda f: linear(f).add_module("a.b", None),
    "no string": lambda f: linear(f).add_module(3, None),
    "a taken name": lambda f: linear(f).register_module("weight", None),
    "old buffers": lambda f: setattr(
        OldBuffers.of(f), "b", f.nn.Buffer(f.ones(1), persistent=False)
    ),
}


@pytest.mark.filterwarnings("ignore:Positional args")
@pytest.mark.parametrize("title", SAID)
def test_results_and_refusals_are_pytorchs(title: str) -> None:
    found = []
    for f in (torch, ng):
        try:
            found.append(str(SAID[title](f)))
        except Exception as error:  # noqa: BLE001 - their kinds and texts are compared
            found.append(f"{type(error).__name__}: {error}")
    assert found[0] == found[1]


def test_positional_arguments_of_state_dict_warn() -> None:
    with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
        linear(ng).state_dict({})


def test_a_hook_of_the_root_replaces_the_dict() -> None:
    def run(f: Any) -> list[list[str]]:
        model = f.nn.Sequential(linear(f))
        model._register_state_dict_hook(lambda m, state, prefix, meta: {"only": 1})
        model[0]._register_state_dict_hook(lambda m, state, prefix, meta: {"lost": 1})
        outer = f.nn.Sequential(model)
        return [list(model.state_dict()), list(outer.state_dict())]

    assert run(ng) == run(torch)


def test_load_hooks_see_what_pytorchs_see() -> None:
    def run(f: Any) -> list[Any]:
        seen: list[Any] = []
        model = f.nn.Sequential(linear(f), linear(f))
        model[1].register_load_state_dict_pre_hook(
            lambda m, state, prefix, meta, strict, *keys: seen.append(
                (m is model[1], sorted(state), prefix, sorted(meta), strict, keys)
            )
        )
        model[0]._register_load_state_dict_pre_hook(lambda state, prefix, *_: seen.append(prefix))
        model.register_load_state_dict_post_hook(lambda m, keys: seen.append(str(keys)))
        state = model.state_dict()
        del state["0.bias"]
        model.load_state_dict(state, strict=False)
        model.load_state_dict(state, strict=False, assign=True)
        return seen

    assert run(ng) == run(torch)


def test_a_parameter_that_is_assigned_keeps_its_flag() -> None:
    def run(f: Any) -> list[bool]:
        layer, given = linear(f), linear(f)
        layer.weight.requires_grad_(False)
        layer.load_state_dict(given.state_dict(keep_vars=True), assign=True)
        return [p.requires_grad for p in (layer.weight, layer.bias, given.weight)]

    assert run(ng) == run(torch)


def test_set_submodule() -> None:
    def run(f: Any) -> str:
        model = f.nn.Sequential(f.nn.Sequential(linear(f)), linear(f))
        model.set_submodule("0.0", f.nn.ReLU(), strict=True)
        model.set_submodule("0.new", f.nn.Tanh())
        model.set_submodule("1", f.nn.Identity())
        return repr(model)

    assert run(ng) == run(torch)


def test_walks_take_a_memo() -> None:
    def run(f: Any) -> list[Any]:
        tied = f.nn.ReLU()
        model = f.nn.Sequential(tied, tied, f.nn.Tanh())
        memo = {tied}
        return [
            [n for n, _ in model.named_modules(memo, "root")],
            len(list(model.modules())),
            len(list(model.modules(remove_duplicate=False))),
            [n for n, _ in model.named_modules(remove_duplicate=False)],
        ]

    assert run(ng) == run(torch)


# -- devices and dtypes ------------------------------------------------------------------------
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "xpu", "ipu", "mtia", "mps"])
def test_there_is_no_other_device(device: Any) -> None:
    kind = AssertionError if device.startswith(("cuda", "xpu", "mtia")) else RuntimeError
    with pytest.raises(kind, match=f"no device '{device}' for tensors.*ng.compile"):
        linear(ng).to(device)
    with pytest.raises(kind, match="no device"):
        linear(ng).to_empty(device=device)
    if device in ("cuda", "xpu", "ipu", "mtia"):
        with pytest.raises(kind, match=f"no device '{device}'"):
            getattr(linear(ng), device)()
        with pytest.raises(kind, match=f"no device '{device}'"):
            ng.ones(1).to(device)
    with pytest.raises(AssertionError, match="no device 'cuda'"):
        ng.ones(1).cuda()


def test_what_to_takes() -> None:
    def run(f: Any) -> list[Any]:
        layer = linear(f)
        found = []
        for act in (
            lambda: layer.to(f.float64),
            lambda: layer.to("cpu", f.float32),
            lambda: layer.to(f.ones(1, dtype=f.float64), non_blocking=True),
            lambda: layer.to(memory_format=f.channels_last, dtype=f.float32),
            lambda: layer.to("cpu:0"),
            layer.to,
            layer.cpu,
            lambda: layer.to_empty(device="cpu"),
            lambda: layer.type(f.float64),
        ):
            found.append((act() is layer, str(layer.weight.dtype).rpartition(".")[2]))
        return found

    assert run(ng) == run(torch)
    for wrong in ({"memory_format": 3}, {"form": 3}):
        with pytest.raises(TypeError, match="invalid combination"):
            linear(ng).to(**wrong)
    with pytest.raises(TypeError, match=r"memory_format=nngraph\.channels_last"):
        linear(ng).to(ng.channels_last)
    assert pickle.loads(pickle.dumps(ng.channels_last)) is ng.channels_last


def test_apply_is_given_the_parameters_themselves() -> None:
    def run(f: Any) -> list[Any]:
        model = f.nn.Sequential(linear(f), linear(f))
        model[0](f.ones(1, 2)).sum().backward()
        gradient = model[0].weight.grad
        seen: list[Any] = []

        def convert(t: Any) -> Any:
            seen.append((type(t).__name__, t.requires_grad, f.is_grad_enabled()))
            return t.double()

        model[0]._apply(convert)
        model._apply(lambda t: t.half(), recurse=False)
        kept = gradient is model[0].weight.grad
        return [seen, kept, str(gradient.dtype)[-7:], str(model[1].weight.dtype)[-7:]]

    assert run(ng) == run(torch)


def test_ties_outlast_casts_and_copies() -> None:
    model = ng.nn.Sequential(linear(ng), linear(ng))
    model[1].weight = model[0].weight
    twin = copy.deepcopy(model.double())
    assert twin[1].weight is twin[0].weight and twin[0].weight.dtype is ng.float64
    assert pickle.loads(pickle.dumps(twin))[1].weight is not model[0].weight
    assert copy.copy(model)[0] is model[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_share_memory() -> None:
    layer = linear(ng)
    assert not layer.weight.is_shared()
    assert layer.share_memory() is layer and layer.share_memory().bias.is_shared()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
        child = os.fork()
    if not child:  # only plain memory: threads of the parent are not there
        np.add(layer.weight._storage.elements.array, 1, out=layer.weight._storage.elements.array)
        os._exit(0)
    os.waitpid(child, 0)
    assert layer.weight.tolist() == [[2, 3]]
    with pytest.raises(ng.TraceError, match="outside of the compiled function"):
        ng.compile(lambda x: x.share_memory_(), backend="reference")(ng.ones(1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_steps_write_shared_memory(backend: str) -> None:
    layer = linear(ng).share_memory()
    memory = layer.weight._storage.elements.array

    @ng.compile(backend=backend)
    def step() -> None:
        with ng.no_grad():
            layer.weight.mul_(2)

    step()
    step()
    assert memory.tolist() == [[4, 8]] and layer.weight.is_shared()


# -- compile -------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_compiles_itself(backend: str) -> None:
    layer, calls = linear(ng), []
    layer.register_forward_hook(lambda m, args, out: out + 1)
    layer.register_forward_pre_hook(lambda m, args: calls.append("traced"))
    assert layer.compile(backend=backend) is None
    twin = copy.deepcopy(layer)
    x = ng.tensor([[1.0, 1.0]])
    for _ in range(3):
        assert layer(x).tolist() == [[7]]
    layer.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.zeros(1)})
    assert layer(x).tolist() == [[1]]
    assert twin(x).tolist() == [[7]] and "_compiled_call_impl" not in vars(twin)
    outer = ng.compile(lambda x: layer(x) * 2, backend=backend)
    assert outer(x).tolist() == [[2]]


def test_a_base_beside_module_gets_its_arguments() -> None:
    def run(f: Any) -> tuple[Any, ...]:
        class Other:
            def __init__(self, a: int, b: int = 0) -> None:
                self.given = (a, b)

        class Both(f.nn.Module, Other):  # type: ignore[misc, name-defined]
            call_super_init = True

        given: tuple[Any, ...] = Both(1, b=2).given
        return given

    assert run(ng) == run(torch) == (1, 2)
