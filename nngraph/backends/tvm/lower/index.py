"""Reading and writing by index; the checks that report an index out of range, and zeros."""

from __future__ import annotations

import math
from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.scatter import (
    gather_elements,
    scatter_elements,
    scatter_rows,
    take_rows,
)
from nngraph.backends.tvm.codegen.types import Expr, storage_type
from nngraph.backends.tvm.loops.base import Loops, PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.lower.move import build_copy
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import IndexCheck, KernelSpec, ZeroCheck
from nngraph.backends.tvm.specs import ElementsSpec, TakeSpec
from nngraph.ir.dtypes import DType
from nngraph.ir.types import TensorType
from nngraph.ops.index.elements import GatherElements, ScatterElements
from nngraph.ops.index.scattering import Indexed
from nngraph.ops.index.slices import ScatterSlices, Take

__all__ = ["build_index"]


def build_index(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of an indexed operator."""
    x, loops = spec.inputs[0], loops_for(machine)
    match spec.op:
        case IndexCheck(size=size):
            return _check(loops, x, lambda i: _outside(i, x.dtype.name, size))
        case ZeroCheck():
            return _check(loops, x, lambda i: i == tirx.const(0, x.dtype.name))
        case Indexed() if spec.inputs[1].size == 0:
            return build_copy(spec, loops)
        case Take() as op:
            return take_rows(_take_spec(op, spec, "none"), loops)
        case ScatterSlices() as op:
            return scatter_rows(_take_spec(op, spec, op.reduction), loops, op.reduction)
        case GatherElements() as op:
            return gather_elements(_elements_spec(op, spec, "none"), loops)
        case ScatterElements() as op:
            return scatter_elements(_elements_spec(op, spec, op.reduction), loops)
    raise NotImplementedError(f"{spec.op.name} has no kernel by index")


def _raw(dtype: DType, reduction: str) -> str:
    """The element type: as stored where nothing is computed."""
    return storage_type(dtype) if reduction == "none" else dtype.name


def _elements_spec(op: Indexed, spec: KernelSpec, reduction: str) -> ElementsSpec:
    x, index = spec.inputs[:2]
    return ElementsSpec(
        x.static_shape,
        index.static_shape,
        op.axis,
        reduction,
        _raw(x.dtype, reduction),
        index.dtype.name,
    )


def _take_spec(op: Indexed, spec: KernelSpec, reduction: str) -> TakeSpec:
    x, index = spec.inputs[:2]
    shape, axis = x.static_shape, op.axis
    return TakeSpec(
        math.prod(shape[:axis]),
        shape[axis],
        math.prod(shape[axis + 1 :]),
        math.prod(index.static_shape),
        _raw(x.dtype, reduction),
        index.dtype.name,
    )


def _outside(index: Expr, kind: str, size: int) -> Expr:
    return tirx.any(index < tirx.const(-size, kind), index >= tirx.const(size, kind))


def _check(loops: Loops, x: TensorType, wrong: Callable[[Expr], Expr]) -> PrimFunc:
    """Parameters: integers (flat), status: int64[8] gets 1 and the last of them that is wrong."""
    count = math.prod(x.static_shape)
    with loops.kernel("check") as k:
        data = k.argument("x", (count,), x.dtype.name)
        status = k.argument("status", (8,), "int64")
        with T.serial(0, count) as i, T.If(wrong(data[i])), T.Then():
            T.buffer_store(status, tirx.const(1, "int64"), [0])
            T.buffer_store(status, tirx.Cast("int64", data[i]), [1])
    return k.finish()
