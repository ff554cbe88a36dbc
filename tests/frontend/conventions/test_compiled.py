"""Compiled programs keep the conventions of eager code, which ``test_eager`` holds to PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.frontend.conventions.compare import (
    HALVES,
    TOLERANCE,
    Arrays,
    as_array,
    evaluate,
    kind_of,
)
from tests.frontend.conventions.table import ONE, PAIR, POINTS, TWO, UNSIGNED
from tests.support.backends import BACKENDS

GROUPS = 4
#: Runtimes round sigmoid to 0 or 1 earlier than NumPy: the loss gets these themselves.
_SATURATED = (
    "F.binary_cross_entropy(x.abs().clamp(max=1).nan_to_num(0.5), (y > 0).to(x.dtype), "
    "reduction='none')"
)
#: Compared loosely: 1 - x*x cancels, and some machines round it once.
LOOSE = ("atanh", "acos", "asin")
#: What a backend does not keep, and why.
LEFT_OUT = {("onnx", "glu"): "the runtime's sigmoid(-20) is 0, and infinity times that NaN"}
#: What TVM's simplifier folds as if numbers were real.
FOLDED = {"tvm": ("x + 0", "x - x", "hinge 1")}
#: In half precision: what comes of rounding one of several steps, and of none.
ROUNDED = {
    "tvm": ("triplet", "cosine along one"),
    "onnx": ("poisson, plain",),  # 1 / (x + 1e-8) at -0
}
#: Whose zeros may have another sign than eager code's, and why.
SIGNS = {
    "onnx": {
        "Where, of which the runtime takes a zero from its other side": (
            "elu, steep",
            "elu, flat",
            "selu",
            "copysign",
            "fmax",
            "fmin",
            "floor of quotient",
            "expm1",
            "log1p",
            "clamp from",
            "clamp to",
        ),
        "Max and Min, which take either zero": ("maximum", "minimum"),
        "Sign and Floor in place of Trunc, which ONNX lacks": (
            "trunc",
            "frac",
            "trunc of quotient",
        ),
        "sums, which start at 0": (
            "sum of two",
            "mean of two",
            "nansum of two",
            "nanmean of two",
            "cumsum of two",
            "cosine",
            "cosine along one",
            "bilinear",
        ),
    },
    "tvm": {"sums, which start at 0": ("cosine", "cosine along one", "bilinear", "layer_norm")},
}


def _groups() -> list[tuple[dict[str, str], Arrays]]:
    """Programs that share their operands."""
    x = np.asarray(POINTS, np.float32)
    pair = [a.ravel().astype(np.float32) for a in np.meshgrid(PAIR, PAIR)]
    whole = {n: text for n, text in TWO.items() if n.endswith("of all")}
    two = {n: text for n, text in TWO.items() if n not in whole} | {"saturated": _SATURATED}
    names = list(ONE)
    found: list[tuple[dict[str, str], Arrays]] = [
        ({n: ONE[n] for n in names[i::GROUPS]}, [x]) for i in range(GROUPS)
    ]
    return [*found, (two, pair), (whole, [a[::31] for a in pair])]


def _programs(texts: dict[str, str]) -> Any:
    def run(*operands: Any) -> list[Any]:
        out = []
        for text in texts.values():
            value = evaluate(ng, text, operands)
            grads = ng.autograd.grad(value.sum(), list(operands), allow_unused=True)
            both = zip(operands, grads, strict=True)
            out += [value, *(ng.zeros_like(x) if g is None else g for x, g in both)]
        return out

    return run


def _keeps_signs(backend: str, name: str) -> bool:
    rows = SIGNS.get(backend, {}).values()
    return name not in UNSIGNED and not any(name in row for row in rows)


@pytest.mark.parametrize("group", range(GROUPS + 2))
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_keep_the_conventions(backend: str, group: int) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    texts, arrays = _groups()[group]
    problems = []
    for name, part, got, wanted in _both(backend, texts, arrays):
        if (backend, name) in LEFT_OUT or name in FOLDED.get(backend, ()):
            continue
        tolerance = (2e-4, 2e-4) if name in LOOSE else TOLERANCE["float32"]
        wrong = ~np.isclose(got, wanted, *tolerance, equal_nan=True)
        if wrong.any():
            places = np.argwhere(wrong)[:3].tolist()
            problems.append(f"{name} {part} at {places}: {got[wrong][:3]}, not {wanted[wrong][:3]}")
        different = (wanted == 0) & (np.signbit(got) != np.signbit(wanted))
        if not part and different.any() and _keeps_signs(backend, name):
            problems.append(f"{name}: signs of zero")
    assert not problems, f"{backend}:\n" + "\n".join(problems)


def _both(backend: str, texts: dict[str, str], arrays: Arrays) -> list[tuple[Any, ...]]:
    """Name, part, compiled and eager result of each program."""
    run, found = _programs(texts), []
    eager = run(*(ng.tensor(a, requires_grad=True) for a in arrays))
    compiled = ng.compile(run, backend=backend)(*(ng.tensor(a, requires_grad=True) for a in arrays))
    parts = len(arrays) + 1
    names = [(name, part) for name in texts for part in range(parts)]
    for (name, part), got, wanted in zip(names, compiled, eager, strict=True):
        found.append((name, part, as_array(got), as_array(wanted)))
    return found


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_of_halves(backend: str, dtype: str) -> None:
    """As eager code, or as that in float32 rounded once, as a kernel of TVM does at its end."""
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    every = np.arange(0, 1 << 16, 37, dtype=np.uint16).view(kind_of(dtype))
    some = every[np.abs(every.astype("f4")) < 1e18]
    x = np.concatenate([some, np.asarray(POINTS).astype(kind_of(dtype))])
    names = list(ONE)[HALVES.index(dtype) :: 2] if backend == "tvm" else list(ONE)  # slow to build
    texts = {n: ONE[n] for n in names}
    wide = _programs(texts)(ng.tensor(x.astype("f4"), requires_grad=True))
    problems = []
    for (name, part, got, wanted), single in zip(_both(backend, texts, [x]), wide, strict=True):
        if name in FOLDED.get(backend, ()) + ROUNDED.get(backend, ()):
            continue
        with np.errstate(over="ignore"):
            rounded = as_array(single).astype(kind_of(dtype)).astype("f8")
        right = np.isclose(got, wanted, *TOLERANCE[dtype], equal_nan=True)
        right |= np.isclose(got, rounded, *TOLERANCE[dtype], equal_nan=True)
        if not right.all():
            places = x[~right][:3].astype("f4").tolist()
            problems.append(
                f"{name} {part} at {places}: {got[~right][:3]}, not {wanted[~right][:3]}"
            )
    assert not problems, f"{backend}:\n" + "\n".join(problems)
