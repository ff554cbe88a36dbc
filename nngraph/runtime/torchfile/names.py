"""The allow-list: what the names in a file of PyTorch's stand for. Everything else is refused."""

from __future__ import annotations

import argparse
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from nngraph.ir.dtypes import DTYPES
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.checks import need_key
from nngraph.runtime.torchfile.numbers import Arrays
from nngraph.runtime.torchfile.tensors import Tensors
from nngraph.runtime.torchfile.values import Budget, Builder, Known, StorageType, need_int

__all__ = ["Library", "is_listed"]

_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
}
_DTYPES = {dtype.name: dtype for dtype in DTYPES}
_ALIASES = {"float": "float32", "double": "float64", "half": "float16"}
_ALIASES |= {"long": "int64", "int": "int32", "short": "int16"}
_BUILTINS = ("builtins", "__builtin__")
#: What `defaultdict` may call for a key that is missing.
_FACTORIES = (list, dict, int, float, str, bool, tuple, set, OrderedDict, Counter)


class Library:
    """The names that a file may say.

    Args:
        builder: makes what the runtime has no classes for.
        budget: what the file may make grow.
    """

    def __init__(self, builder: Builder, budget: Budget) -> None:
        self._budget = budget
        self._arrays = Arrays(budget)
        self._known: dict[tuple[str, str], Any] = {
            **{("torch", n): d for n, d in _DTYPES.items()},
            **{("torch", n): _DTYPES[d] for n, d in _ALIASES.items()},
            **_storages(),
            **Tensors(builder, budget).names(),
            **self._arrays.names(),
        }
        self._add_containers()
        self._add("torch", "Size", lambda sizes=(): builder.size(_sizes(sizes)))
        self._add("torch", "device", lambda kind, index=None: _device(builder, kind, index))

    def __call__(self, module: str, name: str) -> Any:
        """What a global name stands for.

        Raises:
            CheckpointError: for one that is not on the list.
        """
        found = self._known.get((module, name))
        if found is None:
            raise CheckpointError(
                f"the file holds an object of {module:.100}.{name:.100}, which is no data that a "
                "checkpoint may hold; nothing of it was executed. Save tensors, numbers, texts "
                "and dicts and lists of them: of a module or an optimizer, its state_dict()"
            )
        return found

    def __contains__(self, named: tuple[str, str]) -> bool:
        return named in self._known

    def build(self, target: Any, state: Any) -> None:
        """Sets the state of an object.

        Raises:
            CheckpointError: for objects whose state is not data.
        """
        kind = type(target)
        allowed = _ATTRIBUTES.get(kind)
        if allowed is not None and type(state) is dict and all(map(allowed, state)):
            vars(target).update(state)
        elif not self._arrays.build(target, state):
            raise CheckpointError(f"{kind.__name__} gets a state, which only plain data may")

    def _add(self, module: str, name: str, call: Callable[..., Any], **options: Any) -> None:
        self._known[module, name] = Known(f"{module}.{name}", call, **options)

    def _add_containers(self) -> None:
        for kind in _FACTORIES[:-2]:
            for module in _BUILTINS:
                self._add(module, kind.__name__, _refused(kind.__name__), factory=kind)
        for module in _BUILTINS:
            self._add(module, "set", lambda items=(): set(self._keys(items)), factory=set)
            self._add(module, "frozenset", lambda items=(): frozenset(self._keys(items)))
            self._add(module, "bytearray", self._bytearray)
            self._add(module, "bytes", lambda: b"")
            self._add(module, "slice", lambda *a: slice(*_ends(a)))
            for name in ("range", "xrange"):
                self._add(module, name, lambda *a: range(*map(_end, a)))
        self._add("collections", "OrderedDict", self._ordered, fresh=OrderedDict)
        self._add("collections", "defaultdict", _defaultdict)
        self._add("collections", "Counter", self._counter, fresh=Counter)
        self._known["collections", "OrderedDict"] = Known(
            "OrderedDict", self._ordered, OrderedDict, OrderedDict
        )
        self._known["collections", "Counter"] = Known("Counter", self._counter, Counter, Counter)
        self._add("_codecs", "encode", self._encoded)
        self._known["argparse", "Namespace"] = Known("Namespace", None, argparse.Namespace)
        for module in ("copyreg", "copy_reg"):
            self._add(module, "_reconstructor", _reconstructed)
        self._known["builtins", "object"] = Known("object")
        self._known["__builtin__", "object"] = Known("object")
        for module in ("pathlib", "pathlib._local"):
            self._add(module, "PosixPath", lambda *a: Path(*_texts(a)))
            self._add(module, "PurePosixPath", lambda *a: PurePosixPath(*_texts(a)))
            for name in ("WindowsPath", "PureWindowsPath"):
                self._add(module, name, lambda *a: PureWindowsPath(*_texts(a)))

    def _keys(self, items: Any) -> list[Any]:
        if type(items) not in (list, tuple, set, frozenset):
            raise CheckpointError(f"a set is made of {type(items).__name__}")
        self._budget.take(64 * len(items))
        return [need_key(item) for item in items]

    def _ordered(self, items: Any = ()) -> OrderedDict[Any, Any]:
        if type(items) not in (list, tuple):
            raise CheckpointError(f"an OrderedDict is made of {type(items).__name__}")
        self._budget.take(128 * len(items))
        made: OrderedDict[Any, Any] = OrderedDict()
        for key, value in items:
            made[need_key(key)] = value
        return made

    def _counter(self, counts: Any = None) -> Counter[Any]:
        if counts is not None and type(counts) is not dict:
            raise CheckpointError(f"a Counter is made of {type(counts).__name__}")
        self._budget.take(64 * len(counts or ()))
        made: Counter[Any] = Counter()
        dict.update(made, counts or {})
        return made

    def _bytearray(self, data: Any = b"", encoding: Any = None) -> bytearray:
        raw = self._encoded(data, encoding) if type(data) is str else data
        if type(raw) is not bytes:
            raise CheckpointError(f"a bytearray is made of {type(data).__name__}")
        self._budget.take(len(raw))
        return bytearray(raw)

    def _encoded(self, text: Any, encoding: Any) -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise CheckpointError(f"bytes are made of {type(text).__name__} as {encoding!r:.40}")
        self._budget.take(len(text))
        return text.encode("latin-1")


def is_listed(module: str, name: str) -> bool:
    """Whether files may name it, whichever version of Python and NumPy says so."""
    nowhere: Any = None
    library = Library(nowhere, Budget(0))
    return module == "numpy.dtypes" or (module, name) in library


def _storages() -> dict[tuple[str, str], Any]:
    made: dict[tuple[str, str], Any] = {}
    for prefix, name in _STORAGES.items():
        for module in ("torch", "torch.cuda", "torch.storage"):
            kind = StorageType(f"{prefix}Storage", _DTYPES[name])
            made[module, kind.name] = kind
    untyped = StorageType("UntypedStorage", None)
    return made | {("torch.storage", n): untyped for n in ("UntypedStorage", "_UntypedStorage")}


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*_args: Any) -> Any:
        raise CheckpointError(f"{name} is called, which no checkpoint of PyTorch's does")

    return refuse


def _defaultdict(factory: Any = None, items: Any = ()) -> defaultdict[Any, Any]:
    kind = factory.factory if isinstance(factory, Known) else None
    if (factory is not None and kind is None) or items:
        name = getattr(factory, "name", type(factory).__name__)
        raise CheckpointError(f"a defaultdict's default is {name}, which is no plain class")
    return defaultdict(kind)


def _reconstructed(kind: Any, base: Any, state: Any) -> Any:
    """How old protocols make objects of plain classes."""
    is_object = isinstance(base, Known) and base.name == "object" and state is None
    if not (isinstance(kind, Known) and kind.name == "Namespace" and is_object):
        raise CheckpointError(f"an object of {getattr(kind, 'name', kind)!r:.60} is made")
    return argparse.Namespace()


def _device(builder: Builder, kind: Any, index: Any) -> Any:
    if type(kind) is not str or not kind.isidentifier() or len(kind) > 32:
        raise CheckpointError(f"a device is {kind!r:.40}")
    return builder.located_at(kind, None if index is None else need_int(index, "a device's index"))


def _sizes(sizes: Any) -> tuple[int, ...]:
    if type(sizes) is not tuple or len(sizes) > 64:
        raise CheckpointError(f"a Size is made of {type(sizes).__name__}")
    return tuple(need_int(n, "a size") for n in sizes)


def _end(value: Any) -> int:
    return need_int(value, "an end of a range", -(2**62))


def _ends(values: tuple[Any, ...]) -> list[int | None]:
    return [None if v is None else _end(v) for v in values]


def _texts(values: tuple[Any, ...]) -> list[str]:
    if any(type(v) is not str for v in values):
        raise CheckpointError("a part of a path is no text")
    return [str(v) for v in values]


def _is_option(key: Any) -> bool:
    return type(key) is str and not key.startswith("__")


#: Which attributes a file may give an object.
_ATTRIBUTES: dict[type, Callable[[Any], bool]] = {
    argparse.Namespace: _is_option,
    OrderedDict: lambda key: bool(key == "_metadata"),
}
