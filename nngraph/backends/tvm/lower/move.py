"""Moving elements: transposes, slices, pads, joins and fills. No arithmetic: bytes as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx

from nngraph.backends.tvm.codegen.paint import Element, paint
from nngraph.backends.tvm.codegen.types import Expr, compute_type, const, storage_type, store
from nngraph.backends.tvm.loops.base import Buffer, Kernel, Loops, PrimFunc
from nngraph.backends.tvm.loops.table import loops_for
from nngraph.backends.tvm.machine import Machine
from nngraph.backends.tvm.program.program import KernelSpec
from nngraph.backends.tvm.specs import TransposeSpec
from nngraph.backends.tvm.strategies.table import build
from nngraph.ir.op import Op
from nngraph.ir.types import TensorType
from nngraph.ops.broadcast import BroadcastTo
from nngraph.ops.creation import Full, Iota
from nngraph.ops.shape.joining import Concat, Split
from nngraph.ops.shape.moving import Flip, Tile, Transpose
from nngraph.ops.shape.padding import Pad
from nngraph.ops.shape.slicing import Slice, SliceUpdate

__all__ = ["build_copy", "build_fill", "build_move", "declare", "transpose_spec"]

Buffers = list[Buffer]


def build_move(spec: KernelSpec, machine: Machine) -> PrimFunc:
    """The kernel of a data-moving operator: inputs, then outputs."""
    if isinstance(spec.op, Transpose):
        return build(transpose_spec(spec), machine)
    loops = loops_for(machine)
    with loops.kernel(spec.op.name) as k:
        sources, targets = declare(k, spec)
        _ROWS[type(spec.op)](spec.op, spec, sources, targets, loops)
    return k.finish()


def transpose_spec(spec: KernelSpec) -> TransposeSpec:
    """What a transpose computes."""
    assert isinstance(spec.op, Transpose)
    (x,) = spec.inputs
    return TransposeSpec(x.static_shape, spec.op.perm, storage_type(x.dtype))


def declare(k: Kernel, spec: KernelSpec) -> tuple[list[Buffer], list[Buffer]]:
    """The buffers of a spec, with their shapes (rank 0 and empty ones as one element)."""

    def argument(name: str, kind: TensorType) -> Buffer:
        shape = tuple(max(n, 1) for n in kind.static_shape) or (1,)
        return k.argument(name, shape, storage_type(kind.dtype))

    sources = [argument(f"in{i}", t) for i, t in enumerate(spec.inputs)]
    return sources, [argument(f"out{i}", t) for i, t in enumerate(spec.outputs)]


def build_copy(spec: KernelSpec, loops: Loops) -> PrimFunc:
    """A kernel whose output is its first input, of the same type."""
    with loops.kernel("copy") as k:
        sources, (out,) = declare(k, spec)
        paint(loops, out, spec.outputs[0].static_shape, _reader(sources[0]))
    return k.finish()


def build_fill(spec: KernelSpec, value: float, loops: Loops) -> PrimFunc:
    """A kernel that ignores its inputs and fills its output."""
    with loops.kernel("fill") as k:
        _, (out,) = declare(k, spec)
        kind = spec.outputs[0]
        paint(loops, out, kind.static_shape, lambda _: store(const(value, kind.dtype), kind.dtype))
    return k.finish()


def _at(buffer: Buffer, index: Sequence[Expr]) -> Expr:
    return buffer[tuple(index) if index else 0]


def _slice(op: Slice, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    def source(index: list[Expr]) -> Expr:
        rows = zip(op.starts, op.steps, index, strict=True)
        return _at(sources[0], [start + step * i for start, step, i in rows])

    paint(loops, targets[0], spec.outputs[0].static_shape, source)


def _slice_update(
    op: SliceUpdate, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops
) -> None:
    paint(loops, targets[0], spec.outputs[0].static_shape, lambda i: _at(sources[0], i))
    update = spec.inputs[1].static_shape
    paint(loops, targets[0], update, lambda i: _at(sources[1], i), op.starts, op.steps)


def _pad(op: Pad, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    kind, shape = spec.outputs[0], spec.inputs[0].static_shape
    if op.mode == "constant":
        filling = store(const(op.value, kind.dtype), kind.dtype)
        paint(loops, targets[0], kind.static_shape, lambda _: filling)
        paint(loops, targets[0], shape, lambda i: _at(sources[0], i), [lo for lo, _ in op.pads])
        return

    def source(index: list[Expr]) -> Expr:
        rows = zip(index, op.pads, shape, strict=True)
        return _at(sources[0], [_folded(op.mode, i - lo, n) for i, (lo, _), n in rows])

    paint(loops, targets[0], kind.static_shape, source)


def _folded(mode: str, i: Expr, size: int) -> Expr:
    """The place in an axis of ``size`` that a padded position repeats."""
    if mode == "edge":
        return tirx.max(tirx.min(i, size - 1), 0)
    if mode == "circular":
        return tirx.Select(i < 0, i + size, tirx.Select(i >= size, i - size, i))
    mirrored = tirx.Select(i < 0, 0 - i, i)
    return tirx.Select(mirrored >= size, 2 * (size - 1) - mirrored, mirrored)


def _concat(op: Concat, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    start = 0
    for x, kind in zip(sources, spec.inputs, strict=True):
        starts = [start if a == op.axis else 0 for a in range(kind.rank)]
        paint(loops, targets[0], kind.static_shape, _reader(x), starts)
        start += kind.static_shape[op.axis]


def _reader(x: Buffer) -> Element:
    return lambda index: _at(x, index)


def _split(op: Split, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    start = 0
    for out, kind in zip(targets, spec.outputs, strict=True):
        paint(loops, out, kind.static_shape, _shifted(sources[0], op.axis, start))
        start += kind.static_shape[op.axis]


def _shifted(x: Buffer, axis: int, start: int) -> Element:
    return lambda index: _at(x, [i + start if a == axis else i for a, i in enumerate(index)])


def _flip(op: Flip, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    shape = spec.outputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        back = [shape[a] - 1 - i if a in op.axes else i for a, i in enumerate(index)]
        return _at(sources[0], back)

    paint(loops, targets[0], shape, source)


def _tile(op: Tile, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    own = spec.inputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        aligned = index[len(index) - len(own) :]
        return _at(sources[0], [i % n for i, n in zip(aligned, own, strict=True)])

    paint(loops, targets[0], spec.outputs[0].static_shape, source)


def _broadcast(
    op: BroadcastTo, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops
) -> None:
    own = spec.inputs[0].static_shape

    def source(index: list[Expr]) -> Expr:
        aligned = index[len(index) - len(own) :]
        return _at(sources[0], [0 if n == 1 else i for i, n in zip(aligned, own, strict=True)])

    paint(loops, targets[0], spec.outputs[0].static_shape, source)


def _full(op: Full, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    value = store(const(op.value, op.dtype), op.dtype)
    paint(loops, targets[0], spec.outputs[0].static_shape, lambda _: value)


def _iota(op: Iota, spec: KernelSpec, sources: Buffers, targets: Buffers, loops: Loops) -> None:
    def count(index: list[Expr]) -> Expr:
        return store(tirx.Cast(compute_type(op.dtype), index[op.axis]), op.dtype)

    paint(loops, targets[0], spec.outputs[0].static_shape, count)


_ROWS: dict[type[Op], Callable[..., None]] = {
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
