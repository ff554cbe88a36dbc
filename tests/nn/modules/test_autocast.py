"""Every case under autocast: the dtypes of outputs are PyTorch's, and the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.modules.tables import CASES
from tests.nn.modules.twins import pair, raised
from tests.nn.parity import cast, outputs_of, to_ng, to_torch
from tests.support.tolerances import BACKEND

CALLED = [case for case in CASES if case.inputs is not None and not case.raises]


def dtypes(value: Any) -> Any:
    if isinstance(value, torch.Tensor | ng.Tensor):
        return str(value.dtype).rpartition(".")[2]
    return tuple(map(dtypes, value)) if isinstance(value, tuple | list) else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("half", ["bfloat16", "float16"])
@pytest.mark.parametrize("case", CALLED, ids=str)
def test_outputs_are_pytorchs(case: Case, half: str) -> None:
    results = []
    inputs = cast(case.drawn(), "float32")
    for module, library, convert in zip(
        pair(case, training=False), (ng, torch), (to_ng, to_torch), strict=True
    ):
        given = [convert(v) for v in inputs]
        call = {k: convert(v) for k, v in case.call.items()}
        with library.autocast("cpu", getattr(library, half)):
            results.append(raised(lambda m=module, g=given, c=call: m(*g, **c)))
    (got, error), (wanted, refusal) = results
    if refusal is not None:  # PyTorch has no kernel for the half
        assert error is None or isinstance(refusal, RuntimeError)
        return
    assert error is None, error
    assert dtypes(got) == dtypes(wanted)
    for (_, a), (_, b) in zip(outputs_of(got), outputs_of(wanted), strict=True):
        values = (t.detach().double().numpy() for t in (a, b))
        np.testing.assert_allclose(*values, *BACKEND[half])
