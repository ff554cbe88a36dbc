"""Kernels of fused elementwise operators and reductions: one PrimFunc for a body.

Rows are spread over threads; a row's sweeps stay on one, so what one sweep writes is in the cache
for the next. Vectors run along the last axis: within a row where reductions fold that axis (or
none does), over neighbouring rows where they fold another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.body.chunk import (
    Place,
    Registers,
    flat_index,
    lanes_loop,
    local,
    memory_reader,
    write_local,
)
from nngraph.backends.tvm.codegen.body.fold import BLOCK, Accumulator
from nngraph.backends.tvm.codegen.body.plan import BodyPlan, Store
from nngraph.backends.tvm.codegen.types import Expr, load, storage_type, store
from nngraph.backends.tvm.fuse.kinds import is_join
from nngraph.backends.tvm.loops.base import Buffer, Kernel, Loops, PrimFunc
from nngraph.backends.tvm.tiles import BodyTile, cdiv
from nngraph.ir.graph import Value
from nngraph.ir.op import Trait

__all__ = ["FusedBody", "build_fused"]

Index = dict[int, Expr]


def build_fused(
    plan: BodyPlan, tile: BodyTile, loops: Loops, aliases: Sequence[tuple[int, int]] = ()
) -> PrimFunc:
    """The kernel of a body: parameters are its inputs, then its results.

    Args:
        plan: of elementwise operators and reductions that share an iteration space.
        aliases: (result, input) pairs that are one buffer; that result is no parameter then.
    """
    with loops.kernel("fused") as k:
        FusedBody(plan, tile, loops, dict(aliases)).emit(k)
    return k.finish()


class FusedBody:
    """Writes the sweeps of a body over its buffers."""

    def __init__(
        self, plan: BodyPlan, tile: BodyTile, loops: Loops, aliases: dict[int, int]
    ) -> None:
        self.plan, self.tile, self.loops = plan, tile, loops
        self.aliases = aliases
        self.buffers: dict[Value, Buffer] = {}
        self.staged: dict[Value, Buffer] = {}
        self.width, self.parts = tile.width, tile.parts

    def emit(self, k: Kernel) -> None:
        graph = self.plan.graph
        for i, value in enumerate(graph.parameters):
            self.buffers[value] = self._argument(k, f"in{i}", value)
        for i, value in enumerate(graph.outputs):
            if i not in self.aliases:
                self.buffers[value] = self._argument(k, f"out{i}", value)
        self.alias()
        if self.plan.lanes_are_rows:
            self._lanes_over_rows()
        else:
            self._lanes_in_row()

    def operands(self) -> list[Value]:
        """The values that have buffers of their own, in the order of the kernel's parameters."""
        graph = self.plan.graph
        own = [v for i, v in enumerate(graph.outputs) if i not in self.aliases]
        return [*graph.parameters, *own]

    def alias(self) -> None:
        """Gives results in an operand's memory that operand's buffer."""
        graph = self.plan.graph
        for result, operand in self.aliases.items():
            self.buffers[graph.outputs[result]] = self.buffers[graph.parameters[operand]]

    def _argument(self, k: Kernel, name: str, value: Value) -> Buffer:
        size = math.prod(value.type.static_shape)
        return k.argument(name, (size,), storage_type(value.type.dtype))

    # -- loops over rows -------------------------------------------------------------------
    def _lanes_in_row(self) -> None:
        plan = self.plan
        rows = math.prod(plan.sizes[a] for a in plan.rows)
        if plan.reduced or not plan.sizes:
            with self.loops.tasks(rows, plan.work()) as row:
                self._row(self._row_index(row), 1, None)
            return
        last = plan.sizes[-1]
        vectors = last // self.width
        chunks = cdiv(last, self.tile.chunk) if self.tile.chunk else 1
        per = cdiv(vectors, chunks)
        chunks = cdiv(vectors, per) if per else 1
        with self.loops.tasks(rows * chunks, plan.work()) as task:
            chunk = 0 if chunks == 1 else task % chunks
            row = self._row_index(task if chunks == 1 else task // chunks)
            count: Expr = per
            if vectors % per if per else False:
                count = tirx.min(per, vectors - chunk * per)
            self._row(row, 1, (chunk * per, count, chunks == 1))
        if chunks > 1 and last % self.width:
            with T.serial(0, rows) as r:
                self._row(self._row_index(r), 1, (vectors, 0, True))

    def _row_index(self, flat: Expr) -> Index:
        index: Index = {}
        for axis in reversed(self.plan.rows):
            index[axis] = flat % self.plan.sizes[axis]
            flat = flat // self.plan.sizes[axis]
        return index

    def _lanes_over_rows(self) -> None:
        """Blocks of neighbouring rows; the rows that are left over go one by one."""
        plan, last = self.plan, len(self.plan.sizes) - 1
        outer = [a for a in plan.rows if a != last]
        others = math.prod(plan.sizes[a] for a in outer)
        blocks, rest = divmod(plan.sizes[last], self.width)
        for width, count, start in ((self.width, blocks, 0), (1, rest, blocks * self.width)):
            if not count:
                continue
            with self.loops.tasks(others * count, plan.work()) as task:
                index: Index = {last: start + task % count * width}
                flat = task // count
                for axis in reversed(outer):
                    index[axis] = flat % plan.sizes[axis]
                    flat = flat // plan.sizes[axis]
                self._row(index, width, None)

    # -- one row (or one vector of rows) ---------------------------------------------------
    def _row(self, row: Index, lanes: int, part: tuple[Expr, Expr, bool] | None) -> None:
        """All sweeps. ``part``: first vector, number of vectors, whether the tail belongs to it."""
        plan = self.plan
        known, self.staged = Registers(), {}
        for value in plan.staged:
            size = plan.inner_size * lanes
            self.staged[value] = self.loops.local((size,), storage_type(value.type.dtype))
        for sweep in range(plan.sweeps):
            self._row_values(sweep, row, lanes, known)
            self._sweep(sweep, row, lanes, part, known)
        self._row_values(plan.sweeps, row, lanes, known)
        self._store_rows(row, lanes, known)

    def _place(
        self, at: Callable[[Expr], Index], width: int, known: Registers, sweep: int, lanes: int
    ) -> Place:
        """``lanes`` tells how many rows are computed at once."""
        plan = self.plan
        memory = {
            store.value: memory_reader(self.buffers[store.target], store.strides, store.offset)
            for store in plan.stores
            if plan.is_inner(store.value) and plan.level[store.value] < sweep
        }
        for value in plan.graph.parameters:
            memory[value] = memory_reader(self.buffers[value], plan.strides[value])
        for value, (source, offset) in plan.parts.items():
            memory[value] = memory_reader(self.buffers[source], plan.strides[value], offset)
        for value, buffer in self.staged.items():
            if plan.level[value] < sweep:
                memory[value] = self._scratch_reader(buffer, lanes, at)
        return Place(self.loops, plan, at, width, Registers(dict(known.buffers)), memory)

    def _row_values(self, level: int, row: Index, lanes: int, known: Registers) -> None:
        """Computes what varies by row only, as soon as the reductions before it are done."""
        plan = self.plan
        wanted = [v for v in self._row_level() if plan.level[v] <= level and v not in known.buffers]
        place = self._place(_lane_rows(plan, row, lanes), lanes, known, level, lanes)
        for value in wanted:
            place.compute([value], always=True)
            buffer, _ = place.known.buffers[value]
            known.put(value, buffer, by_lane=plan.lanes_are_rows)

    def _row_level(self) -> list[Value]:
        """Values of a row that its sweeps read or that are stored."""
        plan = self.plan
        readers: dict[Value, None] = {}
        for node in plan.graph.nodes:
            if node.output in plan.parts or is_join(node):
                continue
            inner = plan.is_inner(node.output) or plan.folds(node)
            for value in node.inputs if inner else ():
                readers[value] = None
        readers.update(dict.fromkeys(plan.results))
        return [
            n.output
            for n in plan.graph.nodes
            if n.output in readers
            and not plan.is_inner(n.output)
            and not plan.folds(n)
            and n.output not in plan.parts
            and not is_join(n)
            and Trait.CREATION not in n.op.traits
        ]

    def _store_rows(self, row: Index, lanes: int, known: Registers) -> None:
        plan = self.plan
        stores = [s for s in plan.stores if not plan.is_inner(s.value)]
        place = self._place(_lane_rows(plan, row, lanes), lanes, known, plan.sweeps, lanes)
        place.compute([s.value for s in stores], always=bool(self.aliases))
        for target in stores:
            with lanes_loop(self.loops, lanes) as lane:
                self._store(target, place, lane)

    def _store(self, target: Store, place: Place, lane: Expr) -> None:
        expr = store(place.expr(target.value, lane), target.value.type.dtype)
        index = flat_index(target.strides, place.at(lane), target.offset)
        T.buffer_store(self.buffers[target.target], expr, [index])

    # -- sweeps ----------------------------------------------------------------------------
    def _sweep(
        self,
        sweep: int,
        row: Index,
        lanes: int,
        part: tuple[Expr, Expr, bool] | None,
        known: Registers,
    ) -> None:
        plan = self.plan
        width = lanes if plan.lanes_are_rows else self.width
        folds = [
            Accumulator(self.loops, n, width, plan.inner_size, self._run(width), self.parts)
            for n in plan.graph.nodes
            if plan.folds(n) and plan.level[n.inputs[0]] == sweep
        ]
        for fold in folds:
            fold.clear()
        if plan.lanes_are_rows:
            *outer, last = plan.inner
            with self._loops(outer) as index:

                def step(i: Expr) -> None:
                    at = _lane_rows(plan, {**row, **index, last: i}, lanes)
                    self._chunk(sweep, at, lanes, lanes, folds, known)

                self._steps(plan.sizes[last], folds, step)
        else:
            with self._loops(plan.inner[:-1]) as index:
                self._along_last(sweep, {**row, **index}, part, folds, known)
        for fold in folds:
            self._finish(fold, lanes, known)

    def _along_last(
        self,
        sweep: int,
        index: Index,
        part: tuple[Expr, Expr, bool] | None,
        folds: list[Accumulator],
        known: Registers,
    ) -> None:
        plan, width = self.plan, self.width
        if not plan.sizes:
            self._chunk(sweep, lambda _lane: {}, 1, 1, folds, known)
            return
        last = len(plan.sizes) - 1
        vectors, rest = divmod(plan.sizes[last], width)
        first, count, tail = (0, vectors // self.parts, True) if part is None else part
        if not (isinstance(count, int) and count == 0):

            def step(i: Expr) -> None:
                for number in range(self.parts):
                    base = ((first + i) * self.parts + number) * width
                    at = _lane_last(index, last, base)
                    self._chunk(sweep, at, width, 1, folds, known, number)

            self._steps(count, folds, step)
        if rest and tail:
            with T.serial(0, rest) as i:
                base = vectors * width + i
                at = _lane_last(index, last, base)
                self._chunk(sweep, at, 1, 1, folds, known)
            for fold in folds:
                fold.flush()

    def _run(self, width: int) -> int:
        """Terms that a lane takes in along the innermost axis of a sweep."""
        plan = self.plan
        if plan.lanes_are_rows:
            return plan.sizes[plan.inner[-1]]
        return plan.sizes[-1] // (width * self.parts) if plan.sizes else 1

    def _steps(self, count: Expr, folds: list[Accumulator], step: Callable[[Expr], None]) -> None:
        """A loop whose reductions add up in blocks."""
        blocked = isinstance(count, int) and any(fold.blocked for fold in folds)
        blocks, rest = divmod(count, BLOCK) if blocked else (0, count)
        if blocks:
            with T.serial(0, blocks) as block:
                with T.serial(0, BLOCK) as i:
                    step(block * BLOCK + i)
                for fold in folds:
                    fold.flush()
        if not (isinstance(rest, int) and rest == 0):
            with T.serial(0, rest) as i:
                step(blocks * BLOCK + i)
            for fold in folds:
                fold.flush()

    @contextmanager
    def _loops(self, axes: Sequence[int]) -> Iterator[Index]:
        with ExitStack() as stack:
            yield {a: stack.enter_context(T.serial(0, self.plan.sizes[a])) for a in axes}

    def _chunk(
        self,
        sweep: int,
        at: Callable[[Expr], Index],
        width: int,
        lanes: int,
        folds: list[Accumulator],
        known: Registers,
        number: int = 0,
    ) -> None:
        """Computes one vector of a sweep: results, staged values, and what reductions take in."""
        plan = self.plan
        place = self._place(at, width, known, sweep, lanes)
        stores = [s for s in plan.stores if plan.is_inner(s.value) and plan.level[s.value] == sweep]
        results = list(dict.fromkeys(s.value for s in stores))
        staged = [v for v in self.staged if plan.level[v] == sweep]
        taken = [f.node.inputs[0] for f in folds]
        several = len(stores) + len(staged) + len(folds) > 1
        targets = list(dict.fromkeys([*results, *staged, *taken]))
        place.compute(targets, always=bool(self.aliases) or several)
        for fold in folds:
            with lanes_loop(self.loops, width) as lane:
                fold.add(place.expr(fold.node.inputs[0], lane), lane, number)
        for value in staged:
            with lanes_loop(self.loops, width) as lane:
                expr = store(place.expr(value, lane), value.type.dtype)
                at_scratch = self._scratch_index(at(lane), lane, lanes)
                T.buffer_store(self.staged[value], expr, [at_scratch])
        for target in stores:
            with lanes_loop(self.loops, width) as lane:
                self._store(target, place, lane)

    def _scratch_index(self, at: Index, lane: Expr, lanes: int) -> Expr:
        flat: Expr = 0
        for axis in self.plan.inner:
            flat = flat * self.plan.sizes[axis] + at[axis]
        return flat * lanes + lane if self.plan.lanes_are_rows else flat

    def _scratch_reader(
        self, buffer: Buffer, lanes: int, at: Callable[[Expr], Index]
    ) -> Callable[[Value, Index], Expr]:
        last = len(self.plan.sizes) - 1

        def read(value: Value, index: Index) -> Expr:
            lane = index[last] - at(0)[last] if self.plan.lanes_are_rows else 0
            return load(buffer[self._scratch_index(index, lane, lanes)], value.type.dtype)

        return read

    def _finish(self, fold: Accumulator, lanes: int, known: Registers) -> None:
        """Folds the lanes and keeps the reduction's value for its row."""
        value = fold.node.output
        if not self.plan.lanes_are_rows:
            fold.fold()
        buffer = local(self.loops, value, lanes)
        with lanes_loop(self.loops, lanes) as lane:
            write_local(buffer, value, fold.result(fold.buffer[lane]), lane)
        known.put(value, buffer, by_lane=self.plan.lanes_are_rows)


def _lane_last(index: Index, last: int, base: Expr) -> Callable[[Expr], Index]:
    return lambda lane: {**index, last: base + lane}


def _lane_rows(plan: BodyPlan, index: Index, lanes: int) -> Callable[[Expr], Index]:
    """Lanes are neighbouring rows where there are several, else the row itself."""
    if lanes == 1 and not plan.lanes_are_rows:
        return lambda _lane: index
    last = len(plan.sizes) - 1
    return lambda lane: {**index, last: index[last] + lane}
