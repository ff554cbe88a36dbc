"""Views whose axes step through several axes at once, or through one twice: diagonals, windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dims import Dim
from nngraph.ir.dtypes import bool_
from nngraph.ir.op import Array, O, Op, Sample, Thunk, Trait, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import reshape
from nngraph.ops.core import need
from nngraph.ops.creation import constant, zeros_like
from nngraph.ops.index.slices import scatter_slices, take
from nngraph.ops.shape.moving import transpose

__all__ = ["Strided", "strided"]

_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...], str], ...] = (
    ((4,), (0, 0), ((1, 1),), "the diagonal"),
    ((3,), (0, 2), ((1, 1),), "a diagonal above"),
    ((4, 3, 3), (0, 0), ((1, 0), (0, 1), (0, 1)), "windows that overlap"),
    ((2, 5, 2), (0, 0), ((2, 0), (0, 1), (1, 0)), "windows that do not"),
    ((0,), (0, 0), ((1, 1),), "nothing"),
    ((), (2, 1), (), "one element"),
    ((5, 4), (0, 0), ((0, 1), (1, 0)), "a transpose"),
)


@dataclass(frozen=True)
class Strided(Op):
    """``y[i] = x[starts + i @ steps]``: axis j of y goes ``steps[j][a]`` along axis a of x.

    Attributes:
        shape: of y; symbolic only in an axis that is a whole axis of x.
        starts: for each axis of x, where y begins.
        steps: for each axis of y, how far it goes along each axis of x.
    """

    shape: tuple[Dim, ...]
    starts: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    name: ClassVar[str] = "strided"
    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.SHAPE})

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (x,) = types
        fits = len(self.starts) == x.rank and all(len(s) == x.rank for s in self.steps)
        fits = fits and len(self.steps) == len(self.shape)
        need(fits, self.name, "the steps", self.steps, f"for each axis of the result and of {x}")
        whole, _ = self._axes(x)
        for axis in set(range(x.rank)) - {a for _, a in whole}:
            if not self._is_empty():
                size, (low, high) = x.shape[axis], self._reach(axis)
                inside = isinstance(size, int) and 0 <= low <= high < size
                need(inside, self.name, f"axis {axis}", x, f"to reach from {low} to {high}")
        return (x.with_shape(self.shape),)

    def _is_empty(self) -> bool:
        return any(isinstance(n, int) and n == 0 for n in self.shape)

    def _reach(self, axis: int) -> tuple[int, int]:
        """The first and the last place along an axis of x that is no whole axis of y."""
        ends = [
            (n - 1) * step[axis]
            for n, step in zip(self.shape, self.steps, strict=True)
            if step[axis] and isinstance(n, int)
        ]
        start = self.starts[axis]
        return start + sum(e for e in ends if e < 0), start + sum(e for e in ends if e > 0)

    def _axes(self, x: TensorType) -> tuple[list[tuple[int, int]], list[int]]:
        """Pairs of axes of y and x that are the same whole axis, and the other axes of y."""
        whole, rest = [], []
        for j, step in enumerate(self.steps):
            (a, *more) = [a for a, s in enumerate(step) if s] or [-1, -1]
            alone = sum(1 for other in self.steps if other[a]) == 1
            same = not more and step[a] == 1 and alone and not self.starts[a]
            if same and self.shape[j] == x.shape[a]:
                whole.append((j, a))
            else:
                rest.append(j)
        return whole, rest

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        shape = TensorType(bool_, self.shape).static_shape
        strides = [sum(s * n for s, n in zip(step, x.strides, strict=True)) for step in self.steps]
        first = x if self._is_empty() else x[tuple(slice(s, None) for s in self.starts)]
        return (np.lib.stride_tricks.as_strided(first, shape, strides),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: self.written(zeros_like(inputs[0]), grads[0], "add"),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (x,) = inputs
        flat, index, order = self._flattened(x)
        found = take(flat, index, flat.aval.rank - 1)
        return (transpose(found, tuple(sorted(range(len(order)), key=order.__getitem__))),)

    def written(self, x: O, part: O, reduction: str = "none") -> O:
        """``x`` with the elements that this shows replaced; the last one wins where they repeat.

        ``reduction`` is that of ``scatter_slices``.
        """
        whole, _ = self._axes(x.aval)
        flat, index, order = self._flattened(x)
        update = transpose(part, order)
        new = scatter_slices(flat, index, update, flat.aval.rank - 1, reduction)
        lead = [a for _, a in whole]
        moved = [*lead, *(a for a in range(x.aval.rank) if a not in lead)]
        back = reshape(new, [x.aval.shape[a] for a in moved])
        return transpose(back, tuple(sorted(range(len(moved)), key=moved.__getitem__)))

    def _flattened(self, x: O) -> tuple[O, O, tuple[int, ...]]:
        """X with the axes that are not whole joined, places along these, the order of y's axes."""
        whole, rest = self._axes(x.aval)
        lead = [a for _, a in whole]
        others = [a for a in range(x.aval.rank) if a not in lead]
        sizes = x.aval.with_shape(x.aval.shape[a] for a in others).static_shape
        moved = transpose(x, (*lead, *others))
        flat = reshape(moved, (*(x.aval.shape[a] for a in lead), math.prod(sizes)))
        places = np.asarray(self._place([self.starts[a] for a in others], sizes), np.int64)
        for j in rest:
            step = self._place([self.steps[j][a] for a in others], sizes)
            (count,) = x.aval.with_shape((self.shape[j],)).static_shape
            places = places[..., None] + np.arange(count) * step
        return flat, constant(places, x), (*(j for j, _ in whole), *rest)

    @staticmethod
    def _place(steps: Sequence[int], sizes: Sequence[int]) -> int:
        place = 0
        for step, size in zip(steps, sizes, strict=True):
            place = place * size + step
        return place

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(8).standard_normal((4, 5)).astype(np.float32)
        for shape, starts, steps, note in _CASES:
            yield Sample(cls(shape, starts, steps), (x,), note=note)
        yield Sample(cls((3,), (0, 1), ((1, 1),)), (x > 0,), False, "bools")
        yield Sample(cls((), (), ()), (x[0, 0],), note="a number")


def strided(x: O, shape: Sequence[Dim], starts: Sequence[int], steps: Sequence[Sequence[int]]) -> O:
    """``y[i] = x[starts + i @ steps]`` of this shape."""
    return apply1(Strided(tuple(shape), tuple(starts), tuple(map(tuple, steps))), x)
