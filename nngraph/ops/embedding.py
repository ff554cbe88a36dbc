"""Rows of a table by integer ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import unsqueeze
from nngraph.ops.core import need
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise import ne, where
from nngraph.ops.family import operators_of
from nngraph.ops.index.checks import from_start
from nngraph.ops.index.scattering import need_indices
from nngraph.ops.index.slices import scatter_slices, take

__all__ = ["Embedding", "embedding"]

Values = Sequence[Any]


@dataclass(frozen=True)
class Embedding(Op):
    """(weight[V, D], ids of any shape) -> weight[ids]; row ``padding_idx`` gets no gradient."""

    padding_idx: int | None = None
    name: ClassVar[str] = "embedding"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        weight, ids = types
        need_indices(self.name, ids)
        need(weight.rank == 2, self.name, "the weight", weight, "[V, D]")
        rows, fits = weight.shape[0], True
        if self.padding_idx is not None:
            fits = self.padding_idx >= 0 and (not isinstance(rows, int) or self.padding_idx < rows)
        need(fits, self.name, "padding_idx", self.padding_idx, f"None or from 0 to below {rows}")
        return (weight.with_shape((*ids.shape, weight.shape[1])),)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        weight, ids = inputs
        wrong = ids[(ids < 0) | (ids >= weight.shape[0])]
        if wrong.size:
            raise IndexError(
                f"{self.name}: id {wrong.flat[0]} is out of range for {weight.shape[0]} rows; ids "
                f"must be in [0, {weight.shape[0] - 1}]"
            )
        return (np.asarray(np.take(weight, ids, 0)),)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        return (take(inputs[0], from_start(inputs[1], self.name), 0),)

    def vjp(self, inputs: Values, outputs: Values, grads: Values) -> Sequence[Thunk | None]:
        weight, ids = inputs

        def gradient() -> Any:
            g = grads[0]
            if self.padding_idx is not None:
                g = where(unsqueeze(ne(ids, self.padding_idx), ids.aval.rank), g, 0.0)
            return scatter_slices(zeros_like(weight), ids, g, 0, "add")

        return (gradient, None)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        weight = np.random.default_rng(18).standard_normal((6, 3)).astype(np.float32)
        yield Sample(cls(), (weight, np.asarray([[0, 5], [5, 2]])), note="a row twice")
        yield Sample(cls(), (weight, np.asarray(4, np.int32)), note="one id")
        yield Sample(cls(), (weight, np.zeros((0, 2), np.int64)), note="no id")
        # The padding row's values are read but get no gradient, which differences would see.
        yield Sample(cls(1), (weight, np.asarray([1, 3, 1, 0])), False, "padding row")


def embedding(weight: O, ids: O, padding_idx: int | None = None) -> O:
    """Rows of ``weight[V, D]``."""
    return apply1(Embedding(padding_idx), weight, ids)


OPERATORS = operators_of(globals())
