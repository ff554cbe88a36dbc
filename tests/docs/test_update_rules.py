"""docs/optimizers.md: its textbook rules are those of ``optim``, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nngraph import optim
from tests.docs.test_tour import ROOT, runner

#: A rule of the page, and what ``optim`` has for it.
PAIRS: dict[str, tuple[Any, Any]] = {
    "GradientDescent": ({"lr": 0.1}, lambda p: optim.SGD(p, lr=0.1)),
    "Momentum": ({"lr": 0.03, "mu": 0.9}, lambda p: optim.SGD(p, lr=0.03, momentum=0.9)),
    "Nesterov": (
        {"lr": 0.03, "mu": 0.9},
        lambda p: optim.SGD(p, lr=0.03, momentum=0.9, nesterov=True),
    ),
    "NesterovOfTheGradient": (
        {"lr": 0.03, "mu": 0.9},
        lambda p: optim.SGD(p, lr=0.03, momentum=0.9, nesterov=True),
    ),
    "AdagradRule": ({"lr": 0.1, "eps": 1e-10}, lambda p: optim.Adagrad(p, lr=0.1)),
    "RMSpropRule": ({"lr": 0.01, "rho": 0.99, "eps": 1e-8}, lambda p: optim.RMSprop(p, lr=0.01)),
    "AdamRule": (
        {"lr": 0.02, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        lambda p: optim.Adam(p, lr=0.02),
    ),
}


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    text = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {"__name__": "__page__"}
    exec(runner().BLOCK.search(text)["code"], scope)
    return scope


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_rule_is_that_of_the_library(page: dict[str, Any], name: str, steps: int) -> None:
    options, library = PAIRS[name]
    found, *_ = page["trained"](lambda p: page[name](p, **options), steps)
    wanted, *_ = page["trained"](library, steps)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9)
