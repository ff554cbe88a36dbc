"""Passes that bring a graph to the forms that ONNX Runtime has, after the standard ones."""

from __future__ import annotations

from nngraph.backends.onnx.fusions import FUSIONS
from nngraph.backends.onnx.rules.table import RULES
from nngraph.ir.graph import Node
from nngraph.passes.base import Pass
from nngraph.passes.cse import CommonSubexpressions
from nngraph.passes.dce import DeadCode
from nngraph.passes.nested import Everywhere
from nngraph.passes.rewrite import Rewrite

__all__ = ["LEGALIZE", "writable"]


def writable(node: Node) -> bool:
    """True if there is a rule that writes the node as it is."""
    rule = RULES.get(type(node.op))
    if rule is None:
        return False
    return rule.lacks is None or not rule.lacks(node.op, [v.type for v in node.inputs])


LEGALIZE: tuple[Pass, ...] = (
    Everywhere(Rewrite(FUSIONS, "onnx")),
    CommonSubexpressions(),
    DeadCode(),
)
