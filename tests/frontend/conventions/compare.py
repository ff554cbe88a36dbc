"""One program's value and derivatives, by PyTorch and by nngraph, compared at every point.

PyTorch's vector loops decide NaN and signed zeros in other ways than its scalar ones, and by the
width of the machine's vectors; operands with a stride, which get the scalar loops, decide once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional

__all__ = [
    "HALVES",
    "TOLERANCE",
    "Arrays",
    "Outcome",
    "as_array",
    "compare",
    "evaluate",
    "kind_of",
    "outcome",
    "to_torch",
]

Arrays = Sequence[np.ndarray]
Outcome = dict[str, np.ndarray]

TOLERANCE = {"float64": (1e-8, 1e-8), "float32": (2e-5, 2e-6)}
TOLERANCE |= {"float16": (6e-3, 2e-3), "bfloat16": (4e-2, 1.6e-2)}
HALVES = ("float16", "bfloat16")


def kind_of(dtype: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)


def to_torch(array: np.ndarray) -> Any:
    wide = np.stack([array, array], -1)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(wide.view(np.int16)).view(torch.bfloat16)[..., 0]
    return torch.from_numpy(wide)[..., 0]


def as_array(tensor: Any) -> np.ndarray:
    if isinstance(tensor, torch.Tensor):
        return tensor.detach().double().numpy(force=True)
    return np.asarray(tensor.detach().double().numpy())


def evaluate(m: Any, text: str, operands: Sequence[Any]) -> Any:
    functional = ng_functional if m is ng else torch.nn.functional
    return eval(text, {"m": m, "F": functional, **dict(zip("xy", operands, strict=False))})


def outcome(m: Any, text: str, operands: list[Any], order: int) -> Outcome:
    """Value (``y``), first (``d0``) and second (``d01``) derivatives of the sum."""
    for operand in operands:
        operand.requires_grad_()
    value = evaluate(m, text, operands)
    found = {"y": value}

    def differentiate(what: Any, label: str, again: bool) -> list[Any]:
        grads = m.autograd.grad(
            what.sum(), operands, create_graph=again, retain_graph=True, allow_unused=True
        )
        zero = [m.zeros_like(x) if g is None else g for x, g in zip(operands, grads, strict=True)]
        found.update({f"{label}{i}": g for i, g in enumerate(zero)})
        return zero

    first = differentiate(value, "d", order > 1) if order else []
    for i, grad in enumerate(first if order > 1 else []):
        if grad.requires_grad:
            differentiate(grad, f"d{i}", False)
    return {name: as_array(t) for name, t in found.items()}


def of_torch(text: str, arrays: Arrays, order: int) -> Outcome:
    try:
        return outcome(torch, text, [to_torch(a) for a in arrays], order)
    except RuntimeError as error:  # PyTorch lacks the second derivative
        assert order > 1 and "not implemented" in str(error)
        return outcome(torch, text, [to_torch(a) for a in arrays], 1)


@np.errstate(over="ignore")
def compare(
    name: str, text: str, arrays: Arrays, dtype: str, order: int, left_out: Sequence[str] = ()
) -> tuple[Outcome, Outcome]:
    """Asserts agreement; returns both outcomes.

    Second derivatives are compared where all operands are finite and PyTorch's is not NaN: its
    formulas for the first one, differentiated, multiply zeros and infinities. In half precision a
    result is right if it is PyTorch's, or what PyTorch gives in float32, rounded once: PyTorch
    rounds between the parts of some formulas, and not in its fused kernels.
    """
    theirs = of_torch(text, arrays, order)
    ours = outcome(ng, text, [ng.tensor(a) for a in arrays], order)
    wide = of_torch(text, [a.astype("f4") for a in arrays], order) if dtype in HALVES else {}
    unknown = ~np.all([np.isfinite(a.astype("f8")) for a in arrays], 0)
    relative, absolute = TOLERANCE[dtype]
    for part, wanted in theirs.items():
        if part in left_out:
            continue
        got = ours.get(part, np.zeros_like(wanted))
        right = np.isclose(got, wanted, relative, absolute, equal_nan=True)
        if part in wide:
            rounded = wide[part].astype(kind_of(dtype)).astype("f8")
            right |= np.isclose(got, rounded, relative, absolute, equal_nan=True)
        if len(part) == 3:
            right |= np.isnan(wanted) | unknown.reshape(-1, *(1,) * (wanted.ndim - 1))
        places = [tuple(float(a[i[0]]) for a in arrays) for i in np.argwhere(~right)[:6]]
        note = f"{name}, {part} in {dtype}, at {places}"
        assert right.all(), f"{note}: {got[~right][:6]}, not {wanted[~right][:6]}"
    return ours, theirs
