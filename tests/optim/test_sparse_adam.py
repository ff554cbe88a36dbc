"""Gradients that know their rows, and the optimizers that take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.support.backends import BACKENDS

pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")

STEPS = 6
TABLE = np.random.default_rng(0).standard_normal((8, 3))
IDS = np.array([[[1, 2, 2], [5, k % 8, 1]] for k in range(STEPS)])


class Run:
    """A table, an optimizer, and a step that looks rows up, in either framework."""

    def __init__(self, framework: Any, lookup: str, make: Callable[..., Any]) -> None:
        nn = framework.nn
        self.framework, self.lookup = framework, lookup
        padding = 2 if "padding" in lookup else None
        options = {"sparse": True, "dtype": framework.float64, "padding_idx": padding}
        kind = nn.EmbeddingBag if "bag" in lookup else nn.Embedding
        more = {"mode": "sum"} if "bag" in lookup else {}
        self.table = kind(8, 3, **options, **more)
        with framework.no_grad():
            self.table.weight.copy_(framework.tensor(TABLE))
        self.optimizer = make(framework.optim, self.table.parameters())

    def loss(self, ids: Any) -> Any:
        loss = (self.table(ids) ** 3).sum()
        if self.lookup == "twice":
            loss = loss + (self.table(ids[:1] + 3) * 2).sum()
        return loss

    def step(self, ids: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(ids)
        loss.backward()
        if self.lookup == "in two passes":
            self.loss(ids[:1]).backward()
        self.optimizer.step()
        return loss

    def arrays(self) -> list[np.ndarray]:
        state = self.optimizer.state_dict()["state"].get(0, {})
        kept = [np.asarray(v, np.float64) for v in state.values() if v is not None]
        return [self.table.weight.detach().numpy(), *kept]


def adam(**options: Any) -> Callable[..., Any]:
    return lambda optim, params: optim.SparseAdam(params, **{"lr": 0.1} | options)


LOOKUPS = ["once", "padding", "twice", "in two passes", "bag", "bag with padding"]
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SparseAdam": adam(),
    "SparseAdam with options": adam(betas=(0.5, 0.9), eps=1e-3, maximize=True),
    "SGD": lambda optim, params: optim.SGD(params, lr=0.1),
    "Adagrad": lambda optim, params: optim.Adagrad(params, lr=0.1),
}


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("lookup", LOOKUPS)
def test_each_step_is_pytorchs(lookup: str, name: str, backend: str) -> None:
    ours, theirs = (Run(f, lookup, OPTIMIZERS[name]) for f in (ng, torch))
    step = ours.step if backend == "eager" else ng.compile(ours.step, backend=backend)
    for ids in IDS:
        step(ng.tensor(ids))
        theirs.step(torch.tensor(ids))
        for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    if backend != "eager":
        assert step.explain().count("\ntrace ") == 1  # type: ignore[union-attr]


def test_a_compiled_step_leaves_the_dense_gradient_unread() -> None:
    run = Run(ng, "once", OPTIMIZERS["SparseAdam"])
    step = ng.compile(run.step, backend="reference")
    step(ng.tensor(IDS[0]))
    whole = [
        node.outputs[0]
        for node in step.graph.nodes
        if node.op.name == "scatter_slices" and node.op.reduction == "add"
    ]
    (dense,) = [v for v in whole if v.type.shape == (8, 3)]
    assert not dense.uses


def test_a_gradient_knows_its_rows_until_it_is_written_to() -> None:
    for framework in (torch, ng):
        run = Run(framework, "once", OPTIMIZERS["SparseAdam"])
        run.loss(framework.tensor(IDS[0])).backward()
        grad = run.table.weight.grad
        assert grad.is_sparse and not run.table.weight.is_sparse
        rows = grad.coalesce()
        np.testing.assert_array_equal(rows.indices().numpy(), [[0, 1, 2, 5]])
        np.testing.assert_allclose(rows.to_dense().numpy(), grad.to_dense().numpy())
        assert rows.values().shape == (4, 3)
    grad.mul_(2)
    assert not grad.is_sparse
    with pytest.raises(RuntimeError, match="does not know its rows"):
        grad.coalesce()
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        run.optimizer.step()


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adadelta", "ASGD"]
)
def test_others_refuse_them(name: str) -> None:
    for framework in (torch, ng):
        run = Run(framework, "once", lambda optim, params: getattr(optim, name)(params))
        before = run.arrays()[0].copy()
        with pytest.raises(RuntimeError, match="does not support sparse gradients"):
            run.step(framework.tensor(IDS[0]))
        np.testing.assert_array_equal(run.arrays()[0], before)


def test_a_dense_use_beside_makes_the_gradient_dense() -> None:
    for framework in (torch, ng):
        run = Run(framework, "once", OPTIMIZERS["SparseAdam"])
        loss = run.loss(framework.tensor(IDS[0])) + run.table.weight.sum()
        loss.backward()
        assert not run.table.weight.grad.is_sparse
        with pytest.raises(RuntimeError, match="does not support dense gradients"):
            run.optimizer.step()


def test_a_decay_does_not_go_with_rows() -> None:
    for framework in (torch, ng):
        run = Run(framework, "once", lambda optim, p: optim.Adagrad(p, lr=0.1, weight_decay=0.1))
        with pytest.raises(RuntimeError, match="not compatible with sparse gradients"):
            run.step(framework.tensor(IDS[0]))


def test_a_state_of_pytorchs_goes_on() -> None:
    ours, theirs = (Run(f, "once", OPTIMIZERS["SparseAdam"]) for f in (ng, torch))
    for ids in IDS[:3]:
        theirs.step(torch.tensor(ids))
    packed = theirs.optimizer.state_dict()
    state = {
        k: ng.tensor(v.numpy()) if hasattr(v, "numpy") else v for k, v in packed["state"][0].items()
    }
    ours.optimizer.load_state_dict({"state": {0: state}, "param_groups": packed["param_groups"]})
    with ng.no_grad():
        ours.table.weight.copy_(ng.tensor(theirs.arrays()[0]))
    for ids in IDS[3:]:
        ours.step(ng.tensor(ids))
        theirs.step(torch.tensor(ids))
    for a, b in zip(ours.arrays(), theirs.arrays(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [{"lr": 0.0}, {"lr": -1.0}, {"eps": 0.0}, {"betas": (1.0, 0.5)}, {"betas": (0.5, -1)}],
)
def test_bad_options(options: dict[str, Any]) -> None:
    for framework in (torch, ng):
        with pytest.raises(ValueError):
            framework.optim.SparseAdam([framework.nn.Parameter(framework.ones(2, 2))], **options)


def test_no_rows_at_all() -> None:
    ours, theirs = (Run(f, "once", OPTIMIZERS["SparseAdam"]) for f in (ng, torch))
    empty = np.zeros((0, 3), np.int64)
    for run in (ours, theirs):
        run.step(run.framework.tensor(empty))
    np.testing.assert_array_equal(ours.arrays()[0], theirs.arrays()[0])
