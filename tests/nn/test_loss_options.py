"""The options of losses in every combination, against PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.nn.modules.case import Case, function, ids, positive, shares, signs, x
from tests.nn.modules.twins import compare, pair

_WEIGHTS = np.array([0.2, 1.5, 0.7])
_IGNORED = np.array([0, -1, 2, 1, 2])


def _every(name: str, **choices: tuple[Any, ...]) -> Iterator[Case]:
    """A function with each combination of the options that are listed."""
    for values in itertools.product(("mean", "sum", "none"), *choices.values()):
        yield function(name, **dict(zip(("reduction", *choices), values, strict=True)))


def _classes() -> Iterator[Case]:
    options = {"weight": (None, _WEIGHTS), "ignore_index": (-100, 1, -1)}
    for case in _every("cross_entropy", label_smoothing=(0.0, 0.2), **options):
        yield case.on(x(5, 3), ids(3, 5) if case.options["ignore_index"] != -1 else _IGNORED)
        yield case.on(x(2, 3, 4), ids(3, 2, 4))
    for case in _every("nll_loss", **options):
        yield case.on(x(5, 3), ids(3, 5) if case.options["ignore_index"] != -1 else _IGNORED)
        yield case.on(x(2, 3, 2, 2), ids(3, 2, 2, 2))
    for case in _every("cross_entropy", weight=(None, _WEIGHTS), label_smoothing=(0.0, 0.2)):
        yield from (case.on(x(*s), shares(*s)) for s in ((5, 3), (2, 3, 4), (3,)))
    rows = (None, _WEIGHTS, _WEIGHTS[:, None])
    for case in _every("binary_cross_entropy", weight=rows):
        yield case.on(shares(3, 3), shares(3, 3))
    for case in _every("binary_cross_entropy_with_logits", weight=rows, pos_weight=rows[:2]):
        yield case.on(x(3, 3), shares(3, 3))
    for case in _every("multilabel_soft_margin_loss", weight=rows):
        yield case.on(x(3, 3), shares(3, 3))
    for case in _every("kl_div", log_target=(True, False)):
        yield case.on(x(3, 4), shares(3, 4))


def _numbers() -> Iterator[Case]:
    for case in _every("poisson_nll_loss", log_input=(True, False), full=(True, False)):
        yield case.on(positive(3, 4), positive(3, 4))
    for case in _every("gaussian_nll_loss", full=(True, False)):
        yield from (case.on(x(3, 4), x(3, 4), shares(*s)) for s in ((3, 4), (3, 1), (3,)))
    for case in _every("smooth_l1_loss", beta=(0.0, 0.5, 2.0)):
        yield from (case.on(x(3, 4), other) for other in (x(3, 4), x(4)))
    for case in _every("huber_loss", delta=(0.5, 2.0, 0.0)):
        yield case.on(x(3, 4), x(3, 1)).but(raises=not case.options["delta"])


def _margins() -> Iterator[Case]:
    for case in _every("margin_ranking_loss", margin=(0, 0.5, -0.5)):
        yield case.on(x(5), x(5), signs(5))
        yield case.on(x(5), x(5, 1), signs(5)).but(raises=True)
    for case in _every("hinge_embedding_loss", margin=(0.5, -0.5)):
        yield case.on(x(3, 4), signs(3, 4))
    for case in _every("cosine_embedding_loss", margin=(0, 0.5)):
        yield case.on(x(5, 4), x(5, 4), signs(5))
    orders = (1.0, 2.0, float("inf"))
    for case in _every("triplet_margin_loss", margin=(0, 0.5), swap=(True, False), p=orders):
        refused = not case.options["margin"]
        yield from (case.on(x(*s), x(*s), x(*s)).but(raises=refused) for s in ((3, 4), (4,)))
    for case in _every("triplet_margin_loss"):
        yield case.on(x(3, 4), x(4), x(3, 4)).but(raises=True)
    for case in _every("multi_margin_loss", p=(1, 2), margin=(0.5, 2), weight=(None, _WEIGHTS)):
        yield case.on(x(5, 3), ids(3, 5))


@pytest.mark.parametrize("family", [_classes, _numbers, _margins])
def test_options_of_losses(family: Any) -> None:
    for case in family():
        try:
            compare(case, pair(case, "float64"), case.drawn(), 1e-9, case.raises)
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from error
