"""The kernel calls of a program before their order, and the places of their results, are known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from nngraph.backends.tvm.codegen.body.overwrite import may_overwrite
from nngraph.backends.tvm.codegen.body.plan import plan_body
from nngraph.backends.tvm.fuse.kinds import product_of
from nngraph.backends.tvm.program.order import Step
from nngraph.backends.tvm.program.program import Check, KernelSpec, Loop, Place, Storage
from nngraph.ir.attributes import Subgraph
from nngraph.ir.graph import Graph, Value
from nngraph.ir.types import TensorType
from nngraph.ops.core import Literal
from nngraph.ops.elementwise.arithmetic import Copy
from nngraph.ops.fused import Fused

__all__ = ["Kernels", "Work", "copy_work"]


@dataclass(frozen=True)
class Work:
    """One call.

    Attributes:
        reads: storages of the kernel's inputs, in its order.
        writes: storages of its outputs.
        overwrites: storages of old state values that outputs replace in place.
        parts: (operator, origin) of all that it computes.
        status: the slot that a check reports to.
    """

    spec: KernelSpec
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    origin: str = ""
    status: int | None = None
    overwrites: tuple[int, ...] = ()
    loop: Loop | None = None
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def step(self) -> Step:
        checked = self.status is not None or (self.loop is not None and self.loop.program.may_fail)
        return Step(self.reads, self.writes, self.overwrites, checked)

    def overwriting(self, old: int, aliases: tuple[tuple[int, int], ...]) -> Work:
        """The call that also stores an output over ``old``, which ``aliases`` says it reads."""
        spec = replace(self.spec, aliases=tuple(sorted((*self.spec.aliases, *aliases))))
        return replace(self, spec=spec, overwrites=(*self.overwrites, old))

    def aliases(self, old: int, home: int) -> tuple[tuple[int, int], ...] | None:
        """(output, input) pairs, none or one, that are one buffer if the output in ``home`` is
        stored over ``old``; None if the kernel does not allow that.
        """
        if old not in self.reads:
            return ()
        op = self.spec.op
        if not isinstance(op, Fused) or self.reads.count(old) != 1:
            return None
        output, source = self.writes.index(home), self.reads.index(old)
        if self.spec.outputs[output] != self.spec.inputs[source]:
            return None
        return ((output, source),) if _is_safe(op.body, output, source) else None


@lru_cache(maxsize=4096)
def _is_safe(group: Subgraph, output: int, source: int) -> bool:
    """True if a group's kernel may store an output over an input; the same for equal groups."""
    body = group.graph
    if product_of(body.nodes) is not None:
        return False
    return may_overwrite(plan_body(body), body.outputs[output], body.inputs[source])


@dataclass
class Kernels:
    """What a graph computes with: storages of all values, and the work that fills them.

    Attributes:
        home: where each value is; reshapes share their operand's storage.
    """

    storages: list[Storage] = field(default_factory=list)
    home: dict[Value, int] = field(default_factory=dict)
    constants: dict[Literal, int] = field(default_factory=dict)
    work: list[Work] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def storage(self, place: Place, index: int, type: TensorType) -> int:
        """A new storage's number."""
        place = Place.EMPTY if type.size == 0 and place is Place.ARENA else place
        self.storages.append(Storage(place, index, type))
        return len(self.storages) - 1


def copy_work(source: int, target: int, type: TensorType, overwrites: bool = False) -> Work:
    """Copies a tensor, to where an old state value is if it ``overwrites``."""
    body = Graph("copy")
    flat = type.with_shape((type.size,))
    body.add_output(body.add_node(Copy(), [body.add_input(flat)]).output)
    spec = KernelSpec(Fused(Subgraph(body)), (flat,), (flat,))
    old, new = ((target,), ()) if overwrites else ((), (target,))
    return Work(spec, (source,), new, overwrites=old)
