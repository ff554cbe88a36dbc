"""Every function of tensors, compiled, gives what eager code does, which ``test_eager`` holds."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from nngraph.frontend.errors import TraceError
from tests.frontend.parity import floats, plain
from tests.frontend.sweep.calls import programs
from tests.frontend.sweep.compare import Case, operands, run, unlike
from tests.frontend.sweep.exceptions import undefined
from tests.support.backends import BACKENDS

EDGES = Case("float32", edges=1)
SCALAR, *EMPTY = (Case("float32", shape) for shape in ((), (0, 3), (3, 0)))
ONE = Case("float32", (), 1)
WHOLE = [Case("int64"), Case("bool")]
CASES = {
    "reference": [EDGES, *WHOLE],
    "onnx": [EDGES, ONE, Case("float16", edges=1), SCALAR, *EMPTY, *WHOLE],
    "tvm": [EDGES, SCALAR, *EMPTY, Case("int64")],
}
TENSORS = ("x", "y", "f", "i", "b", "k", "k0")

#: What a trace refuses: the shape of the result depends on values, or memory is asked for.
NEEDS_VALUES = (
    r"x\.(unique|nonzero(?!_static)|argwhere|masked_select|tensor_split\(k"
    r"|share_memory_|gcd|lcm|frexp|nextafter|clone\(\)\.nextafter)"
    r"|x\.repeat_interleave\(k|m\.(where\(x\)|from_numpy|from_dlpack)|.*bincount"
    r"|F\.one_hot\([^,]*\)$|x\[b( > 0, \.\.\.|\[0\])?\]"
)
#: What a backend computes otherwise, and why.
OTHERWISE = {
    ("tvm", r"F\.conv"): "its gradients of convolutions multiply the zeros around, too",
    ("onnx", r"x\.mvlgamma"): "the runtime takes x + 0 for x, a pole of another sign if x is -0",
}
_WHERE = "Where, of which the runtime takes a zero from its other side"
#: Zeros of which a backend loses the sign, and why.
SIGNS = {
    "onnx": {
        r"m\.where|x\.(where|tril|triu|masked_scatter)": _WHERE,
        r"x\.(fmax|fmin|clamp|copysign|log1p|expm1|erfinv)|F\.selu": _WHERE,
        r"x\.(floor_divide|div_?\(.*floor)|.*//": _WHERE,
        r"x\.(scatter|index)_reduce|F\.max_pool1d_with": "ScatterElements, MaxPool do so, too",
        r"x\.(cumsum|sum\(0, dtype=m\.float16)": "CumSum starts at 0, a sum of one half does not",
    }
}


@cache
def listed(case: Case, gradients: bool, inplace: bool) -> list[tuple[str, Any]]:
    """The programs that eager code computes with tensors as results, and their results."""
    found = []
    for text in (t for texts in programs().values() for t in texts):
        if undefined(text, case):
            continue
        plainly = "clone()." not in text or inplace
        if plainly and not needs_values(text, case):
            value = evaluated(text, given(case, gradients), gradients)
            if _holds_tensors(value):
                found.append((text, plain(value)))
    return found


def needs_values(text: str, case: Case) -> bool:
    """Whether a trace refuses the program; so it does masks of tensors without axes."""
    return bool(re.match(NEEDS_VALUES, text)) or (not case.shape and "y[b]" in text)


def given(case: Case, gradients: bool) -> dict[str, Any]:
    """The same operands for all programs."""
    made = operands(ng, "", case)
    for name in "xy" if gradients else "":
        made[name].requires_grad_()
    return made


def evaluated(text: str, made: dict[str, Any], gradients: bool) -> Any:
    """The value, or the gradients of its sum; an exception, or None."""
    value = run(text, made)
    if not gradients or isinstance(value, Exception):
        return value
    roots = floats(ng, value)
    if not roots:
        return None
    total = sum((t.float().sum() for t in roots), ng.zeros(()))
    found = ng.autograd.grad(total, [made["x"], made["y"]], allow_unused=True)
    return [g for g in found if g is not None]


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return bool(value) and all(map(_holds_tensors, value))
    return isinstance(value, ng.Tensor)


def compiled(backend: str, case: Case, texts: list[str], gradients: bool) -> list[Any]:
    made = given(case, gradients)
    rest = {name: value for name, value in made.items() if name not in TENSORS}

    def function(*tensors: Any) -> list[Any]:
        known = dict(zip(TENSORS, tensors, strict=True)) | rest
        out = []
        for text in texts:
            value = evaluated(text, known, gradients)
            if isinstance(value, Exception):
                raise value
            out.append(value)
        return out

    found: list[Any] = ng.compile(function, backend=backend)(*(made[n] for n in TENSORS))
    return found


def differences(backend: str, case: Case, gradients: bool) -> list[str]:
    # Forms in place are other functions and a write, which costs TVM a kernel each.
    inplace = case is EDGES and not gradients and backend != "tvm"
    expected = listed(case, gradients, inplace)
    lost = SIGNS.get(backend, {})
    problems, met = [], set()
    results = compiled(backend, case, [text for text, _ in expected], gradients)
    for (text, wanted), got in zip(expected, results, strict=True):
        signs = bool(case.edges) and not gradients
        found = unlike(plain(got), wanted, case.dtype, signs)
        if any(name == backend and re.match(p, text) for name, p in OTHERWISE):
            continue
        fitting = {p for p in lost if re.match(p, text.replace("x.clone().", "x."))}
        if found == "sign of zero":
            met |= fitting
        if found and not (found == "sign of zero" and fitting):
            problems.append(f"{text}: {found}")
    if case is EDGES and not gradients:
        problems += [f"{p} keeps its signs" for p in lost.keys() - met]
    return problems


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("backend", "case"), [(b, c) for b in BACKENDS for c in CASES[b]], ids=str)
def test_functions_do_as_eager_code(backend: str, case: Case) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    with np.errstate(all="ignore"):
        problems = differences(backend, case, False)
    assert not problems, "\n".join(problems)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("backend", "case"),
    [*((b, EDGES) for b in BACKENDS), *(("onnx", case) for case in (SCALAR, *EMPTY))],
    ids=str,
)
def test_gradients_do_as_eager_code(backend: str, case: Case) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    with np.errstate(all="ignore"):
        problems = differences(backend, case, True)
    assert not problems, "\n".join(problems)


def test_what_needs_values_says_so() -> None:
    texts = [t for each in programs().values() for t in each if re.match(NEEDS_VALUES, t)]
    assert len(texts) > 20
    for text in texts:
        case = Case("int64" if "F.one_hot" in text or "bincount" in text else "float32")
        if not isinstance(run(text, given(case, False)), Exception):
            with pytest.raises(TraceError):
                compiled("reference", case, [text], False)
