"""Users' own containers as arguments and results of compiled functions: dataclasses and dicts."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pytest

import nngraph as ng


@dataclass
class Output:
    """As libraries of models return it."""

    loss: Any = None
    logits: Any = None
    hidden: Any = None


@dataclass(frozen=True, slots=True)
class Batch:
    x: Any
    times: int = 3

    def __post_init__(self) -> None:
        assert isinstance(self.x, ng.Tensor), "what a call is given is not checked again"


class Options(dict[str, Any]):
    """A dict with attributes."""

    __getattr__ = dict.__getitem__


def model(batch: Batch, options: Options) -> tuple[Output, Any]:
    logits = batch.x * batch.times * options.scale
    return Output(logits.sum(), (logits, {"doubled": logits * 2})), Options(last=logits)


def test_dataclasses_and_dicts_come_out_as_they_are() -> None:
    compiled = ng.compile(model, backend="reference")
    for i in range(3):
        x = ng.tensor([1.0, 2.0], requires_grad=True)
        found, more = compiled(Batch(x, 2), Options(scale=i + 0.5))
        wanted, _ = model(Batch(x, 2), Options(scale=i + 0.5))
        assert type(found) is Output
        assert found.hidden is None
        assert found.loss.item() == wanted.loss.item()
        assert found.logits[1]["doubled"].tolist() == wanted.logits[1]["doubled"].tolist()
        assert type(more) is Options
        assert more.last.tolist() == wanted.logits[0].tolist()
        found.loss.backward()
        assert x.grad is not None
        assert x.grad.tolist() == [2 * (i + 0.5)] * 2
    assert len(compiled._history) == 1
    compiled(Batch(x, 5), Options(scale=1.0))
    assert len(compiled._history) == 2  # an integer shapes the trace


def test_an_ordered_dict_stays_one() -> None:
    made = ng.compile(lambda d: OrderedDict(b=d["a"] * 2), backend="reference")
    found = made(OrderedDict(a=ng.ones(2)))
    assert type(found) is OrderedDict
    assert list(found) == ["b"]
    found.move_to_end("b")


def test_what_a_dataclass_may_not_hold_is_named() -> None:
    with pytest.raises(ng.TraceError, match="a compiled function returned set"):
        ng.compile(lambda x: Output(x, {1, 2}), backend="reference")(ng.ones(2))
