"""A nest written down: its structure as lists that JSON has, tensors by their names."""

from __future__ import annotations

import argparse
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nngraph.frontend import tensor as results
from nngraph.frontend.checkpoint.kinds import KINDS
from nngraph.frontend.checkpoint.plain import encoded_plain
from nngraph.frontend.checkpoint.sharing import Group, Met
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.checks import need_key

__all__ = ["FACTORIES", "NAMED", "Nest"]

_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_DICTS: dict[type, str] = {
    dict: "dict",
    OrderedDict: "ordered",
    Counter: "counter",
    defaultdict: "defaultdict",
}
#: What a ``defaultdict`` may call for a missing key, by its word; None stands for none.
FACTORIES: dict[str, Any] = {"none": None} | {
    kind.__name__: kind
    for kind in (list, dict, set, int, float, str, bool, tuple, OrderedDict, Counter)
}
#: The named tuples that functions of tensors return.
NAMED: dict[str, type] = {
    name: kind
    for name, kind in vars(results).items()
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
}


class Nest:
    """Writes a nest down.

    Args:
        value: the nest.

    Attributes:
        arrays: the tensors' memory, each once, by names that are made of the keys.
        structure: everything else, as JSON.

    Raises:
        TypeError: naming the key of what is no data.
        ValueError: for a nest that is too deep, or holds itself.
    """

    def __init__(self, value: Any) -> None:
        self.arrays: dict[str, Array] = {}
        self._names = UniqueNames(first=2)
        self._names.fresh("__metadata__")  # safetensors' own
        self._known: dict[int, list[Any]] = {}
        self._groups: dict[int, Group] = {}
        try:
            structure = self._encoded(value, "", "")
            for group in self._groups.values():
                group.write(self.arrays, self._names)
            self.structure = json.dumps(structure)
        except RecursionError:
            raise ValueError("ng.save: the nest is too deep, or holds itself") from None

    def _encoded(self, value: Any, name: str, path: str) -> Any:
        if isinstance(value, Tensor | np.ndarray):
            return self._tensor(value, name or "tensor", path)
        try:
            plain = encoded_plain(value)
        except TypeError as error:
            raise TypeError(f"ng.save: {path or 'the whole'} is {error}") from None
        if plain is not NotImplemented:
            return plain
        kind = type(value)
        if kind in _SEQUENCES:
            items = list(value)
            if kind in (set, frozenset):
                for item in items:
                    _need_key(item, "an element", path)
            return [_SEQUENCES[kind], self._parts(enumerate(items), name, path)]
        if NAMED.get(kind.__name__) is kind:
            return ["named", kind.__name__, self._parts(enumerate(value), name, path)]
        if kind is argparse.Namespace:
            return ["namespace", self._items(vars(value), name, path)]
        if isinstance(value, Mapping):
            return self._mapping(value, name, path)
        raise TypeError(_refusal(value, path))

    def _mapping(self, value: Mapping[Any, Any], name: str, path: str) -> list[Any]:
        kind = _DICTS.get(type(value), "dict")
        made = [kind, self._items(value, name, path)]
        if isinstance(value, defaultdict):
            words = [w for w, factory in FACTORIES.items() if factory is value.default_factory]
            if not words:
                raise TypeError(
                    f"ng.save: {path or 'the whole'} is a defaultdict of "
                    f"{value.default_factory!r:.60}, which is code; write dict(...) of it"
                )
            made.append(words[0])
        if kind == "ordered" and hasattr(value, "_metadata"):
            made.append(self._encoded(value._metadata, f"{name}._metadata", f"{path}._metadata"))
        return made

    def _items(self, value: Mapping[Any, Any], name: str, path: str) -> list[Any]:
        return [
            [
                self._encoded(_need_key(key, "a key", path), "", path),
                *self._parts([(key, part)], name, path),
            ]
            for key, part in value.items()
        ]

    def _parts(self, items: Iterable[tuple[Any, Any]], name: str, path: str) -> list[Any]:
        return [
            self._encoded(part, f"{name}.{key}" if name else str(key), f"{path}[{key!r}]")
            for key, part in items
        ]

    # -- tensors ---------------------------------------------------------------------------------

    def _tensor(self, value: Any, name: str, path: str) -> list[Any]:
        """The node of a tensor, which is filled when all are known."""
        node = self._known.get(id(value))
        if node is not None:
            return node
        self._known[id(value)] = node = []
        if isinstance(value, np.ndarray):
            fresh = self._names.fresh(name)
            self.arrays[fresh] = _plain_array(path, value)
            node[:] = ["array", fresh]
            return node
        inner: list[Any] = []
        elements = value._storage.elements
        self._groups.setdefault(id(elements), Group(elements)).add(Met(value, inner, name))
        words = [w for w, (kind, _make) in KINDS.items() if type(value) is kind]
        if words:
            flag = getattr(value, "persistent", value.requires_grad)
            node[:] = [words[0], bool(flag), inner]
        else:
            node[:] = ["grad", inner] if value.requires_grad else inner
            if not value.requires_grad:
                self._known[id(value)] = inner
                return inner
        return node


def _plain_array(path: str, value: Array) -> Array:
    try:
        as_dtype(value.dtype.newbyteorder("="))
    except TypeError as error:
        raise TypeError(f"ng.save: the array {path or 'the whole'}: {error}") from None
    return value


def _need_key(key: Any, what: str, path: str) -> Any:
    try:
        return need_key(key)
    except CheckpointError:
        raise TypeError(
            f"ng.save: {what} of {path or 'the whole'} is {key!r:.100}; short texts and bytes, "
            "numbers, None and small tuples of them go"
        ) from None


def _refusal(value: Any, path: str) -> str:
    kind, where = type(value).__name__, path or "the whole"
    if callable(getattr(value, "state_dict", None)):
        return f"ng.save writes data, no objects: {where} is {kind}; save its state_dict()"
    return (
        "ng.save writes tensors, arrays, numbers, texts, bytes and None in dicts, lists, tuples "
        f"and sets; {where} is {kind}"
    )
