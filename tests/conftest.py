"""Settings that every test shares."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

# Compiling inside a property takes as long as it takes; every run draws the same examples.
settings.register_profile("nngraph", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("nngraph")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Initial weights don't depend on which tests ran before in the same process."""
    if "nngraph" in sys.modules:
        sys.modules["nngraph"].manual_seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
