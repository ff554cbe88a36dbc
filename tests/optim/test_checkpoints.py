"""State dicts, copies and pickles of optimizers: of PyTorch's, of ours, and of old releases."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.optim.test_pytorchs_table import CASES, INFOS, MISSING, Run, X, flat, ours

NAMES = [name for name in INFOS if name not in MISSING]


def converted(values: Any, framework: Any) -> Any:
    """A state dict with the tensors of the other framework."""
    if isinstance(values, dict):
        return {k: converted(v, framework) for k, v in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(converted(v, framework) for v in values)
    if isinstance(values, ng.Tensor | torch.Tensor):
        return framework.tensor(np.array(values.detach().numpy()))
    return values


def hand_over(source: Run, target: Run) -> None:
    """Parameters and the optimizer's state dict of one run are another's."""
    framework = target.framework
    with framework.no_grad():
        for mine, given in zip(target.params, source.params, strict=True):
            mine.copy_(framework.tensor(np.array(given.detach().numpy())))
    target.optimizer.load_state_dict(converted(source.optimizer.state_dict(), framework))


def go_on_alike(found: Run, wanted: Run, steps: range, compiled: bool = False) -> None:
    step = ng.compile(found.step, backend="reference") if compiled else found.step
    for at in steps:
        step(found.framework.tensor(X[at]))
        wanted.step(wanted.framework.tensor(X[at]))
        a, b = flat(found), flat(wanted)
        assert list(a) == list(b)
        for key, value in b.items():
            assert a[key].dtype == value.dtype, key
            np.testing.assert_allclose(a[key], value, rtol=1e-8, atol=1e-11, err_msg=f"{at} {key}")


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_checkpoint_goes_on_in_the_other(
    name: str, options: dict[str, Any], compiled: bool
) -> None:
    theirs = Run(torch, name, options)
    for x in X[:4]:
        theirs.step(torch.tensor(x))
    mine = Run(ng, name, {k: ours(v) for k, v in options.items()})
    again, back = Run(torch, name, options), Run(torch, name, options)
    for run in (mine, again):  # loading casts state to the parameter's dtype
        hand_over(theirs, run)
    go_on_alike(mine, again, range(4, 9), compiled)
    hand_over(mine, back)
    go_on_alike(back, mine, range(9, 12))


#: Options that make a difference to those that old dicts lack.
ON = {
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True, "weight_decay": 0.3},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.3},
    "RAdam": {"decoupled_weight_decay": True, "weight_decay": 0.3},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "SGD": {"momentum": 0.5, "nesterov": True},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_dict_of_an_old_release(name: str) -> None:
    """It lacks the options that came later, and has numbers where tensors are now."""
    options = ON.get(name, {"maximize": True})
    filled = torch_fills(name)
    runs = []
    for framework in (ng, torch):
        run = Run(framework, name, options)
        start = Run(torch, name, {k: v for k, v in options.items() if k not in filled})
        start.step(torch.tensor(X[0]))
        hand_over(start, run)
        given = run.optimizer.state_dict()
        for group in given["param_groups"]:
            for option in filled:
                del group[option]
        given["state"] = {
            i: {
                k: float(v) if k in ("step", "eta", "mu", "mu_product") else v for k, v in s.items()
            }
            for i, s in given["state"].items()
        }
        run.optimizer.load_state_dict(given)
        runs.append(run)
    mine, theirs = runs
    for a, b in zip(mine.optimizer.param_groups, theirs.optimizer.param_groups, strict=True):
        assert set(a) == set(b)
        for key in set(a) - {"params"}:
            assert a[key] == b[key] or not (a[key] or b[key]), key  # SGD's fused is False there
    go_on_alike(mine, theirs, range(1, 5), compiled=True)


def torch_fills(name: str) -> set[str]:
    """The options that PyTorch gives groups of a dict that has none."""
    optimizer = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(1))])
    optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0]}]})
    filled = set(optimizer.param_groups[0]) - {"params"}
    assert filled
    return filled


@pytest.mark.parametrize("how", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_goes_on_by_itself(name: str, how: Any) -> None:
    run, other = Run(ng, name, {}), Run(ng, name, {})
    for x in X[:3]:
        run.step(ng.tensor(x))
    other.optimizer = how(run.optimizer)
    other.params = [p for g in other.optimizer.param_groups for p in g["params"]]
    before = {key: value.copy() for key, value in flat(run).items()}
    for x in X[3:5]:
        other.step(ng.tensor(x))
    for key, value in flat(run).items():
        np.testing.assert_array_equal(value, before[key])
    for x in X[3:5]:
        run.step(ng.tensor(x))
    for key, value in flat(run).items():
        np.testing.assert_array_equal(value, flat(other)[key])


@pytest.mark.parametrize("framework", [ng, torch])
def test_subclasses_keep_their_numbers_and_say_what_old_dicts_lack(framework: Any) -> None:
    class Own(framework.optim.Optimizer):  # type: ignore[misc, name-defined]
        def __setstate__(self, state: Any) -> None:
            super().__setstate__(state)
            for group in self.param_groups:
                group.setdefault("late", 3)

    p = framework.nn.Parameter(framework.ones(2))
    optimizer = Own([p], {"lr": 0.1, "late": 5})
    optimizer.load_state_dict(
        {"state": {0: {"step": 7}}, "param_groups": [{"lr": 1.0, "params": [0]}]}
    )
    assert optimizer.state[p]["step"] == 7 and isinstance(optimizer.state[p]["step"], int)
    assert optimizer.param_groups[0]["late"] == 3
    assert copy.deepcopy(optimizer).param_groups[0]["late"] == 3
