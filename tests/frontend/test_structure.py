"""Whatever changes between two calls is seen by the next one, though few calls look at everything.

``structure`` tells when modules, optimizers and tensors changed otherwise than by values; each way
to do so is tried here against the same code run eagerly.
"""

from __future__ import annotations

import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph import nn, optim
from nngraph.frontend.structure import structure

rng = np.random.default_rng(5)
WEIGHTS = {"0.weight": rng.uniform(-1, 1, (3, 3)), "0.bias": rng.uniform(-1, 1, 3)}
X = rng.standard_normal((4, 3))


class World:
    """A small training program; what tests change between its calls."""

    def __init__(self) -> None:
        self.model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(1.0), nn.ELU(0.5)).double()
        self.model.load_state_dict(WEIGHTS)
        self.model[1].eval()
        self.model.register_buffer("offset", ng.zeros(3, dtype=ng.float64))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.rest: list[Any] = []

    def step(self, x: Any) -> Any:
        loss = (self.model(x) + self.model.offset).pow(2).mean()
        loss.backward()
        self.optimizer.step()
        return loss

    @property
    def layer(self) -> Any:
        return self.model[0]

    @property
    def state(self) -> Any:
        return self.optimizer.state[self.layer.weight]


def fresh() -> Any:
    return nn.Parameter(filled(0.5, 3, 3))


def filled(value: float, *shape: int) -> Any:
    return ng.full(shape, value, dtype=ng.float64)


def loaded_state(world: World) -> None:
    other = optim.Adam(world.model.parameters(), lr=0.5)
    world.optimizer.load_state_dict(other.state_dict())


def other_groups(world: World) -> None:
    world.optimizer.param_groups = [dict(world.optimizer.param_groups[0], lr=0.3)]


def again(world: World) -> None:
    world.rest.append(world.step(ng.from_numpy(X.copy())))


def other_table(world: World) -> None:
    world.layer._parameters = {"weight": fresh(), "bias": None}


def shift(module: Any, args: Any) -> Any:
    return (args[0] + 1,)


def put_grad(world: World) -> None:
    world.layer.weight.grad = filled(1, 3, 3)


def trained_anew(world: World) -> None:
    world.layer.weight = fresh()
    world.optimizer.param_groups[0]["params"][0] = world.layer.weight


def removed_hook(world: World) -> None:
    handle = world.model.register_forward_pre_hook(shift)
    again(world)
    handle.remove()


# fmt: off
CHANGES: dict[str, Callable[[World], Any]] = {
    "a mode": lambda w: w.model[1].train(),
    "a mode by assignment": lambda w: setattr(w.model[1], "training", True),
    "a number": lambda w: setattr(w.model[2], "alpha", 2.0),
    "a parameter by assignment": trained_anew,
    "a parameter registered": lambda w: w.layer.register_parameter("weight", fresh()),
    "a parameter that becomes None": lambda w: setattr(w.layer, "bias", None),
    "the dict of parameters": lambda w: w.layer._parameters.__setitem__("weight", fresh()),
    "the dict updated": lambda w: w.layer._parameters.update(weight=fresh()),
    "the dict joined": lambda w: w.layer._parameters.__ior__({"weight": fresh()}),
    "the dict replaced": other_table,
    "the dict replaced, then written": lambda w: (
        setattr(w.layer, "_parameters", OrderedDict(w.layer._parameters)),
        again(w),
        w.layer._parameters.__setitem__("weight", fresh()),
    ),
    "a buffer by assignment": lambda w: setattr(w.model, "offset", filled(1, 3)),
    "a buffer registered": lambda w: w.model.register_buffer("offset", filled(1, 3)),
    "the dict of buffers": lambda w: w.model._buffers.__setitem__("offset", ng.ones(3).double()),
    "a module by index": lambda w: w.model.__setitem__(2, nn.Tanh()),
    "a module appended": lambda w: w.model.append(nn.Tanh()),
    "a module deleted": lambda w: w.model.__delitem__(2),
    "a module by name": lambda w: setattr(w.model, "2", nn.Tanh()),
    "a module added": lambda w: w.model.add_module("3", nn.Tanh()),
    "the dict of modules": lambda w: w.model._modules.__setitem__("2", nn.Tanh()),
    "a module popped": lambda w: w.model._modules.popitem(),
    "a hook": lambda w: w.layer.register_forward_pre_hook(shift),
    "a hook after": lambda w: w.layer.register_forward_hook(lambda m, args, out: out * 2),
    "a hook removed": removed_hook,
    "the dict of hooks": lambda w: w.layer._forward_pre_hooks.__setitem__(7, shift),
    "elements": lambda w: setattr(w.layer.weight, "data", fresh().data),
    "elements loaded": lambda w: w.layer.load_state_dict({"weight": X[:3], "bias": X[3]}),
    "elements assigned": lambda w: w.model.load_state_dict(WEIGHTS, strict=False, assign=True),
    "a flag": lambda w: w.layer.bias.requires_grad_(False),
    "a flag by assignment": lambda w: setattr(w.layer.weight, "requires_grad", False),
    "flags of a module": lambda w: w.layer.requires_grad_(False).bias.requires_grad_(),
    "a flag of a buffer": lambda w: w.model.offset.requires_grad_(True),
    "a gradient gone": lambda w: setattr(w.layer.weight, "grad", None),
    "all gradients gone": lambda w: w.model.zero_grad(),
    "gradients zero": lambda w: w.optimizer.zero_grad(set_to_none=False),
    "a gradient put there": put_grad,
    "a gradient changed": lambda w: w.layer.weight.grad.add_(1),
    "a gradient of a view": lambda w: setattr(w.layer.weight, "grad", filled(1, 3, 3, 2)[:, :, 0]),
    "state": lambda w: w.state.__setitem__("exp_avg", filled(1, 3, 3)),
    "state updated": lambda w: w.state.update(exp_avg=filled(1, 3, 3)),
    "state in place": lambda w: w.state["exp_avg"].fill_(2),
    "state replaced": lambda w: w.optimizer.state.__setitem__(w.layer.weight, dict(w.state)),
    "state replaced, then written": lambda w: (
        w.optimizer.state.__setitem__(w.layer.weight, dict(w.state)),
        again(w),
        w.state.__setitem__("exp_avg", filled(1, 3, 3)),
    ),
    "state cleared": lambda w: w.optimizer.state.clear(),
    "state of one cleared": lambda w: w.state.clear(),
    "state popped": lambda w: w.optimizer.state.pop(w.layer.weight),
    "state made anew": lambda w: setattr(w.optimizer, "state", defaultdict(dict)),
    "state made anew, then written": lambda w: (
        setattr(w.optimizer, "state", defaultdict(dict)),
        again(w),
        w.optimizer.state.pop(w.layer.weight),
    ),
    "state loaded": loaded_state,
    "a rate": lambda w: w.optimizer.param_groups[0].__setitem__("lr", 0.01),
    "an option": lambda w: w.optimizer.param_groups[0].__setitem__("amsgrad", True),
    "a group's list": lambda w: w.optimizer.param_groups[0].__setitem__("params", [w.layer.bias]),
    "a group's list in place": lambda w: w.optimizer.param_groups[0]["params"].pop(0),
    "a group": lambda w: w.optimizer.add_param_group({"params": [w.model.offset]}),
    "the groups": other_groups,
    "the groups in place": lambda w: w.optimizer.param_groups.clear(),
    "another dtype": lambda w: w.model.float(),
}
# fmt: on


def outcome(change: Callable[[World], Any], compiled: bool) -> list[Any]:
    world = World()
    if compiled:
        step = ng.compile(world.step, backend="reference", keep_grads=True)
        world.step = step  # type: ignore[method-assign]
    results: list[Any] = []
    for turn in range(5):
        if turn == 3:
            change(world)
        kind = world.layer.weight.dtype
        results.append(world.step(ng.from_numpy(X.copy()).to(kind)))
    results += [*world.rest, *world.model.state_dict().values()]
    results += [p.grad for p in world.model.parameters()]
    for state in world.optimizer.state.values():
        results += list(state.values())
    return [None if r is None else np.array(r.detach().numpy()) for r in results]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name: str) -> None:
    wanted = outcome(CHANGES[name], compiled=False)
    got = outcome(CHANGES[name], compiled=True)
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert ours.dtype == theirs.dtype
            tight = 1e-5 if name == "another dtype" else 1e-11
            np.testing.assert_allclose(ours, theirs, rtol=tight, atol=tight)


def test_calls_that_change_values_only_leave_the_structure() -> None:
    world = World()
    step = ng.compile(world.step, backend="reference", keep_grads=True)
    x = ng.from_numpy(X)
    for _ in range(3):
        step(x)
    before = structure.stamp
    for rate in (0.1, 0.2, 0.3):
        world.optimizer.param_groups[0]["lr"] = rate
        step(x)
        world.layer.weight.detach().mul_(0.5)
    assert structure.stamp is before


def test_new_tensors_and_eager_code_leave_the_structure() -> None:
    world = World()
    ng.compile(world.step, backend="reference")(ng.from_numpy(X))
    before = structure.stamp
    other = ng.ones(3, requires_grad=True)
    (other * world.layer.weight.detach().sum()).sum().backward()
    assert structure.stamp is before


def test_a_forward_of_its_own_is_called() -> None:
    world = World()
    x = ng.from_numpy(X)
    run = ng.compile(lambda x: world.layer(x), backend="reference")
    before = run(x).detach().numpy()
    world.layer.forward = types.MethodType(lambda self, x: x * 2, world.layer)
    np.testing.assert_array_equal(run(x).numpy(), X * 2)
    del world.layer.forward
    np.testing.assert_array_equal(run(x).detach().numpy(), before)
