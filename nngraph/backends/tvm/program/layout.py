"""Where results and states live, the order of calls, and the arena.

A new state value is written straight over the old one where the kernel that makes it may do so and
an order of calls exists; which states those are is decided once. Others are copied last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from nngraph.backends.arrays import ALIGNMENT
from nngraph.backends.tvm.program.arena import lifetimes, plan_arena
from nngraph.backends.tvm.program.batch import Batch, batches
from nngraph.backends.tvm.program.order import Step, order_steps, states_to_delay
from nngraph.backends.tvm.program.program import Call, KernelSpec, Place, Program, Storage
from nngraph.backends.tvm.program.work import Kernels, Work, copy_work
from nngraph.ir.graph import Graph, Value
from nngraph.ir.signature import signature_of
from nngraph.ir.types import TensorType

__all__ = ["lay_out"]


@dataclass(frozen=True)
class _Replacement:
    """A state's new value in ``home`` that is to replace the one in ``old``.

    Attributes:
        maker: the work that may write it straight over the old one; None if it is to be copied.
        aliases: what that work's kernel then has to know.
    """

    old: int
    home: int
    type: TensorType
    maker: int | None = None
    aliases: tuple[tuple[int, int], ...] = ()


def lay_out(graph: Graph, kernels: Kernels, in_place: bool, carries: int | None = None) -> Program:
    """The program of a graph from what it computes with.

    Args:
        in_place: new state values replace the old ones in the caller's memory.
        carries: how many outputs are the next step's inputs, if it is the body of a loop, else
            None. Such a one shares its storage with the output of the same value that is stacked.
    """
    return _Layout(graph, kernels, in_place, carries).program()


class _Layout:
    def __init__(self, graph: Graph, kernels: Kernels, in_place: bool, carries: int | None) -> None:
        self.graph = graph
        self.kernels = kernels
        self.in_place = in_place
        self.carries = carries
        self.stacked: set[int] = set()  # storages that are one slice of a stack
        self.storages = list(kernels.storages)
        self.work = list(kernels.work)
        self.writer = {s: i for i, w in enumerate(self.work) for s in w.writes}
        self.taken: set[int] = set()  # storages that are a result's own
        self.moved: dict[int, int] = {}  # arena storage -> state storage that it became

    def program(self) -> Program:
        new_states = self._states()
        outputs = [self._result(Place.OUTPUT, i, v) for i, v in enumerate(self.graph.outputs)]
        batches = self._batches(order_steps([work.step for work in self.work]))
        steps = [batch.step for batch in batches]
        arena = self._place(steps)
        specs: dict[str, tuple[int, KernelSpec]] = {}
        calls = [self._call(batch, specs) for batch in batches]
        overwriting = [p for p, step in enumerate(steps) if step.overwrites]
        return Program(
            signature_of(self.graph),
            tuple(spec for _, spec in specs.values()),
            tuple(self.storages),
            tuple(calls),
            min(overwriting, default=len(calls)),
            tuple(outputs),
            tuple(new_states),
            tuple(self.kernels.constants),
            tuple(self.kernels.checks),
            arena,
        )

    # -- results ---------------------------------------------------------------------------
    def _states(self) -> list[int]:
        """The storage of each state after a call."""
        home = self.kernels.home
        pairs = [(home[s.input], home[s.output]) for s in self.graph.states]
        changed = [p for p in pairs if p[0] != p[1] and self.storages[p[0]].type.size]
        if self.in_place:
            self._replace(changed)
            return [old for old, _ in pairs]
        return [
            self._result(Place.NEW, i, s.output) if pair in changed else pair[0]
            for i, (s, pair) in enumerate(zip(self.graph.states, pairs, strict=True))
        ]

    def _result(self, place: Place, index: int, value: Value) -> int:
        """The storage of a result that is made anew at each call."""
        home = self.kernels.home[value]
        if home in self.writer and home not in self.taken:
            self.taken.add(home)
            self._is_shared(home, index, value.type)
            self.storages[home] = Storage(place, index, value.type)
            return home
        if home in self.taken and self._is_shared(home, index, value.type):
            return home
        target = self._add(Storage(place, index, value.type))
        self._copy(home, target)
        return target

    def _is_shared(self, home: int, output: int, type: TensorType) -> bool:
        """True if an output of a loop's body may be in a storage that is one already: carries may,
        and one stack, whose slices then are the carry at each step.
        """
        if not self.carries or type.nbytes % ALIGNMENT:
            return False  # slices that are not aligned go through buffers
        if output < self.carries:
            return True
        free = home not in self.stacked
        self.stacked.add(home)
        return free

    def _add(self, storage: Storage) -> int:
        self.storages.append(storage)
        return len(self.storages) - 1

    def _copy(self, source: int, target: int, overwrites: bool = False) -> None:
        type = self.storages[target].type
        if type.size:
            self.work.append(copy_work(source, target, type, overwrites))

    # -- states in place -------------------------------------------------------------------
    def _replace(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Adds the overwriting of old values by new ones: at once, or late where it has to be."""
        plan = self._plan(pairs)
        steps = [work.step for work in self._replaced(plan, ())]
        cost = {r.old: r.type.nbytes for r in plan}
        delayed = states_to_delay(steps, cost)
        self.work = self._replaced(plan, delayed)
        for r in plan:
            if r.maker is not None and r.old not in delayed:
                self.taken.add(r.home)
                self.moved[r.home] = r.old

    def _plan(self, pairs: Sequence[tuple[int, int]]) -> list[_Replacement]:
        claimed: set[int] = set()
        plan = []
        for old, home in pairs:
            replacement = _Replacement(old, home, self.storages[old].type)
            if home in self.writer and home not in claimed:
                maker = self.writer[home]
                aliases = self.work[maker].aliases(old, home)
                if aliases is not None:
                    claimed.add(home)
                    replacement = replace(replacement, maker=maker, aliases=aliases)
            plan.append(replacement)
        return plan

    def _replaced(self, plan: Sequence[_Replacement], delayed: Collection[int]) -> list[Work]:
        """The work with all replacements; those of ``delayed`` states are copies that come last."""
        work = list(self.work)
        for r in plan:
            late = r.old in delayed
            source = r.home
            if r.maker is not None and not late:
                work[r.maker] = work[r.maker].overwriting(r.old, r.aliases)
                continue
            if (
                late and r.home not in self.writer
            ):  # another state's old value: saved before it goes
                source = self._add(Storage(Place.ARENA, 0, r.type))
                work.append(copy_work(r.home, source, r.type))
            work.append(copy_work(source, r.old, r.type, overwrites=True))
        return work

    # -- order and memory ------------------------------------------------------------------
    def _batches(self, order: Sequence[int]) -> list[Batch]:
        if self.carries is not None:  # a loop's body: its calls are few
            return [Batch((self.work[i],)) for i in order]
        arena = self._arena()
        return batches(self.work, order, [arena.get(i) for i in range(len(self.storages))])

    def _arena(self) -> dict[int, int]:
        """The bytes of each storage in the arena."""
        return {
            i: storage.type.nbytes
            for i, storage in enumerate(self.storages)
            if storage.place is Place.ARENA and i not in self.moved
        }

    def _place(self, steps: Sequence[Step]) -> int:
        """Gives each arena storage its offset; the arena's size."""
        arena = self._arena()
        alive = lifetimes(steps, arena)
        plan = plan_arena(arena, alive)
        for i, offset in plan.offsets.items():
            self.storages[i] = Storage(Place.ARENA, offset, self.storages[i].type)
        return plan.size

    def _call(self, batch: Batch, specs: dict[str, tuple[int, KernelSpec]]) -> Call:
        work, *_ = batch.members
        parts = tuple(dict.fromkeys(part for member in batch.members for part in member.parts))
        nbytes = sum(int(t.nbytes) for member in batch.members for t in member.spec.outputs)
        if work.loop is not None:
            arguments = tuple(self.moved.get(s, s) for s in (*work.reads, *work.writes))
            return Call(-1, arguments, work.origin, None, work.loop, (), parts, nbytes)
        spec = batch.spec or work.spec
        number, _ = specs.setdefault(spec.key, (len(specs), spec))
        all_arguments = tuple(a for member in batch.members for a in self._arguments(member))
        return Call(
            number, all_arguments, work.origin, work.status, None, batch.sizes, parts, nbytes
        )

    def _arguments(self, work: Work) -> tuple[int, ...]:
        dropped = {out for out, _ in work.spec.aliases}
        writes = [s for i, s in enumerate(work.writes) if i not in dropped]
        writes += [] if work.writes else list(work.overwrites)
        return tuple(self.moved.get(s, s) for s in (*work.reads, *writes))
