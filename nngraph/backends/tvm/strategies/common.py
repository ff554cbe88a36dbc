"""What the builders share: kernel scaffolding, tiles, loops, casts, epilogues."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import host

PrimFunc = Any
Expr = Any
Buffer = Any
MIN_PARALLEL_WORK = 32768
"""Element updates below which starting a parallel region (1-2 us) does not pay."""

_SIZES = {"float64": 8, "int64": 8, "uint64": 8, "float32": 4, "int32": 4, "uint32": 4}


def cdiv(a: int, b: int) -> int:
    """`a / b` rounded up."""
    return -(-a // b)


def lanes(dtype: str) -> int:
    """Elements of `dtype` in a vector register; at most 16."""
    return min(16, host.vector_bytes() // _SIZES.get(dtype, 4))


def accumulator(dtype: str) -> str:
    """The type in which products and sums of `dtype` are accumulated."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


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
    return tirx.op.fma(a, b, c) if dtype.startswith("float") else a * b + c


class Kernel:
    """A PrimFunc under construction: arguments in order of declaration, then the body."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def argument(self, name: str, shape: Sequence[int], dtype: str) -> Buffer:
        return T.arg(name, T.Buffer(tuple(shape), dtype))

    def finish(self) -> PrimFunc:
        """The function; to be called after the `with` block."""
        return self._builder.get()


@contextmanager
def kernel(name: str) -> Iterator[Kernel]:
    """Opens a function whose buffers do not overlap and whose loops are scheduled already."""
    with IRBuilder() as builder, T.prim_func(s_tir=True):
        T.func_name(name)
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        yield Kernel(builder)


def parallel(extent: int, work: int) -> Any:
    """A loop over threads, or a serial one where all of its `work` is too little for that."""
    loop = T.parallel if extent > 1 and work >= MIN_PARALLEL_WORK else T.serial
    return loop(0, extent)


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


def scratch(shape: Sequence[int], dtype: str) -> Buffer:
    """A buffer of the whole kernel, on the heap; declare it before the first loop."""
    return T.sblock_alloc_buffer(tuple(shape), dtype)


def registers(shape: Sequence[int], dtype: str) -> Buffer:
    """Accumulators: every index has to be constant after unrolling."""
    return T.alloc_buffer(tuple(shape), dtype, scope="local")


def local(shape: Sequence[int], dtype: str) -> Buffer:
    """A buffer of one task: on the stack if small, else from the thread's workspace."""
    return T.alloc_buffer(tuple(shape), dtype)


def clear(buffer: Buffer, shape: Sequence[int], dtype: str) -> None:
    """Sets registers to zero, the last axis as vectors."""
    _clear(buffer, tuple(shape), dtype, [])


def _clear(buffer: Buffer, rest: tuple[int, ...], dtype: str, index: list[Expr]) -> None:
    loop = T.vectorized if len(rest) == 1 else T.unroll
    with loop(0, rest[0]) as i:
        if len(rest) == 1:
            T.buffer_store(buffer, const(0, dtype), [*index, i])
        else:
            _clear(buffer, rest[1:], dtype, [*index, i])


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
