"""What fails in a call whose values are not what a function takes.

No exported format has an operator that fails. Both of these become a read at a place out of range,
which every runtime refuses; ``eval`` says what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nngraph.ir.dtypes import bool_, int32
from nngraph.ir.op import Array, O, Op, Sample, Thunk, apply1
from nngraph.ir.refusals import ValueRangeError
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import unsqueeze
from nngraph.ops.core import need
from nngraph.ops.creation import full
from nngraph.ops.elementwise import ge, where
from nngraph.ops.index.scattering import need_indices
from nngraph.ops.index.slices import take

__all__ = ["FromStart", "Require", "from_start", "require"]

_NOWHERE = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Require(Op):
    """x, if the condition (a bool without axes) holds; else the call fails with the message.

    Gradients pass by the same condition, so a call fails also where only they are used.
    """

    message: str
    name: ClassVar[str] = "require"

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        x, holds = types
        single = holds.dtype is bool_ and not holds.rank
        need(single, self.name, "the condition", holds, "bool[]")
        return (x,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        x, holds = inputs
        if not holds:
            raise ValueRangeError(self.message)
        return (x,)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        return (lambda: apply1(self, grads[0], inputs[1]), None)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        x, holds = inputs
        place = where(holds, full(0, int32, (), x), full(_NOWHERE, int32, (), x))
        return (take(unsqueeze(x, (0,)), place, 0),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(5).standard_normal((3, 4)).astype(np.float32)
        yes = np.asarray(True)
        yield Sample(cls("x has to be small"), (x, yes))
        yield Sample(cls("'quoted' and \"doubly\""), (x[0, 0], yes), note="a number")
        yield Sample(cls("nothing"), (x[:0], yes), note="no element")
        yield Sample(cls("integers"), (np.arange(3), yes), False)


@dataclass(frozen=True)
class FromStart(Op):
    """Indices as they are; one that counts from the end is out of range.

    Attributes:
        what: the function, for the error's text.
    """

    what: str
    name: ClassVar[str] = "from_start"
    differentiable: ClassVar[bool] = False

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        (indices,) = types
        need_indices(self.what, indices)
        return (indices,)

    def eval(self, *inputs: Array) -> tuple[Array, ...]:
        (indices,) = inputs
        if indices.size and (least := indices.min()) < 0:
            raise IndexError(
                f"{self.what}: index {least} is out of range; here none counts from the end"
            )
        return (indices,)

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        (indices,) = inputs
        return (where(ge(indices, 0), indices, _NOWHERE),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("gather"), (np.array([[0, 3], [1, 2**40]]),), False)
        yield Sample(cls("gather"), (np.asarray(2, np.int32),), False, "a number")
        yield Sample(cls("gather"), (np.zeros((0, 2), np.int64),), False, "no index")


def require(x: O, holds: O, message: str) -> O:
    """``x``; a call in which ``holds`` is false fails with the message."""
    return apply1(Require(message), x, holds)


def from_start(indices: O, what: str) -> O:
    """The indices of function ``what``, none of which may be negative."""
    return apply1(FromStart(what), indices)
