"""From a fused graph to a program: kernels, storages, the order of calls, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nngraph.backends.tvm.codegen.plan import plan_body
from nngraph.backends.tvm.fuse.kernels import FuseKernels, may_divide_by_zero, source_of
from nngraph.backends.tvm.fuse.kinds import product_of
from nngraph.backends.tvm.legalize import Legalize
from nngraph.backends.tvm.program.memory import Cycle, Step, lifetimes, order_steps, plan_arena
from nngraph.backends.tvm.program.program import (
    Call,
    Check,
    IndexCheck,
    KernelSpec,
    Loop,
    Program,
    Storage,
    ZeroCheck,
)
from nngraph.ir.attributes import Subgraph
from nngraph.ir.graph import Graph, Node, Value
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import Reshape
from nngraph.ops.core import Literal
from nngraph.ops.creation import Constant
from nngraph.ops.elementwise.arithmetic import Copy
from nngraph.ops.fused import Fused
from nngraph.ops.index.scattering import Indexed
from nngraph.ops.scan import Scan
from nngraph.passes.base import Context, Pass, Pipeline
from nngraph.passes.dce import DeadCode

__all__ = ["KERNEL_PASSES", "emit_program"]

KERNEL_PASSES: tuple[Pass, ...] = (Legalize(), DeadCode(), FuseKernels(), DeadCode())
"""What follows decomposition; also run on the bodies of loops."""


@dataclass(frozen=True)
class _Work:
    """A kernel call before its place in the order is known."""

    spec: KernelSpec
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    origin: str = ""
    status: int | None = None
    overwrites: tuple[int, ...] = ()
    loop: Loop | None = None

    @property
    def step(self) -> Step:
        checked = self.status is not None or (self.loop is not None and self.loop.program.may_fail)
        return Step(self.reads, self.writes, self.overwrites, checked)


def emit_program(graph: Graph, in_place: bool) -> Program:
    """The program of a graph whose nodes all have kernels.

    Args:
        graph: fused, static shapes.
        in_place: new state values replace the old ones in the caller's memory.
    """
    emitter = _Emitter(graph)
    emitter.compute()
    through_scratch: set[int] = set()
    while True:
        try:
            return _Layout(emitter, in_place, through_scratch).program()
        except _NotInPlace as refusal:
            through_scratch |= refusal.states


class _NotInPlace(Exception):
    """These states cannot be overwritten by the kernels that make their new values."""

    def __init__(self, states: set[int]) -> None:
        self.states = states
        super().__init__(str(sorted(states)))


class _Emitter:
    """Storages of all values, and the work that fills them; results come later."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.storages: list[Storage] = []
        self.home: dict[Value, int] = {}
        self.constants: dict[Literal, int] = {}
        self.work: list[_Work] = []
        self.checks: list[Check] = []
        self._checked: set[tuple[int, IndexCheck | ZeroCheck]] = set()
        states = [s.input for s in graph.states]
        for kind, values in (
            ("input", graph.inputs),
            ("scalar", tuple(graph.scalars.values())),
            ("state", states),
        ):
            for index, value in enumerate(values):
                self.home[value] = self.storage(kind, index, value.type)

    def storage(self, kind: str, index: int, type: TensorType) -> int:
        kind = "empty" if type.size == 0 and kind == "arena" else kind
        self.storages.append(Storage(kind, index, type))
        return len(self.storages) - 1

    def compute(self) -> None:
        for node in self.graph.nodes:
            match node.op:
                case Reshape():
                    self.home[node.output] = self.home[node.inputs[0]]
                case Constant(literal=literal):
                    self.home[node.output] = self._constant(literal, node.output.type)
                case _:
                    self._call(node)

    def _constant(self, literal: Literal, type: TensorType) -> int:
        if literal not in self.constants:
            self.constants[literal] = self.storage("constant", len(self.constants), type)
        return self.constants[literal]

    def _call(self, node: Node) -> None:
        for value in node.outputs:
            self.home[value] = self.storage("arena", 0, value.type)
        if all(v.type.size == 0 for v in node.outputs):
            return
        if isinstance(node.op, Indexed):
            self._check_indices(node, node.op)
        for name, divisor in _divisors(node):
            self._check_zeros(node, name, divisor)
        types = tuple(v.type for v in node.inputs)
        spec = KernelSpec(node.op, types, tuple(v.type for v in node.outputs))
        reads = tuple(self.home[v] for v in _operands(node))
        writes = tuple(self.home[v] for v in node.outputs)
        self.work.append(_Work(spec, reads, writes, str(node.origin), loop=_loop(node)))

    def _check_indices(self, node: Node, op: Indexed) -> None:
        x, indices = node.inputs[:2]
        size = x.type.static_shape[op.axis]
        self._check(IndexCheck(size), indices, Check(op.name, op.axis, size, str(node.origin)))

    def _check_zeros(self, node: Node, name: str, divisor: Value) -> None:
        self._check(ZeroCheck(), divisor, Check(name, None, 0, str(node.origin)))

    def _check(self, op: IndexCheck | ZeroCheck, value: Value, check: Check) -> None:
        """Looks at all elements of a value before its reader runs; once, however many readers."""
        key = (self.home[value], op)
        if key in self._checked or value.type.size == 0:
            return
        self._checked.add(key)
        spec = KernelSpec(op, (value.type,), ())
        self.work.append(_Work(spec, (key[0],), (), check.origin, status=len(self.checks)))
        self.checks.append(check)


def _divisors(node: Node) -> list[tuple[str, Value]]:
    """(operator, divisor) of the divisions of integers in a kernel.

    Raises:
        ZeroDivisionError: if a divisor is known to hold a zero.
    """
    op = node.op
    if not isinstance(op, Fused):
        return [(op.name, node.inputs[1])] if may_divide_by_zero(node) else []
    outer = dict(zip(op.body.graph.inputs, node.inputs, strict=True))
    found = []
    for inner in op.body.graph.nodes:
        if may_divide_by_zero(inner):
            divisor = source_of(inner.inputs[1])
            if divisor in outer:
                found.append((inner.op.name, outer[divisor]))
            elif _has_zero(divisor):
                raise ZeroDivisionError(
                    f"{inner.op.name}: an integer is divided by zero (at {inner.origin})"
                )
    return found


def _has_zero(known: Value) -> bool:
    """Of a number, a literal of one element, or a counter, which starts at 0."""
    op = known.producer and known.producer.op
    return bool(op.literal.array == 0) if isinstance(op, Constant) else True


def _loop(node: Node) -> Loop | None:
    """The nested program of a ``scan``."""
    op = node.op
    if not isinstance(op, Scan):
        return None
    body = op.body.graph.clone()
    Pipeline(KERNEL_PASSES, "scan body").run(body, Context())
    program = emit_program(body, in_place=False)
    return Loop(program, op.carries, op.consts, op.length, op.reverse)


def _operands(node: Node) -> list[Value]:
    """A node's inputs in the order of its kernel's parameters."""
    product = product_of(node.op.body.graph.nodes) if isinstance(node.op, Fused) else None
    if product is None:
        return list(node.inputs)
    body = product.graph
    outer = dict(zip(body.inputs, node.inputs, strict=True))
    extras = [v for v in body.inputs if any(u is not product for u in v.users)]
    return [outer[v] for v in (*product.inputs, *extras)]


class _Layout:
    """Decides where results and states live, the order of calls, and the arena."""

    def __init__(self, emitter: _Emitter, in_place: bool, through_scratch: set[int]) -> None:
        self.emitter = emitter
        self.graph = emitter.graph
        self.in_place = in_place
        self.through_scratch = through_scratch
        self.storages = list(emitter.storages)
        self.work = list(emitter.work)
        self.taken: set[int] = set()
        self.writer = {s: i for i, w in enumerate(self.work) for s in w.writes}
        self.moved: dict[int, int] = {}  # arena storage -> state storage that it became

    def program(self) -> Program:
        new_states = [self._state(i) for i in range(len(self.graph.states))]
        outputs = [self._output(i, v) for i, v in enumerate(self.graph.outputs)]
        order = self._order()
        self._place(order)
        kernels: dict[str, int] = {}
        specs: list[KernelSpec] = []
        calls = [self._call(self.work[i], kernels, specs) for i in order]
        overwriting = [p for p, i in enumerate(order) if self.work[i].overwrites]
        graph = self.graph
        return Program(
            tuple(specs),
            tuple(self.storages),
            tuple(calls),
            min(overwriting, default=len(calls)),
            tuple(outputs),
            tuple(new_states),
            tuple(self.emitter.constants),
            tuple(self.emitter.checks),
            self.arena,
            tuple(v.type for v in graph.inputs),
            tuple(v.type for v in graph.scalars.values()),
            tuple(s.input.type for s in graph.states),
        )

    # -- results ---------------------------------------------------------------------------
    def _output(self, index: int, value: Value) -> int:
        home = self.emitter.home[value]
        if self._is_free(home):
            self.taken.add(home)
            self.storages[home] = Storage("output", index, value.type)
            return home
        target = self._add(Storage("output", index, value.type))
        self._copy(home, target)
        return target

    def _state(self, index: int) -> int:
        state = self.graph.states[index]
        old, home = self.emitter.home[state.input], self.emitter.home[state.output]
        if home == old or state.input.type.size == 0:
            return old
        if not self.in_place:
            return self._new_state(index, home, state.input.type)
        if index not in self.through_scratch and self._is_free(home):
            self._overwrite(index, old, home)
            return old
        if index in self.through_scratch and not self._is_free(home):
            scratch = self._add(Storage("arena", 0, state.input.type))
            self._copy(home, scratch)
            home = scratch
        self._copy(home, old, overwrites=True)
        return old

    def _new_state(self, index: int, home: int, type: TensorType) -> int:
        if self._is_free(home):
            self.taken.add(home)
            self.storages[home] = Storage("new", index, type)
            return home
        target = self._add(Storage("new", index, type))
        self._copy(home, target)
        return target

    def _is_free(self, storage: int) -> bool:
        """True for what a kernel makes and no other result claims."""
        return storage in self.writer and storage not in self.taken

    def _overwrite(self, index: int, old: int, home: int) -> None:
        """Lets the kernel that makes the new value write it over the old one."""
        position = self.writer[home]
        work = self.work[position]
        aliases = list(work.spec.aliases)
        if old in work.reads:
            pair = _alias(work, home, old)
            if pair is None:
                raise _NotInPlace({index})
            aliases.append(pair)
        self.taken.add(home)
        self.moved[home] = old
        self.work[position] = replace(
            work,
            spec=replace(work.spec, aliases=tuple(sorted(aliases))),
            overwrites=(*work.overwrites, old),
        )

    def _add(self, storage: Storage) -> int:
        self.storages.append(storage)
        return len(self.storages) - 1

    def _copy(self, source: int, target: int, overwrites: bool = False) -> None:
        type = self.storages[target].type
        if type.size == 0:
            return
        spec = _copy_spec(type)
        old = (target,) if overwrites else ()
        writes = () if overwrites else (target,)
        self.work.append(_Work(spec, (source,), writes, overwrites=old))

    # -- order and memory ------------------------------------------------------------------
    def _steps(self) -> list[Step]:
        return [work.step for work in self.work]

    def _order(self) -> list[int]:
        try:
            return order_steps(self._steps())
        except Cycle as cycle:
            stuck = {old for i in cycle.steps for old in self.work[i].overwrites}
            homes = [self.emitter.home[s.input] for s in self.graph.states]
            states = {i for i, home in enumerate(homes) if home in stuck}
            raise _NotInPlace({min(states)}) from None

    def _place(self, order: Sequence[int]) -> None:
        kinds = [storage.kind for storage in self.storages]
        arena = [i for i, kind in enumerate(kinds) if kind == "arena" and i not in self.moved]
        steps = self._steps()
        alive = lifetimes([steps[i] for i in order], arena)
        plan = plan_arena({i: self.storages[i].type.nbytes for i in arena}, alive)
        self.arena = plan.size
        for i, offset in plan.offsets.items():
            self.storages[i] = Storage("arena", offset, self.storages[i].type)

    def _call(self, work: _Work, kernels: dict[str, int], specs: list[KernelSpec]) -> Call:
        if work.loop is not None:
            arguments = tuple(self.moved.get(s, s) for s in (*work.reads, *work.writes))
            return Call(-1, arguments, work.origin, loop=work.loop)
        number = kernels.setdefault(work.spec.key, len(specs))
        if number == len(specs):
            specs.append(work.spec)
        dropped = {out for out, _ in work.spec.aliases}
        writes = [s for i, s in enumerate(work.writes) if i not in dropped]
        writes += [] if work.writes else list(work.overwrites)
        arguments = tuple(self.moved.get(s, s) for s in (*work.reads, *writes))
        return Call(number, arguments, work.origin, work.status)


def _alias(work: _Work, home: int, old: int) -> tuple[int, int] | None:
    """(output, input) of a kernel that may compute in place; None if it may not."""
    op = work.spec.op
    if not isinstance(op, Fused) or work.reads.count(old) != 1:
        return None
    if product_of(op.body.graph.nodes) is not None:
        return None
    output, source = work.writes.index(home), work.reads.index(old)
    if work.spec.outputs[output] != work.spec.inputs[source]:
        return None
    return (output, source) if plan_body(op.body.graph).stores_last() else None


def _copy_spec(type: TensorType) -> KernelSpec:
    body = Graph("copy")
    flat = type.with_shape((type.size,))
    body.add_output(body.add_node(Copy(), [body.add_input(flat)]).output)
    return KernelSpec(Fused(Subgraph(body)), (flat,), (flat,))
