"""Whether a fused kernel may store a result in the memory of an operand."""

from __future__ import annotations

from nngraph.backends.tvm.codegen.body.plan import BodyPlan
from nngraph.ir.graph import Value

__all__ = ["may_overwrite"]


def may_overwrite(plan: BodyPlan, result: Value, operand: Value) -> bool:
    """True if each element of ``operand`` is read only where that element of ``result`` is made.

    In place, because both walk their memory alike; and in time, because no sweep after the one that
    stores ``result`` reads ``operand`` again. Within a sweep all loads of a vector come before its
    stores. What varies by row only is stored after all sweeps of its row.
    """
    if any(source is operand for source, _ in plan.parts.values()):
        return False  # read elsewhere, too
    if plan.strides.get(result) != plan.strides[operand]:
        return False
    return not plan.is_inner(result) or _last_read(plan, operand) <= plan.level[result]


def _last_read(plan: BodyPlan, operand: Value) -> int:
    """The last sweep that loads elements of ``operand``; -1 if none does."""
    for sweep in reversed(range(plan.sweeps)):
        if _reads(plan, sweep, operand):
            return sweep
    return -1


def _reads(plan: BodyPlan, sweep: int, operand: Value) -> bool:
    """True if computing what ``sweep`` stores, keeps and folds starts from ``operand``."""
    kept = {*plan.results, *plan.staged}
    work = [v for v in kept if plan.is_inner(v) and plan.level[v] == sweep]
    work += [
        n.inputs[0] for n in plan.graph.nodes if plan.folds(n) and plan.level[n.inputs[0]] == sweep
    ]
    seen = set(work)
    while work:
        value = work.pop()
        if value is operand:
            return True
        at_hand = not plan.is_inner(value) or (value in kept and plan.level[value] < sweep)
        if value.producer is None or at_hand:
            continue
        new = seen.symmetric_difference({*seen, *value.producer.inputs})
        seen |= new
        work += new
    return False
