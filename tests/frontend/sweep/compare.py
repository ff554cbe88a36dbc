"""One small call, by PyTorch and by nngraph: what differs, in a word and in numbers."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from tests.frontend.conventions.compare import TOLERANCE, kind_of, to_torch
from tests.frontend.parity import floats, plain

__all__ = [
    "DTYPES",
    "HALVES",
    "SHAPES",
    "Case",
    "Difference",
    "difference",
    "operands",
    "run",
    "unlike",
]

HALVES = ("float16", "bfloat16")
DTYPES = ("bool", "uint8", "int64", "float16", "float32", "float64")
SHAPES = ((), (0,), (0, 3), (3, 0), (1, 3))
EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 0.5, 2, -3]


@dataclass(frozen=True)
class Case:
    """What the operands are.

    Attributes:
        dtype: of ``x`` and ``y``.
        shape: of all operands but the indices.
        edges: above 0, they hold NaN, infinities and zeros of both signs, others for each number.
    """

    dtype: str
    shape: tuple[int, ...] = (3, 3)
    edges: int = 0

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}{f' edges {self.edges}' if self.edges else ''}"


@dataclass(frozen=True)
class Difference:
    """How nngraph differs from PyTorch.

    Attributes:
        kind: ``accepts`` or ``refuses`` where PyTorch does the other; ``error`` of another kind;
            ``value``, which may be a dtype or a shape; ``sign`` of a zero; ``gradient``.
        text: for people.
    """

    kind: str
    text: str


def _numbers(case: Case, text: str) -> tuple[np.ndarray, np.ndarray]:
    """The same at each run; others for each program."""
    rng, count = (
        np.random.default_rng(zlib.crc32(text.encode()) + case.edges),
        int(np.prod(case.shape)),
    )
    if case.dtype == "bool":
        drawn: Any = rng.integers(0, 2, 2 * count).astype(bool)
    elif case.dtype == "uint8":
        drawn = rng.integers(0, 5, 2 * count).astype(np.uint8)
    elif case.dtype.startswith("int"):
        drawn = rng.integers(-3, 4, 2 * count).astype(case.dtype)
    else:
        drawn = rng.choice(EDGES, 2 * count) if case.edges else rng.integers(-8, 9, 2 * count) / 4
        drawn = drawn.astype(kind_of(case.dtype))
    return drawn[:count].reshape(case.shape), drawn[count:].reshape(case.shape)


def _tensor(library: Any, array: np.ndarray, strided: bool) -> Any:
    if library is ng:
        return ng.tensor(array)
    if strided:
        return to_torch(array)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.tensor(array)


def operands(library: Any, text: str, case: Case, way: str = "") -> dict[str, Any]:
    """Everything that a program may name.

    Args:
        library: PyTorch or nngraph.
        text: the program.
        case: what ``x`` and ``y`` are.
        way: of PyTorch: ``strided`` for operands that its vector loops do not take, ``wide`` for
            numbers of half precision as float32.
    """
    rng, shape = np.random.default_rng(5), case.shape
    x, y = (_tensor(library, a, way == "strided") for a in _numbers(case, text))
    if way == "wide":
        x, y = x.float(), y.float()
    top = 1 if 1 in shape or not shape else 2  # also an index of every axis
    part = {
        "f": (rng.integers(-4, 5, shape) / 2).astype(np.float32),
        "i": np.asarray(rng.integers(0, top, shape), np.int64),
        "b": np.asarray(rng.integers(0, 2, shape), bool),
        "k": np.array([1, 0, 1] if shape and shape[0] > 1 else [0]),
        "k0": np.array(0),
    }
    made = {name: _tensor(library, a, False) for name, a in part.items()}
    functional = ng_functional if library is ng else torch.nn.functional
    return {"m": library, "F": functional, "x": x, "y": y, **made}


def run(text: str, given: dict[str, Any]) -> Any:
    """The value of the last statement, or the exception."""
    *before, last = text.split("; ")
    scope = dict(given)
    try:
        if before:
            exec("; ".join(before), scope)
        return eval(last, scope)
    except Exception as error:  # noqa: BLE001 - its kind is what is compared
        return error


def unlike(got: Any, wanted: Any, dtype: str, signs: bool) -> str:
    """What differs between two ``plain`` values, or nothing."""
    if isinstance(wanted, tuple) and len(wanted) == 3 and isinstance(wanted[2], np.ndarray):
        if not (isinstance(got, tuple) and len(got) == 3 and isinstance(got[2], np.ndarray)):
            return f"{got} instead of a tensor"
        if got[:2] != wanted[:2]:
            return f"{got[:2]}, not {wanted[:2]}"
        return _unlike_numbers(got[2], wanted[2], _coarser(dtype, wanted[0]), signs)
    if isinstance(wanted, tuple):
        if not isinstance(got, tuple) or len(got) != len(wanted):
            return f"{got}, not {wanted}"
        return next(filter(None, map(unlike, got, wanted, [dtype] * 99, [signs] * 99)), "")
    if isinstance(wanted, float):
        return _unlike_numbers(np.asarray(got), np.asarray(wanted), dtype, signs)
    alike = got == wanted and type(got).__name__ == type(wanted).__name__
    return "" if alike else f"{got!r}, not {wanted!r}"


def _coarser(one: str, other: str) -> str:
    order = [*HALVES[::-1], "float32", "float64"]
    known = [d for d in order if d in (one, other)]
    return known[0] if other in order else other


def _unlike_numbers(got: np.ndarray, wanted: np.ndarray, dtype: str, signs: bool) -> str:
    a, b = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    wrong = ~np.isclose(a, b, *TOLERANCE.get(dtype, (0, 0)), equal_nan=True)
    if wrong.any():
        return f"{a[wrong][:5]}, not {b[wrong][:5]}"
    other = (b == 0) & (np.signbit(a) != np.signbit(b))
    return "sign of zero" if signs and other.any() else ""


def difference(text: str, case: Case) -> Difference | None:
    """How nngraph differs in a program.

    With edges it may do as PyTorch's vector or as its scalar loops; in half precision as PyTorch
    in float32, rounded once: PyTorch rounds between the parts of some formulas.
    """
    found = _difference(text, case)
    if found is None or found.kind not in ("value", "sign", "gradient"):
        return found
    if case.edges and _difference(text, case, "strided") is None:
        return None
    if case.dtype in HALVES and _difference(text, case, "wide") is None:
        return None
    return found


def _difference(text: str, case: Case, way: str = "") -> Difference | None:
    given = operands(torch, text, case, way), operands(ng, text, case)
    wanted, got = (run(text, each) for each in given)
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        return _refusals(got, wanted)
    try:
        other = unlike(
            plain(got), _rounded(plain(wanted), case, way), _coarsest(text, case), bool(case.edges)
        )
    except TypeError as error:
        other = str(error)
    if other:
        return Difference("sign" if other == "sign of zero" else "value", other)
    return _gradients(text, case, way)


def _coarsest(text: str, case: Case) -> str:
    """The dtype whose precision results have."""
    single = case.dtype == "float64" and re.search(r"\bf\b|m\.float32", text)
    return "float32" if single else case.dtype


def _rounded(value: Any, case: Case, way: str) -> Any:
    """The results of the ``wide`` way in half precision."""
    if way != "wide" or not isinstance(value, tuple):
        return value
    if len(value) == 3 and isinstance(value[2], np.ndarray):
        if value[0] != "float32":
            return value
        with np.errstate(over="ignore"):
            return case.dtype, value[1], value[2].astype(kind_of(case.dtype)).astype(np.float32)
    return tuple(_rounded(part, case, way) for part in value)


def _refusals(got: Any, wanted: Any) -> Difference | None:
    if not isinstance(wanted, Exception):
        return Difference("refuses", f"{got!r}")
    if not isinstance(got, Exception):
        return Difference("accepts", f"PyTorch: {wanted!r}")
    kind = RuntimeError if isinstance(wanted, NotImplementedError) else type(wanted)
    same = isinstance(got, kind)
    return None if same else Difference("error", f"{got!r}; PyTorch: {wanted!r}")


def _gradients(text: str, case: Case, way: str) -> Difference | None:
    """Of the sum of all results, for both operands, where PyTorch has them."""
    if (
        not (case.edges or case.dtype == "float32")
        or "clone()." in text
        or re.search(r"\.(item|tolist)", text)
    ):
        return None
    wanted = _backward(torch, text, operands(torch, text, case, way))
    if wanted is None:
        return None
    got = _backward(ng, text, operands(ng, text, case))
    if got is None:
        return Difference("gradient", "none")
    for name, a, b in zip("xy", got, wanted, strict=True):
        if (a is None) != (b is None):
            return Difference("gradient", f"of {name}: {a}, not {b}")
        tolerance = _coarsest(text, case)
        if b is not None and (
            found := unlike(plain(a), _rounded(plain(b), case, way), tolerance, False)
        ):
            return Difference("gradient", f"of {name}: {found}")
    return None


def _backward(library: Any, text: str, given: dict[str, Any]) -> tuple[Any, Any] | None:
    for name in "xy":
        given[name].requires_grad_()
    roots = floats(library, run(text, given))
    try:
        total = sum((t.double().sum() for t in roots), library.zeros((), dtype=library.float64))
        total.backward()
    except (RuntimeError, NotImplementedError):
        return None
    return given["x"].grad, given["y"].grad
