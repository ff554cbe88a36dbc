"""Every operator on every backend: results and gradients are those of ``eval``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nngraph.backends import BACKENDS as MODULES
from nngraph.backends.base import Gap
from nngraph.ir.dtypes import DType, bfloat16, float16, float32, float64
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array, Op, Sample
from nngraph.ops import REGISTRY
from nngraph.ops.special.rows import Function
from tests.support.backends import BACKENDS, UnsupportedGraph, job_of, run_graph
from tests.support.contract import retyped
from tests.support.gaps import GAPS, reason, slack
from tests.support.tolerances import assert_close

TYPES = (float32, float64, float16, bfloat16)


Run = Callable[[str, Graph, Sequence[Array]], list[Array]]


def cases() -> list[Any]:
    found = []
    for backend in BACKENDS:
        missing = bool(MODULES[backend].missing)
        marks = [pytest.mark.skip(reason=f"no {backend} backend")] if missing else []
        for name, cls in sorted(REGISTRY.items()):
            found.append(pytest.param(backend, cls, id=f"{backend}-{name}", marks=marks))
    return found


def types_of(cls: type[Op]) -> tuple[DType, ...]:
    """In half precision special functions are what they are in float32, between two casts."""
    return TYPES[:2] if issubclass(cls, Function) else TYPES


def samples_of(cls: type[Op], dtype: object) -> list[tuple[Sample, str]]:
    """All samples (for float32), or those that can be had in another float type."""
    found = []
    for number, sample in enumerate(cls.samples()):
        if issubclass(cls, Function) and sample.smooth:
            continue  # the special values hold numbers of all ranges; these kernels take long
        twin = sample if dtype is float32 else retyped(sample, dtype)  # type: ignore[arg-type]
        if twin is not None:
            kinds = ", ".join(map(str, twin.types))
            found.append((twin, f"sample {number}, {twin.op} of {kinds} {twin.note}"))
    return found


def check(backend: str, samples: list[tuple[Sample, str]], run: Run = run_graph) -> None:
    job = job_of(samples)
    with np.errstate(all="ignore"):
        wanted = evaluate(job.graph, job.inputs)
    got = run(backend, job.graph, job.inputs)
    for g, w, note in zip(got, wanted, job.notes, strict=True):
        assert_close(g, w, f"{backend}, {note}", slack(backend, note))


def check_apart(backend: str, samples: list[tuple[Sample, str]], run: Run = run_graph) -> set[str]:
    """One sample after the other: gaps that the table knows are left out. Gives their reasons."""
    known: set[str] = set()
    for sample, name in samples:
        try:
            check(backend, [(sample, name)], run)
        except UnsupportedGraph as error:
            kinds = {t.dtype.name for t in (*sample.types, *sample.op.infer(*sample.types))}
            why = reason(backend, sample.op.name, kinds)
            assert why, f"{name}: {error}\nnot listed in tests/support/gaps.py"
            known.add(why)
    return known


@pytest.mark.parametrize(("backend", "cls"), cases())
def test_results_and_gradients(backend: str, cls: type[Op]) -> None:
    met: set[str] = set()
    for dtype in types_of(cls):
        samples = samples_of(cls, dtype)
        if not samples:
            continue
        try:
            check(backend, samples)
        except UnsupportedGraph:
            met |= check_apart(backend, samples)
    listed = GAPS.get(backend, {}).get(cls.name)
    assert listed is None or listed.why in met, f"{cls.name} has no gap: take it off the table"


def test_an_unlisted_gap_fails() -> None:
    def refuse(backend: str, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        raise UnsupportedGraph("reference", [Gap("no exponential", "")])

    with pytest.raises(AssertionError, match="not listed"):
        check_apart("reference", samples_of(REGISTRY["exp"], float32), refuse)


def test_a_wrong_result_fails() -> None:
    def wrong(backend: str, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        outputs = run_graph(backend, graph, inputs)
        return [outputs[0] * np.float32(1.0001), *outputs[1:]]

    with pytest.raises(AssertionError, match="sample 0"):
        check("reference", samples_of(REGISTRY["exp"], float32), wrong)
