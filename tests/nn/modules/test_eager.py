"""Every case against PyTorch: text, names, attributes, outputs, gradients, buffers, refusals."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.modules.tables import CASES
from tests.nn.modules.twins import attributes_of, compare, pair, tolerance_of, variants
from tests.nn.parity import cast

CALLED = [case for case in CASES if case.inputs is not None]
CLASSES = sorted({(case.name, case.function) for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_text_names_and_attributes_are_pytorchs(case: Case) -> None:
    ours, theirs = pair(case)
    if theirs is None:
        assert case.raises
        return
    assert repr(ours) == repr(theirs)
    attributes = attributes_of(theirs)
    assert {k: v for k, v in attributes_of(ours).items() if k in attributes} == attributes


@pytest.mark.parametrize("name, is_function", CLASSES)
def test_arguments_are_pytorchs(name: str, is_function: bool) -> None:
    def arguments(library: Any) -> list[tuple[Any, ...]]:
        found = getattr(library.functional if is_function else library, name)
        try:
            parameters = inspect.signature(found).parameters.values()
        except ValueError:  # it is written in C++ and says nothing
            return []
        # A function is a default by its name: each library has its own.
        return [(p.name, p.kind, getattr(p.default, "__name__", p.default)) for p in parameters]

    wanted = arguments(torch.nn)
    if wanted and wanted[0][1] is not inspect.Parameter.VAR_POSITIONAL:
        assert arguments(ng.nn) == wanted


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CALLED, ids=str)
def test_outputs_gradients_and_buffers_are_pytorchs(case: Case, training: bool) -> None:
    if case.function and not training:
        return  # it has no mode
    modules = pair(case, "float64", training)
    if modules[1] is not None:
        for _ in range(2):  # statistics move twice
            inputs = cast(case.drawn(), "float64")
            compare(case, modules, inputs, tolerance_of(case, "float64"), case.raises)


@pytest.mark.parametrize("case", [c for c in CALLED if not c.raises], ids=str)
def test_batches_of_one_none_and_more_axes_are_taken_as_pytorch_takes_them(case: Case) -> None:
    for name, inputs in variants(case.drawn()):
        if name in case.unlike:
            continue
        modules = pair(case)
        values = cast(inputs, "float32")
        try:
            compare(case, modules, values, tolerance_of(case, "float32"), None)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
