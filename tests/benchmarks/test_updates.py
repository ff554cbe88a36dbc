"""The benchmark of updates: all contenders leave the same parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.updates import CONTENDERS, sizes, work
from tests.support.backends import BACKENDS


def test_contenders_agree() -> None:
    chosen = [n for n in CONTENDERS if n.startswith("torch") or n in BACKENDS]
    found = [work(name, 6000, 6, 1)["probe"] for name in chosen]
    for probe in found[1:]:
        np.testing.assert_allclose(probe, found[0], rtol=1e-5)


@pytest.mark.parametrize("count", [10, 160])
def test_sizes_are_as_many_parameters(count: int) -> None:
    total = sum(map(math.prod, sizes(10_000_000, count)))
    assert abs(total - 10_000_000) < 10_000_000 / 100
