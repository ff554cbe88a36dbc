"""Module itself: attributes, iteration, state dicts, hooks, modes."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn


def make(framework: Any) -> Any:
    """A model with shared, frozen, missing and unsaved parts, in either framework."""
    n = framework.nn

    class Block(n.Module):
        def __init__(self, tied: Any) -> None:
            super().__init__()
            self.register_buffer("scale", framework.ones(3))
            self.register_buffer("hidden", framework.zeros(2), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("absent", None)
            self.shift = n.Parameter(framework.zeros(3))
            self.tied = tied
            self.norm = n.BatchNorm1d(3)

        def forward(self, x: Any) -> Any:
            return self.norm(self.tied(x)) * self.scale + self.shift

    tied = n.Linear(3, 3)
    model = n.Sequential(OrderedDict(first=tied, block=Block(tied)))
    model.block.shift.requires_grad_(False)
    return model


@pytest.fixture
def model() -> Any:
    return make(ng)


THEIRS = make(torch)


@pytest.mark.parametrize(
    "method", ["named_parameters", "named_buffers", "named_modules", "named_children", "state_dict"]
)
def test_names_and_order_are_pytorchs(model: Any, method: str) -> None:
    found, wanted = getattr(model, method)(), getattr(THEIRS, method)()
    if method == "state_dict":
        assert list(found) == list(wanted)
        assert dict(found._metadata) == dict(wanted._metadata)
    else:
        assert [name for name, _ in found] == [name for name, _ in wanted]


@pytest.mark.parametrize("method", ["named_parameters", "named_buffers", "named_modules"])
def test_shared_members_are_named_twice_on_request(model: Any, method: str) -> None:
    found = [name for name, _ in getattr(model, method)(remove_duplicate=False)]
    assert found == [name for name, _ in getattr(THEIRS, method)(remove_duplicate=False)]


def test_text_is_pytorchs(model: Any) -> None:
    assert repr(model) == repr(THEIRS)


def test_text_of_lists_and_dicts() -> None:
    def nest(n: Any) -> Any:
        same = [n.Sequential(n.Linear(2, 2), n.ReLU()) for _ in range(3)]
        return n.ModuleDict({"a": n.ModuleList([*same, n.Tanh()]), "b": n.ModuleList()})

    assert repr(nest(nn)) == repr(nest(torch.nn))


def test_attributes_lead_to_members(model: Any) -> None:
    block = model.block
    assert block.shift is block._parameters["shift"]
    assert block.absent is None
    assert model.get_submodule("block.norm") is block.norm
    assert model.get_parameter("block.shift") is block.shift
    assert model.get_buffer("block.norm.running_mean") is block.norm.running_mean
    with pytest.raises(AttributeError, match="has no attribute `nowhere`"):
        model.get_submodule("block.nowhere")
    with pytest.raises(AttributeError, match=r"`scale` is not an nn\.Parameter"):
        model.get_parameter("block.scale")
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        _ = model.first.nothing
    del block.shift
    assert not hasattr(block, "shift")


def test_assignment_replaces_and_registers() -> None:
    layer = nn.Linear(2, 2)
    old = layer.weight
    layer.weight = nn.Parameter(ng.zeros(2, 2))
    assert layer.weight is not old
    layer.child = nn.ReLU()
    assert list(layer._modules) == ["child"]
    layer.child = None
    assert layer.child is None and "child" in layer._modules
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    layer.extra = nn.Buffer(ng.ones(1), persistent=False)
    assert [n for n, _ in layer.named_buffers()] == ["extra"]
    assert list(layer.state_dict()) == ["weight"]


ERRORS = [
    (lambda m, f: setattr(m, "weight", f.zeros(2)), TypeError),
    (lambda m, f: m.register_parameter("weight", f.zeros(2)), TypeError),
    (lambda m, f: m.register_parameter("a.b", None), KeyError),
    (lambda m, f: m.register_parameter("", None), KeyError),
    (lambda m, f: m.register_parameter("forward", None), KeyError),
    (lambda m, f: m.register_parameter(3, None), TypeError),
    (lambda m, f: m.register_parameter("new", f.nn.Parameter(f.ones(2)) * 2), TypeError),
    (lambda m, f: m.register_buffer("a.b", None), KeyError),
    (lambda m, f: m.register_buffer("buffer", 3), TypeError),
    (lambda m, f: m.add_module("child", 3), TypeError),
    (lambda m, f: m.add_module("a.b", f.nn.ReLU()), KeyError),
    (lambda m, f: m.train("yes"), ValueError),
    (lambda m, f: m.load_state_dict(3), TypeError),
    (lambda m, f: f.nn.Module()(3), NotImplementedError),
    (lambda m, f: f.nn.Linear(2, 2).to(f.int64), TypeError),
    (lambda m, f: f.nn.Sequential(f.nn.ReLU())[2], IndexError),
    (lambda m, f: f.nn.Sequential(3), TypeError),
    (lambda m, f: f.nn.Conv2d(3, 4, 3, groups=2), ValueError),
    (lambda m, f: f.nn.Conv2d(3, 4, 3, padding="some"), ValueError),
    (lambda m, f: f.nn.Conv2d(3, 4, 3, padding="same", stride=2), ValueError),
    (lambda m, f: f.nn.Conv2d(3, 4, 3, padding_mode="some"), ValueError),
    (lambda m, f: f.nn.BatchNorm2d(3)(f.zeros(2, 3)), ValueError),
    (lambda m, f: f.nn.BatchNorm1d(3)(f.zeros(1, 3)), ValueError),
    (lambda m, f: f.nn.Dropout(1.5), ValueError),
    (lambda m, f: f.nn.GroupNorm(2, 3), ValueError),
    (lambda m, f: f.nn.LayerNorm(3)(f.zeros(2, 4)), RuntimeError),
    (lambda m, f: m(f.zeros(2, 5)), RuntimeError),
    (lambda m, f: m(f.zeros(2, 2, dtype=f.float64)), RuntimeError),
    (lambda m, f: f.nn.Conv2d(3, 4, 3)(f.zeros(1, 2, 5, 5)), RuntimeError),
    (lambda m, f: f.nn.Embedding(3, 4, padding_idx=3), AssertionError),
    (lambda m, f: f.nn.Embedding(3, 4)(f.zeros(2)), RuntimeError),
    (lambda m, f: f.nn.MSELoss(reduction="some")(f.zeros(2), f.zeros(2)), ValueError),
    (lambda m, f: f.nn.BCEWithLogitsLoss()(f.zeros(2), f.zeros(3)), ValueError),
    (lambda m, f: f.nn.Parameter(f.zeros(2, dtype=f.int64)), RuntimeError),
]


@pytest.mark.parametrize("position", range(len(ERRORS)))
def test_errors_are_of_pytorchs_kinds(position: int) -> None:
    act, kind = ERRORS[position]
    for framework in (torch, ng):
        with pytest.raises(kind):
            act(framework.nn.Linear(2, 2), framework)


@pytest.mark.parametrize("what", ["module", "parameters", "buffer"])
def test_init_must_come_first(what: str) -> None:
    class Forgot(nn.Module):
        def __init__(self) -> None:
            if what == "module":
                self.a = nn.ReLU()
            elif what == "parameters":
                self.a = nn.Parameter(ng.ones(1))
            else:
                self.register_buffer("a", ng.ones(1))

    with pytest.raises(AttributeError, match=rf"cannot assign {what} before Module.__init__"):
        Forgot()


# -- state dicts ---------------------------------------------------------------------------
def snapshot(model: Any) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def test_state_dicts_go_both_ways(model: Any) -> None:
    theirs = make(torch)
    arrays = {name: value.numpy() for name, value in theirs.state_dict().items()}
    result = model.load_state_dict(arrays)
    assert repr(result) == "<All keys matched successfully>"
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), arrays[name])
    theirs.load_state_dict({k: torch.tensor(v) for k, v in snapshot(model).items()})


def test_loading_copies(model: Any) -> None:
    weight = model.first.weight
    state = model.state_dict()
    arrays = {name: value.numpy() + 1 for name, value in state.items()}
    model.load_state_dict(arrays)
    assert model.first.weight is weight
    assert not np.shares_memory(weight.detach().numpy(), arrays["first.weight"])
    np.testing.assert_array_equal(state["first.weight"].numpy(), weight.detach().numpy())


def test_assign_puts_tensors_in_place(model: Any) -> None:
    given = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(given, assign=True)
    found = model.first.weight
    assert isinstance(found, nn.Parameter) and found.requires_grad
    assert np.shares_memory(found.detach().numpy(), given["block.tied.weight"].numpy())
    assert not model.block.shift.requires_grad


@pytest.mark.parametrize("strict", [True, False])
def test_wrong_names(model: Any, strict: bool) -> None:
    theirs = make(torch)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    del state["first.bias"]
    state["block.more"] = np.zeros(2)
    if not strict:
        given = {k: torch.tensor(v) for k, v in state.items()}
        wanted = theirs.load_state_dict(given, strict=False)
        found = model.load_state_dict(state, strict=False)
        assert found.missing_keys == wanted.missing_keys
        assert found.unexpected_keys == wanted.unexpected_keys
        return
    with pytest.raises(RuntimeError) as theirs_error:
        theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    with pytest.raises(RuntimeError) as ours_error:
        model.load_state_dict(state)
    assert str(ours_error.value) == str(theirs_error.value)
    for name, value in snapshot(model).items():
        np.testing.assert_array_equal(value, theirs.state_dict()[name].numpy())


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
def test_what_fits_is_loaded_beside_a_wrong_shape(model: Any, strict: bool, assign: bool) -> None:
    theirs = make(torch)
    state = {name: value.numpy() + 1 for name, value in model.state_dict().items()}
    state["block.norm.running_var"] = np.zeros((1, 3), np.float32)
    given = {name: torch.tensor(value) for name, value in state.items()}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in snapshot(model).items()})
    with pytest.raises(RuntimeError, match=r"size mismatch for block.norm.running_var: copying a"):
        theirs.load_state_dict(given, strict=strict, assign=assign)
    with pytest.raises(RuntimeError, match=r"size mismatch for block.norm.running_var: copying a"):
        model.load_state_dict(state, strict=strict, assign=assign)
    for name, value in snapshot(model).items():
        np.testing.assert_array_equal(value, theirs.state_dict()[name].numpy())


def test_what_is_no_tensor_is_refused(model: Any) -> None:
    state = {**model.state_dict(), "first.weight": [[1.0]]}
    with pytest.raises(
        RuntimeError, match=r'copying the parameter named "first\.weight", expected'
    ):
        model.load_state_dict(state)


def test_old_dicts_have_no_count_of_batches(model: Any) -> None:
    state = snapshot(model)
    del state["block.norm.num_batches_tracked"]
    assert not model.load_state_dict(state).missing_keys


def test_prefix_keep_vars_and_extra_state() -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(ng.ones(2))
            self.count = 0

        def get_extra_state(self) -> int:
            return self.count

        def set_extra_state(self, state: int) -> None:
            self.count = state

    module = Counted()
    module.count = 7
    state = module.state_dict(prefix="a.", keep_vars=True)
    assert state["a.weight"] is module.weight
    assert state["a._extra_state"] == 7
    other = Counted()
    other.load_state_dict(module.state_dict())
    assert other.count == 7
    with pytest.raises(RuntimeError, match="_extra_state"):
        other.load_state_dict({"weight": np.ones(2)})


def test_state_dict_hooks() -> None:
    module, seen = nn.Linear(2, 1), []
    module.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("before", prefix)))
    post = module.register_state_dict_post_hook(lambda m, state, *_: state.__delitem__("bias"))
    assert list(module.state_dict()) == ["weight"] and seen == [("before", "")]
    post.remove()

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        state[f"{prefix}weight"] = state.pop(f"{prefix}kernel")

    module.register_load_state_dict_pre_hook(rename)
    module.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    module.load_state_dict({"kernel": np.ones((1, 2))})
    np.testing.assert_array_equal(module.weight.detach().numpy(), [[1, 1]])


# -- forward hooks -------------------------------------------------------------------------
def test_forward_hooks_change_arguments_and_results() -> None:
    def run(framework: Any) -> tuple[list[Any], float]:
        module, seen = framework.nn.Identity(), []

        def note(what: str, value: Any = None) -> Any:
            def hook(*args: Any) -> Any:
                seen.append((what, len(args)))
                return value

            return hook

        module.register_forward_pre_hook(lambda m, args: args[0] * 2)
        module.register_forward_pre_hook(note("first"), prepend=True)
        module.register_forward_pre_hook(note("kwargs"), with_kwargs=True)
        module.register_forward_hook(lambda m, args, out: out + 1)
        module.register_forward_hook(note("after"), with_kwargs=True)
        removed = module.register_forward_hook(note("removed"))
        removed.remove()
        with module.register_forward_hook(note("inside")):
            module(framework.tensor(3.0))
        return seen, float(module(framework.tensor(3.0)))

    assert run(ng) == run(torch)


def test_a_hook_that_is_always_called_sees_failures() -> None:
    class Fails(nn.Module):
        def forward(self) -> None:
            raise ValueError("no")

    module, seen = Fails(), []
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    module.register_forward_hook(lambda m, args, out: seen.append("never"))
    with pytest.raises(ValueError, match="no"):
        module()
    assert seen == [None]


# -- modes, conversions, copies -------------------------------------------------------------
def test_modes_and_conversions(model: Any) -> None:
    assert model.train(False) is model
    assert not any(m.training for m in model.modules())
    model.double()
    assert {p.dtype for p in model.parameters()} == {ng.float64}
    assert model.block.norm.num_batches_tracked.dtype is ng.int64
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())
    names: list[str] = []
    model.apply(lambda m: names.append(type(m).__name__))
    theirs: list[str] = []
    THEIRS.apply(lambda m: theirs.append(type(m).__name__))
    assert names == theirs


def test_zero_grad() -> None:
    layer = nn.Linear(2, 1)
    layer(ng.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad is not None and not layer.weight.grad.numpy().any()
    layer.zero_grad()
    assert layer.weight.grad is None


def test_copies_share_nothing_but_keep_ties(model: Any) -> None:
    twin = copy.deepcopy(model)
    assert twin.first is twin.block.tied
    assert twin.first.weight is not model.first.weight
    assert not np.shares_memory(
        twin.first.weight.detach().numpy(), model.first.weight.detach().numpy()
    )
    assert not twin.block.shift.requires_grad
    x = ng.randn(4, 3)
    np.testing.assert_array_equal(model(x).detach().numpy(), twin(x).detach().numpy())


def test_gradients_reach_leaves_of_copies() -> None:
    twin = copy.deepcopy(nn.Linear(2, 1))
    twin(ng.ones(3, 2)).sum().backward()
    np.testing.assert_array_equal(twin.weight.grad.numpy(), [[3, 3]])


# -- containers ------------------------------------------------------------------------------
def test_sequential_is_a_list() -> None:
    def run(n: Any) -> list[Any]:
        s = n.Sequential(n.Linear(1, 2), n.ReLU(), n.Linear(2, 3))
        s.append(n.Tanh()).extend([n.Sigmoid()])
        s.insert(1, n.GELU())
        del s[0]
        popped = s.pop(-1)
        s[0] = n.SiLU()
        other = s[1:3] + n.Sequential(n.ReLU())
        return [repr(s), repr(other), repr(popped), len(s), list(s.state_dict()), repr(s[-1])]

    assert run(nn) == run(torch.nn)


def test_lists_and_dicts_of_modules() -> None:
    def run(n: Any) -> list[Any]:
        m = n.ModuleList([n.Linear(1, 2)])
        m += [n.ReLU(), n.Tanh()]
        m.insert(0, n.GELU())
        d = n.ModuleDict({"x": n.Linear(1, 1)})
        d.update([("y", n.ReLU())])
        d["z"] = m
        kept = [list(d.keys()), "y" in d, len(d), list(d.state_dict()), repr(m[1:]), repr(m + m)]
        d.pop("x")
        return [*kept, repr(d)]

    assert run(nn) == run(torch.nn)


def test_dicts_of_parameters_as_dicts() -> None:
    def run(f: Any) -> list[Any]:
        named = f.nn.ParameterDict({"b": f.ones(2), "a": f.zeros(1)})
        named.update({"d": f.ones(1), "c": f.ones(3)})
        found = [list(named), list(named.state_dict()), list(reversed(named))]
        kept = f.nn.ParameterDict(OrderedDict(z=f.ones(1), y=f.zeros(1)))
        pairs = f.nn.ParameterDict([("z", f.ones(1)), ("y", f.zeros(1))])
        found += [list(kept), list(pairs), list(named | kept), list(named.copy())]
        found += [named.pop("c").tolist(), named.popitem()[0], list(named)]
        found += [named.get("gone"), named.get("b").tolist(), named.setdefault("b") is named["b"]]
        found += [named.setdefault("e", f.ones(2)).tolist(), list(named.fromkeys("xy"))]
        named |= kept
        found.append(list(named.state_dict()))
        named.clear()
        return [*found, len(named), list(named.parameters())]

    assert run(ng) == run(torch)
    with pytest.raises(TypeError, match="iterable of key/value pairs"):
        nn.ParameterDict(3)


def test_lists_and_dicts_of_parameters() -> None:
    def run(f: Any) -> list[Any]:
        values = f.nn.ParameterList([f.ones(2), f.nn.Parameter(f.zeros(1), requires_grad=False)])
        values.append(f.zeros(2, 2))
        values[0] = f.zeros(3)
        named = f.nn.ParameterDict({"a": f.ones(2)})
        named["b"] = f.nn.Parameter(f.ones(1))
        names = [n for n, _ in values.named_parameters()]
        return [
            names,
            list(values.state_dict()),
            [p.requires_grad for p in values],
            len(values),
            list(named.state_dict()),
            list(named.keys()),
            "a" in named,
        ]

    assert run(ng) == run(torch)
