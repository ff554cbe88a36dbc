"""``func`` beside PyTorch's: gradients, Jacobians and maps, eager and on every backend."""

from __future__ import annotations

import pytest

from tests.func.comparing import compare, compiled
from tests.func.programs import MAPS, PROGRAMS
from tests.support.backends import BACKENDS

#: What PyTorch refuses itself, or what a trace is not for.
EAGER_ONLY: set[str] = set()


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_pytorchs(name: str) -> None:
    compare(PROGRAMS[name], name)


@pytest.mark.parametrize("name", MAPS)
def test_maps_are_pytorchs(name: str) -> None:
    compare(MAPS[name], name)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [*PROGRAMS, *MAPS])
def test_compiled(name: str, backend: str) -> None:
    compiled((PROGRAMS | MAPS)[name], backend, name)
