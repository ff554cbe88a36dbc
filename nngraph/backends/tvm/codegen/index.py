"""Reading and writing by index; the checks that report an index out of range, and zeros."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.move import build_copy
from nngraph.backends.tvm.codegen.types import Expr, storage_type
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import ElementsSpec, TakeSpec
from nngraph.backends.tvm.strategies.common import kernel
from nngraph.backends.tvm.strategies.scatter import (
    gather_elements,
    scatter_elements,
    scatter_rows,
    take_rows,
)
from nngraph.ir.types import TensorType

__all__ = ["build_index"]


def build_index(spec: KernelSpec) -> Any:
    """The kernel of an indexed operator."""
    op: Any = spec.op
    x = spec.inputs[0]
    if op.name == "index_check":
        return _check(x, lambda i: _outside(i, x.dtype.name, op.size))
    if op.name == "zero_check":
        return _check(x, lambda i: i == tirx.const(0, x.dtype.name))
    index = spec.inputs[1]
    if index.size == 0:
        return build_copy(spec)
    if op.name in ("take", "scatter_slices"):
        rows = _take_spec(x, index, op.axis, _raw(spec))
        return take_rows(rows) if op.name == "take" else scatter_rows(rows, op.reduction)
    reduction = getattr(op, "reduction", "none")
    elements = ElementsSpec(
        x.static_shape, index.static_shape, op.axis, reduction, _raw(spec), index.dtype.name
    )
    return gather_elements(elements) if op.name == "gather_elements" else scatter_elements(elements)


def _raw(spec: KernelSpec) -> str:
    """The element type: as stored where nothing is computed."""
    dtype = spec.inputs[0].dtype
    computes = getattr(spec.op, "reduction", "none") != "none"
    return dtype.name if computes else storage_type(dtype)


def _take_spec(x: TensorType, index: TensorType, axis: int, dtype: str) -> TakeSpec:
    shape = x.static_shape
    return TakeSpec(
        math.prod(shape[:axis]),
        shape[axis],
        math.prod(shape[axis + 1 :]),
        math.prod(index.static_shape),
        dtype,
        index.dtype.name,
    )


def _outside(index: Expr, kind: str, size: int) -> Expr:
    return tirx.any(index < tirx.const(-size, kind), index >= tirx.const(size, kind))


def _check(x: TensorType, wrong: Callable[[Expr], Expr]) -> Any:
    """Parameters: integers (flat), status: int64[8] gets 1 and the last of them that is wrong."""
    count = math.prod(x.static_shape)
    with kernel("check") as k:
        data = k.argument("x", (count,), x.dtype.name)
        status = k.argument("status", (8,), "int64")
        with T.serial(0, count) as i, T.If(wrong(data[i])), T.Then():
            T.buffer_store(status, tirx.const(1, "int64"), [0])
            T.buffer_store(status, tirx.Cast("int64", data[i]), [1])
    return k.finish()
