"""Parameters of pooling and convolution, drawn at random, against PyTorch on every backend."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
import nngraph.nn.functional as F
from nngraph.backends import registry
from nngraph.ir.op import Array

EVERYWHERE = ("eager", *registry.BACKENDS)
Build = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True)
class Case:
    """``build(functional, x, weight)`` gives what is compared, in either library's words."""

    name: str
    build: Build
    x: Array
    weight: Array

    def run(self, functional: Any, x: Any, weight: Any) -> list[Any]:
        """The result and both gradients."""
        y = self.build(functional, x, weight)
        (y * y).sum().backward()
        return [y, x.grad, weight.grad]


def _lies_in_padding(size: int, kernel: int, stride: int, pad: int, dilation: int) -> bool:
    """True if a window with ceil_mode may read no element: PyTorch then reads foreign memory."""
    starts = range(-pad, size, stride)
    taps = ([start + t * dilation for t in range(kernel)] for start in starts)
    return any(all(not 0 <= t < size for t in window) for window in taps)


def _max_pool(kernel: Any, stride: Any, pad: Any, dilation: Any, ceil: bool) -> Build:
    name = f"max_pool{len(kernel)}d"
    return lambda f, x, w: getattr(f, name)(x, kernel, stride, pad, dilation, ceil) + w.sum() * 0


def _avg_pool(kernel: Any, stride: Any, pad: Any, dilation: Any, ceil: bool) -> Build:
    name = f"avg_pool{len(kernel)}d"
    return lambda f, x, w: getattr(f, name)(x, kernel, stride, pad, ceil, not ceil) + w.sum() * 0


def _conv(kernel: Any, stride: Any, pad: Any, dilation: Any, ceil: bool) -> Build:
    name = f"conv{len(kernel)}d"
    return lambda f, x, w: getattr(f, name)(x, w, None, stride, pad, dilation, 2)


def _transposed(kernel: Any, stride: Any, pad: Any, dilation: Any, ceil: bool) -> Build:
    name = f"conv_transpose{len(kernel)}d"
    extra = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
    return lambda f, x, w: getattr(f, name)(x, w, None, stride, pad, extra, 2, dilation)


def _drawn(rng: random.Random, number: int) -> Case | None:
    rank = rng.choice((1, 1, 2, 3))

    def each(*choices: int) -> tuple[int, ...]:
        return tuple(rng.choice(choices) for _ in range(rank))

    sizes, kernel, stride = each(1, 2, 4, 5), each(1, 2, 3), each(1, 2, 3, 5)
    pad, dilation, ceil = each(0, 0, 1), each(1, 2, 3), rng.random() < 0.6
    make = rng.choice((_max_pool, _max_pool, _avg_pool, _conv, _transposed))
    axes = zip(sizes, kernel, stride, pad, dilation, strict=True)
    if make is _max_pool and any(_lies_in_padding(*axis) for axis in axes):
        return None
    arrays = np.random.default_rng(number)
    x = arrays.standard_normal((2, 4, *sizes)).astype(np.float32)
    weight = arrays.standard_normal((4, 2, *kernel)).astype(np.float32)
    name = f"{make.__name__} {sizes} {kernel=} {stride=} {pad=} {dilation=} {ceil=}"
    return Case(name, make(kernel, stride, pad, dilation, ceil), x, weight)


def _torchs(case: Case) -> list[Any] | None:
    x, weight = (torch.tensor(a, requires_grad=True) for a in (case.x, case.weight))
    try:
        return [v.detach().numpy() for v in case.run(torch.nn.functional, x, weight)]
    except RuntimeError:
        return None  # it refuses these parameters


@functools.cache
def _legal(count: int) -> list[tuple[Case, list[Any]]]:
    rng, found = random.Random(0), []
    number = 0
    while len(found) < count:
        number += 1
        case = _drawn(rng, number)
        wanted = _torchs(case) if case is not None else None
        if case is not None and wanted is not None:
            found.append((case, wanted))
    return found


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_legal_parameters_give_what_torch_gives(backend: str) -> None:
    cases = _legal(30)

    def every(leaves: Any) -> Any:
        rows = zip(cases, leaves, strict=True)
        return [case.run(F, x, weight) for (case, _), (x, weight) in rows]

    leaves = [
        [ng.tensor(a, requires_grad=True) for a in (case.x, case.weight)] for case, _ in cases
    ]
    found = (every if backend == "eager" else ng.compile(every, backend=backend))(leaves)
    for (case, wanted), got in zip(cases, found, strict=True):
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours.shape == theirs.shape, case.name
            scale = max(1.0, float(np.abs(theirs).max(initial=0)))
            np.testing.assert_allclose(
                ours.detach().numpy(), theirs, 1e-5, 2e-6 * scale, err_msg=case.name
            )


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_one_window_may_be_longer_than_the_padded_input(backend: str) -> None:
    """With ceil_mode; and what hangs over may be longer than the kernel without its dilation."""

    def pools(x: Any) -> Any:
        return F.max_pool1d(x, 2, 3, 0, 2, True), F.max_pool1d(x[..., :1], 2, 5, 0, 3, True)

    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    found = (pools if backend == "eager" else ng.compile(pools, backend=backend))(ng.tensor(x))
    t = torch.tensor(x)
    wanted = (
        torch.nn.functional.max_pool1d(t, 2, 3, 0, 2, True),
        torch.nn.functional.max_pool1d(t[..., :1], 2, 5, 0, 3, True),
    )
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_a_window_of_padding_only_is_minus_infinity(backend: str) -> None:
    def pool(x: Any) -> Any:
        return F.max_pool1d(x, 2, 1, 1, 2), F.max_pool1d(x, 2, 1, 1, 2, return_indices=True)[0]

    x = ng.tensor([[[3.0]]])
    found = (pool if backend == "eager" else ng.compile(pool, backend=backend))(x)
    for one in found:
        np.testing.assert_array_equal(one.numpy(), [[[-np.inf]]])


def test_output_padding_up_to_the_dilation() -> None:
    """It is less padding as long as there is some, and zeros after that."""
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 4)
    weight = np.array([[[1.0, 2.0]]], np.float32)
    for pad in (0, 1, 2):
        ours = F.conv_transpose1d(ng.tensor(x), ng.tensor(weight), None, 1, pad, 2, 1, 3)
        theirs = torch.nn.functional.conv_transpose1d(
            torch.tensor(x), torch.tensor(weight), None, 1, pad, 2, 1, 3
        )
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(RuntimeError, match="less padding or a larger kernel"):
        F.conv_transpose1d(ng.tensor(x), ng.tensor(weight), None, 1, 4)
