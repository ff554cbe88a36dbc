"""What the TVM backend emits: kernels, storages, and the list of calls. Plain data, no tvm."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from nngraph.backends.tvm.tiles import CHUNK, PARTS
from nngraph.ir.attributes import attributes
from nngraph.ir.op import Op
from nngraph.ir.signature import Signature
from nngraph.ir.text import print_attribute, print_graph
from nngraph.ir.types import TensorType
from nngraph.ops.core import Literal
from nngraph.ops.fused import Fused

__all__ = [
    "FRESH",
    "Call",
    "Check",
    "IndexCheck",
    "KernelSpec",
    "Linked",
    "Loop",
    "Place",
    "Program",
    "Storage",
    "Table",
    "ZeroCheck",
]


class Table(enum.Enum):
    """How a kernel goes through a table of tensors."""

    SERIAL = "serial"
    PARALLEL = "parallel"


@dataclass(frozen=True)
class KernelSpec:
    """One kernel: an operator for operands of given types.

    Attributes:
        op: a primitive operator or a ``Fused`` group.
        aliases: (output, input) pairs that are one buffer.
        table: for a kernel over tensors of any sizes, which says no sizes itself; None for others.
    """

    op: Op
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    aliases: tuple[tuple[int, int], ...] = ()
    table: Table | None = None

    @cached_property
    def key(self) -> str:
        """Text that tells kernels apart: equal keys mean equal code."""
        if isinstance(self.op, Fused):
            body = print_graph(self.op.body.graph, origins=False, names=False)
            what = f"fused\n{body}"
        else:
            fields = ", ".join(f"{n}={print_attribute(v)}" for n, v in attributes(self.op))
            what = f"{self.op.name} {fields}"
        operands = " ".join(map(str, (*self.inputs, "->", *self.outputs)))
        over = f" {self.table.value} table" if self.table else ""
        return f"{what}\n{operands} {list(self.aliases)}{over}"


@dataclass(frozen=True)
class IndexCheck(Op):
    """Writes (1, index) to a status slot if an index is not in ``[-size, size)``."""

    size: int
    name: ClassVar[str] = "index_check"


@dataclass(frozen=True)
class ZeroCheck(Op):
    """Writes (1, 0) to a status slot if an element is zero."""

    name: ClassVar[str] = "zero_check"


@dataclass(frozen=True)
class Linked(Op):
    """A kernel that is compiled already: what it does is known to its library only.

    Attributes:
        symbol: its name there.
        chunk: elements of a piece, if it takes a table of tensors.
        parts: tasks that share the table.
    """

    symbol: str
    chunk: int = CHUNK
    parts: int = PARTS
    name: ClassVar[str] = "linked"


class Place(enum.Enum):
    """Where tensors live. But for those of the arena, they are counted."""

    INPUT = "input"
    SCALAR = "scalar"
    STATE = "state"
    CONSTANT = "constant"
    ARENA = "arena"
    OUTPUT = "output"
    NEW = "new"
    EMPTY = "empty"


#: Made anew at each call: outputs, and new states that don't replace the old ones.
FRESH = frozenset({Place.OUTPUT, Place.NEW})


@dataclass(frozen=True)
class Storage:
    """Where a tensor lives.

    Attributes:
        place: ``EMPTY`` where it has no elements.
        index: the offset in bytes in the arena, else the number among those of its place.
        type: of the tensor.
    """

    place: Place
    index: int
    type: TensorType


@dataclass(frozen=True)
class Call:
    """Run ``kernel`` on ``arguments`` (numbers of storages); a check writes to slot ``status``.

    With ``loop`` the call runs a nested program instead, once for each step of time. With ``sizes``
    it is several: each has so many elements, and its arguments follow those of the one before.

    Attributes:
        parts: (operator, origin) of all that it computes.
        nbytes: of the results.
    """

    kernel: int
    arguments: tuple[int, ...]
    origin: str = ""
    status: int | None = None
    loop: Loop | None = None
    sizes: tuple[int, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    nbytes: int = 0


@dataclass(frozen=True)
class Loop:
    """A ``scan``: the program of its body, whose inputs are carries, consts and slices."""

    program: Program
    carries: int
    consts: int
    length: int
    reverse: bool


@dataclass(frozen=True)
class Check:
    """What a status slot says when its flag is set: an index of ``what`` is out of range, or, with
    no ``axis``, an integer is divided by zero.
    """

    what: str
    axis: int | None
    size: int
    origin: str = ""

    def error(self, found: int) -> Exception:
        """The error to raise for what the check found."""
        where = f" (at {self.origin})" if self.origin else ""
        if self.axis is None:
            return ZeroDivisionError(f"{self.what}: an integer is divided by zero{where}")
        return IndexError(
            f"{self.what}: index {found} is out of range for axis {self.axis} of size "
            f"{self.size}; indices must be in [{-self.size}, {self.size - 1}]{where}"
        )


@dataclass(frozen=True)
class Program:
    """A graph as calls over storages; an ``Artifact``.

    Attributes:
        signature: of the graph.
        before: number of calls that only compute; the ones after them overwrite states.
        outputs: storage of each output.
        new_states: storage of each state after a call.
        arena: bytes of memory for everything in between.
    """

    signature: Signature
    kernels: tuple[KernelSpec, ...]
    storages: tuple[Storage, ...]
    calls: tuple[Call, ...]
    before: int
    outputs: tuple[int, ...]
    new_states: tuple[int, ...]
    constants: tuple[Literal, ...]
    checks: tuple[Check, ...]
    arena: int

    @property
    def loops(self) -> list[Loop]:
        return [call.loop for call in self.calls if call.loop is not None]

    @property
    def all_kernels(self) -> tuple[KernelSpec, ...]:
        """Its own kernels, then those of its loops' programs."""
        nested = (spec for loop in self.loops for spec in loop.program.all_kernels)
        return (*self.kernels, *nested)

    @property
    def may_fail(self) -> bool:
        """True if a call may report an error."""
        return bool(self.checks) or any(loop.program.may_fail for loop in self.loops)

    def __str__(self) -> str:
        lines = [f"arena {self.arena} bytes"]
        for i, storage in enumerate(self.storages):
            lines.append(f"  %{i}: {storage.place.value} {storage.index} {storage.type}")
        for i, call in enumerate(self.calls):
            name = "scan" if call.loop else self.kernels[call.kernel].op.name
            mark = "  -- states are overwritten from here on\n" if i == self.before else ""
            shown = ", ".join(f"%{a}" for a in call.arguments)
            many = f" x{len(call.sizes)}" if call.sizes else ""
            lines.append(f"{mark}  {name}#{call.kernel}{many}({shown})")
        return "\n".join(lines)
