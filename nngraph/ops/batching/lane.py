"""Operands that stand for many of their kind at once, one for each element of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from nngraph.ir.dims import Dim
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import broadcast_to, reshape

__all__ = ["Lane", "Rule"]

#: From an operator and its operands, of which one at least has a batch axis, to the outputs with
#: the batch as their first axis.
Rule = Callable[[Any, "Sequence[Lane]"], Sequence[Any]]


class Lane:
    """An operand as the code sees it that runs for one element of the batch.

    Attributes:
        aval: its type, without the batch axis.
        inner: the operand that holds all elements, on its first axis; or that is the same for all.
        is_batched: which of the two.
        size: of the batch.
    """

    _rules: ClassVar[Any]  # what applies an operator to lanes: ``batch``
    __slots__ = ("aval", "inner", "is_batched", "size")

    def __init__(self, inner: Any, size: Dim, is_batched: bool) -> None:
        self.inner, self.size, self.is_batched = inner, size, is_batched
        kind: TensorType = inner.aval
        self.aval = kind.with_shape(kind.shape[1:]) if is_batched else kind

    def apply(self, op: Op, operands: Sequence[Lane]) -> tuple[Lane, ...]:
        """Applies an operator to all elements of the batch at once."""
        made: tuple[Lane, ...] = Lane._rules(op, operands, self)
        return made

    @property
    def whole(self) -> Any:
        """The operand with a batch axis, whether it needs one or not."""
        if self.is_batched:
            return self.inner
        return broadcast_to(self.inner, (self.size, *self.aval.shape))

    def padded(self, rank: int) -> Any:
        """What broadcasts to a batch of operands of this rank."""
        missing = rank - self.aval.rank
        if not self.is_batched or missing <= 0:
            return self.inner
        return reshape(self.inner, (self.size, *(1,) * missing, *self.aval.shape))

    def folded(self) -> Any:
        """The operand whose first axis is that of the batch and its own in one."""
        first, *rest = self.aval.shape
        return reshape(self.whole, (self.size * first, *rest))
