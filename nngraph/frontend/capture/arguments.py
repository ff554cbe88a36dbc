"""How the arguments of a call enter the graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.data import from_dlpack
from nngraph.frontend.pytree import Tree, unflatten
from nngraph.frontend.record import Edge
from nngraph.frontend.world import world
from nngraph.ir.dtypes import as_dtype
from nngraph.ir.types import TensorType, tensor_type

__all__ = [
    "Argument",
    "InputName",
    "Spec",
    "argument_of",
    "arguments_of",
    "call_of",
    "leaf_names",
    "result_names",
    "spec",
]


@dataclass(frozen=True)
class Spec:
    """The type of an argument without its value; made by ``ng.spec``."""

    type: TensorType


def spec(shape: Sequence[int | str | None], dtype: object = "float32") -> Spec:
    """Stands for a tensor argument in ``ng.export`` and ``ng.trace``.

    Args:
        shape: sizes; None or a name is a dynamic size (equal names are equal sizes). The first
            None is called ``batch``, others ``dim1``, ``dim2``, ... by their axis.
        dtype: element type.

    Raises:
        ValueError: for a negative size.
    """
    negative = [d for d in shape if isinstance(d, int) and d < 0]
    if negative:
        raise ValueError(
            f"spec: the size {negative[0]} of {tuple(shape)} is negative; write None "
            "(or a name) for a size that is not fixed"
        )
    named = [("batch" if a == 0 else f"dim{a}") if d is None else d for a, d in enumerate(shape)]
    return Spec(tensor_type(as_dtype(dtype), named))


@dataclass(frozen=True)
class Argument:
    """How one leaf of the arguments enters the graph: a tensor type, or a fixed Python value.

    Attributes:
        kind: of a fixed value: True and 1 are equal, and are two values.
        varies: whether a fixed value is none: a number that each call reads.
        number: that number in this call, of which no trace depends.
        is_made: whether recorded operators made it: it is no leaf.
        same: the position of an earlier leaf that is the same object, which enters only once.
        gradient: the type of the gradient that it has, which enters after all leaves; or the
            position of the leaf that it is.
        hooks: the functions that ``backward`` calls with its gradient, and after adding to it.
    """

    type: TensorType | None
    requires_grad: bool = False
    value: Any = None
    kind: Any = None
    varies: bool = False
    number: Any = field(default=None, compare=False)
    is_made: bool = False
    same: int | None = None
    gradient: TensorType | int | None = None
    hooks: tuple[Any, ...] = ()


def arguments_of(leaves: Sequence[Any]) -> tuple[tuple[Argument, ...], list[Any]]:
    """How the leaves of a call enter the graph, and the values to pass for its inputs.

    Raises:
        TypeError: for a leaf of a kind that compiled functions do not take.
    """
    pairs = [argument_of(leaf) for leaf in leaves]
    passed = [value for argument, value in pairs if argument.type is not None]
    plain = not any(isinstance(v, TensorBase) and v._grad is not None for v in passed)
    if plain and len({*map(id, passed)}) == len(passed):
        return tuple(argument for argument, _ in pairs), passed
    first: dict[int, int] = {}
    arguments = []
    for position, (argument, value) in enumerate(pairs):
        before = position if argument.type is None else first.setdefault(id(value), position)
        arguments.append(argument if before == position else Argument(None, same=before))
    passed = list({id(value): value for value in passed}.values())
    for position, (_, value) in enumerate(pairs):
        gradient = value._grad if isinstance(value, TensorBase) else None
        if gradient is not None and arguments[position].same is None:
            place = first.get(id(gradient))
            entered = gradient.aval if place is None else place
            arguments[position] = replace(arguments[position], gradient=entered)
            passed += [gradient] if place is None else []
    return tuple(arguments), passed


class InputName(str):
    """The name of a graph's input, among the leaves of a call."""


def call_of(tree: Tree, arguments: Sequence[Argument], names: Sequence[str]) -> Any:
    """``(args, kwargs)`` of a call, with an ``InputName`` for each leaf that enters the graph."""
    leaves: list[Any] = []
    for argument, name in zip(arguments, names, strict=True):
        enters = argument.type is not None or argument.varies
        same = None if argument.same is None else leaves[argument.same]
        leaves.append(InputName(name) if enters else argument.value if same is None else same)
    return unflatten(tree, leaves)


def argument_of(leaf: Any) -> tuple[Argument, Any]:
    """How a leaf enters the graph, and the tensor or number to pass.

    Raises:
        TypeError: for a leaf of a kind that compiled functions do not take.
    """
    if isinstance(leaf, TensorBase):
        edge = leaf._edge_in(world())
        argument = _of_tensor(leaf.aval, edge is not None, isinstance(edge, Edge))
        if leaf._hooks is not None and any(leaf._hooks_listed):
            argument = replace(argument, hooks=leaf._hooks_listed)
        return argument, leaf
    if isinstance(leaf, Spec):
        return Argument(leaf.type), leaf
    if isinstance(leaf, np.ndarray):
        dtype = as_dtype(leaf.dtype.newbyteorder("="))
        return Argument(TensorType(dtype, tuple(map(int, leaf.shape)))), leaf
    if leaf is None or isinstance(leaf, bool | int | str):
        return Argument(None, value=leaf, kind=type(leaf), number=leaf), None
    if isinstance(leaf, float):
        return Argument(None, kind=float, varies=True, number=float(leaf)), None
    if isinstance(leaf, np.generic):
        array = np.asarray(leaf)
        return Argument(TensorType(as_dtype(array.dtype), ())), array
    if hasattr(leaf, "__dlpack__"):
        shared = from_dlpack(leaf)
        return Argument(shared.aval), shared
    raise TypeError(
        f"a compiled function takes tensors, NumPy arrays, numbers, strings and None in tuples, "
        f"lists, dicts and dataclasses; got {type(leaf).__name__}"
    )


@lru_cache(4096)
def _of_tensor(kind: TensorType, requires_grad: bool, is_made: bool) -> Argument:
    return Argument(kind, requires_grad, is_made=is_made)


def leaf_names(function: Callable[..., Any], tree: Tree) -> list[str]:
    """A name for each leaf: the parameter's, with ``_0``, ``_1`` where it holds several."""
    args, kwargs = tree.children
    names: list[str] = []
    try:
        # A module's arguments are those of its forward; *args has no name for each.
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
        known = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        known = []
    for i, child in enumerate(args.children):
        base = known[i] if i < len(known) else f"arg{i}"
        _extend(child, base, names)
    for key, child in zip(kwargs.keys, kwargs.children, strict=True):
        _extend(child, str(key), names)
    return names


def result_names(tree: Tree) -> list[str]:
    """A name for each leaf of a result: what a dict or a named tuple calls it, or its position."""
    keyed: list[str] = []
    _named(tree, "", keyed)
    single = len(keyed) == 1
    return [name or ("output" if single else f"output_{i}") for i, name in enumerate(keyed)]


def _named(tree: Tree, base: str, names: list[str]) -> None:
    """The keys on the way to each leaf, from the first dict or named tuple on."""
    if tree.kind is None:
        names.append(base)
        return
    keys = tree.keys or getattr(tree.kind, "_fields", ())
    for position, child in enumerate(tree.children):
        key = keys[position] if keys else position if base else ""
        _named(child, f"{base}_{key}" if base else str(key), names)


def _extend(tree: Tree, base: str, names: list[str]) -> None:
    if tree.kind is None:
        names.append(base)
        return
    keys = tree.keys or range(len(tree.children))
    for key, child in zip(keys, tree.children, strict=True):
        _extend(child, f"{base}_{key}", names)
