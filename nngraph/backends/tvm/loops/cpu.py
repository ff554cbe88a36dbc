"""Loops on a CPU: tasks are spread over threads, lanes are a vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.ir import PointerType, PrimType
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from nngraph.backends.tvm import data
from nngraph.backends.tvm.loops.base import Buffer, Combine, Expr, Kernel, PrimFunc
from nngraph.backends.tvm.machine import PARALLEL_WORK, Machine

__all__ = ["CpuLoops"]


class _Kernel:
    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def argument(self, name: str, shape: Sequence[int], dtype: str) -> Buffer:
        return T.arg(name, T.Buffer(tuple(shape), dtype))

    def finish(self) -> PrimFunc:
        return self._builder.get()


@dataclass(frozen=True)
class CpuLoops:
    """See ``nngraph.backends.tvm.loops.base.Loops``."""

    machine: Machine

    @contextmanager
    def kernel(self, name: str) -> Iterator[Kernel]:
        with IRBuilder() as builder, T.prim_func(s_tir=True):
            T.func_name(name)
            T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
            yield _Kernel(builder)

    def width(self, dtype: str) -> int:
        return self.machine.lanes(dtype)

    def tasks(self, extent: int, work: int) -> AbstractContextManager[Expr]:
        loop = T.parallel if extent > 1 and work >= PARALLEL_WORK else T.serial
        return _opened(loop(0, extent))

    def lanes(self, extent: int) -> AbstractContextManager[Expr]:
        return _opened(T.vectorized(0, extent))

    def scratch(self, shape: Sequence[int], dtype: str) -> Buffer:
        return T.sblock_alloc_buffer(tuple(shape), dtype)  # on the heap

    def local(self, shape: Sequence[int], dtype: str) -> Buffer:
        return T.alloc_buffer(tuple(shape), dtype)  # on the stack, or in the thread's workspace

    def registers(self, shape: Sequence[int], dtype: str) -> Buffer:
        return T.alloc_buffer(tuple(shape), dtype, scope="local")

    def listed(self, table: Buffer, position: Expr, size: int, dtype: str) -> Buffer:
        pointer = PointerType(PrimType(dtype))
        data_ = tirx.Var("data", pointer)
        T.bind(tirx.call_intrin(pointer, "tirx.tvm_struct_get", table.data, position, 1), var=data_)
        return T.decl_buffer((size,), dtype, data=data_)

    def fold(self, parts: Sequence[Buffer], width: int, combine: Combine) -> None:
        while len(parts) > 1:
            half = len(parts) // 2
            for a, b in zip(parts[:half], parts[half:], strict=True):
                with self.lanes(width) as lane:
                    T.buffer_store(a, combine(a[lane], b[lane]), [lane])
            parts = parts[:half]
        total, half = parts[0], width // 2
        while half:
            for lane in range(half):  # single elements: halves of vectors compile badly
                T.buffer_store(total, combine(total[lane], total[lane + half]), [lane])
            half //= 2

    def sum_lanes(self, value: Callable[[Expr], Expr], width: int, dtype: str) -> Buffer:
        total = self.registers((1,), dtype)
        T.buffer_store(total, tirx.const(0, dtype), [0])
        with T.serial(0, width) as lane:
            T.buffer_store(total, data.add(total[0], value(lane)), [0])
        return total


def _opened(loop: Any) -> AbstractContextManager[Expr]:
    """A loop of the builder, which is untyped."""
    opened: AbstractContextManager[Expr] = loop
    return opened
