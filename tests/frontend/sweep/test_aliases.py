"""Whose memory a result is: a copy, a view or the operand itself, as in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import nngraph as ng
from tests.frontend.sweep.aliases import EITHER, SHARES, TEMPTING
from tests.frontend.sweep.calls import programs
from tests.frontend.sweep.compare import Case, operands, run

CASES = [Case("float32", s) for s in ((3, 3), (1, 1), (1,), (), (1, 3, 3))]

#: What differs on purpose, and why.


def listed() -> dict[str, list[str]]:
    """The programs of the sweep that change nothing, and those that tempt."""
    found = {name: list(texts) for name, texts in TEMPTING.items()}
    for name, texts in programs().items():
        subscripts = [t for t in texts if t.startswith("x[") and t.endswith("]")]
        found.setdefault("subscript", []).extend(subscripts)
        rest = [t for t in texts if t not in subscripts and "clone()" not in t and "_(" not in t]
        found.setdefault(name, []).extend(t for t in rest if t != "+x")
    return {name: texts for name, texts in found.items() if texts}


PROGRAMS = listed()


def leaves(library: Any, value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [t for part in value for t in leaves(library, part)]
    return [value] if isinstance(value, library.Tensor) else []


def made(library: Any, text: str, case: Case) -> tuple[dict[str, Any], list[Any]]:
    given = operands(library, "", case)
    return given, leaves(library, run(text, given))


def same(one: Any, other: Any) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())


def relations(library: Any, text: str, case: Case) -> list[str]:
    """For each result: which operand it is, or which a change of shows in it; or ``copy``."""
    given, results = made(library, text, case)
    before = [t.detach().clone() for t in results]
    found = [next((f"is {n}" for n in "xy" if t is given[n]), "") for t in results]
    for name in "xy":
        given[name].fill_(7)
        for place, (now, then) in enumerate(zip(results, before, strict=True)):
            if not found[place] and not same(now.detach(), then):
                found[place] = f"view of {name}"
    return [each or "copy" for each in found]


def writes(library: Any, text: str, case: Case) -> list[str]:
    """For each result: in which operands a write to it shows, or the kind of exception."""
    found = []
    for place in range(len(made(library, text, case)[1])):
        given, results = made(library, text, case)
        before = {name: given[name].clone() for name in "xy"}
        try:
            results[place].fill_(9)
        except RuntimeError as error:
            found.append(type(error).__name__)
        else:
            found.append("".join(n for n in "xy" if not same(given[n], before[n])))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_share_what_pytorchs_share(name: str) -> None:
    problems = []
    for text in PROGRAMS[name]:
        for case in CASES:
            for relate in (relations, writes):
                got, wanted = (relate(library, text, case) for library in (ng, torch))
                if got != wanted and wanted and got:
                    problems.append(f"{text} of {case}: {got}, PyTorch: {wanted}")
    assert not problems, "\n".join(problems)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_table_is_pytorchs(name: str) -> None:
    """In each table stands what does so; with empty results no memory is shared."""
    shared = set()
    for text in PROGRAMS[name]:
        for case in CASES:
            results = made(torch, text, case)[1]
            if results and all(t.numel() for t in results):
                found = relations(torch, text, case)
                shared.add(any(each != "copy" for each in found))
    if name in EITHER:
        assert shared == {True, False}
    elif shared:
        assert shared == {name in SHARES}


def test_the_tables_name_functions() -> None:
    assert not SHARES & {*EITHER}
    assert {*SHARES, *EITHER, *TEMPTING} <= {*PROGRAMS}
