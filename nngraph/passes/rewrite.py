"""Applies rewrite rules until none fires, in an order that depends on nothing but the graph."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from nngraph.ir.builder import Recording
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.op import Op
from nngraph.ir.rewriter import Rewriter
from nngraph.ops import broadcast_to
from nngraph.passes.base import Context, Event
from nngraph.passes.pattern import Match, Rule, Soundness

__all__ = ["Rewrite", "RewriteLimit"]


class RewriteLimit(RuntimeError):
    """Rules undo each other without end; the text names those that fired most."""


@dataclass(frozen=True)
class Rewrite:
    """A pass made of rules.

    Nodes are visited from first to last; where a rule fires, its new nodes and the readers of its
    result are visited again. With ``Context.trace`` every application and refusal is noted.

    Attributes:
        rules: earlier ones are tried first.
        name: a transform that origins name.
        limit: applications allowed for each node of the graph, beyond a hundred.
    """

    rules: tuple[Rule, ...]
    name: str = "simplify"
    limit: int = 20

    def run(self, graph: Graph, context: Context) -> int:
        """Rewrites ``graph``.

        Raises:
            RewriteLimit: if the rules never come to an end.
        """
        chosen = [r for r in self.rules if not context.strict or r.soundness is Soundness.EXACT]
        return _Driver(graph, context, self.name, chosen, 100 + self.limit * len(graph)).run()


@dataclass
class _Driver:
    graph: Graph
    context: Context
    name: str
    rules: list[Rule]
    limit: int
    fired: Counter[str] = field(default_factory=Counter)
    fitting: dict[tuple[type[Op] | None, ...], list[Rule]] = field(default_factory=dict)
    queue: deque[Node] = field(default_factory=deque)
    queued: set[Node] = field(default_factory=set)

    def run(self) -> int:
        rewriter = Rewriter(self.graph, self.name)
        for node in self.graph.nodes:
            self.visit(node)
        while self.queue:
            node = self.queue.popleft()
            self.queued.discard(node)
            if node.is_attached and _is_read(node):
                found = self.found(node)
                if found is not None:
                    self.apply(rewriter, *found)
        return rewriter.changes

    def visit(self, node: Node) -> None:
        if node not in self.queued:
            self.queued.add(node)
            self.queue.append(node)

    def candidates(self, node: Node) -> list[Rule]:
        """The rules that fit the classes of the node's operator and of those before it."""
        kind = type(node.op)
        makers = tuple(type(v.producer.op) if v.producer else None for v in node.inputs)
        found = self.fitting.get((kind, *makers))
        if found is None:
            found = [r for r in self.rules if r.may_match(kind, makers)]
            self.fitting[kind, *makers] = found
        return found

    def found(self, node: Node) -> tuple[Rule, Match] | None:
        """The first rule that fires here."""
        for rule in self.candidates(node):
            for match in rule.matches(node):
                reason = rule.check(match)
                self.note(rule, node, reason or "")
                if reason is None:
                    return rule, match
        return None

    def note(self, rule: Rule, node: Node, reason: str) -> None:
        if self.context.trace is not None:
            self.context.trace.append(Event(rule.name, node.op.name, str(node.origin), reason))

    def apply(self, rewriter: Rewriter, rule: Rule, match: Match) -> None:
        root = match.root
        with Recording(self.graph, root, root.origin.through(self.name)) as builder:
            new = broadcast_to(rule.replace(match), match.result.shape)
        self.count(rule)
        readers = root.outputs[0].users
        inputs = root.inputs
        rewriter.replace_by(root, (new,))
        self.erase_unread(inputs)
        for node in (*builder.nodes, *readers):
            self.visit(node)

    def erase_unread(self, values: tuple[Value, ...]) -> None:
        """Erases what the replaced nodes alone read; who reads alone now may fire rules anew."""
        ahead = list(values)
        while ahead:
            value = ahead.pop()
            node = value.producer
            if value.is_used:
                if value.use_count == 1:
                    for reader in value.users:
                        self.visit(reader)
            elif node is not None and node.is_attached and not _is_read(node):
                ahead += node.inputs
                self.graph.erase(node)

    def count(self, rule: Rule) -> None:
        self.fired[rule.name] += 1
        if self.fired.total() > self.limit:
            often = ", ".join(f"{name} ({n} times)" for name, n in self.fired.most_common(3))
            raise RewriteLimit(
                f"{self.name}: over {self.limit} applications, and no end; most often: {often}. "
                "Some rules undo each other: run with Context(trace=[]) to see which"
            )


def _is_read(node: Node) -> bool:
    return any(v.is_used for v in node.outputs)
