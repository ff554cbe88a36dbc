"""The contract that every registered operator keeps, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from nngraph.ir.attributes import op_key
from nngraph.ir.dtypes import bfloat16, float16, float32, float64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.op import Array, Op, Sample
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY, Exp
from tests.support.contract import (
    check_derivative,
    forward_graph,
    gradient_graph,
    has_floats,
    missing_parts,
    random_like,
    retyped,
)
from tests.support.tolerances import assert_close

OPERATORS = [pytest.param(cls, id=name) for name, cls in sorted(REGISTRY.items())]
DIFFERENTIABLE = [p for p in OPERATORS if p.values[0].differentiable]
DECOMPOSABLE = [p for p in OPERATORS if p.values[0].defines("decompose")]
DTYPES = (float32, float64, float16, bfloat16)


def every_type(cls: type[Op]) -> Iterable[tuple[Sample, str]]:
    """All samples as they are, then in the other float types; with a name for messages."""
    for number, sample in enumerate(cls.samples()):
        name = f"sample {number}, {sample.op} of {', '.join(map(str, sample.types))}"
        yield sample, name
        for dtype in DTYPES[1:]:
            twin = retyped(sample, dtype)
            if twin is not None:
                yield twin, f"{name} as {dtype.name}"


@pytest.mark.parametrize("cls", OPERATORS)
def test_has_all_parts(cls: type[Op]) -> None:
    assert missing_parts(cls) == []


@pytest.mark.parametrize("cls", OPERATORS)
def test_infer_agrees_with_eval(cls: type[Op]) -> None:
    for sample, name in every_type(cls):
        before = [a.tobytes() for a in sample.inputs]
        outputs = sample.op.eval(*sample.inputs)
        assert tuple(map(type_of_array, outputs)) == sample.op.infer(*sample.types), name
        again = sample.op.eval(*sample.inputs)
        assert [a.tobytes() for a in outputs] == [a.tobytes() for a in again], name
        assert [a.tobytes() for a in sample.inputs] == before, f"{name}: eval changed its input"


@pytest.mark.parametrize("cls", OPERATORS)
def test_is_a_value(cls: type[Op]) -> None:
    ops = [sample.op for sample in cls.samples()]
    for op, twin in zip(ops, (sample.op for sample in cls.samples()), strict=True):
        assert op == twin == replace(op) and hash(op) == hash(twin)
        assert op_key(op) == op_key(twin)
    assert all(op != Exp() for op in ops) or cls is Exp


@pytest.mark.parametrize("cls", OPERATORS)
def test_text_round_trips(cls: type[Op]) -> None:
    for sample in cls.samples():
        graph = forward_graph(sample)
        verify(graph)
        text = print_graph(graph)
        assert print_graph(parse_graph(text, REGISTRY)) == text


@pytest.mark.parametrize("cls", OPERATORS)
def test_half_precision_follows_float64(cls: type[Op]) -> None:
    """Half precision is computed wider and rounded once; both agree with float64's result."""
    for sample in cls.samples():
        wide = retyped(sample, float64)
        if wide is None or not sample.smooth:
            continue
        for dtype in (float16, bfloat16, float32):
            narrow = retyped(sample, dtype)
            if narrow is None:
                continue
            exact = sample.op.eval(
                *(a.astype(b.dtype) for a, b in zip(narrow.inputs, wide.inputs, strict=True))
            )
            got = sample.op.eval(*narrow.inputs)
            for g, e in zip(got, exact, strict=True):
                assert_close(g, e.astype(g.dtype), f"{sample.op} as {dtype.name}")


@pytest.mark.parametrize("cls", DECOMPOSABLE)
def test_decomposition_agrees(cls: type[Op]) -> None:
    for sample, name in every_type(cls):
        graph = forward_graph(sample, decompose=True)
        verify(graph)
        found = evaluate(graph, sample.inputs)
        for got, wanted in zip(found, sample.op.eval(*sample.inputs), strict=True):
            assert_close(got, wanted, name)


def smooth_samples(cls: type[Op]) -> Iterable[tuple[Sample, str]]:
    for number, sample in enumerate(cls.samples()):
        if not (sample.smooth and has_floats(sample)):
            continue
        wide = retyped(sample, float64) or sample
        if all(t.dtype is float64 for t in wide.types if t.dtype.is_floating_point):
            yield wide, f"sample {number}, {sample.op} of {', '.join(map(str, sample.types))}"


@pytest.mark.parametrize("cls", DIFFERENTIABLE)
def test_gradient_and_its_gradient(cls: type[Op]) -> None:
    checked = 0
    for sample, name in smooth_samples(cls):
        first = check_derivative(forward_graph(sample), sample.inputs, name)
        verify(first)
        outputs = sample.op.eval(*sample.inputs)
        seeds = random_like([o for o in outputs if o.dtype == np.float64], 1)
        check_derivative(first, [*sample.inputs, *seeds], f"{name}, second order")
        checked += 1
    assert checked, "no sample in float64 to differentiate"


@pytest.mark.parametrize("cls", DIFFERENTIABLE)
def test_gradient_keeps_types(cls: type[Op]) -> None:
    """A gradient has its input's type in every float type, at ties and special values too."""
    for sample, name in every_type(cls):
        graph = gradient_graph(forward_graph(sample))
        verify(graph)
        wanted = [t for t in sample.types if t.dtype.is_floating_point]
        assert [v.type for v in graph.outputs] == wanted, name


@pytest.mark.parametrize("cls", [p for p in DECOMPOSABLE if p.values[0].differentiable])
def test_rule_agrees_with_gradient_of_decomposition(cls: type[Op]) -> None:
    for sample, name in smooth_samples(cls):
        by_rule = gradient_graph(forward_graph(sample))
        by_parts = gradient_graph(forward_graph(sample, decompose=True))
        outputs = [o for o in sample.op.eval(*sample.inputs) if o.dtype == np.float64]
        arguments = [*sample.inputs, *random_like(outputs, 3)]
        pairs = zip(evaluate(by_rule, arguments), evaluate(by_parts, arguments), strict=True)
        for got, wanted in pairs:
            assert_close(got, wanted, name, scale=10)


# -- the contract itself is tested: it names each part that is left out ------------------------
@dataclass(frozen=True)
class Whole(Op):
    """Twice the operand."""

    name: ClassVar[str] = "whole"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0] * 2,)

    def vjp(self, inputs: Any, outputs: Any, grads: Any) -> Any:
        return (lambda: grads[0],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (np.ones(2, np.float32),))


def without(part: str) -> type[Op]:
    """``Whole`` without one of its parts."""
    own = {k: v for k, v in vars(Whole).items() if not k.startswith("__") and k != part}
    own["name"] = "" if part == "name" else "whole"
    own["__doc__"] = None if part == "__doc__" else "Twice the operand."
    return dataclass(frozen=True)(type("Whole", (Op,), own))


def test_complete_operator_lacks_nothing() -> None:
    assert missing_parts(Whole) == []
    assert missing_parts(without("nothing")) == []


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("infer", "infer"),
        ("eval", "eval"),
        ("samples", "samples"),
        ("vjp", "vjp or decompose (or differentiable = False)"),
        ("name", "a name of its own"),
    ],
)
def test_contract_names_the_missing_part(part: str, named: str) -> None:
    assert missing_parts(without(part)) == [named]


def test_contract_asks_for_samples_that_can_be_differentiated() -> None:
    class OnlyTies(Whole):
        """Has no smooth sample."""

        @classmethod
        def samples(cls) -> Iterable[Sample]:
            yield Sample(cls(), (np.ones(2, np.float32),), False)

    class None_(Whole):
        """Has no sample."""

        @classmethod
        def samples(cls) -> Iterable[Sample]:
            return ()

    assert missing_parts(OnlyTies) == ["a smooth sample to differentiate"]
    assert missing_parts(None_) == ["one sample"]


def test_derivative_check_sees_a_wrong_rule() -> None:
    sample = Sample(Whole(), (np.ones(2),))  # its vjp forgets the factor 2
    with pytest.raises(AssertionError, match="by differences"):
        check_derivative(forward_graph(sample), sample.inputs, "whole")
