"""The same module in PyTorch and nngraph, run on the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import nngraph as ng

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


def arrays_of(state: Any) -> dict[str, np.ndarray]:
    """A state dict of either framework as NumPy arrays."""
    return {name: np.array(value.detach().numpy()) for name, value in state.items()}


def to_torch(value: Any) -> Any:
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def to_ng(value: Any) -> Any:
    return ng.tensor(value) if isinstance(value, np.ndarray) else value


def outcome(
    convert: Callable[[Any], Any],
    call: Callable[..., Any],
    inputs: list[Any],
    parameters: list[tuple[str, Any]],
    first_only: bool = False,
) -> dict[str, np.ndarray]:
    """Output, and the gradients of a fixed weighting of it, by name."""
    values = [convert(v) for v in inputs]
    for value in values[:1] if first_only else values:
        if hasattr(value, "is_floating_point") and value.is_floating_point():
            value.requires_grad_()
    out = call(*values)
    found = {"output": out}
    if out.requires_grad:
        shape = tuple(out.shape)
        weights = np.cos(np.arange(int(np.prod(shape)))).reshape(shape)
        weighted = out * convert(weights).to(out.dtype)
        weighted.sum().backward()
        for position, value in enumerate(values):
            if getattr(value, "requires_grad", False) and value.grad is not None:
                found[f"gradient of input {position}"] = value.grad
        found |= {f"gradient of {name}": p.grad for name, p in parameters if p.grad is not None}
    return {name: np.array(value.detach().numpy()) for name, value in found.items()}


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype, name
        np.testing.assert_allclose(ours[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def cast(values: list[Any], dtype: str) -> list[Any]:
    """Floating point arrays in another dtype."""
    return [
        v.astype(dtype) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for v in values
    ]
