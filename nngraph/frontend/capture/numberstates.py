"""Numbers of Python's as states without axes of a file's graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.frontend.capture.gradients import GradSlot
from nngraph.frontend.capture.lowering import NotInGraph, dtype_of, number_as
from nngraph.frontend.capture.overlay import Overlay
from nngraph.frontend.capture.program import Spot
from nngraph.frontend.capture.values import is_plain_number
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.storage import Storage
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, bool_, float64, int64
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType

__all__ = ["NumberStates"]


class _NumberSlot(GradSlot):
    """Where the number is that a state begins with."""

    __slots__ = ("_dtype", "_spot")

    def __init__(self, spot: Spot, dtype: DType) -> None:
        self._spot = spot
        self._dtype = dtype

    @property
    def type(self) -> TensorType:
        return TensorType(self._dtype, ())

    @property
    def array(self) -> Array | None:
        return np.asarray(self._spot.read(), self._dtype.numpy)

    @array.setter
    def array(self, array: Array) -> None:
        raise AssertionError("a file alone starts from it")

    @property
    def key(self) -> Hashable:
        """The place."""
        return self._spot.place.ident


@dataclass(frozen=True)
class _State:
    """A number that each run of a file finds and leaves.

    Attributes:
        spot: where it is in Python.
        value: the number that is there.
        storage: of the state.
        found: the number that a run begins with.
    """

    spot: Spot
    value: Any
    storage: Storage
    found: Tensor


class NumberStates:
    """The states of one trace.

    Args:
        trace: in which they are made.
        changing: names of what earlier runs of the code found to change.

    Attributes:
        shown_as: names of states, by the names of their spots, where they have another one.
        asked: names of the spots whose numbers the code took as tensors, with their dtypes.
    """

    def __init__(self, trace: Overlay, changing: frozenset[str]) -> None:
        self._trace = trace
        self._changing = changing
        self._states: dict[str, _State] = {}
        self._is_closed = False
        self.shown_as: dict[str, str] = {}
        self.asked = set[str]()

    def of(self, spot: Spot, value: Any) -> Tensor:
        """The number at a spot when a run begins; it is ``value`` now."""
        if spot.name not in self._states:
            assert not self._is_closed, "what a call leaves in a state was asked for already"
            dtype = float64 if _is_float(spot.name) in self._changing else dtype_of(value)
            slot = _NumberSlot(spot, dtype)
            shown = self.shown_as.get(spot.name, spot.name)
            storage = self._trace.stand_in(shown, slot, slot.type)
            found = Tensor(self._trace.hold(self._trace.look(storage, None)))
            self._states[spot.name] = _State(spot, value, storage, found)
        return self._states[spot.name].found

    def close(self, operand: Callable[[Any], Any], required: Sequence[Any]) -> frozenset[str]:
        """The code is over: what it left at the places becomes what the states become.

        Gives names of what has to be known before, for the next run of the code.

        Args:
            operand: makes a tensor of a number; more states may be found then.
            required: what has to be true in each run, or else it fails.

        Raises:
            NotInGraph: if a number becomes something else.
        """
        left: dict[str, Tensor] = {}
        floats = set[str]()
        while waiting := [name for name in self._states if name not in left]:
            for name in waiting:
                state = self._states[name]
                value = operand(state.spot.read())
                kind = self._kind(name, value)
                if kind is float64 and state.storage.type.dtype is int64:
                    floats.add(_is_float(name))
                left[name] = number_as(value, state.storage.type.dtype)
        if floats:
            return frozenset(floats)
        self._is_closed = True
        with no_grad():
            for name, value in left.items():
                Tensor(self._states[name].storage).copy_(_where_all(required, value))
                required = ()
        return frozenset()

    def _kind(self, name: str, value: Any) -> DType:
        is_number = is_plain_number(value) or isinstance(value, bool | np.bool_ | Tensor)
        if not is_number:
            raise NotInGraph(f"{name} becomes {type(value).__name__}, which is no number")
        kind: DType = value.dtype if isinstance(value, Tensor) else dtype_of(value)
        before = self._states[name].value
        if name in self.asked and kind is not dtype_of(before):
            raise NotInGraph(
                f"{name} is {before!r} and becomes a number of another kind: begin with a float "
                "where it becomes one"
            )
        return kind


def _where_all(required: Sequence[Any], value: Tensor) -> Tensor:
    """The value; a run in which not all is true has no such element, and fails."""
    for each in required:
        row = where(number_as(each, bool_), 0, 1).to(int64).reshape(1)
        value = value.reshape(1).index_select(0, row).reshape(())
    return value


def _is_float(name: str) -> str:
    return f"{name} is a float"
