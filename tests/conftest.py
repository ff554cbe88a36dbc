"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

# Compiling inside a property takes as long as it takes; every run draws the same examples.
settings.register_profile("nngraph", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("nngraph")
