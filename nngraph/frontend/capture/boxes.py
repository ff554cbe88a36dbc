"""Containers of Python's values that a traced function can reach, and the places in them.

A *box* is what can be changed: the attributes of an object, a dict, a list, a set, the cell of a
closure, the globals that code names. A *place* is a box and a key; its name reads as in the code
(``model.calls``, ``optimizer.state[0.weight]['step']``). Boxes read and write the objects
themselves, past ``__setattr__`` and ``__setitem__``: a trace puts symbols there and takes them
back.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import CellType, MemberDescriptorType
from typing import Any
from weakref import WeakKeyDictionary

from nngraph.frontend.record import Handle

__all__ = ["ABSENT", "Box", "Kind", "Place", "box_of", "slot_of", "slots_of"]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


#: What stands at a key that is not there.
ABSENT: Any = _Absent()


class Kind(enum.Enum):
    """What a box is; the value says it in errors."""

    ATTRIBUTES = "an attribute"
    SLOTS = "an attribute in a slot"
    ITEMS = "an item of a dict"
    LIST = "an item of a list"
    SET = "a set"
    CELL = "a variable of the enclosing function"
    GLOBALS = "a global variable"
    CLASS = "an attribute of a class"
    HOOKS = "a table of hooks"
    ARGUMENTS = "an argument"

    @property
    def is_carried(self) -> bool:
        """Whether what code changes in such a box is carried from call to call."""
        return self not in (Kind.CELL, Kind.GLOBALS, Kind.CLASS, Kind.HOOKS)


@dataclass(frozen=True)
class Place:
    """A key of a box; places are equal where they name the same."""

    box: Box
    key: Any

    @property
    def name(self) -> str:
        """As in the code."""
        return self.box.name_of(self.key)

    @property
    def ident(self) -> tuple[int, int | str]:
        """Equal for equal places."""
        key = self.key
        return id(self.box.target), key if isinstance(key, str) else id(key)

    def get(self) -> Any:
        """What is there, ``ABSENT`` if nothing is."""
        return self.box.get(self.key)

    def set(self, value: Any) -> None:
        """Puts a value there; ``ABSENT`` removes the key."""
        self.box.set(self.key, value)


class Box:
    """A container; see the module.

    Attributes:
        kind: what it is.
        name: as in the code.
        target: the dict, list, deque, set or cell itself; the object that has the slots.
        owner: the object whose attributes they are.
        keys: the only keys that count; None for all.
        hidden: keys that do not count.
        ignored: keys at which others guard what is there, or put something once.
        is_guarded: whether a trace relies on what is there; optimizers of ours guard their own.
        names: readable names of keys that are no strings (parameters of an optimizer's state).
        covered: whether every change of it is told to ``structure``.
        varying: whether numbers in it usually differ from call to call, or the keys of those.
        is_table: whether code goes through its keys: parameters, buffers, submodules.
    """

    __slots__ = (
        "covered",
        "hidden",
        "ignored",
        "is_guarded",
        "is_table",
        "keys",
        "kind",
        "name",
        "names",
        "owner",
        "target",
        "varying",
    )

    def __init__(
        self,
        kind: Kind,
        name: str,
        target: Any,
        owner: object = None,
        keys: tuple[str, ...] | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.kind = kind
        self.name = name
        self.target = target
        self.owner = owner
        self.keys = keys
        self.hidden = hidden
        self.ignored = frozenset[str]()
        self.is_guarded = True
        self.covered = False
        self.is_table = False
        self.varying: bool | frozenset[str] = False
        self.names: Mapping[int, str] = {}

    def varies(self, key: Any) -> bool:
        """Whether numbers at the key usually differ from call to call: options of optimizers."""
        varying = self.varying
        return varying if isinstance(varying, bool) else key in varying

    def name_of(self, key: Any) -> str:
        """The name of the place at a key."""
        if self.kind is Kind.CELL or self.kind is Kind.SET:
            return self.name
        if self.kind is Kind.GLOBALS:
            return str(key)
        if self.kind in (Kind.ATTRIBUTES, Kind.SLOTS, Kind.CLASS):
            return f"{self.name}.{key}" if self.name else str(key)
        shown = self.names.get(id(key))
        return f"{self.name}[{shown or _key(key)}]"

    # -- contents ----------------------------------------------------------------------------
    def read(self) -> dict[Any, Any]:
        """Values by key: by position in lists; a set is the one value at the key None."""
        target, kind = self.target, self.kind
        if kind is Kind.CELL:
            return {None: _cell(target)}
        if kind is Kind.SET:
            return {None: frozenset(target)}
        if kind is Kind.LIST:
            return dict(enumerate(list.__iter__(target) if isinstance(target, list) else target))
        if kind is Kind.SLOTS:
            found = ((name, slot_of(target, name)) for name in slots_of(type(target)))
            return {name: value for name, value in found if value is not ABSENT}
        if kind is Kind.CLASS:
            target = vars(target)
        if self.keys is not None:
            return {key: target[key] for key in self.keys if key in target}
        if self.hidden:
            return {k: v for k, v in _plain(target).items(target) if k not in self.hidden}
        return dict(_plain(target).items(target))

    def get(self, key: Any) -> Any:
        """The value at a key, ``ABSENT`` if there is none."""
        target, kind = self.target, self.kind
        if kind is Kind.CELL:
            return _cell(target)
        if kind is Kind.SET:
            return frozenset(target)
        if kind is Kind.LIST:
            return target[key] if key < len(target) else ABSENT
        if kind is Kind.SLOTS:
            return slot_of(target, key)
        return (vars(target) if kind is Kind.CLASS else target).get(key, ABSENT)

    def set(self, key: Any, value: Any) -> None:
        """Puts a value at a key; ``ABSENT`` removes it."""
        target, kind = self.target, self.kind
        if kind is Kind.CELL:
            _set_cell(target, value)
        elif kind is Kind.SET:
            target.clear()
            target.update(value)
        elif kind is Kind.SLOTS:
            slot = slots_of(type(target))[key]
            slot.__delete__(target) if value is ABSENT else slot.__set__(target, value)
        elif kind is Kind.CLASS:
            type.__delattr__(target, key) if value is ABSENT else type.__setattr__(
                target, key, value
            )
        elif value is ABSENT:
            target.pop() if kind is Kind.LIST else _plain(target).pop(target, key, None)
        elif kind is Kind.LIST:
            target.append(value) if key == len(target) else target.__setitem__(key, value)
        else:
            _plain(target).__setitem__(target, key, value)

    def restore(self, content: dict[Any, Any]) -> None:
        """Makes the contents these again, in their order."""
        now = self.read()
        if len(now) == len(content) and all(
            k is j and v is w for (k, v), (j, w) in zip(now.items(), content.items(), strict=True)
        ):
            return
        if self.kind is Kind.LIST:
            self.target.clear()
            self.target.extend(content.values())
        elif self.kind is Kind.ITEMS and self.keys is None and not self.hidden:
            methods = _plain(self.target)
            methods.clear(self.target)
            for key, value in content.items():
                methods.__setitem__(self.target, key, value)
        else:
            for key in now:
                if key not in content:
                    self.set(key, ABSENT)
            for key, value in content.items():
                if now.get(key, ABSENT) is not value:
                    self.set(key, value)


_SLOTS = WeakKeyDictionary[type, dict[str, Any]]()


def slots_of(kind: type) -> dict[str, Any]:
    """The descriptors of the slots of a class and its bases, by their names in the code."""
    known = _SLOTS.get(kind)
    if known is not None:
        return known
    found = _SLOTS[kind] = {}
    for base in reversed(kind.__mro__):
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = name.startswith("__") and not name.endswith("__")
            key = f"_{base.__name__.lstrip('_')}{name}" if mangled else name
            slot = vars(base).get(key)
            if isinstance(slot, MemberDescriptorType):
                found[key] = slot
    return found


def slot_of(target: object, name: str) -> Any:
    """What is in a slot of an object, ``ABSENT`` if nothing is."""
    try:
        return slots_of(type(target))[name].__get__(target)
    except AttributeError:
        return ABSENT


def box_of(value: Any, name: str) -> Box | None:
    """The box of a built-in container, None for anything else."""
    if isinstance(value, dict):
        return Box(Kind.ITEMS, name, value)
    if isinstance(value, list | deque):
        return Box(Kind.LIST, name, value)
    if isinstance(value, set):
        return Box(Kind.SET, name, value)
    return None


def _plain(table: dict[Any, Any]) -> type[dict[Any, Any]]:
    """The class whose methods change the dict and do nothing else."""
    return OrderedDict if isinstance(table, OrderedDict) else dict


def _cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def _set_cell(cell: CellType, value: Any) -> None:
    if value is ABSENT:
        del cell.cell_contents
    else:
        cell.cell_contents = value


def _key(key: Any) -> str:
    if isinstance(key, Handle):
        return "a tensor"
    shown = repr(key)
    return shown if len(shown) < 40 else f"{shown[:37]}..."
