"""Moving elements: transposes, slices, pads, joins and fills. No arithmetic: bytes as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.types import Expr, compute_type, const, storage_type, store
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.strategies.common import kernel, parallel, unflatten
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import BroadcastTo
from nngraph.ops.creation import Full, Iota
from nngraph.ops.shape.joining import Concat, Split
from nngraph.ops.shape.moving import Flip, Tile, Transpose
from nngraph.ops.shape.padding import Pad
from nngraph.ops.shape.slicing import Slice, SliceUpdate

__all__ = ["build_copy", "build_fill", "build_move", "declare", "paint"]

Buffer = Any
Element = Callable[[list[Expr]], Expr]
TILE = 16  # elements of a transposed tile, in the source's direction
STRIP = 128  # and in the result's


def build_move(spec: KernelSpec) -> Any:
    """The kernel of a data-moving operator: inputs, then outputs."""
    with kernel(spec.op.name) as k:
        sources, targets = declare(k, spec)
        _ROWS[type(spec.op)](spec.op, spec, sources, targets)
    return k.finish()


def declare(k: Any, spec: KernelSpec) -> tuple[list[Buffer], list[Buffer]]:
    """The buffers of a spec, with their shapes (rank 0 and empty ones as one element)."""

    def argument(name: str, kind: TensorType) -> Buffer:
        shape = tuple(max(n, 1) for n in kind.static_shape) or (1,)
        return k.argument(name, shape, storage_type(kind.dtype))

    sources = [argument(f"in{i}", t) for i, t in enumerate(spec.inputs)]
    return sources, [argument(f"out{i}", t) for i, t in enumerate(spec.outputs)]


def build_copy(spec: KernelSpec) -> Any:
    """A kernel whose output is its first input, of the same type."""
    with kernel("copy") as k:
        sources, (out,) = declare(k, spec)
        paint(out, spec.outputs[0].static_shape, _reader(sources[0]))
    return k.finish()


def build_fill(spec: KernelSpec, value: float) -> Any:
    """A kernel that ignores its inputs and fills its output."""
    with kernel("fill") as k:
        _, (out,) = declare(k, spec)
        kind = spec.outputs[0]
        paint(out, kind.static_shape, lambda _: store(const(value, kind.dtype), kind.dtype))
    return k.finish()


def paint(
    out: Buffer,
    shape: Sequence[int],
    element: Element,
    starts: Sequence[Expr] | None = None,
    steps: Sequence[int] | None = None,
) -> None:
    """``out[starts + steps * i] = element(i)`` for all ``i`` below ``shape``."""
    if not shape:
        T.buffer_store(out, element([]), [0])
        return
    if math.prod(shape) == 0:
        return
    *outer, last = shape
    width = next((w for w in (16, 8, 4) if last % w == 0), 1)

    def put(index: list[Expr]) -> None:
        at = index if starts is None else [s + i for s, i in zip(starts, index, strict=True)]
        if starts is not None and steps is not None:
            rows = zip(starts, steps, index, strict=True)
            at = [start + step * i for start, step, i in rows]
        T.buffer_store(out, element(index), at)

    # A long single row is cut into tasks; rows are tasks otherwise.
    cut = 4096 if math.prod(outer) < 8 and last % 4096 == 0 and last > 4096 else last
    with parallel(math.prod(outer) * (last // cut), math.prod(shape)) as task, ExitStack() as stack:
        index = unflatten(task // (last // cut) if cut < last else task, outer)
        first = task % (last // cut) * cut if cut < last else 0
        if width == 1:
            put([*index, first + stack.enter_context(T.serial(0, cut))])
        else:
            step = stack.enter_context(T.serial(0, cut // width))
            put([*index, first + step * width + stack.enter_context(T.vectorized(0, width))])


def _at(buffer: Buffer, index: Sequence[Expr]) -> Expr:
    return buffer[tuple(index) if index else 0]


def _transpose(
    op: Transpose, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]
) -> None:
    shape = spec.outputs[0].static_shape
    (x,), (out,) = sources, targets

    def source(index: list[Expr]) -> Expr:
        back: list[Expr] = [0] * len(shape)
        for place, axis in enumerate(op.perm):
            back[axis] = index[place]
        return _at(x, back)

    walked = op.perm.index(len(shape) - 1) if shape else 0
    if shape and walked != len(shape) - 1 and shape[walked] % TILE == 0 and shape[-1] >= TILE:
        _tiles(shape, walked, source, out)
    else:
        paint(out, shape, source)


def _tiles(shape: tuple[int, ...], walked: int, source: Element, out: Buffer) -> None:
    """Tiles that the cache holds: vectors along the axis that is contiguous in the source."""
    strip = next(s for s in (STRIP, 64, 32, 16, shape[-1]) if shape[-1] % s == 0)
    rest = [n for a, n in enumerate(shape[:-1]) if a != walked]
    blocks = [*rest, shape[walked] // TILE, shape[-1] // strip]
    with parallel(math.prod(blocks), math.prod(shape)) as task:
        *others, row, column = unflatten(task, blocks)
        with T.serial(0, strip) as j, T.vectorized(0, TILE) as i:
            index = list(others)
            index.insert(walked, row * TILE + i)
            index.append(column * strip + j)
            T.buffer_store(out, source(index), index)


def _slice(op: Slice, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    def source(index: list[Expr]) -> Expr:
        rows = zip(op.starts, op.steps, index, strict=True)
        return _at(sources[0], [start + step * i for start, step, i in rows])

    paint(targets[0], spec.outputs[0].static_shape, source)


def _slice_update(
    op: SliceUpdate, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]
) -> None:
    paint(targets[0], spec.outputs[0].static_shape, lambda i: _at(sources[0], i))
    update = spec.inputs[1].static_shape
    paint(targets[0], update, lambda i: _at(sources[1], i), op.starts, op.steps)


def _pad(op: Pad, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    kind, shape = spec.outputs[0], spec.inputs[0].static_shape
    if op.mode == "constant":
        filling = store(const(op.value, kind.dtype), kind.dtype)
        paint(targets[0], kind.static_shape, lambda _: filling)
        paint(targets[0], shape, lambda i: _at(sources[0], i), [lo for lo, _ in op.pads])
        return

    def source(index: list[Expr]) -> Expr:
        rows = zip(index, op.pads, shape, strict=True)
        return _at(sources[0], [_folded(op.mode, i - lo, n) for i, (lo, _), n in rows])

    paint(targets[0], kind.static_shape, source)


def _folded(mode: str, i: Expr, size: int) -> Expr:
    """The place in an axis of ``size`` that a padded position repeats."""
    if mode == "edge":
        return tirx.max(tirx.min(i, size - 1), 0)
    if mode == "circular":
        return tirx.Select(i < 0, i + size, tirx.Select(i >= size, i - size, i))
    mirrored = tirx.Select(i < 0, 0 - i, i)
    return tirx.Select(mirrored >= size, 2 * (size - 1) - mirrored, mirrored)


def _concat(op: Concat, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    start = 0
    for x, kind in zip(sources, spec.inputs, strict=True):
        starts = [start if a == op.axis else 0 for a in range(kind.rank)]
        paint(targets[0], kind.static_shape, _reader(x), starts)
        start += kind.static_shape[op.axis]


def _reader(x: Buffer) -> Element:
    return lambda index: _at(x, index)


def _split(op: Split, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    start = 0
    for out, kind in zip(targets, spec.outputs, strict=True):
        paint(out, kind.static_shape, _shifted(sources[0], op.axis, start))
        start += kind.static_shape[op.axis]


def _shifted(x: Buffer, axis: int, start: int) -> Element:
    return lambda index: _at(x, [i + start if a == axis else i for a, i in enumerate(index)])


def _flip(op: Flip, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    shape = spec.outputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        back = [shape[a] - 1 - i if a in op.axes else i for a, i in enumerate(index)]
        return _at(sources[0], back)

    paint(targets[0], shape, source)


def _tile(op: Tile, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    own = spec.inputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        aligned = index[len(index) - len(own) :]
        return _at(sources[0], [i % n for i, n in zip(aligned, own, strict=True)])

    paint(targets[0], spec.outputs[0].static_shape, source)


def _broadcast(
    op: BroadcastTo, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]
) -> None:
    own = spec.inputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        aligned = index[len(index) - len(own) :]
        return _at(sources[0], [0 if n == 1 else i for i, n in zip(aligned, own, strict=True)])

    paint(targets[0], spec.outputs[0].static_shape, source)


def _full(op: Full, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    value = store(const(op.value, op.dtype), op.dtype)
    paint(targets[0], spec.outputs[0].static_shape, lambda _: value)


def _iota(op: Iota, spec: KernelSpec, sources: list[Buffer], targets: list[Buffer]) -> None:
    def count(index: list[Expr]) -> Expr:
        return store(tirx.Cast(compute_type(op.dtype), index[op.axis]), op.dtype)

    paint(targets[0], spec.outputs[0].static_shape, count)


_ROWS: dict[type[Op], Callable[..., None]] = {
    Transpose: _transpose,
    Slice: _slice,
    SliceUpdate: _slice_update,
    Pad: _pad,
    Concat: _concat,
    Split: _split,
    Flip: _flip,
    Tile: _tile,
    BroadcastTo: _broadcast,
    Full: _full,
    Iota: _iota,
}
