"""What composites share: half precision computed in float32, and shared parts of gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from nngraph.ir.dtypes import DType, float32
from nngraph.ir.op import Cost, O, Op, Thunk, Trait
from nngraph.ir.reverse import Applied, Recorder, reverse
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import sum_to
from nngraph.ops.core import Takes, need
from nngraph.ops.creation import zeros_like
from nngraph.ops.elementwise.arithmetic import add
from nngraph.ops.elementwise.select import cast

__all__ = ["Derived", "need_parameter", "once", "through_decomposition", "wide", "wide_dtype"]

T = TypeVar("T")


def wide_dtype(dtype: DType) -> DType:
    """float32 for half precision, else the type itself."""
    return float32 if dtype.is_floating_point and dtype.bits < 32 else dtype


def wide(x: O) -> O:
    """Half precision as float32; other operands unchanged."""
    return cast(x, wide_dtype(x.aval.dtype))


def need_parameter(
    op: str, what: str, kind: TensorType, x: TensorType, shape: tuple[Any, ...]
) -> None:
    """Refuses a parameter of another shape, or of a type that is neither x's nor its wide one."""
    need(kind.shape == shape, op, what, kind, f"of shape [{','.join(map(str, shape))}]")
    fits = kind.dtype in (x.dtype, wide_dtype(x.dtype))
    need(fits, op, what, kind, f"of the type of the input {x}, or float32 beside half precision")


def once(build: Callable[[], T]) -> Callable[[], T]:
    """``build`` run at its first call: thunks share one node and none is built in vain."""
    return functools.cache(build)


def through_decomposition(
    op: Op, inputs: Sequence[Any], grads: Sequence[Any], position: int
) -> Thunk:
    """The gradient of one input by differentiating ``op.decompose``."""

    def build() -> Any:
        records: list[Applied] = []
        outs = op.decompose(*(Recorder(v, records) for v in inputs))
        seeds = [(o.inner, g) for o, g in zip(outs, grads, strict=True) if g is not None]
        (gradient,) = reverse(records, seeds, [inputs[position]], add)
        return gradient

    return build


class Derived(Op):
    """A row of floats whose formula and gradients see half precision as float32."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.ELEMENTWISE})
    takes: ClassVar[Takes] = Takes.FLOATS
    cost: ClassVar[Cost] = Cost.HEAVY

    def formula(self, *operands: Any) -> Any:
        """The result, of operands in float32 or float64."""
        raise NotImplementedError

    def slopes(self, *operands: Any) -> Sequence[Callable[[Any, Any], Any] | None]:
        """For each operand ``(result, gradient of the result) -> gradient``; None: it is 0."""
        raise NotImplementedError

    def decompose(self, *inputs: Any) -> tuple[Any, ...]:
        return (cast(self.formula(*map(wide, inputs)), inputs[0].aval.dtype),)

    def vjp(
        self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Sequence[Any]
    ) -> Sequence[Thunk | None]:
        slopes = self.slopes(*map(wide, inputs))

        def thunk(slope: Callable[[Any, Any], Any] | None, operand: Any) -> Thunk:
            def gradient() -> Any:
                if slope is None:
                    return zeros_like(operand)
                found = slope(wide(outputs[0]), wide(grads[0]))
                return sum_to(cast(found, operand.aval.dtype), operand.aval.shape)

            return gradient

        return tuple(thunk(s, x) for s, x in zip(slopes, inputs, strict=True))
