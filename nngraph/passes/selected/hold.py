"""Rewrites a graph so that no size depends on what masks select."""

from __future__ import annotations

from collections.abc import Mapping

from nngraph.ir.attributes import attributes
from nngraph.ir.builder import Recording
from nngraph.ir.dims import Dim, UnknownSize
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.types import TensorType
from nngraph.ops.elementwise import logical_and
from nngraph.passes.base import Context
from nngraph.passes.selected.ops import Select, Unselect, is_selected
from nngraph.passes.selected.rules import Case, rule_for

__all__ = ["Hold", "Unheld", "held"]


class Unheld(Exception):
    """Code does with a selection what would need its size.

    Attributes:
        what: the operator, or that it is a result.
        origin: where.
    """

    def __init__(self, what: str, origin: Origin) -> None:
        super().__init__(what)
        self.what = what
        self.origin = origin


class Hold:
    """See the package.

    Raises:
        Unheld: where positions meet in a way that has no rule.
    """

    name = "selections"

    def run(self, graph: Graph, context: Context) -> int:
        return len(held(graph))


def held(graph: Graph) -> Mapping[Value, Value]:
    """Does it, and gives for each value of the nodes that are gone what is in its place.

    Raises:
        Unheld: as ``Hold``.
    """
    if not any(isinstance(node.op, Select) for node in graph.nodes):
        return {}
    return _Holding(graph).run()


class _Holding:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.masks: dict[str, Value] = {}
        self.layouts: dict[str, tuple[Dim, ...]] = {}
        self.whole: dict[Value, Value] = {}
        self.replaced: list[Node] = []

    def run(self) -> Mapping[Value, Value]:
        for value in self.graph.results:
            if _has_selected(value.type):
                origin = NOWHERE if value.producer is None else value.producer.origin
                raise Unheld("what is returned or kept", origin)
        for node in list(self.graph.nodes):
            self._visit(node)
        for node in reversed(self.replaced):
            self.graph.erase(node)
        return self.whole

    def _visit(self, node: Node, is_part: bool = False) -> None:
        types = [v.type for v in (*node.inputs, *node.outputs)]
        named = isinstance(node.op, Select | Unselect) or _names_selected(node.op)
        if not named and not any(map(_has_selected, types)):
            return
        if isinstance(node.op, Select):
            self._add_mask(node)
        values = self._held(node, is_part)
        for old, new in zip(node.outputs, values, strict=True):
            self.whole[old] = new
            if not _has_selected(old.type):
                old.replace_uses(new)
        self.replaced.append(node)

    def _add_mask(self, node: Node) -> None:
        """A mask that was made of selected elements holds at none but these."""
        size, mask = str(node.op.size), node.inputs[1]  # type: ignore[attr-defined]
        if size in self.masks:
            return
        outer = self.masks.get(str(mask.type.shape[0]))
        whole = self.whole.get(mask, mask)
        if outer is not None:
            with Recording(self.graph, node, node.origin):
                whole = logical_and(whole, outer)
        self.masks[size] = whole

    def _held(self, node: Node, is_part: bool) -> tuple[Value, ...]:
        compound = [d for v in node.inputs for d in v.type.shape if self._is_compound(d)]
        rule = rule_for(node.op)
        with Recording(self.graph, node, node.origin) as builder:
            if rule is not None and not compound:
                case = Case(
                    node.op,
                    [v.type for v in node.inputs],
                    [self.whole.get(v, v) for v in node.inputs],
                    [v.type for v in node.outputs],
                    self.masks,
                    self.layouts,
                    is_part,
                )
                found = rule(case)
                if found is not None and not any(map(self._is_compound, _sizes(node))):
                    return found
            if not type(node.op).defines("decompose"):
                raise Unheld(f"{node.op.name}()", node.origin)
            try:
                parts = tuple(node.op.decompose(*node.inputs))
            except UnknownSize:
                raise Unheld(f"{node.op.name}()", node.origin) from None
        for part in builder.nodes:
            self._visit(part, True)
        return tuple(self.whole.get(v, v) for v in parts)

    def _is_compound(self, dim: object) -> bool:
        return is_selected(dim) and str(dim) not in self.masks  # type: ignore[arg-type]


def _sizes(node: Node) -> list[object]:
    return [dim for value in node.outputs for dim in value.type.shape]


def _has_selected(kind: TensorType) -> bool:
    return any(map(is_selected, kind.shape))


def _names_selected(op: Op) -> bool:
    values = (value for _, value in attributes(op))
    return any(is_selected(d) for v in values for d in (v if isinstance(v, tuple) else (v,)))
