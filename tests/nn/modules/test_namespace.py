"""Every public name of torch.nn is there and tested, or absent for a reason that docs/ gives."""

from __future__ import annotations

import inspect

import torch

import nngraph as ng
from tests.nn.modules.absent import ABSENT_CLASSES, ABSENT_FUNCTIONS, OTHERWISE_TESTED
from tests.nn.modules.matrix import PATH, classes_of, functions_of, text
from tests.nn.modules.tables import CASES

# Names that PyTorch's file imports for its own use.
_IMPORTED = {"TYPE_CHECKING", "Optional"}


def test_every_class_is_there_or_absent_for_a_reason() -> None:
    missing = {name for name in classes_of(torch.nn) if not hasattr(ng.nn, name)}
    assert missing == set(ABSENT_CLASSES)


def test_every_function_is_there_or_absent_for_a_reason() -> None:
    theirs = set(functions_of(torch.nn.functional)) - _IMPORTED
    missing = {name for name in theirs if not hasattr(ng.nn.functional, name)}
    assert missing == set(ABSENT_FUNCTIONS)


def test_every_class_has_a_case() -> None:
    ours = {n for n in ng.nn.__all__ if inspect.isclass(getattr(ng.nn, n))}
    assert ours - {case.name for case in CASES} == set(OTHERWISE_TESTED)


def test_the_support_matrix_is_up_to_date() -> None:
    written = PATH.read_text(encoding="utf-8")
    assert written == text(), "write it anew: python -m tests.nn.modules.matrix --update"
