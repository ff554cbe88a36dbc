"""Gathering, scattering and sorting against PyTorch, forward and gradient."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

from nngraph.ir.types import TypeMismatch, tensor_type
from nngraph.ops.creation import constant
from nngraph.ops.index.elements import (
    GatherElements,
    ScatterElements,
    gather_elements,
    scatter_elements,
)
from nngraph.ops.index.slices import OneHot, ScatterSlices, Take, scatter_slices, take
from nngraph.ops.sort import Sort, TopK, sort, topk
from tests.support.graphs import run, run_with_gradients

TORCH = {"add": "sum", "max": "amax", "min": "amin", "mul": "prod"}
KINDS = [(np.float64, 1e-12), (np.float32, 1e-5)]


def check(build: Any, wanted: torch.Tensor, inputs: Any, leaves: Any, tolerance: float) -> None:
    c = np.random.default_rng(9).standard_normal(tuple(wanted.shape)).astype(inputs[0].dtype)
    grads = torch.autograd.grad(wanted, leaves, torch.tensor(c))
    (y, *_), found = run_with_gradients(build, inputs, (c,))
    np.testing.assert_allclose(y, wanted.detach(), atol=tolerance, rtol=tolerance)
    for ours, theirs in zip(found, grads, strict=True):
        np.testing.assert_allclose(
            ours,
            theirs,
            atol=tolerance,
            rtol=tolerance,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take(axis: int, dtype: Any, tolerance: float) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(dtype)
    i = np.array([2, 0, 0, -1])
    tx = torch.tensor(x, requires_grad=True)
    wanted = tx.index_select(axis, torch.tensor(i % x.shape[axis]))
    check(lambda a: take(a, constant(i, a), axis), wanted, (x,), (tx,), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reduction", ["add", "max", "min", "mul"])
def test_scatter_slices(reduction: str, axis: int, dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    x, i = rng.integers(-2, 3, (4, 3)).astype(dtype), np.array([1, 0, 1, 2, 1])
    shape = (5, 3) if axis == 0 else (4, 5)
    u = rng.integers(-2, 3, shape).astype(dtype)  # with ties, zeros and repeated indices
    tx, tu = (torch.tensor(a, requires_grad=True) for a in (x, u))
    wide = torch.tensor(i).reshape((5, 1) if axis == 0 else (1, 5)).expand(shape)
    wanted = tx.scatter_reduce(axis, wide, tu, TORCH[reduction])
    check(
        lambda a, b: scatter_slices(a, constant(i, a), b, axis, reduction),
        wanted,
        (x, u),
        (tx, tu),
        tolerance,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("reduction", ["none", "add", "max", "min", "mul"])
def test_gather_and_scatter_elements(reduction: str, dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(2)
    for axis in (0, 1, 2):
        x = rng.integers(-2, 3, (4, 3, 4)).astype(dtype)
        # Fewer than x off the axis; repeated, except where the last write would decide.
        count = 3
        i = np.stack([rng.permutation(x.shape[axis])[:count] for _ in range(9)]).reshape(3, 3, 3)
        i = np.moveaxis(i, 2, axis) if reduction == "none" else rng.integers(0, 2, (3, 3, 3))
        u = rng.integers(-2, 3, i.shape).astype(dtype)
        tx, tu = (torch.tensor(a, requires_grad=True) for a in (x, u))
        ti = torch.tensor(i)
        wanted = (
            tx.scatter(axis, ti, tu)
            if reduction == "none"
            else tx.scatter_reduce(axis, ti, tu, TORCH[reduction])
        )
        check(
            lambda a, b, i=i, axis=axis: scatter_elements(a, constant(i, a), b, axis, reduction),
            wanted,
            (x, u),
            (tx, tu),
            tolerance,
        )
        check(
            lambda a, i=i, axis=axis: gather_elements(a, constant(i, a), axis),
            torch.gather(tx, axis, ti),
            (x,),
            (tx,),
            tolerance,
        )


def test_the_last_of_repeated_writes_wins() -> None:
    x, u = np.zeros((3, 2)), np.arange(6.0).reshape(3, 2)
    (y,) = ScatterSlices(0).eval(x, np.array([1, 1, -2]), u)
    np.testing.assert_array_equal(y, [[0, 0], [4, 5], [0, 0]])
    (y,) = ScatterElements(0).eval(x[:, 0], np.array([2, 2, 2]), u[:, 0])
    np.testing.assert_array_equal(y, [0, 0, 4])


@pytest.mark.parametrize("index", [3, -4])
@pytest.mark.parametrize(
    "op", [Take(0), ScatterSlices(0), GatherElements(0), ScatterElements(0, "add")]
)
def test_an_index_out_of_range_is_named(op: Any, index: int) -> None:
    x, i = np.zeros(3), np.array([0, index])
    inputs = (x, i, np.ones(2)) if op.name.startswith("scatter") else (x, i)
    with pytest.raises(IndexError, match=rf"{op.name}: index {index} .* axis 0 of size 3"):
        op.eval(*inputs)


def test_misfits_are_refused() -> None:
    x, i = tensor_type("f32", (3, 4)), tensor_type("i64", (2,))
    with pytest.raises(TypeMismatch, match="int32 or int64"):
        Take(0).infer(x, x)
    with pytest.raises(TypeMismatch, match="one of"):
        ScatterSlices(0, "mean").infer(x, i, tensor_type("f32", (2, 4)))
    with pytest.raises(TypeMismatch, match=r"updates operand is f32\[3,4\]"):
        ScatterSlices(0, "add").infer(x, i, x)
    with pytest.raises(TypeMismatch, match="at most 4 long in axis 1"):
        GatherElements(0).infer(x, tensor_type("i64", (3, 5)))
    with pytest.raises(TypeMismatch, match="from 0 to 3"):
        TopK(4, 0).infer(x)


def test_embedding_sized_scatter_loops_in_numpy() -> None:
    rng = np.random.default_rng(3)
    table, ids = np.zeros((8000, 256), np.float32), rng.integers(0, 8000, (8, 128))
    updates = rng.standard_normal((8, 128, 256)).astype(np.float32)
    calls = 0

    def tick(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        (y,) = ScatterSlices(0, "add").eval(table, ids, updates)
    finally:
        sys.setprofile(None)
    assert calls < 200  # row by row it would be thousands
    wanted = np.zeros_like(table)
    np.add.at(wanted, ids, updates)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_half_precision_adds_up_in_float32(dtype: Any) -> None:
    u = np.ones((4096, 1), dtype)
    (y,) = ScatterSlices(0, "add").eval(np.zeros((1, 1), dtype), np.zeros(4096, np.int64), u)
    assert y.dtype == dtype and y[0, 0] == 4096


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("descending", [False, True])
def test_sort(descending: bool, dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(4)
    for axis in (0, 1):
        x = rng.integers(-3, 4, (6, 5)).astype(dtype)
        tx = torch.tensor(x, requires_grad=True)
        wanted, places = torch.sort(tx, stable=True, dim=axis, descending=descending)
        check(lambda a, axis=axis: sort(a, axis, descending)[0], wanted, (x,), (tx,), tolerance)
        np.testing.assert_array_equal(Sort(axis, descending).eval(x)[1], places)
    x[rng.random(x.shape) < 0.3] = np.nan
    wanted, places = torch.sort(torch.tensor(x), stable=True, dim=0, descending=descending)
    values, found = Sort(0, descending).eval(x)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(found, places)


@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("largest", [False, True])
def test_topk(largest: bool, dtype: Any, tolerance: float) -> None:
    x = np.random.default_rng(5).permutation(30).reshape(6, 5).astype(dtype)
    x[2, 1] = np.nan
    for axis, k in ((0, 4), (1, 1), (1, 5)):
        tx = torch.tensor(x, requires_grad=True)
        wanted, places = torch.topk(tx, k, axis, largest)
        check(lambda a, d=axis, k=k: topk(a, k, d, largest)[0], wanted, (x,), (tx,), tolerance)
        np.testing.assert_array_equal(TopK(k, axis, largest).eval(x)[1], places)


def test_one_hot() -> None:
    ids = np.array([[0, 2], [1, 1]])
    op = OneHot(3, tensor_type("i64").dtype)
    wanted = torch.nn.functional.one_hot(torch.tensor(ids), 3)
    np.testing.assert_array_equal(op.eval(ids)[0], wanted)
    for sample in OneHot.samples():
        (unfolded,) = run(sample.op.decompose, sample.inputs)
        np.testing.assert_array_equal(unfolded, *sample.op.eval(*sample.inputs))
