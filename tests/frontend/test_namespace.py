"""The public names: explicit, importable, PyTorch's."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn, optim
from nngraph.frontend.functional import SUBJECTS
from nngraph.frontend.functional.variants import declared

ERRORS = {
    "BackendError",
    "CheckpointError",
    "ConcretizationError",
    "NonFiniteError",
    "TraceError",
    "BundleError",
    "DisagreementError",
    "BinaryError",
}
OWN = {
    "trace",
    "export",
    "set_default_backend",
    "spec",
    "Size",
    "nn",
    "optim",
    "__version__",
    "load_step",
    "build",
    "load_binary",
    "profile",
} | ERRORS


def test_all_is_what_there_is() -> None:
    assert len(ng.__all__) == len(set(ng.__all__))
    assert all(hasattr(ng, name) for name in ng.__all__)
    public = {n for n, v in vars(ng).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert public - {"annotations"} <= set(ng.__all__)


@pytest.mark.parametrize(
    "module",
    [
        (ng, torch),
        (nn, torch.nn),
        (nn.functional, None),
        (nn.init, torch.nn.init),
        (nn.utils, torch.nn.utils),
        (optim, torch.optim),
    ],
)
def test_names_are_pytorchs(module: Any) -> None:
    ours, theirs = module
    theirs = theirs or torch.nn.functional
    assert not [n for n in ours.__all__ if n not in OWN and not hasattr(theirs, n)]


def test_every_function_is_listed() -> None:
    functions = [name for subject in SUBJECTS for name in subject.__all__]
    assert len(functions) == len(set(functions))
    assert set(functions) <= set(ng.__all__)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda module: module.__name__)
def test_a_subject_lists_what_it_offers(subject: Any) -> None:
    forms = declared(subject)
    offered = {name for name, form in forms.items() if form.variants.function}
    assert offered - set(subject.__all__) <= {"nelement"}  # a method alone, of numel
    only_methods = {name for name, form in forms.items() if not form.variants.function}
    assert not only_methods & set(subject.__all__)


UNARY = [
    "abs",
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "neg",
    "relu",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "square",
    "tan",
    "tanh",
    "trunc",
    "sum",
    "mean",
    "amax",
    "argmax",
    "std",
    "var",
    "flatten",
    "t",
    "tril",
    "logical_not",
]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name: str) -> None:
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (3, 4))
    found = getattr(ng, name)(ng.tensor(x)).numpy()
    wanted = getattr(torch, name)(torch.tensor(x)).numpy()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


MORE: list[Any] = [
    lambda f, a, b: f.addmm(a @ b, a, b, beta=2, alpha=0.5),
    lambda f, a, b: f.baddbmm(f.zeros(2, 3, 3), f.stack([a, a]), f.stack([b, b])),
    lambda f, a, b: f.tensordot(a, b, 1),
    lambda f, a, b: f.tensordot(a, b, ([0], [1])),
    lambda f, a, b: f.tensordot(a, a, 2),
    lambda f, a, b: f.hstack([a, b.t()]),
    lambda f, a, b: f.hstack([a[0], b[0]]),
    lambda f, a, b: f.vstack([a[0], b.t()]),
    lambda f, a, b: f.broadcast_tensors(a, a[0])[1],
    lambda f, a, b: f.isclose(a, a * (1 + 1e-6)),
    lambda f, a, b: f.rsub(a, 1, alpha=2),
    lambda f, a, b: f.where(a > 0, a, 0.0),
    lambda f, a, b: f.max(a, dim=1).indices,
    lambda f, a, b: f.clamp(a, -0.1, 0.2),
    lambda f, a, b: f.cat([a, a], dim=1),
    lambda f, a, b: f.einsum("ij,jk->ik", a, b),
    lambda f, a, b: f.softmax(a, dim=1),
    lambda f, a, b: f.sort(a, dim=0).values,
    lambda f, a, b: f.split(a, 2, dim=1)[1],
]


@pytest.mark.parametrize("position", range(len(MORE)))
def test_functions_of_several_tensors(position: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)).astype("f"), rng.standard_normal((4, 3)).astype("f")
    found = MORE[position](ng, ng.tensor(a), ng.tensor(b)).numpy()
    wanted = MORE[position](torch, torch.tensor(a), torch.tensor(b)).numpy()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_questions() -> None:
    a = ng.tensor([1.0, 2.0])
    assert ng.equal(a, a.clone()) and not ng.equal(a, ng.ones(3))
    assert ng.allclose(a, a + 1e-9) and not ng.allclose(a, a + 1)
    assert ng.is_tensor(a) and ng.is_nonzero(ng.ones(1))


def test_functions_and_methods_can_be_pickled() -> None:
    methods = [v for v in vars(ng.Tensor).values() if inspect.isfunction(v)]
    found = [f for f in methods if f.__qualname__.startswith("Tensor.")]
    assert len(found) > 300
    for function in (ng.exp, ng.sum, ng.zeros, *found):
        if not function.__qualname__.startswith("Tensor.__"):
            assert pickle.loads(pickle.dumps(function)) is function
