"""What composites share: half precision computed in float32, and shared parts of gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nngraph.ir.dtypes import DType, float32
from nngraph.ir.op import O, Op, Thunk
from nngraph.ir.reverse import Applied, Recorder, reverse
from nngraph.ir.types import TensorType
from nngraph.ops.core import need
from nngraph.ops.elementwise.arithmetic import add
from nngraph.ops.elementwise.select import cast

__all__ = ["need_parameter", "once", "through_decomposition", "wide", "wide_dtype"]

T = TypeVar("T")


def wide_dtype(dtype: DType) -> DType:
    """float32 for half precision, else the type itself."""
    return float32 if dtype.is_floating_point and dtype.bits < 32 else dtype


def wide(x: O) -> O:
    """Half precision as float32; other operands unchanged."""
    return cast(x, wide_dtype(x.type.dtype))


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
