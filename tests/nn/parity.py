"""The same module in PyTorch and nngraph, run on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import nngraph as ng

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


def arrays_of(state: Any) -> dict[str, np.ndarray]:
    """A state dict of either framework as NumPy arrays."""
    return {name: np.array(value.detach().numpy()) for name, value in state.items()}


def to_torch(value: Any) -> Any:
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return tuple(map(to_torch, value))
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def to_ng(value: Any) -> Any:
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return tuple(map(to_ng, value))
    return ng.tensor(value) if isinstance(value, np.ndarray) else value


def outputs_of(found: Any, name: str = "output") -> Iterator[tuple[str, Any]]:
    """The tensors of a result, with their names."""
    if isinstance(found, tuple | list):
        for position, part in enumerate(found):
            yield from outputs_of(part, f"{name} {position}")
    elif found is not None:
        yield name, found


def cotangent(tensor: Any) -> np.ndarray:
    """A fixed weighting of a result, drawn at random."""
    rng, shape = np.random.default_rng(3), tuple(tensor.shape)
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))


def results(
    convert: Callable[[Any], Any],
    call: Callable[..., Any],
    values: list[Any],
    parameters: list[tuple[str, Any]],
) -> dict[str, Any]:
    """Outputs, and the gradients of a fixed weighting of them, by name, as tensors."""
    found = dict(outputs_of(call(*values)))
    weighted = [
        (out * convert(cotangent(out)).to(out.dtype)).sum()
        for out in found.values()
        if out.requires_grad
    ]
    if weighted:
        sum(weighted[1:], weighted[0]).backward()
        for position, value in enumerate(values):
            if getattr(value, "requires_grad", False) and value.grad is not None:
                found[f"gradient of input {position}"] = value.grad
        found |= {f"gradient of {name}": p.grad for name, p in parameters if p.grad is not None}
    return found


def leaves(convert: Callable[[Any], Any], inputs: Any, most: int | None = None) -> list[Any]:
    """Inputs as tensors; those of floats, of the first ``most``, take gradients."""
    values = [convert(v) for v in inputs]
    for value in values[:most]:
        if hasattr(value, "is_floating_point") and value.is_floating_point():
            value.requires_grad_()
    return values


def outcome(
    convert: Callable[[Any], Any],
    call: Callable[..., Any],
    inputs: list[Any],
    parameters: list[tuple[str, Any]],
    most: int | None = None,
) -> dict[str, np.ndarray]:
    """``results`` of ``leaves`` as arrays."""
    return arrays_of(results(convert, call, leaves(convert, inputs, most), parameters))


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], tolerance: float) -> None:
    assert list(ours) == list(theirs), f"{list(ours)}, not {list(theirs)}"
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype, name
        assert ours[name].shape == value.shape, f"{name}: {ours[name].shape}, not {value.shape}"
        np.testing.assert_allclose(ours[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def cast(values: Any, dtype: str) -> list[Any]:
    """Floating point arrays in another dtype."""
    return [
        tuple(cast(v, dtype))
        if type(v) is tuple
        else v.astype(dtype)
        if isinstance(v, np.ndarray) and v.dtype.kind == "f"
        else v
        for v in values
    ]
