"""Transposes that matrix products take in."""

from __future__ import annotations

from nngraph import ops
from nngraph.ir.op import apply1
from nngraph.passes.pattern import Match, Rule, node

__all__ = ["PRODUCT_RULES"]


def _swaps(match: Match, name: str) -> str | None:
    """Refuses transposes that do more than exchange the last two axes."""
    perm = match.op(ops.Transpose, name).perm
    rank = len(perm)
    if perm != (*range(rank - 2), rank - 1, rank - 2):
        return f"the transpose {perm} does not just exchange the last two axes"
    return None


def _swaps_alone(match: Match) -> str | None:
    if len(match.product.uses) > 1:
        return "the product is read elsewhere too and would be computed twice"
    return _swaps(match, "")


def _exchanged(match: Match) -> ops.MatMul:
    """The product of the exchanged operands, which is the transpose."""
    op = match.op(ops.MatMul, "product")
    return ops.MatMul(not op.transpose_b, not op.transpose_a)


def _with_flags(match: Match, flip_a: bool, flip_b: bool) -> ops.MatMul:
    op = match.op(ops.MatMul)
    return ops.MatMul(op.transpose_a != flip_a, op.transpose_b != flip_b)


# The order in which a product adds up is each backend's own choice, so these are exact.
PRODUCT_RULES = (
    Rule(
        "matmul(transpose(a), b)",
        lambda a, b: node(ops.MatMul, node(ops.Transpose, a, name="moved"), b),
        lambda m: apply1(_with_flags(m, True, False), m.a, m.b),
        lambda m: _swaps(m, "moved"),
    ),
    Rule(
        "matmul(a, transpose(b))",
        lambda a, b: node(ops.MatMul, a, node(ops.Transpose, b, name="moved")),
        lambda m: apply1(_with_flags(m, False, True), m.a, m.b),
        lambda m: _swaps(m, "moved"),
    ),
    Rule(
        "transpose(matmul(a, b)) = matmul(b', a')",
        lambda a, b: node(ops.Transpose, node(ops.MatMul, a, b, name="product")),
        lambda m: apply1(_exchanged(m), m.b, m.a),
        _swaps_alone,
    ),
)
