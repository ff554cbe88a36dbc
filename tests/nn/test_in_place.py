"""Activations in place: the tensor itself comes back, and its gradient is PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import nngraph as ng
import nngraph.nn.functional as F
from tests.support.tolerances import assert_close

FORMS: list[tuple[str, dict[str, Any]]] = [
    ("celu_", {"alpha": 0.5}),
    ("elu_", {"alpha": 0.7}),
    ("hardtanh_", {"min_val": -0.3, "max_val": 0.5}),
    ("leaky_relu_", {"negative_slope": 0.2}),
    ("relu_", {}),
    ("rrelu_", {}),
    ("selu_", {}),
    ("threshold_", {"threshold": 0.1, "value": 7.0}),
]


@pytest.mark.parametrize("name, options", FORMS)
def test_forms_in_place(name: str, options: dict[str, Any]) -> None:
    start = np.random.default_rng(0).standard_normal((3, 4))

    def run(library: Any, functions: Any) -> tuple[Any, Any]:
        leaf = library.tensor(start).requires_grad_()
        x = leaf * 2
        y = getattr(functions, name)(x, **options)
        assert y is x
        (y * y).sum().backward()
        return y.detach().numpy(), leaf.grad.numpy()

    for ours, theirs in zip(run(ng, F), run(torch, TF), strict=True):
        assert_close(ours, theirs, name)
