"""Programs of linear algebra, on matrices that have what a factorization wants.

Operands: ``a`` square, ``c`` positive definite, ``t`` tall and ``w`` wide, each a batch of two;
``a0``, ``c0``, ``t0``, ``w0`` without a batch; ``b`` and ``b0`` right sides of two columns.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import nngraph as ng
from tests.frontend.parity import evaluate, floats, plain, same

__all__ = [
    "ARRAYS",
    "both_sides",
    "given",
    "gradients",
    "gradients_of",
    "outcome",
    "unlike",
    "weighted",
]

rng = np.random.default_rng(11)


def _matrices(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape)


_square = _matrices(2, 3, 3) + 2 * np.eye(3)[::-1]
_root = _matrices(2, 3, 3) + np.eye(3)
ARRAYS: dict[str, np.ndarray] = {
    "a": _square,
    "c": _root @ _root.swapaxes(-1, -2) + np.eye(3) * [[1], [2], [3]],
    "t": _matrices(2, 4, 3),
    "w": _matrices(2, 3, 4),
    "b": _matrices(2, 3, 2),
}
ARRAYS |= {f"{name}0": array[0] for name, array in ARRAYS.items()}
ARRAYS |= {
    "none": np.zeros((0, 0)),
    "nobatch": np.zeros((0, 3, 3)),
    "singular": np.array([[1.0, 2], [2, 4]]),
    "zero": np.zeros((2, 2)),
    "v": _matrices(3),
    "n": np.arange(9).reshape(3, 3),
    "h": _matrices(3, 3).astype("f2"),
    "nan": np.full((2, 2), np.nan),
}


def given(library: Any, text: str, dtype: str, grad: bool) -> dict[str, Any]:
    """Fresh operands that the text names; float64 ones become ``dtype``."""
    made = {}
    for name in compile(text, "<case>", "exec").co_names:
        if name in ARRAYS:
            array = ARRAYS[name]
            wanted = array.dtype == np.float64
            tensor = library.tensor(array.astype(dtype) if wanted else array)
            made[name] = tensor.requires_grad_() if wanted and grad else tensor
    return made


def outcome(library: Any, text: str, dtype: str = "float64") -> Any:
    """The value, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return evaluate(library, text, given(library, text, dtype, False))
        except Exception as error:  # noqa: BLE001 - its kind is what is compared
            return error


def gradients(library: Any, text: str, dtype: str = "float64") -> list[Any] | None:
    """Of a fixed weighting of the results, with respect to each operand."""
    operands = given(library, text, dtype, True)
    roots = floats(library, evaluate(library, text, operands))
    leaves = [t for t in operands.values() if t.requires_grad]
    if not roots:
        return None
    return [plain(g) for g in gradients_of(library, roots, leaves)]


def gradients_of(library: Any, roots: list[Any], leaves: list[Any]) -> list[Any]:
    """Of a fixed weighting of the roots; zeros where they do not depend on a leaf."""
    total = weighted(library, roots)
    found = library.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return list(found)


def weighted(library: Any, roots: list[Any]) -> Any:
    """One number of all elements."""
    total = 0
    for k, root in enumerate(roots):
        weights = np.cos(np.arange(root.numel()) + k).reshape(tuple(root.shape))
        total = total + (root.double() * library.tensor(weights)).sum()
    return total


def both_sides(text: str, dtype: str) -> tuple[Any, Any]:
    """What PyTorch and nngraph give."""
    return outcome(torch, text, dtype), outcome(ng, text, dtype)


def unlike(got: Any, wanted: Any, dtype: str) -> str:
    """What differs in two outcomes; empty if nothing does."""
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        kind = type(wanted) if isinstance(wanted, IndexError | TypeError) else RuntimeError
        failed = isinstance(wanted, Exception) and isinstance(got, kind)
        return "" if failed else f"got {got!r}, PyTorch {wanted!r}"
    exact = dtype == "float64"
    try:
        same(plain(got), plain(wanted), 1e-9 if exact else 1e-4, 1e-10 if exact else 1e-4)
    except AssertionError as error:
        return str(error)
    return ""
