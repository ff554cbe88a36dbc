"""Running sums and products along an axis."""

from __future__ import annotations

from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.codegen.common import cast, const, when
from nngraph.backends.tvm.loops.base import Expr, Loops, PrimFunc
from nngraph.backends.tvm.specs import ScanSpec
from nngraph.backends.tvm.tiles import cdiv

_LANES = 64


def cumulative(spec: ScanSpec, loops: Loops) -> PrimFunc:
    """Parameters: x (flat), y (flat), both of outer * length * inner elements.

    Totals of floats are kept in float64, others in `out_dtype`. Serial along the axis,
    parallel and vectorized over the others.
    """
    floats = ("float16", "bfloat16", "float32")
    acc = "float64" if spec.out_dtype in floats else spec.out_dtype
    size = spec.outer * spec.length * spec.inner
    chunk = min(_LANES, spec.inner)
    chunks = cdiv(spec.inner, chunk)
    with loops.kernel("cumulative") as k:
        x = k.argument("x", (size,), spec.dtype)
        y = k.argument("y", (size,), spec.out_dtype)
        with loops.tasks(spec.outer * chunks, size) as task:
            outer, first = task // chunks, task % chunks * chunk
            total = loops.local((chunk,), acc)
            with T.serial(0, chunk) as v:
                T.buffer_store(total, const(int(spec.product), acc), [v])
            with T.serial(0, spec.length) as i, T.serial(0, chunk) as v:
                row = spec.length - 1 - i if spec.reverse else i
                at = (outer * spec.length + row) * spec.inner + first + v

                def step(at: Expr = at, v: Expr = v) -> None:
                    if spec.exclusive:
                        T.buffer_store(y, cast(total[v], spec.out_dtype), [at])
                    value = cast(x[at], acc)
                    new = (data.mul if spec.product else data.add)(total[v], value)
                    T.buffer_store(total, new, [v])
                    if not spec.exclusive:
                        T.buffer_store(y, cast(total[v], spec.out_dtype), [at])

                when(True if spec.inner % chunk == 0 else first + v < spec.inner, step)
    return k.finish()
