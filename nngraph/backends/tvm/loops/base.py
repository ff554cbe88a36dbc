"""The protocol between kernels and hardware.

A kernel is written once, in these words, for every kind of machine:

- ``tasks``: pieces of work that know nothing of each other. Threads of a CPU; blocks of a GPU.
- ``lanes``: neighbours that do the same at the same time. A vector of a CPU; a GPU's threads.
- ``registers``, ``local``, ``scratch``: memory of one lane's or vector's sums, of one task, and
  of the whole kernel. Registers, stack and heap of a CPU; registers, shared and global memory of a
  GPU. What one task leaves in ``scratch`` may be read by the ``tasks`` of a later loop.
- ``fold`` and ``sum_lanes``: reductions over lanes. Scalar steps on a CPU; shuffles on a GPU.

Sequential loops, conditions and stores are the same everywhere and taken from the IR builder. How
wide a vector is, and how much work is worth a task, is known here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from nngraph.backends.tvm.machine import Machine

__all__ = ["Buffer", "Combine", "Expr", "Kernel", "Loops", "PrimFunc"]

PrimFunc = Any
Expr = Any
Buffer = Any
Combine = Callable[[Expr, Expr], Expr]


class Kernel(Protocol):
    """A function under construction: arguments in order of declaration, then the body."""

    def argument(self, name: str, shape: Sequence[int], dtype: str) -> Buffer:
        """Declares a contiguous, aligned buffer."""
        ...

    def finish(self) -> PrimFunc:
        """The function; to be called after the ``with`` block."""
        ...


class Loops(Protocol):
    """How the loops of one kernel become code for a machine."""

    @property
    def machine(self) -> Machine: ...

    def kernel(self, name: str) -> AbstractContextManager[Kernel]:
        """Opens a function whose buffers do not overlap and whose loops are scheduled already."""
        ...

    def width(self, dtype: str) -> int:
        """Lanes that fit the machine for elements of ``dtype``."""
        ...

    def tasks(self, extent: int, work: int) -> AbstractContextManager[Expr]:
        """A loop whose steps are independent; ``work``: element updates of all of them."""
        ...

    def lanes(self, extent: int) -> AbstractContextManager[Expr]:
        """A loop over neighbours; the innermost of its nest."""
        ...

    def scratch(self, shape: Sequence[int], dtype: str) -> Buffer:
        """A buffer of the whole kernel; declare it before the first loop."""
        ...

    def local(self, shape: Sequence[int], dtype: str) -> Buffer:
        """A buffer of one task."""
        ...

    def registers(self, shape: Sequence[int], dtype: str) -> Buffer:
        """Accumulators: every index has to be constant after unrolling."""
        ...

    def listed(self, table: Buffer, position: Expr, size: int, dtype: str) -> Buffer:
        """The contiguous, aligned buffer that an entry of a table of tensors (bytes) points to."""
        ...

    def fold(self, parts: Sequence[Buffer], width: int, combine: Combine) -> None:
        """Folds vectors of ``width`` lanes (a power of two of them) into lane 0 of the first."""
        ...

    def sum_lanes(self, value: Callable[[Expr], Expr], width: int, dtype: str) -> Buffer:
        """The sum of ``value(lane)``, in the order of the lanes, as a register."""
        ...
