"""Operators along one axis that are no plain fold: sort, top-k, running sums, arg-max; and bits."""

from __future__ import annotations

import math
from typing import cast

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data as on_data
from nngraph.backends.tvm.codegen.random import philox_bits
from nngraph.backends.tvm.codegen.scan import cumulative
from nngraph.backends.tvm.codegen.sort import sort_rows
from nngraph.backends.tvm.codegen.types import Expr, compute_type, load, storage_type
from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import ScanSpec, SortSpec
from nngraph.ir.dtypes import DType
from nngraph.ir.types import TensorType
from nngraph.ops.random import RandomBits
from nngraph.ops.reduce.running import ArgMax, ArgMin, CumProd, CumSum
from nngraph.ops.sort import Sort, TopK

__all__ = ["build_rows"]


def build_rows(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a spec."""
    x, loops = spec.inputs[0], loops_for(machine)
    match spec.op:
        case RandomBits():
            return philox_bits(math.prod(spec.outputs[0].static_shape), loops)
        case Sort() | TopK() as op:
            return sort_rows(_sort_spec(op, x), loops)
        case CumSum() | CumProd() as op:
            return cumulative(_scan_spec(op, x), loops)
        case ArgMax() | ArgMin() as op:
            return _position(loops, x, op.axis, largest=isinstance(op, ArgMax))
    raise NotImplementedError(f"{spec.op.name} has no kernel over rows")


def _around(x: TensorType, axis: int) -> tuple[int, int, int]:
    """Sizes before, along and after an axis."""
    shape = x.static_shape
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _sort_spec(op: Sort | TopK, x: TensorType) -> SortSpec:
    """Along the last axis (legalisation has moved it there)."""
    rows, columns, _ = _around(x, op.axis)
    if isinstance(op, TopK):
        return SortSpec(rows, columns, cast("int", op.k), op.largest, x.dtype.name)
    return SortSpec(rows, columns, columns, op.descending, x.dtype.name)


def _scan_spec(op: CumSum | CumProd, x: TensorType) -> ScanSpec:
    outer, length, inner = _around(x, op.axis)
    return ScanSpec(
        outer,
        length,
        inner,
        x.dtype.name,
        x.dtype.name,
        isinstance(op, CumSum) and op.exclusive,
        isinstance(op, CumSum) and op.reverse,
        product=isinstance(op, CumProd),
    )


def _position(loops: Loops, x: TensorType, axis: int, largest: bool) -> PrimFunc:
    """Parameters: x, int64 positions; flat. The first of equals; the first NaN wins."""
    outer, length, inner = _around(x, axis)
    size = outer * length * inner
    with loops.kernel("position") as k:
        data = k.argument("x", (size,), storage_type(x.dtype))
        out = k.argument("out", (outer * inner,), "int64")
        with loops.tasks(outer * inner, size) as task:
            base = task // inner * (length * inner) + task % inner
            best = loops.registers((1,), compute_type(x.dtype))
            found = loops.registers((1,), "int32")
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
    better = on_data.lt(best, value) if largest else on_data.lt(value, best)
    if not dtype.is_floating_point:
        return better
    return tirx.any(better, tirx.all(on_data.isnan(value), tirx.Not(on_data.isnan(best))))
