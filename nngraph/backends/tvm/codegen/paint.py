"""Writing a box of a buffer, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm.codegen.common import unflatten
from nngraph.backends.tvm.loops.base import Buffer, Expr, Loops

__all__ = ["Element", "paint"]

Element = Callable[[list[Expr]], Expr]
_CUT = 4096  # elements of a task of a long row
_FEW_ROWS = 8


def paint(
    loops: Loops,
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
    few = math.prod(outer) < _FEW_ROWS and last % _CUT == 0 and last > _CUT
    cut = _CUT if few else last
    with (
        loops.tasks(math.prod(outer) * (last // cut), math.prod(shape)) as task,
        ExitStack() as stack,
    ):
        index = unflatten(task // (last // cut) if cut < last else task, outer)
        first = task % (last // cut) * cut if cut < last else 0
        if width == 1:
            put([*index, first + stack.enter_context(T.serial(0, cut))])
        else:
            step = stack.enter_context(T.serial(0, cut // width))
            put([*index, first + step * width + stack.enter_context(loops.lanes(width))])
