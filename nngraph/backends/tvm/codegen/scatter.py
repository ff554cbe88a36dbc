"""Reading and writing by index: rows, and elements along an axis. Parallel and deterministic.

A task owns a range of the output, so no order of threads changes a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data as on_data
from nngraph.backends.tvm.codegen.common import cast, const, is_float, unflatten, when
from nngraph.backends.tvm.codegen.window.taps import strides
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import ElementsSpec, TakeSpec, accumulator, check_reduction
from nngraph.backends.tvm.tiles import cdiv

_VECTOR = 16


def take_rows(spec: TakeSpec, loops: Loops) -> PrimFunc:
    """Rows data[o, index[t]]. Parameters: data, index, out; flat. Embedding, index_select."""
    size = spec.outer * spec.count * spec.inner
    with loops.kernel("take_rows") as k:
        data = k.argument("data", (spec.outer * spec.rows * spec.inner,), spec.dtype)
        index = k.argument("index", (spec.count,), spec.index_dtype)
        out = k.argument("out", (size,), spec.dtype)
        per = max(1, 4096 // max(spec.inner, 1))
        rows = spec.outer * spec.count
        with loops.tasks(cdiv(rows, per), size) as task, T.serial(0, per) as part:
            number = task * per + part

            def row() -> None:
                outer, t = number // spec.count, number % spec.count
                source = T.bind(outer * spec.rows + _clamped(index[t], spec.rows))
                _copy(loops, spec.inner, out, number * spec.inner, data, source * spec.inner)

            when(True if rows % per == 0 else number < rows, row)
    return k.finish()


def scatter_rows(
    spec: TakeSpec, loops: Loops, reduction: str = "add", *, from_zero: bool = False
) -> PrimFunc:
    """Starting from data (or zero), combines out[o, index[t]] with updates[o, t], t upwards.

    Parameters: data (not with `from_zero`), index, updates, out; flat. With "add" and `from_zero`
    the gradient of `take_rows`. float16 and bfloat16 are combined in float32 and rounded once.
    """
    check_reduction(reduction)
    acc = accumulator(spec.dtype)
    ranges = max(1, min(cdiv(8, max(spec.outer, 1)), spec.rows))
    step = cdiv(spec.rows, ranges)
    ranges = cdiv(spec.rows, step)
    work = spec.outer * (spec.rows + spec.count) * spec.inner
    size = spec.outer * spec.rows * spec.inner
    with loops.kernel("scatter_rows") as k:
        data = None if from_zero else k.argument("data", (size,), spec.dtype)
        index = k.argument("index", (spec.count,), spec.index_dtype)
        updates = k.argument("updates", (spec.outer * spec.count * spec.inner,), spec.dtype)
        out = k.argument("out", (size,), spec.dtype)
        with loops.tasks(spec.outer * ranges, work) as task:
            outer, first = task // ranges, task % ranges * step
            widened = acc != spec.dtype
            start = (outer * spec.rows + first) * spec.inner
            sums = loops.local((step * spec.inner,), acc) if widened else out
            base = const(0, "int32") if widened else start

            def each(store: Callable[[Expr], None]) -> None:
                with T.serial(0, step) as r:
                    when(
                        True if spec.rows % step == 0 else first + r < spec.rows,
                        lambda: _over(loops, spec.inner, lambda j: store(r * spec.inner + j)),
                    )

            def begin(i: Expr) -> None:
                value = const(0, acc) if data is None else cast(data[start + i], acc)
                T.buffer_store(sums, value, [base + i])

            each(begin)
            with T.serial(0, spec.count) as t:
                row = T.bind(_wrapped(index[t], spec.rows))
                mine = tirx.all(row >= first, row < first + step, row < spec.rows)
                with T.If(mine), T.Then():
                    at = base + (row - first) * spec.inner
                    source = (outer * spec.count + t) * spec.inner
                    _combine_row(loops, spec.inner, (sums, at), (updates, source), acc, reduction)
            if widened:
                each(lambda i: T.buffer_store(out, cast(sums[i], spec.dtype), [start + i]))
    return k.finish()


def gather_elements(spec: ElementsSpec, loops: Loops) -> PrimFunc:
    """Elements data[i with i[axis] = index[i]]. Parameters: data, index, out; flat."""
    size = math.prod(spec.index_shape)
    with loops.kernel("gather_elements") as k:
        data = k.argument("data", (math.prod(spec.data_shape),), spec.dtype)
        index = k.argument("index", (size,), spec.index_dtype)
        out = k.argument("out", (size,), spec.dtype)
        per = 1024
        with loops.tasks(cdiv(size, per), size) as task, T.serial(0, per) as part:
            i = task * per + part

            def element() -> None:
                place = unflatten(i, spec.index_shape)
                place[spec.axis] = _clamped(index[i], spec.data_shape[spec.axis])
                T.buffer_store(out, data[_flat(place, spec.data_shape)], [i])

            when(True if size % per == 0 else i < size, element)
    return k.finish()


def scatter_elements(spec: ElementsSpec, loops: Loops) -> PrimFunc:
    """Starting from data, out[i with i[axis] = index[i]] is combined with updates[i].

    Parameters: data, index, updates, out; flat. Updates of an element happen in the order of i;
    float16 and bfloat16 sums round at each step.
    """
    size, outer = math.prod(spec.data_shape), spec.index_shape[: spec.axis]
    inner = math.prod(spec.index_shape[spec.axis + 1 :])
    chunk = max(1, min(inner, 256))
    tasks = math.prod(outer) * cdiv(inner, chunk)
    with loops.kernel("scatter_elements") as k:
        data = k.argument("data", (size,), spec.dtype)
        index = k.argument("index", (math.prod(spec.index_shape),), spec.index_dtype)
        updates = k.argument("updates", (math.prod(spec.index_shape),), spec.dtype)
        out = k.argument("out", (size,), spec.dtype)
        with loops.tasks(cdiv(size, 4096), size) as task, T.serial(0, 4096) as part:
            i = task * 4096 + part
            when(True if size % 4096 == 0 else i < size, lambda: T.buffer_store(out, data[i], [i]))
        with (
            loops.tasks(tasks, math.prod(spec.index_shape) * 4) as task,
            T.serial(0, spec.index_shape[spec.axis]) as m,
            T.serial(0, chunk) as part,
        ):
            before, j = task // cdiv(inner, chunk), task % cdiv(inner, chunk) * chunk + part

            def element() -> None:
                i = (before * spec.index_shape[spec.axis] + m) * inner + j
                _update(spec, out, T.bind(_wrapped_element(spec, index[i])), i, updates[i])

            when(True if inner % chunk == 0 else j < inner, element)
    return k.finish()


def _update(spec: ElementsSpec, out: Buffer, row: Expr, i: Expr, value: Expr) -> None:
    place = unflatten(i, spec.index_shape)
    place[spec.axis] = row
    at = _flat(place, spec.data_shape)
    with T.If(tirx.all(row >= 0, row < spec.data_shape[spec.axis])), T.Then():
        acc = accumulator(spec.dtype)
        value = _combine(cast(out[at], acc), cast(value, acc), spec.reduction)
        T.buffer_store(out, cast(value, spec.dtype), [at])


def _combine(old: Expr, new: Expr, reduction: str) -> Expr:
    """NaN propagates through max and min, as in PyTorch."""
    if reduction == "add":
        return on_data.add(old, new)
    if reduction == "mul":
        return on_data.mul(old, new)
    if reduction == "none":
        return new
    better = on_data.lt(old, new) if reduction == "max" else on_data.lt(new, old)
    if is_float(str(new.ty)):
        better = tirx.any(better, on_data.isnan(new))
    return tirx.Select(better, new, old)


def _wrapped_element(spec: ElementsSpec, index: Expr) -> Expr:
    return _wrapped(index, spec.data_shape[spec.axis])


def _wrapped(index: Expr, extent: int) -> Expr:
    """As int32; a negative index counts from the end. What is out of range stays so."""
    wide = cast(index, "int64")
    wide = tirx.Select(wide < 0, wide + extent, wide)
    outside = tirx.any(wide < 0, wide >= extent)
    return tirx.Select(outside, const(-1, "int32"), tirx.Cast("int32", wide))


def _clamped(index: Expr, extent: int) -> Expr:
    wide = cast(index, "int64")
    wide = tirx.Select(wide < 0, wide + extent, wide)
    low, high = const(0, "int64"), const(extent - 1, "int64")
    return tirx.Cast("int32", tirx.max(tirx.min(wide, high), low))


def _flat(place: Sequence[Expr], shape: tuple[int, ...]) -> Expr:
    total: Expr = const(0, "int32")
    for i, p in zip(place, strides(shape), strict=True):
        total = total + i * p
    return total


def _over(loops: Loops, extent: int, body: Callable[[Expr], None]) -> None:
    """A row, as explicit vectors and a rest."""
    if extent // _VECTOR:
        with T.serial(0, extent // _VECTOR) as i, loops.lanes(_VECTOR) as v:
            body(i * _VECTOR + v)
    if extent % _VECTOR:
        with T.serial(0, extent % _VECTOR) as i:
            body(extent - extent % _VECTOR + i)


def _copy(loops: Loops, extent: int, out: Buffer, at: Expr, data: Buffer, source: Expr) -> None:
    _over(loops, extent, lambda j: T.buffer_store(out, data[source + j], [at + j]))


def _combine_row(
    loops: Loops,
    extent: int,
    target: tuple[Buffer, Expr],
    source: tuple[Buffer, Expr],
    acc: str,
    reduction: str,
) -> None:
    (sums, at), (updates, start) = target, source

    def combine(j: Expr) -> None:
        value = _combine(sums[at + j], cast(updates[start + j], acc), reduction)
        T.buffer_store(sums, value, [at + j])

    _over(loops, extent, combine)
