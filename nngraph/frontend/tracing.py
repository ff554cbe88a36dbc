"""Traces one call: arguments in, graph out, with what the call changes outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.creation import from_dlpack
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.trace import Guard, StateCell, Trace, TraceError
from nngraph.frontend.variable import Storage, Variable
from nngraph.ir.dtypes import as_dtype, float64
from nngraph.ir.graph import Graph
from nngraph.ir.roles import Role
from nngraph.ir.types import TensorType

__all__ = ["Argument", "Spec", "Traced", "argument_of", "spec", "trace_arguments", "trace_call"]


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
    from nngraph.ir.types import tensor_type

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
    """How one leaf of the arguments enters the graph: a tensor type, or a fixed Python value."""

    type: TensorType | None
    requires_grad: bool = False
    value: Any = None


@dataclass(eq=False)
class Traced:
    """A graph with all that a call needs to know besides.

    Attributes:
        graph: inputs are the tensor arguments, in order; outputs the tensors returned, then
            gradients and arguments that the code changed.
        cells: the states' storages, in the graph's order.
        readers: read the host scalars, in the graph's order.
        guards: what must still hold.
        result: structure of what the function returns; ``fixed`` holds its leaves that are no
            tensors (and None where a tensor goes).
        written: positions of arguments assigned in place.
        gradients: tensors whose ``grad`` the call sets; None stands for setting None.
        argument_gradients: positions of arguments whose ``grad`` the call adds to.
    """

    graph: Graph
    cells: list[StateCell]
    readers: list[Callable[[], float]]
    guards: list[Guard]
    result: Tree
    fixed: list[tuple[bool, Any]]
    written: list[int]
    gradients: list[tuple[Tensor, bool]]
    argument_gradients: list[int]


def argument_of(leaf: Any) -> tuple[Argument, Any]:
    """How a leaf enters the graph, and the tensor or number to pass.

    Raises:
        TypeError: for a leaf of a kind that compiled functions do not take.
    """
    if isinstance(leaf, TensorBase):
        variable = leaf._variable
        return Argument(variable.storage.type, variable.requires_grad), leaf
    if isinstance(leaf, Spec):
        return Argument(leaf.type), leaf
    if isinstance(leaf, np.ndarray):
        dtype = as_dtype(leaf.dtype.newbyteorder("="))
        return Argument(TensorType(dtype, tuple(map(int, leaf.shape)))), leaf
    if leaf is None or isinstance(leaf, bool | int | str):
        return Argument(None, value=leaf), None
    if isinstance(leaf, float | np.generic):
        array = np.asarray(leaf, float64.numpy if isinstance(leaf, float) else None)
        return Argument(TensorType(as_dtype(array.dtype), ())), array
    if hasattr(leaf, "__dlpack__"):
        shared = from_dlpack(leaf)
        return Argument(shared.type), shared
    raise TypeError(
        f"a compiled function takes tensors, NumPy arrays, numbers, strings and None in tuples, "
        f"lists and dicts; got {type(leaf).__name__}"
    )


def _names(function: Callable[..., Any], tree: Tree) -> list[str]:
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
        _leaf_names(child, base, names)
    for key, child in zip(kwargs.keys, kwargs.children, strict=True):
        _leaf_names(child, str(key), names)
    return names


def _leaf_names(tree: Tree, base: str, names: list[str]) -> None:
    if tree.kind is None:
        names.append(base)
        return
    keys = tree.keys or range(len(tree.children))
    for key, child in zip(keys, tree.children, strict=True):
        _leaf_names(child, f"{base}_{key}", names)


def trace_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Traced:
    """Traces ``function(*args, **kwargs)``; arguments may be values or ``Spec``s.

    Raises:
        TraceError: as ``trace_call``.
    """
    leaves: list[Any] = []
    tree = flatten((args, kwargs), leaves)
    return trace_call(function, tree, [argument_of(leaf)[0] for leaf in leaves])


def trace_call(
    function: Callable[..., Any],
    tree: Tree,
    arguments: Sequence[Argument],
    keep_grads: bool = False,
) -> Traced:
    """Runs ``function`` once on symbolic tensors.

    Raises:
        TraceError: where the code needs a value, or returns something that no graph computes.
    """
    trace = Trace(Graph(getattr(function, "__name__", "main")))
    symbols: list[Tensor | None] = []
    leaves: list[Any] = []
    for argument, name in zip(arguments, _names(function, tree), strict=True):
        if argument.type is None:
            symbols.append(None)
            leaves.append(argument.value)
            continue
        value = trace.graph.add_input(argument.type, name)
        symbol = Tensor(Variable(Storage(None, value), argument.requires_grad))
        symbols.append(symbol)
        leaves.append(symbol)
    args, kwargs = unflatten(tree, leaves)
    try:
        with trace.active():
            returned = function(*args, **kwargs)
            traced = _finish(trace, returned, symbols, keep_grads)
    except BaseException:
        trace.roll_back()
        raise
    trace.restore()
    return traced


def _finish(
    trace: Trace, returned: Any, symbols: Sequence[Tensor | None], keep_grads: bool
) -> Traced:
    leaves: list[Any] = []
    tree = flatten(returned, leaves)
    fixed: list[tuple[bool, Any]] = []
    for position, leaf in enumerate(leaves):
        if isinstance(leaf, TensorBase):
            name = f"output_{position}" if len(leaves) > 1 else "output"
            trace.graph.add_output(trace.read(leaf._variable.storage), name)
            fixed.append((True, None))
        elif leaf is None or isinstance(leaf, bool | int | float | str):
            fixed.append((False, leaf))
        else:
            raise TraceError(
                f"a compiled function returned {type(leaf).__name__}; it can return tensors, "
                "numbers, strings and None in tuples, lists and dicts"
            )
    written = _write_arguments(trace, symbols)
    gradients = _write_gradients(trace, symbols, keep_grads)
    own = _write_argument_gradients(trace, symbols)
    for cell in trace.cells.values():
        value = cell.storage.value
        assert value is not None
        trace.graph.set_state(cell.name, value)
    return Traced(
        trace.graph,
        list(trace.cells.values()),
        trace.readers,
        list(trace.guards.values()),
        tree,
        fixed,
        written,
        gradients,
        own,
    )


def _write_arguments(trace: Trace, symbols: Sequence[Tensor | None]) -> list[int]:
    written: list[int] = []
    for position, (value, symbol) in enumerate(
        zip(trace.graph.inputs, [s for s in symbols if s is not None], strict=True)
    ):
        final = trace.read(symbol._variable.storage)
        if final is not value:
            name = f"{value.hint}_after"
            trace.graph.add_output(final, name, Role.ARGUMENT, value.hint)
            written.append(position)
    return written


def _write_gradients(
    trace: Trace, symbols: Sequence[Tensor | None], keep: bool
) -> list[tuple[Tensor, bool]]:
    own = {id(s) for s in symbols}
    out: list[tuple[Tensor, bool]] = []
    for tensor, gradient in trace.grad_effects(keep):
        if id(tensor) in own:
            continue
        if gradient is not None:
            value = trace.read(gradient._variable.storage)
            cell = trace.cells.get(id(tensor._variable.storage))
            owner = cell.name if cell is not None else ""
            trace.graph.add_output(value, f"grad_{len(out)}", Role.GRADIENT, owner)
        out.append((tensor, gradient is not None))
    return out


def _write_argument_gradients(trace: Trace, symbols: Sequence[Tensor | None]) -> list[int]:
    out: list[int] = []
    for position, symbol in enumerate([s for s in symbols if s is not None]):
        if symbol._grad is not None:
            value = trace.read(symbol._grad._variable.storage)
            owner = trace.graph.inputs[position].hint
            trace.graph.add_output(value, f"{owner}_grad", Role.ARGUMENT_GRADIENT, owner)
            out.append(position)
    return out
