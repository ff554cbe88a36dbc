"""What a traced function reaches and no call can carry: random numbers, iterators, NumPy arrays.

Each is looked at before and after the trace. The state of a generator, and the elements of an
array, are put back.
"""

from __future__ import annotations

import copy
import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import numpy as np

from nngraph.frontend.capture.refusals import first_line, refuse_draw
from nngraph.frontend.errors import TraceError

__all__ = ["Watch", "element_facts", "watches"]


@dataclass(frozen=True)
class Watch:
    """One object whose state the traced code must not change.

    Attributes:
        name: as errors say it.
        state: what is compared.
        known: the state before the trace.
        put_back: makes it the state again; None where that can't be done.
        is_random: whether it is a generator of random numbers.
        value: the object.
    """

    name: str
    state: Callable[[], Any]
    known: Any
    put_back: Callable[[Any], None] | None
    is_random: bool
    value: Any

    def moved(self) -> bool:
        """Whether its state is another one than before the trace."""
        return bool(self.state() != self.known)

    def restore(self) -> None:
        """Makes its state what it was."""
        if self.put_back is not None and self.moved():
            self.put_back(self.known)


#: Bytes of an array up to which its elements are compared before each call.
COMPARED = 2**20


def element_facts(
    watched: Sequence[Watch],
) -> tuple[list[tuple[str, Callable[[], bool]]], list[str]]:
    """What a trace relies on in the elements of arrays: names and checks.

    Returns:
        The facts, and a line for each array that is too large to be compared at each call.
    """
    facts: list[tuple[str, Callable[[], bool]]] = []
    large: list[str] = []
    for watch in watched:
        if not isinstance(watch.value, _HELD):
            continue
        size = len(watch.known) if isinstance(watch.known, bytes) else 0
        if size <= COMPARED:
            facts.append((watch.name, _same_elements(watch)))
        else:
            large.append(
                f"the elements of {watch.name} of {size / 2**20:.0f} MB, which are not "
                "compared: make it a tensor (ng.from_numpy shares the memory), which calls read"
            )
    return facts, large


#: Objects whose contents code may have used as numbers of the graph.
_HELD = (np.ndarray, bytearray, array, memoryview, ContextVar)


def _same_elements(watch: Watch) -> Callable[[], bool]:
    form = _form(watch.value)
    return lambda: _form(watch.value) == form and not watch.moved()


def _form(value: Any) -> tuple[Any, ...]:
    return getattr(value, "dtype", None), getattr(value, "shape", None)


def watches(others: Sequence[tuple[str, Any]]) -> list[Watch]:
    """Watches for Python's and NumPy's global generators, and for these objects."""
    of_python: Any = random._inst
    of_numpy: Any = np.random.mtrand._rand
    made = [
        _watch("Python's random numbers (the module random)", of_python, True),
        _watch("NumPy's random numbers (np.random)", of_numpy, True),
    ]
    seen = {id(of_python), id(of_numpy)}
    for name, value in others:
        if id(value) not in seen:
            seen.add(id(value))
            made.append(_watch(name, value, False))
    return [watch for watch in made if watch is not None]


def _watch(name: str, value: Any, known: bool) -> Watch | None:
    if not known:
        name = f"{name!r}, {_a(type(value).__name__)}"
    if isinstance(value, random.Random):
        get, put = value.getstate, value.setstate
        return Watch(name, get, get(), put, True, value)
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        return _of_numpy(name, lambda: bits.state, lambda s: setattr(bits, "state", s), value)
    if isinstance(value, np.random.RandomState):
        return _of_numpy(name, lambda: value.get_state(legacy=False), value.set_state, value)
    if isinstance(value, np.ndarray):
        return _of_array(name, value)
    if isinstance(value, bytearray | array | memoryview):
        return _of_bytes(name, value)
    if isinstance(value, ContextVar):
        default = object()
        return Watch(
            name, lambda: value.get(default), value.get(default), _setter(value), False, value
        )
    if isinstance(value, GeneratorType):
        return Watch(name, lambda: _line_of(value), _line_of(value), None, False, value)
    if isinstance(value, Iterator):
        try:
            state = value.__reduce__
            state()
        except TypeError:
            return None
        return Watch(name, lambda: repr(state()), repr(state()), None, False, value)
    return None


def _of_numpy(name: str, get: Callable[[], Any], put: Callable[[Any], None], value: Any) -> Watch:
    known = copy.deepcopy(get())
    return Watch(name, lambda: repr_of(get()), repr_of(known), lambda _: put(known), True, value)


def repr_of(state: Any) -> Any:
    """A generator's state as something that compares."""
    if isinstance(state, dict):
        return {key: repr_of(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _of_array(name: str, held: Any) -> Watch:
    known = held.tobytes()

    def put(_: Any) -> None:
        held[...] = np.frombuffer(known, held.dtype).reshape(held.shape)

    return Watch(name, held.tobytes, known, put if held.dtype != object else None, False, held)


def _setter(variable: ContextVar[Any]) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        variable.set(value)

    return put


def _of_bytes(name: str, held: Any) -> Watch:
    def state() -> bytes:
        return held.tobytes() if isinstance(held, array | memoryview) else bytes(held)

    known, whole = state(), held[:] if not isinstance(held, memoryview) else None

    def put(_: Any) -> None:
        if whole is None:
            held.cast("B")[:] = known
        else:
            held[:] = whole

    return Watch(name, state, known, put, False, held)


def _line_of(generator: Any) -> Any:
    frame = generator.gi_frame
    return None if frame is None else frame.f_lasti


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiouAEIOU" else f"a {word}"


def refuse_moved(moved: Sequence[Watch], run: Callable[[], object]) -> TraceError:
    """The error for objects whose state the traced code changed."""
    watch = moved[0]
    for each in moved:
        each.restore()
    where = first_line(run, watch.moved) if watch.put_back is not None else ""
    for each in moved:
        each.restore()
    if watch.is_random:
        return refuse_draw(watch.name, where)
    if isinstance(watch.value, _HELD):
        return TraceError(
            f"the traced code changes the elements of {watch.name}: compiled, they would change "
            f"once, at the trace.{where}\nMake it a tensor (ng.tensor(array)), which is carried "
            "from call to call."
        )
    return TraceError(
        f"the traced code takes items from {watch.name}: compiled, every call would use the items "
        f"that the trace took.{where}\nTake them outside and pass them as arguments."
    )
