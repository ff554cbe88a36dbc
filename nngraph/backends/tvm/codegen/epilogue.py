"""Elementwise operators after a product, computed while its result is in registers."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import Epilogue
from nngraph.backends.tvm.codegen.scalar import elementwise
from nngraph.backends.tvm.codegen.types import (
    Expr,
    compute_type,
    const,
    load,
    rounded,
    storage_type,
    store,
)
from nngraph.backends.tvm.fuse.kinds import extras_of, product_of
from nngraph.ir.dtypes import DType, bool_
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ops.broadcast import Reshape
from nngraph.ops.creation import Constant, Full, Iota
from nngraph.ops.shape.slicing import Slice

__all__ = ["body_epilogue", "memory_type"]


def memory_type(dtype: DType) -> str:
    """An output's type as the product kernels declare it: they convert to half precision."""
    return "uint8" if dtype is bool_ else dtype.name


def body_epilogue(body: Graph) -> Epilogue:
    """The epilogue of a body: its extras are what operators after the product read."""
    product = product_of(body.nodes)
    assert product is not None, f"{body} holds no product"
    extras = extras_of(body)
    more = body.outputs[1:]

    def apply(value: Expr, index: list[Expr], buffers: list[Any]) -> Any:
        table = dict(zip(extras, buffers, strict=True))
        results = []
        for output in body.outputs:
            made = _at(output, index, product, value, table)
            results.append(store(made, bool_) if output.type.dtype is bool_ else made)
        return results if len(results) > 1 else results[0]

    shapes = tuple((v.type.static_shape, storage_type(v.type.dtype)) for v in extras)
    return Epilogue(apply, shapes, tuple(memory_type(v.type.dtype) for v in more))


def _at(
    value: Value, index: list[Expr], product: Node, made: Expr, table: dict[Value, Any]
) -> Expr:
    """The element of ``value`` at ``index``, one expression for each of its dimensions."""
    if value is product.output:
        dtype = value.type.dtype
        return rounded(data.cast(made, compute_type(dtype)), dtype)
    if value in table:
        return load(table[value][tuple(index)], value.type.dtype)
    node = value.producer
    assert node is not None
    match node.op:
        case Full(value=number):
            return const(number, value.type.dtype)
        case Constant(literal=literal):
            return const(literal.array.reshape(()).item(), value.type.dtype)
        case Iota(axis=axis):
            return tirx.Cast(compute_type(value.type.dtype), index[axis])
        case Slice():
            return _at(node.inputs[0], _operand_index(node, value, index), product, made, table)
    operands = [_at(v, _operand_index(node, v, index), product, made, table) for v in node.inputs]
    return elementwise(node, operands)


def _operand_index(node: Node, operand: Value, index: list[Expr]) -> list[Expr]:
    """Where an operand is read for the result's ``index``."""
    shape = operand.type.static_shape
    if isinstance(node.op, Slice):
        rows = zip(node.op.starts, node.op.steps, index, strict=True)
        return [start + step * i for start, step, i in rows]
    if isinstance(node.op, Reshape):
        own = iter(i for i, n in zip(index, node.output.type.shape, strict=True) if n != 1)
        return [0 if n == 1 else next(own) for n in shape]
    aligned = index[len(index) - len(shape) :]
    return [0 if n == 1 else i for i, n in zip(aligned, shape, strict=True)]
