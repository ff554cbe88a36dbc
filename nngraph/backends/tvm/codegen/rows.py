"""Operators along one axis that are no plain fold: sort, top-k, running sums, arg-max; and bits."""

from __future__ import annotations

import math
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.types import Expr, compute_type, load, storage_type
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import ScanSpec, SortSpec
from nngraph.backends.tvm.strategies.common import kernel, parallel
from nngraph.backends.tvm.strategies.random import philox_bits
from nngraph.backends.tvm.strategies.scan import cumulative
from nngraph.backends.tvm.strategies.sort import sort_rows
from nngraph.ir.dtypes import DType
from nngraph.ir.types import TensorType

__all__ = ["build_rows"]


def build_rows(spec: KernelSpec) -> Any:
    """The kernel of a spec."""
    op: Any = spec.op
    x = spec.inputs[0]
    match op.name:
        case "random_bits":
            return philox_bits(math.prod(op.shape))
        case "sort" | "topk":
            return sort_rows(_sort_spec(op, x))
        case "cum_sum" | "cum_prod":
            return cumulative(_scan_spec(op, x))
    return _position(x, op.axis, largest=op.name == "arg_max")


def _around(x: TensorType, axis: int) -> tuple[int, int, int]:
    """Sizes before, along and after an axis."""
    shape = x.static_shape
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _sort_spec(op: Any, x: TensorType) -> SortSpec:
    """Along the last axis (legalisation has moved it there)."""
    rows, columns, _ = _around(x, op.axis)
    if op.name == "topk":
        return SortSpec(rows, columns, op.k, op.largest, x.dtype.name)
    return SortSpec(rows, columns, columns, op.descending, x.dtype.name)


def _scan_spec(op: Any, x: TensorType) -> ScanSpec:
    outer, length, inner = _around(x, op.axis)
    return ScanSpec(
        outer,
        length,
        inner,
        x.dtype.name,
        x.dtype.name,
        getattr(op, "exclusive", False),
        getattr(op, "reverse", False),
        product=op.name == "cum_prod",
    )


def _position(x: TensorType, axis: int, largest: bool) -> Any:
    """Parameters: x, int64 positions; flat. The first of equals; the first NaN wins."""
    outer, length, inner = _around(x, axis)
    size = outer * length * inner
    with kernel("position") as k:
        data = k.argument("x", (size,), storage_type(x.dtype))
        out = k.argument("out", (outer * inner,), "int64")
        with parallel(outer * inner, size) as task:
            base = task // inner * (length * inner) + task % inner
            best = T.alloc_buffer((1,), compute_type(x.dtype), scope="local")
            found = T.alloc_buffer((1,), "int32", scope="local")
            T.buffer_store(best, load(data[base], x.dtype), [0])
            T.buffer_store(found, 0, [0])
            with T.serial(0, length) as i:
                value = load(data[base + i * inner], x.dtype)
                with T.If(_wins(x.dtype, value, best[0], largest)), T.Then():
                    T.buffer_store(best, value, [0])
                    T.buffer_store(found, i, [0])
            T.buffer_store(out, tirx.Cast("int64", found[0]), [task])
    return k.finish()


def _wins(dtype: DType, value: Expr, best: Expr, largest: bool) -> Expr:
    better = value > best if largest else value < best
    if not dtype.is_floating_point:
        return better
    return tirx.any(better, tirx.all(tirx.isnan(value), tirx.Not(tirx.isnan(best))))
