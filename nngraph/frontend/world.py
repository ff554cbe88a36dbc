"""The world that code runs in: eager, or a trace that writes down what the code would do.

Code asks ``world()`` and never whether a trace is on. Both worlds have the same members: operators,
storages, the parts of a tensor that may change, numbers and facts of Python, and scopes. The eager
world changes things at once. A trace changes nothing that was there before it: what it writes is
kept in the trace, and read from there, until the call succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from nngraph.frontend.eager import Eager
from nngraph.frontend.errors import Need
from nngraph.frontend.protocols import Compiled, ModuleLike, Recording, Typed
from nngraph.frontend.record import Edge, Handle, Leaf, LeafHooks
from nngraph.frontend.storage import Elements, Path, Payload, Storage
from nngraph.ir.dims import Dim, SymDim
from nngraph.ir.op import Array, Op
from nngraph.ir.origin import Origin

__all__ = ["EAGER", "World", "eagerly", "inside", "world"]


class World(Protocol):
    """What differs between eager and traced code. A payload is an array or a graph value."""

    @property
    def level(self) -> Any:
        """The ``vmap`` inside which code runs, if any."""
        ...

    # -- operators -------------------------------------------------------------------------
    def run(
        self, op: Op, operands: Sequence[Typed], payloads: Sequence[Payload]
    ) -> Sequence[Payload]:
        """Applies an operator to the payloads of operands; raises what the operator raises."""
        ...

    def paths(
        self, op: Op, storage: Storage, path: Path | None, parts: Sequence[Payload]
    ) -> list[Path | None]:
        """For each output of a view operator the path to it, None where it has its own memory."""
        ...

    def constant(self, array: Array) -> Storage:
        """A storage of these elements; the eager one shares the array's memory."""
        ...

    def hold(self, payload: Payload) -> Storage:
        """A storage of an operator's result."""
        ...

    def copied(self, payload: Payload) -> Storage:
        """A storage of the same elements that shares no memory."""
        ...

    def origin_of(self, payloads: Sequence[Payload]) -> Origin:
        """Where the operator with these results was called."""
        ...

    def here(self) -> Origin:
        """Where the user's code is."""
        ...

    def refuse(self, what: str, instead: str) -> None:
        """What code can do only eagerly.

        Raises:
            TraceError: in a trace, with the user's line and what to write instead.
        """
        ...

    def place(self) -> str:
        """The user's place, as the end of an error's text."""
        ...

    # -- storages --------------------------------------------------------------------------
    def look(self, storage: Storage, path: Path | None) -> Payload:
        """The elements at a path.

        Raises:
            TraceError: for a storage that only another trace knew.
        """
        ...

    def elements(self, storage: Storage) -> Elements:
        """What the storage holds now, for the tape to save."""
        ...

    def standing(self, storage: Storage, elements: Elements) -> Elements:
        """What stands in this world for elements that the tape saved.

        Raises:
            TraceError: for elements that only another trace knew.
        """
        ...

    def recall(self, elements: Elements, path: Path | None) -> Payload:
        """The part at a path of what stands for saved elements."""
        ...

    def write(self, storage: Storage, path: Path | None, payload: Payload) -> None:
        """Overwrites elements; what the tape saved of them is gone.

        Raises:
            RuntimeError: if the path repeats elements or the memory is read-only.
        """
        ...

    def replace(self, storage: Storage, payload: Payload) -> None:
        """Overwrites all elements by a recorded result; the tape may read the old ones."""
        ...

    def twin(self, storage: Storage) -> Storage:
        """A storage of the same elements, writes to which the tape does not hear of."""
        ...

    def rebind(self, tensor: Handle, value: Handle) -> None:
        """A tensor leaves its elements, which others may show, and shows those of another.

        Raises:
            TraceError: in a trace, for elements of another type or of a tensor that stays.
        """
        ...

    def strides(self, storage: Storage, path: Path | None) -> tuple[Dim, ...]:
        """Distances of neighbours along each axis, in elements."""
        ...

    # -- values ----------------------------------------------------------------------------
    def array(self, storage: Storage, path: Path | None, need: Need) -> Array:
        """The elements, for code that can't do without.

        Raises:
            ConcretizationError: in a trace.
        """
        ...

    def lend(self, storage: Storage, path: Path | None, need: Need) -> Array:
        """``array`` for others: as long as they hold it they see what is written, also compiled."""
        ...

    def peek(self, storage: Storage, path: Path | None) -> Array | None:
        """The elements, None where only a graph will know them."""
        ...

    def selection(self, mask: Handle) -> SymDim | None:
        """The name for how many elements of a mask are true, None where they are there."""
        ...

    def apart(self, tensor: Handle) -> None:
        """A copy that is a view in PyTorch: what is written to it has to be assigned, too."""
        ...

    def assigned(self, tensor: Handle) -> None:
        """The elements of a tensor went where they belong."""
        ...

    def number(self, table: dict[str, Any], key: str, index: int | None, name: str) -> Any:
        """``table[key]``, or its part at ``index``; in a trace a float64 that each call reads."""
        ...

    def count(self, tensor: Any) -> Any:
        """The element of a tensor without axes as code computes with it: a float64 number."""
        ...

    # -- tensors ---------------------------------------------------------------------------
    def edge(self, tensor: Handle) -> Edge | Leaf | None:
        """The edge as it was last set; of a view, ``tape.edge_of`` gives the one in force."""
        ...

    def seen(self, tensor: Handle) -> Edge | Leaf | None:
        """The edge of a view's base when the view's edge was set."""
        ...

    def set_edge(
        self, tensor: Handle, edge: Edge | Leaf | None, seen: Edge | Leaf | None = None
    ) -> None:
        """What ``backward`` runs for the tensor from here on."""
        ...

    def is_made(self, tensor: Handle) -> bool:
        """Whether recorded operators made the tensor, as it was last set: it is no leaf."""
        ...

    def forget(self, tensor: Handle) -> None:
        """``tensor`` is a leaf without gradient, whatever made it."""
        ...

    def set_leaf(self, tensor: Handle, requires_grad: bool) -> None:
        """Makes the tensor a leaf."""
        ...

    def become(self, tensor: Handle, other: Handle) -> None:
        """The tensor shows from here on what ``other``, a view of it, shows.

        Raises:
            TraceError: in a trace.
        """
        ...

    def grad(self, tensor: Handle) -> Any:
        """``tensor.grad``."""
        ...

    def looked_at_grad(self, tensor: Handle) -> None:
        """Code, and not ``backward`` that adds to it, asked for ``tensor.grad``."""
        ...

    def set_grad(self, tensor: Handle, gradient: Any) -> None:
        """``tensor.grad = gradient``."""
        ...

    def hooks(self, tensor: Handle) -> LeafHooks | None:
        """What ``backward`` calls for a leaf."""
        ...

    def new_hooks(self, tensor: Handle) -> LeafHooks:
        """The hooks of a leaf, to add one.

        Raises:
            TraceError: in a trace, for a leaf from outside: each call would add one more.
        """
        ...

    # -- Python's own values ---------------------------------------------------------------
    def guard(
        self,
        key: object,
        check: Callable[[], bool],
        reason: str | Callable[[], str],
        covered: bool = False,
        what: str = "",
    ) -> None:
        """A fact that the code relies on: where it no longer holds, code is traced again.

        Args:
            key: of the fact; the first guard of a key counts.
            check: whether it still holds.
            reason: what to say if it does not.
            covered: whether ``structure`` tells when it may have changed.
            what: the fact, for ``explain``; if empty, the reason says it.
        """
        ...

    def name(self, storage: Storage, name: str) -> None:
        """Suggests a name for the storage's state; the first suggestion wins."""
        ...

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """``table[key] = value``, once for all calls; a trace leaves it to the first of them."""
        ...

    def before(self, action: Callable[[], None]) -> None:
        """Does now what the code relies on to be done: once, and for good.

        Raises:
            NotYet: in a trace, which is left; it starts again after the action.
        """
        ...

    def once(self, what: str) -> None:
        """The code does what it does only in its first call; a trace serves one call then."""
        ...

    def set_attribute(self, changes: dict[str, Any], name: str, value: Any) -> None:
        """Notes that a module's plain attribute has another value than it had."""
        ...

    def training(self, module: ModuleLike) -> bool:
        """The mode of a module."""
        ...

    def set_training(self, module: ModuleLike, mode: bool) -> None:
        """Sets the mode of a module; in a trace this is left to the call."""
        ...

    def notes(self, owner: object) -> dict[Any, Any]:
        """What ``owner`` noted in this trace; eagerly always empty."""
        ...

    def act(
        self, owner: object, action: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """``action(*args, **kwargs)``, which computes with Python's numbers only.

        It may change ``owner`` and what this holds. Each call of a traced function does it again.

        Raises:
            TraceError: in a trace, for an argument that only the graph will know.
        """
        ...

    def run_if(self, condition: Any, function: Callable[[], Any], uncounted: frozenset[str]) -> Any:
        """``function()`` if ``condition``, a tensor without axes, is true; else None.

        In a trace it runs, and what it writes to tensors is kept only where the condition holds.

        Args:
            uncounted: names of attributes that may change in any case.

        Raises:
            TraceError: in a trace, if it changes something else than elements of tensors.
        """
        ...

    def describe(self, describer: Callable[[Recording], None]) -> None:
        """Calls ``describer(trace)`` in a trace, for what only a trace asks."""
        ...

    # -- scopes ----------------------------------------------------------------------------
    def forward(self, module: ModuleLike, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a module's hooks and ``forward``; in a trace it gives names, paths and a guard."""
        ...

    def call(self, compiled: Compiled, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a compiled function; in a trace it becomes a part of the other."""
        ...

    def scope(self, path: str = "", transform: str = "") -> AbstractContextManager[Any]:
        """Operators inside carry this module path or transform."""
        ...

    def differentiate(self, origin: Origin | None) -> None:
        """Operators from here on are the gradient of one called at ``origin``; None ends it."""
        ...


EAGER: World = Eager()
_current: ContextVar[World] = ContextVar("nngraph_world", default=EAGER)

#: The world that the code runs in.
world: Callable[[], World] = _current.get


@contextmanager
def inside(where: World) -> Iterator[None]:
    """Code inside runs in this world."""
    token = _current.set(where)
    try:
        yield
    finally:
        _current.reset(token)


def eagerly() -> AbstractContextManager[None]:
    """Code inside runs eagerly also while a trace is on (making new optimizer state, say)."""
    return inside(EAGER)
