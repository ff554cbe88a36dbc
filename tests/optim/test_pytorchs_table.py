"""Every optimizer with every set of options in PyTorch's own table, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS
from tests.support.tables import table

STEPS = 20
#: What nngraph has no counterpart of, by class: the reason.
MISSING = {
    "Adafactor": "no class of PyTorch's documented list for nngraph",
    "Muon": "no class of PyTorch's documented list for nngraph",
    "SparseAdam": "takes gradients of tables: test_sparse_adam.py",
    "LBFGS": "runs a closure: test_lbfgs.py",
}
#: Options that ask for PyTorch's kernels on a GPU.
ON_GPU = ("capturable",)
TABLE = table("common_optimizers")
INFOS = {info.optim_cls.__name__: info for info in TABLE.optim_db}


def ours(value: Any) -> Any:
    """An option of PyTorch's as one of nngraph's."""
    if isinstance(value, torch.Tensor):
        return ng.tensor(value.numpy())
    return tuple(map(ours, value)) if isinstance(value, tuple) else value


def cases() -> Iterator[Any]:
    for name, info in INFOS.items():
        if name in MISSING:
            continue
        for each in info.optim_inputs_func(device="cpu"):
            options = {k: v for k, v in each.kwargs.items() if k not in ON_GPU}
            yield pytest.param(name, options, id=f"{name}-{each.desc}")


CASES = list(cases())
START = [np.random.default_rng(1).standard_normal(s) for s in ((3, 4), (4,), (4, 1), ())]
X = np.random.default_rng(2).standard_normal((STEPS, 5, 3))


class Run:
    """Parameters of a small model, its optimizer, and one training step."""

    def __init__(self, framework: Any, name: str, options: dict[str, Any]) -> None:
        self.framework = framework
        self.params = [framework.nn.Parameter(framework.tensor(a)) for a in START]
        w, b, v, scale = self.params
        groups = [{"params": [w, b]}, {"params": [v, scale], "lr": 0.02}]
        self.optimizer = getattr(framework.optim, name)(groups, **options)

    def step(self, x: Any) -> Any:
        w, b, v, scale = self.params
        self.optimizer.zero_grad()
        loss = ((((x @ w + b).tanh() @ v) * scale).square() + (w * w).sum() * 0.01).mean()
        loss.backward()
        self.optimizer.step()
        return loss


def flat(run: Run) -> dict[str, np.ndarray]:
    """All parameters and all state."""
    packed = run.optimizer.state_dict()["state"]
    state = {f"{i}.{k}": v for i, held in packed.items() for k, v in held.items()}
    named = {f"parameter {i}": p for i, p in enumerate(run.params)} | state
    return {
        k: np.asarray(v.detach().numpy() if hasattr(v, "detach") else v) for k, v in named.items()
    }


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_each_step_is_pytorchs(name: str, options: dict[str, Any], backend: str) -> None:
    theirs = Run(torch, name, options)
    found = Run(ng, name, {k: ours(v) for k, v in options.items()})
    step = found.step if backend == "eager" else ng.compile(found.step, backend=backend)
    for at, x in enumerate(X):
        loss, wanted = float(step(ng.tensor(x)).detach()), theirs.step(torch.tensor(x)).item()
        assert loss == pytest.approx(wanted, rel=1e-9), at
        a, b = flat(found), flat(theirs)
        assert list(a) == list(b)
        for key, value in b.items():
            assert a[key].dtype == value.dtype, key
            np.testing.assert_allclose(a[key], value, rtol=1e-8, atol=1e-11, err_msg=f"{at} {key}")
    if backend != "eager":
        text = step.explain()  # type: ignore[union-attr]
        assert text.count("\ntrace ") == (2 if options.get("dampening") else 1)


def converted(params: Any, known: dict[int, Any]) -> Any:
    """Parameters, and groups of them; what is one stays one."""
    if isinstance(params, torch.Tensor):
        made = ng.nn.Parameter(ng.tensor(params.detach().numpy()))
        return known.setdefault(id(params), made)
    if isinstance(params, dict):
        return {k: converted(v, known) for k, v in params.items()}
    if isinstance(params, list | tuple):
        return type(params)(converted(v, known) for v in params)
    return params


@pytest.mark.parametrize("name", [n for n in INFOS if n not in MISSING])
def test_bad_options_are_refused_as_by_pytorch(name: str) -> None:
    for each in INFOS[name].optim_error_inputs_func(device="cpu", dtype=torch.float32):
        if each.error_on is not TABLE.OptimizerErrorEnum.CONSTRUCTION_ERROR:
            continue
        given = each.optimizer_error_input
        options = {k: ours(v) for k, v in given.kwargs.items()}
        params = converted([] if given.params is None else given.params, {})
        expect = pytest.warns if issubclass(each.error_type, Warning) else pytest.raises
        with expect(each.error_type):  # type: ignore[operator]
            getattr(ng.optim, name)(params, **options)


def test_the_table_has_all_classes_but_those() -> None:
    assert {n for n in INFOS if not hasattr(ng.optim, n)} <= set(MISSING)
