"""Reading and writing single elements by integer indices along one axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.core import need
from nngraph.ops.creation import zeros_like
from nngraph.ops.index.scattering import (
    COMBINATIONS,
    Indexed,
    Scattering,
    in_range,
    need_axis,
    need_indices,
    scatter_flat,
)

__all__ = ["GatherElements", "ScatterElements", "gather_elements", "scatter_elements"]


@dataclass(frozen=True)
class GatherElements(Indexed):
    """``torch.gather``: out[i][j] = x[indices[i][j]][j] for axis 0, and so on.

    The result has the indices' shape, which off ``axis`` may be smaller than x's.
    """

    name: ClassVar[str] = "gather_elements"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, indices = types
        need_indices(self.name, indices)
        need_axis(self.name, self.axis, x)
        need(indices.rank == x.rank, self.name, "the index operand", indices, f"of rank {x.rank}")
        for a, (have, want) in enumerate(zip(x.shape, indices.shape, strict=True)):
            fits = have == want or (isinstance(have, int) and isinstance(want, int) and want < have)
            need(
                a == self.axis or fits,
                self.name,
                "the index operand",
                indices,
                f"at most {have} long in axis {a}",
            )
        return (x.with_shape(indices.shape),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, indices = inputs
        places = in_range(self.name, indices, self.axis, x.shape[self.axis])
        part = x[
            tuple(slice(None) if a == self.axis else slice(n) for a, n in enumerate(indices.shape))
        ]
        return (np.take_along_axis(part, places, self.axis),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        x, indices = inputs
        return (lambda: scatter_elements(zeros_like(x), indices, grads[0], self.axis, "add"), None)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
        yield Sample(cls(1), (x, np.array([[0, 3, 3], [1, 1, -1], [2, 0, 0]])), note="duplicates")
        yield Sample(cls(0), (x, np.array([[2, 0, 1, 1]], np.int32)), note="fewer rows")
        yield Sample(cls(1), (x, np.array([[3], [0]])), note="shorter off the axis")
        yield Sample(cls(0), (x[0], np.zeros((0,), np.int64)), note="no index")


@dataclass(frozen=True)
class ScatterElements(Scattering):
    """``torch.scatter`` and ``torch.scatter_reduce``: the adjoint addressing of GatherElements.

    ``updates`` has the indices' shape; ``reduction`` as in ``ScatterSlices``.
    """

    name: ClassVar[str] = "scatter_elements"

    @property
    def reader(self) -> GatherElements:
        return GatherElements(self.axis)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, indices, updates = inputs
        index = in_range(self.name, indices, self.axis, x.shape[self.axis])
        grid: list[Array] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
        grid[self.axis] = index.astype(np.intp)
        places = np.zeros(indices.shape, np.intp)
        for size, position in zip(x.shape, grid, strict=True):
            places = places * size + position
        return (scatter_flat(x, places, updates, self.reduction),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        rng = np.random.default_rng(3)
        x = rng.standard_normal((3, 4)).astype(np.float32)
        for reduction in COMBINATIONS:
            u = rng.standard_normal((2, 4)).astype(np.float32)
            i = np.array([[0, 1, 2, -1], [1, 0, 0, 0]])
            yield Sample(cls(0, reduction), (x, i, u), note="each place once")
            i = np.array([[0, 0, 3], [2, 2, 2]], np.int32)
            yield Sample(cls(1, reduction), (x, i, u[:, :3]), reduction != "none", "repeated")
        ties = np.ones((2, 3), np.float32)
        for reduction in ("max", "min"):
            yield Sample(cls(1, reduction), (ties, np.array([[1, 1]]), ties[:1, :2]), False, "ties")


def gather_elements(x: O, indices: O, axis: int) -> O:
    """Elements of ``x`` at ``indices`` along ``axis`` (``torch.gather``)."""
    return apply1(GatherElements(axis), x, indices)


def scatter_elements(x: O, indices: O, updates: O, axis: int, reduction: str = "none") -> O:
    """``x`` with the elements at ``indices`` combined with ``updates`` (``torch.scatter``)."""
    return apply1(ScatterElements(axis, reduction), x, indices, updates)
