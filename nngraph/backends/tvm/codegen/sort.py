"""Stable sorting of rows with the indices: merge sort, serial in a row, parallel over rows."""

from __future__ import annotations

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import cast, const, is_float
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import SortSpec, accumulator


def sort_rows(spec: SortSpec, loops: Loops) -> PrimFunc:
    """Parameters: x (rows, columns), values (rows, keep), indices (rows, keep); flat.

    Equal values keep their order, ascending or descending. Serves sort, argsort and topk.
    """
    n = spec.columns
    passes = max(n - 1, 0).bit_length()
    with loops.kernel("sort_rows") as k:
        x = k.argument("x", (spec.rows * n,), spec.dtype)
        values = k.argument("values", (spec.rows * spec.keep,), spec.dtype)
        indices = k.argument("indices", (spec.rows * spec.keep,), spec.index_dtype)
        with loops.tasks(spec.rows, spec.rows * n * (passes + 1) * 4) as row:
            # two halves: each pass merges from one into the other
            keys, order = (
                loops.local((2 * n,), _key_dtype(spec.dtype)),
                loops.local((2 * n,), "int32"),
            )
            with T.serial(0, n) as i:
                T.buffer_store(keys, _key(x[row * n + i], spec.dtype), [i])
                T.buffer_store(order, i, [i])
            for step in range(passes):
                source, target = (step % 2) * n, (1 - step % 2) * n
                _merge_runs(spec, loops, keys, order, 1 << step, source, target)
            result = (passes % 2) * n
            with T.serial(0, spec.keep) as i:
                at = row * spec.keep + i
                T.buffer_store(values, x[row * n + order[result + i]], [at])
                T.buffer_store(indices, cast(order[result + i], spec.index_dtype), [at])
    return k.finish()


def _merge_runs(
    spec: SortSpec, loops: Loops, keys: Buffer, order: Buffer, width: int, source: int, target: int
) -> None:
    """Merges pairs of sorted runs of `width` from one half of the buffers into the other."""
    n = spec.columns
    heads = loops.local((2,), "int32")
    with T.serial(0, -(-n // (2 * width))) as pair:
        start = pair * (2 * width)
        middle = T.bind(tirx.min(start + width, const(n, "int32")))
        end = T.bind(tirx.min(start + 2 * width, const(n, "int32")))
        T.buffer_store(heads, start, [0])
        T.buffer_store(heads, middle, [1])
        with T.serial(0, end - start) as i:
            left, right = T.bind(heads[0]), T.bind(heads[1])
            a = keys[source + tirx.min(left, n - 1)]
            b = keys[source + tirx.min(right, n - 1)]
            behind = b < a if not spec.descending else b > a
            from_left = tirx.any(right >= end, tirx.all(left < middle, tirx.Not(behind)))
            choice = loops.local((1,), "int32")
            T.buffer_store(choice, tirx.Select(from_left, left, right), [0])
            T.buffer_store(heads, tirx.Select(from_left, left + 1, left), [0])
            T.buffer_store(heads, tirx.Select(from_left, right, right + 1), [1])
            T.buffer_store(keys, keys[source + choice[0]], [target + start + i])
            T.buffer_store(order, order[source + choice[0]], [target + start + i])


def _key_dtype(dtype: str) -> str:
    if not is_float(dtype):
        return dtype if dtype != "bool" else "int8"
    return "int64" if dtype == "float64" else "int32"


def _key(value: Expr, dtype: str) -> Expr:
    """An integer that orders as floats do, the zeros equal and NaN largest.

    Comparing floats would leave what NaN does to the compiler's simplifications.
    """
    kind = _key_dtype(dtype)
    if not is_float(dtype):
        return cast(value, kind)
    wide = cast(value, accumulator(dtype))
    bits = tirx.reinterpret(kind, wide)
    largest = const((1 << (63 if kind == "int64" else 31)) - 1, kind)
    # sign and magnitude to two's complement, which has one zero
    negative = data.neg(data.bit_and(bits, largest))
    ordered = tirx.Select(data.lt(bits, const(0, kind)), negative, bits)
    return tirx.Select(data.isnan(wide), largest, ordered)
