"""Parameters and buffers start as PyTorch's do: the same constants, the same distributions."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.modules.case import Case
from tests.nn.modules.tables import CASES
from tests.nn.modules.twins import built
from tests.nn.parity import arrays_of, to_ng, to_torch

_DRAWS = 60


def _firsts() -> list[Case]:
    """A case of each class that has parameters."""
    found: dict[str, Case] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in CASES:
            if not (case.function or case.raises or case.name in found):
                module = built(case, torch.nn, to_torch, "float32")
                if isinstance(module, torch.nn.Module) and list(module.parameters()):
                    found[case.name] = case
    return list(found.values())


def _drawn(case: Case, library: Any, convert: Any) -> dict[str, np.ndarray]:
    """Values of each entry over many modules."""
    states = [
        arrays_of(built(case, library, convert, "float32").state_dict()) for _ in range(_DRAWS)
    ]
    return {name: np.stack([s[name] for s in states]) for name in states[0]}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("case", _firsts(), ids=lambda c: c.name)
def test_initial_values_are_drawn_as_pytorchs(case: Case) -> None:
    torch.manual_seed(0)
    ng.manual_seed(0)
    ours, theirs = _drawn(case, ng.nn, to_ng), _drawn(case, torch.nn, to_torch)
    for name, wanted in theirs.items():
        found, note = ours[name], f"{case}: {name}"
        assert found.dtype == wanted.dtype, note
        if (wanted == wanted[0]).all():
            np.testing.assert_array_equal(found, wanted, note)
            continue
        # Six deviations of what is estimated, of either sample; bounds are those of a sample.
        spread, slack = wanted.std(), 6 * math.sqrt(2 / wanted.size)
        assert abs(found.mean() - wanted.mean()) < slack * spread, note
        assert abs(found.std() / spread - 1) < slack, note
        assert 0.7 < np.abs(found).max() / np.abs(wanted).max() < 1.4, note
