"""Walks what a function can reach: its closure, the globals that it names, and what they hold.

The walk goes through functions of the user (their closures, defaults, and globals by the names in
their code), bound methods, ``functools.partial``, modules, optimizers and schedulers, objects of
the user's classes and the methods of these, lists, dicts, tuples, sets and deques. Packages are not
walked: what PyTorch's users call a library - nngraph, NumPy, the standard library - keeps its own
state. It costs only at a trace.
"""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from gc import get_referents
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any
from weakref import ref

from nngraph.frontend.capture.boxes import ABSENT, Box, Kind, box_of, slots_of
from nngraph.frontend.record import Handle
from nngraph.frontend.tables import Table

__all__ = ["Reach", "is_library", "is_library_file"]

#: More boxes than a step's code can mean to change; what lies beyond is neither seen nor guarded.
_LIMIT = 20_000

_HOMES = tuple(
    str(Path(str(p)).resolve())
    for p in {
        *(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")),
        Path(__file__).parents[2],
    }
)


@dataclass(frozen=True)
class _Rule:
    """What classes of ours say about what they hold.

    Attributes:
        own: keys below which objects guard what they hold themselves.
        guarded: False below such a key.
        varying: keys at which numbers usually differ from call to call; True below such a key.
        unwalked: keys that are not followed.
        slots: keys that an optimizer has, and guards, in what it keeps for a parameter.
        kept: those keys, in what is kept for a parameter; other keys there are the user's.
    """

    own: frozenset[str] = frozenset()
    guarded: bool = True
    varying: bool | frozenset[str] = False
    unwalked: frozenset[str] = frozenset()
    slots: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()

    def under(self, key: Any) -> _Rule:
        """Of what stands at a key."""
        if not isinstance(key, str):
            rule = self if isinstance(self.varying, bool) else replace(self, varying=False)
            return replace(rule, kept=self.slots) if isinstance(key, Handle) else rule
        varying = self.varying is True or (self.varying is not False and key in self.varying)
        return replace(self, guarded=self.guarded and key not in self.own, varying=varying)

    def of(self, value: Any) -> _Rule:
        """Of an object's attributes."""
        kind = type(value)
        slots = value._slots_kept() if hasattr(kind, "_slots_kept") else frozenset[str]()
        own = self.own | getattr(kind, "_guards_itself", frozenset())
        varying = getattr(kind, "_numbers_vary", self.varying)
        return replace(self, own=own, varying=varying, slots=slots, kept=frozenset())


_ANY = _Rule()


_VALUES = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), Handle)


class Reach:
    """What a function reaches.

    Attributes:
        boxes: what can be changed, each once, in the order of the walk.
        functions: the user's functions, by their code.
        others: objects that are no boxes (arrays, generators of random numbers, iterators), by
            their names.
        is_complete: False if there was more than can be looked at.
    """

    def __init__(self, function: Any, unwalked: frozenset[str] = frozenset()) -> None:
        rule = replace(_ANY, unwalked=unwalked)
        self.boxes: list[Box] = []
        self.functions: dict[CodeType, FunctionType] = {}
        self.others: list[tuple[str, Any]] = []
        self.is_complete = True
        self._seen: dict[int, Any] = {}
        self._globals: dict[int, tuple[dict[str, Any], dict[str, None]]] = {}
        self._queue: deque[tuple[Any, str, _Rule]] = deque([(function, "", rule)])
        self._names: dict[int, str] = {}
        while self._queue:
            if len(self.boxes) > _LIMIT:
                self.is_complete = False
                break
            self._visit(*self._queue.popleft())
        for table, names in self._globals.values():
            self.boxes.append(Box(Kind.GLOBALS, "", table, keys=tuple(names)))
        for box in self.boxes:
            box.names = self._names

    @cached_property
    def sought(self) -> frozenset[str]:
        """What the code may look for in objects: names that it reads, and its texts."""
        return frozenset(name for code in self.functions for name in _sought_in(code))

    def knows(self, value: object) -> bool:
        """Whether an object was met in the walk."""
        return self._seen.get(id(value)) is value

    def _later(self, value: Any, name: str, rule: _Rule = _ANY) -> None:
        if isinstance(value, Handle) and value._hooks is not None:
            self._queue += [(hook, name, rule) for part in value._hooks_listed for hook in part]
        elif not isinstance(value, _VALUES):
            self._queue.append((value, name, rule))

    def _visit(self, value: Any, name: str, rule: _Rule) -> None:
        if isinstance(value, FunctionType) and value.__code__ in self.functions:
            known = self._seen.get(id(value))
            if known is value:
                return
        elif id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, FunctionType):
            self._function(value, name)
        elif isinstance(value, MethodType):
            self._later(value.__self__, name or _lower(value.__self__))
            self._later(value.__func__, "")
        elif isinstance(value, partial):
            for position, part in enumerate((value.func, *value.args)):
                self._later(part, f"{name or 'partial'}.args[{position - 1}]" if position else name)
            for key, part in value.keywords.items():
                self._later(part, key)
        elif isinstance(value, dict | list | deque | set):
            self._container(value, name, rule)
            if not is_library(type(value)):
                self._object(value, name, rule)
        elif isinstance(value, ref):
            self._later(value(), name, rule)
        elif isinstance(value, MappingProxyType):
            for part in get_referents(value):  # the dict that it shows
                self._later(part, name, rule)
        elif isinstance(value, tuple | frozenset):
            for position, part in enumerate(value):
                self._later(part, f"{name}[{position}]", rule)
        elif isinstance(value, type):
            self._class(value)
        elif not isinstance(value, ModuleType | BuiltinFunctionType):
            self._object(value, name, rule)

    # -- code --------------------------------------------------------------------------------
    def _function(self, function: FunctionType, name: str) -> None:
        code = function.__code__
        ours = is_library_file(code.co_filename)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if not ours and id(cell) not in self._seen:
                self._seen[id(cell)] = cell
                self.boxes.append(Box(Kind.CELL, variable, cell))
            try:
                self._later(cell.cell_contents, variable)
            except ValueError:
                continue
        for part in (*(function.__defaults__ or ()), function.__kwdefaults__):
            self._later(part, "a default argument")
        self._later(getattr(function, "__wrapped__", None), name)
        if ours:
            return
        self.functions[code] = function
        if function.__dict__:
            self._container(
                function.__dict__, name or function.__name__, _ANY, Kind.ATTRIBUTES, function
            )
        named = list(_names_in(code))
        for variable in named:
            self._global(function.__globals__, variable, named)

    def _global(self, table: dict[str, Any], name: str, named: list[str]) -> None:
        _, watched = self._globals.setdefault(id(table), (table, {}))
        value = table.get(name, ABSENT)
        if value is ABSENT:
            return
        watched.setdefault(name)
        if isinstance(value, ModuleType):
            if not is_library(value):
                for key in named:
                    if key in vars(value):
                        self._global(vars(value), key, [])
        else:
            self._later(value, name)

    def _class(self, kind: type) -> None:
        """The methods of a user's class, and its own values."""
        for base in kind.__mro__:
            if id(base) in self._seen and base is not kind:
                continue
            self._seen[id(base)] = base
            if is_library(base):
                continue
            values: dict[str, None] = {}
            for key, part in vars(base).items():
                inner = part
                if isinstance(part, staticmethod | classmethod):
                    inner = part.__func__
                if isinstance(part, property):
                    for each in (part.fget, part.fset):
                        self._later(each, "")
                elif isinstance(inner, FunctionType):
                    values[key] = None
                    self._later(inner, "")
                elif not (key.startswith("__") and key.endswith("__")):
                    values[key] = None
                    self._later(part, f"{base.__name__}.{key}")
            if values:
                self.boxes.append(Box(Kind.CLASS, base.__name__, base, keys=tuple(values)))

    # -- objects -----------------------------------------------------------------------------
    def _container(
        self, value: Any, name: str, rule: _Rule, kind: Kind | None = None, owner: Any = None
    ) -> None:
        box = box_of(value, name)
        assert box is not None
        if kind is not None:
            box.kind, box.owner = kind, owner
        self._seen[id(value)] = value
        self._add(box, rule)
        if box.kind is not Kind.SET:
            box.names = self._names
            for key, part in box.read().items():
                self._follow(box, key, part, rule)

    def _add(self, box: Box, rule: _Rule) -> None:
        box.is_guarded, box.varying = rule.guarded or bool(rule.kept), rule.varying
        box.ignored = rule.kept
        box.covered = box.covered or (bool(rule.kept) and isinstance(box.target, Table))
        self.boxes.append(box)

    def _follow(self, box: Box, key: Any, part: Any, rule: _Rule) -> None:
        if not (isinstance(key, str) and key in rule.unwalked):
            self._later(part, box.name_of(key), rule.under(key))

    def _object(self, value: Any, name: str, rule: _Rule) -> None:
        kind = type(value)
        if not is_library(kind) and slots_of(kind):
            self._later(kind, "")
            name = name or _lower(value)
            box = Box(Kind.SLOTS, name, value, value)
            self._add(box, rule)
            for key, part in box.read().items():
                self._follow(box, key, part, rule)
        if not hasattr(value, "__dict__"):
            self.others.append((name, value))  # what can only be compared as a whole
            return
        hidden = getattr(kind, "_unwatched", None)
        if hidden is None and is_library(kind) and kind.__name__ not in _PLAIN_HOLDERS:
            inner = vars(value).get("function") or vars(value).get("__wrapped__")
            self._later(inner, name)  # a compiled function, a cached one
            self.others.append((name, value))
            return
        if not is_library(kind):
            self._later(kind, "")
        name = name or _lower(value)
        if hasattr(kind, "_names_of_tensors"):
            for tensor, shown in value._names_of_tensors():
                self._names.setdefault(id(tensor), shown)
        box = Box(Kind.ATTRIBUTES, name, vars(value), value, hidden=hidden or frozenset())
        rule = rule.of(value)
        box.covered = hasattr(kind, "_fingerprint")
        for table in getattr(kind, "_hooks_of_all", ()):
            self._queue += [(hook, "", _ANY) for hook in table.values()]
        self._add(box, rule)
        for key, part in vars(value).items():
            if key in _TABLES and isinstance(part, dict) and hasattr(kind, "_fingerprint"):
                self._table(part, name, value)
            elif hidden is not None and "_hooks" in key and isinstance(part, dict):
                # The fingerprint of a module holds its hooks.
                own = replace(rule, guarded=rule.guarded and not box.covered)
                self._container(part, box.name_of(key), own, Kind.HOOKS, value)
            elif key not in box.hidden:
                self._follow(box, key, part, rule)

    def _table(self, table: dict[str, Any], name: str, owner: object) -> None:
        """Parameters, buffers or submodules of a module, which read as its attributes."""
        self._seen[id(table)] = table
        box = Box(Kind.ATTRIBUTES, name, table, owner)
        box.covered = box.is_table = True
        self.boxes.append(box)
        for shown, part in table.items():
            self._later(part, box.name_of(shown))


#: What reads an attribute, in the Pythons there are.
_READS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "DELETE_ATTR")
_TABLES = ("_parameters", "_buffers", "_modules")
_PLAIN_HOLDERS = (
    "ChainMap",
    "Namespace",
    "SimpleNamespace",
    "UserDict",
    "UserList",
    "UserString",
    "_Environ",
)


def _names_in(code: CodeType) -> Iterator[str]:
    """Names of globals and attributes in a function's code and in those inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _sought_in(code: CodeType) -> Iterator[str]:
    """Names of attributes that code reads, not only writes, and the texts in it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from (part for part in constant if isinstance(part, str))
        elif isinstance(constant, CodeType):
            yield from _sought_in(constant)


def _lower(value: object) -> str:
    return type(value).__name__.lower()


def is_library(value: Any) -> bool:
    """Whether a class or a module of Python's is a part of an installed package."""
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    module = sys.modules.get(name)
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return name != "__main__" and not hasattr(module, "__path__")
    return is_library_file(file)


@cache
def is_library_file(file: str) -> bool:
    """Whether a file belongs to an installed package."""
    if file.startswith("<frozen"):
        return True
    return str(Path(file).resolve()).startswith(_HOMES) if not file.startswith("<") else False
