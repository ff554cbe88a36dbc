"""What stands behind a tensor: storage that may change, and a variable of the gradient tape.

A ``Storage`` holds an array, or while tracing the graph value that stands for it. Handles that
share memory by PyTorch's rules (``detach``, ``data``) share the storage. A ``Variable`` is one
version of a tensor in the sense of differentiation: operators are applied to variables, and rules
(``vjp``) compute with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nngraph.frontend.modes import active_trace
from nngraph.ir.graph import Value
from nngraph.ir.op import Array, Op
from nngraph.ir.types import TensorType, type_of_array
from nngraph.ops.broadcast import BroadcastTo, Reshape
from nngraph.ops.shape.joining import Split
from nngraph.ops.shape.moving import Transpose
from nngraph.ops.shape.slicing import Slice

if TYPE_CHECKING:
    from weakref import ref

    from nngraph.frontend.tape import Entry
    from nngraph.frontend.tensor import Tensor

__all__ = ["VIEWS", "Storage", "Variable"]

#: Operators whose outputs show memory of their input where strides permit.
VIEWS = (BroadcastTo, Reshape, Slice, Split, Transpose)


class Storage:
    """An array, its graph value while a trace is on, and a count of writes.

    Attributes:
        array: the elements, None while they exist only as a graph value.
        value: the graph value that stands for them.
        counter: the count of writes, in a list that a tensor and its views share.
        missing: why the elements are not to be had, for the error that says so.
    """

    __slots__ = ("__weakref__", "array", "counter", "missing", "type", "value")

    def __init__(self, array: Array | None, value: Value | None = None) -> None:
        self.array = array
        self.value = value
        self.counter = [0]
        self.missing = ""
        if value is not None:
            self.type = value.type
        else:
            assert array is not None
            self.type = type_of_array(array)

    @property
    def version(self) -> int:
        """How often the elements were overwritten."""
        return self.counter[0]

    @version.setter
    def version(self, value: int) -> None:
        self.counter[0] = value


def no_elements(storage: Storage) -> RuntimeError:
    """The error for a storage whose elements are not to be had."""
    if storage.missing:
        return RuntimeError(storage.missing)
    from nngraph.frontend.trace import leaked

    return leaked(storage.type)


class Variable:
    """One version of a tensor: an operand of operators and rules.

    Attributes:
        storage: where its elements are.
        requires_grad: whether operators on it are recorded.
        entry: the tape entry that made it, with its output position; None for a leaf.
        owner: weak reference to the tensor whose ``grad`` a leaf fills.
    """

    __slots__ = ("entry", "index", "owner", "requires_grad", "storage")

    def __init__(
        self,
        storage: Storage,
        requires_grad: bool = False,
        entry: Entry | None = None,
        index: int = 0,
    ) -> None:
        self.storage = storage
        self.requires_grad = requires_grad
        self.entry = entry
        self.index = index
        self.owner: ref[Tensor] | None = None

    @property
    def type(self) -> TensorType:
        return self.storage.type

    @property
    def payload(self) -> Any:
        """The graph value while tracing, else the array."""
        trace = active_trace()
        if trace is not None:
            return trace.read(self.storage)
        array = self.storage.array
        if array is None:
            raise no_elements(self.storage)
        return array

    def apply(self, op: Op, operands: Sequence[Variable]) -> tuple[Variable, ...]:
        from nngraph.frontend.tape import apply_to_variables

        return apply_to_variables(op, operands)
