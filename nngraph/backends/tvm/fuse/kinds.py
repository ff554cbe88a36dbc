"""What nodes are to fusion: products, reductions, points - and what a group of them is."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op, Trait
from nngraph.ops.broadcast import BroadcastTo, Reduction, Reshape
from nngraph.ops.linalg import MatMul
from nngraph.ops.shape.joining import Concat
from nngraph.ops.shape.slicing import Slice
from nngraph.ops.window.conv import Conv, ConvInputGrad

__all__ = [
    "GroupKind",
    "is_join",
    "is_part",
    "is_point",
    "is_reduction",
    "is_unit_reshape",
    "kernel_inputs",
    "kind_of",
    "product_of",
    "stored",
]

#: Their kernels go on with elementwise operators before they store.
_WITH_EPILOGUE: tuple[type[Op], ...] = (MatMul, Conv, ConvInputGrad)


class GroupKind(enum.Enum):
    """The sorts of groups that are one kernel each."""

    LOOP = "elementwise operators over one space"
    ROW = "with reductions, all over the same axes"
    PRODUCT = "a matrix product or convolution, and elementwise operators on its result"


def is_product(node: Node) -> bool:
    """True for what elementwise operators may follow in its kernel."""
    return isinstance(node.op, _WITH_EPILOGUE)


def is_reduction(node: Node) -> bool:
    """True for operators that fold axes."""
    return isinstance(node.op, Reduction) and node.op.fold is not None


def is_unit_reshape(node: Node) -> bool:
    """True for a reshape that only adds or drops dimensions of size 1."""
    if not isinstance(node.op, Reshape):
        return False
    before, after = ([n for n in v.type.shape if n != 1] for v in (node.inputs[0], node.output))
    return before == after


def is_point(node: Node) -> bool:
    """True for operators that compute each element from the aligned elements of their operands."""
    return (
        Trait.ELEMENTWISE in node.op.traits
        or isinstance(node.op, BroadcastTo)
        or is_unit_reshape(node)
    )


def is_part(node: Node) -> bool:
    """True for a part of a tensor that kernels can read where it is: neighbours of the last axis
    are neighbours in memory. Not of integers, whose divisors are checked as whole tensors.
    """
    op, kind = node.op, node.output.type if len(node.outputs) == 1 else None
    if not isinstance(op, Slice) or kind is None or not kind.is_static:
        return False
    divides = kind.dtype.is_integer
    return not divides and kind.rank > 0 and kind.size != 0 and op.steps[-1] == 1


def is_join(node: Node) -> bool:
    """True for the joining of tensors of one type, each of which can be stored at its place."""
    if not isinstance(node.op, Concat) or not node.output.type.is_static:
        return False
    kinds = {v.type for v in node.inputs}
    return len(node.inputs) > 1 and len(kinds) == 1 and node.output.type.size != 0


def stored(value: Value) -> tuple[Value, ...]:
    """What a kernel stores for a result: the value, or each part of what it joins."""
    node = value.producer
    return node.inputs if node is not None and is_join(node) else (value,)


def product_of(nodes: Iterable[Node]) -> Node | None:
    """The matrix product or convolution of a group."""
    return next(filter(is_product, nodes), None)


def kind_of(nodes: Iterable[Node]) -> GroupKind:
    """The sort of a group that is known to be one."""
    listed = list(nodes)
    if product_of(listed) is not None:
        return GroupKind.PRODUCT
    return GroupKind.ROW if any(map(is_reduction, listed)) else GroupKind.LOOP


def kernel_inputs(body: Graph) -> list[Value]:
    """The inputs of a group's body as its kernel takes them: a product's own operands come first,
    then what the operators after it read, so that an input may come twice.
    """
    product = product_of(body.nodes)
    return list(body.inputs) if product is None else [*product.inputs, *extras_of(body)]


def extras_of(body: Graph) -> list[Value]:
    """The inputs that operators after the product read."""
    product = product_of(body.nodes)
    return [v for v in body.inputs if any(u is not product for u in v.users)]
