"""Every function of tensors does in eager code what PyTorch does: dtypes, shapes, edges."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph import nn
from nngraph.frontend.functional import SUBJECTS
from nngraph.frontend.functional.variants import declared
from tests.frontend.sweep.calls import NOT_CALLED, programs
from tests.frontend.sweep.compare import DTYPES, HALVES, SHAPES, Case, difference
from tests.frontend.sweep.exceptions import EXCEPTIONS, UNDEFINED, Exemption, exempt, undefined

PROGRAMS = programs()
CASES = {
    "dtypes": [Case(dtype) for dtype in DTYPES],
    "shapes": [Case("float32", shape) for shape in SHAPES],
    "edges": [
        *(Case("float32", edges=draw) for draw in (1, 2)),
        *(Case("float32", shape, 1) for shape in ((), (1, 3))),
        *(Case(dtype, edges=1) for dtype in ("float64", *HALVES)),
    ],
}


def unlike(name: str, cases: list[Case]) -> list[str]:
    """What differs in the programs of a function and is not meant to."""
    found = []
    for text in PROGRAMS[name]:
        for case in cases:
            got = None if undefined(text, case) else difference(text, case)
            if got is not None and not exempt(text, case, got):
                found.append(f"{text} of {case}: {got.kind}: {got.text}")
    return found


@pytest.mark.filterwarnings("ignore")  # PyTorch's words on casts, empty tensors, reductions
@pytest.mark.parametrize("sweep", CASES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_do_as_pytorch(name: str, sweep: str) -> None:
    with np.errstate(all="ignore"):
        problems = unlike(name, CASES[sweep])
    assert not problems, "\n".join(problems)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exemption", EXCEPTIONS, ids=lambda e: f"{e.program} {e.kind}")
def test_exemptions_are_needed(exemption: Exemption) -> None:
    texts = [text for listed in PROGRAMS.values() for text in listed]
    drawn = ((t, c) for t in texts for cases in CASES.values() for c in cases)
    fitting = ((t, c) for t, c in drawn if exemption.fits(t, c) and not undefined(t, c))
    with np.errstate(all="ignore"):
        assert any(exemption.covers(difference(text, case)) for text, case in fitting)


def test_what_is_undefined_is_drawn() -> None:
    cases = [case for each in CASES.values() for case in each]
    drawn = [(text, case) for each in PROGRAMS.values() for text in each for case in cases]
    for row in UNDEFINED:
        assert any(re.match(row[0], t) and re.search(row[1], str(c)) for t, c in drawn)


def names() -> set[str]:
    """All public functions and methods of tensors."""
    methods = {n for n in vars(ng.Tensor) if not n.startswith("_")}
    functions = {n for n in ng.__all__ if hasattr(getattr(ng, n), "variants")}
    return methods | functions | {*nn.functional.__all__}


def test_every_function_has_a_row() -> None:
    called = set(NOT_CALLED)
    for texts in PROGRAMS.values():
        called |= {word for text in texts for word in re.findall(r"\.(\w+)\(?", text)}
    twins: dict[Any, set[str]] = {}  # aliases are the same function
    for module in SUBJECTS:
        for name, form in declared(module).items():
            shown = form.variants.name or name
            twins.setdefault(form.plain, set()).update((name, shown, f"{name}_", f"{shown}_"))
    for group in twins.values():
        for inplace in (False, True):
            same = {n for n in group if n.endswith("_") is inplace}
            called |= same if same & called else set()
    assert not names() - called, sorted(names() - called)
    assert {*NOT_CALLED} <= names()


def test_what_is_compared_differs_where_it_should() -> None:
    """The comparison itself, on programs that are not the same."""
    case = Case("float32", edges=1)
    for text, kind in (
        ("x if m.__name__ == 'torch' else x + 1", "value"),
        ("x if m.__name__ == 'torch' else x.double()", "value"),
        ("x * 0 if m.__name__ == 'torch' else -(x * 0)", "sign"),
        ("x * 1 if m.__name__ == 'torch' else x.detach() * 1", "gradient"),
        ("x if m.__name__ == 'torch' else x + m.ones(7)", "refuses"),
        ("x + m.ones(7) if m.__name__ == 'torch' else x", "accepts"),
        ("x[7] if m.__name__ == 'torch' else x + m.ones(7)", "error"),
    ):
        found = difference(text, case)
        assert found is not None and found.kind == kind, (text, found)
    assert torch.__name__ == "torch"
