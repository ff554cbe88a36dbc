"""Passes that bring a graph to the forms that ONNX Runtime has, after the standard ones."""

from __future__ import annotations

from nngraph.backends.onnx.fusions import FUSIONS
from nngraph.backends.onnx.rules.table import EMISSIONS
from nngraph.ir.graph import Node
from nngraph.passes.base import Pass
from nngraph.passes.blocked import BlockedProducts
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.nested import Everywhere
from nngraph.passes.rewrite import Rewrite

__all__ = ["LEGALIZE", "writable"]


def writable(node: Node) -> bool:
    """True if there is an emission that writes the node as it is."""
    emission = EMISSIONS.get(type(node.op))
    if emission is None:
        return False
    return emission.lacks is None or not emission.lacks(node.op, [v.type for v in node.inputs])


LEGALIZE: tuple[Pass, ...] = (
    Everywhere(BlockedProducts()),
    Everywhere(Rewrite(FUSIONS, "onnx")),
    CommonSubexpressions(),
    DeadCode(),
)
