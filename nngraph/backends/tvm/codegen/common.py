"""What the builders share: casts, conditions, indices, epilogues."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.loops.base import Buffer, Expr, Kernel, Loops


def const(value: float, dtype: str) -> Expr:
    """A constant of `dtype`."""
    return tirx.const(value, dtype)


def is_float(dtype: str) -> bool:
    """Whether `dtype` has NaN and infinities."""
    return "float" in dtype


def lowest(dtype: str) -> Expr:
    """What no value of `dtype` is below: minus infinity, or the least integer."""
    return const(-math.inf, dtype) if is_float(dtype) else tirx.min_value(dtype)


def cast(value: Expr, dtype: str) -> Expr:
    """`value` as `dtype`, itself if it is that already."""
    return value if str(value.ty) == dtype else tirx.Cast(dtype, value)


def multiply_add(a: Expr, b: Expr, c: Expr, dtype: str) -> Expr:
    """`a b + c`, fused for floats."""
    return tirx.op.fma(a, b, c) if dtype.startswith("float") else data.add(data.mul(a, b), c)


def when(
    condition: bool | Expr, then: Callable[[], None], other: Callable[[], None] | None = None
) -> None:
    """`if` of the builder where `condition` is known now, of the kernel where it is not."""
    if isinstance(condition, bool):
        if condition:
            then()
        elif other:
            other()
        return
    with T.If(condition):
        with T.Then():
            then()
        if other:
            with T.Else():
                other()


def clear(loops: Loops, buffer: Buffer, shape: Sequence[int], dtype: str) -> None:
    """Sets registers to zero, the last axis as lanes."""
    _clear(loops, buffer, tuple(shape), dtype, [])


def _clear(
    loops: Loops, buffer: Buffer, rest: tuple[int, ...], dtype: str, index: list[Expr]
) -> None:
    if len(rest) == 1:
        with loops.lanes(rest[0]) as i:
            T.buffer_store(buffer, const(0, dtype), [*index, i])
        return
    with T.unroll(0, rest[0]) as i:
        _clear(loops, buffer, rest[1:], dtype, [*index, i])


def unflatten(flat: Expr, shape: Sequence[int]) -> list[Expr]:
    """Indices into `shape` of a row-major position."""
    index: list[Expr] = []
    for extent in reversed(shape):
        index.insert(0, flat % extent)
        flat = flat // extent
    return index


@dataclass(frozen=True)
class Epilogue:
    """What becomes of each result while it is still in a register.

    `apply(value, index, extras)` gets the value in the accumulator's type, its index in the logical
    output (as `[*batch, row, column]`), and the extra input buffers, declared by (shape, dtype) and
    read at any index: `extras[0][index[-1]]` is a bias, `extras[1][tuple(index)]` a residual. It
    returns the new value, or one for each of `1 + len(more_outputs)` outputs, the first of the
    kernel's own type, the others of these types and of the same layout. Values are cast.
    The same element may be computed and stored twice, so the extras must not be an output.
    """

    apply: Callable[[Expr, list[Expr], list[Buffer]], Any]
    extras: tuple[tuple[tuple[int, ...], str], ...] = ()
    more_outputs: tuple[str, ...] = ()


@dataclass
class Output:
    """The flat output buffers of a kernel, and the way a finished value takes into them."""

    buffers: list[Buffer]
    dtypes: list[str]
    epilogue: Epilogue | None = None
    extras: list[Buffer] = field(default_factory=list)

    @classmethod
    def declare(
        cls, k: Kernel, size: int, dtype: str, epilogue: Epilogue | None, name: str = "out"
    ) -> Output:
        """Declares the epilogue's inputs, then the outputs."""
        extras = epilogue.extras if epilogue else ()
        inputs = [k.argument(f"extra{i}", s, d) for i, (s, d) in enumerate(extras)]
        dtypes = [dtype, *(epilogue.more_outputs if epilogue else ())]
        names = [name, *(f"{name}{i}" for i in range(1, len(dtypes)))]
        buffers = [k.argument(n, (size,), d) for n, d in zip(names, dtypes, strict=True)]
        return cls(buffers, dtypes, epilogue, inputs)

    def store(self, value: Expr, index: Callable[[], list[Expr]], position: Expr) -> None:
        """Stores at the flat `position`; `index()` is the logical index for the epilogue."""
        values: Any = value
        if self.epilogue:
            values = self.epilogue.apply(value, index(), self.extras)
        values = values if isinstance(values, (tuple, list)) else [values]
        for buffer, dtype, v in zip(self.buffers, self.dtypes, values, strict=True):
            T.buffer_store(buffer, cast(v, dtype), [position])
