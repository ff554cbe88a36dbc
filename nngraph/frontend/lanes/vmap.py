"""``vmap``: a function of one element, called for a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from nngraph.frontend.lanes.border import enter, leave
from nngraph.frontend.lanes.level import Level
from nngraph.frontend.pytree import Tree, flatten, unflatten
from nngraph.frontend.record import Handle
from nngraph.frontend.world import inside, world
from nngraph.ir.dims import Dim
from nngraph.ops.shape.joining import concat
from nngraph.ops.shape.slicing import slice_axis

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that maps ``func`` over an axis of its arguments.

    ``func`` sees one element: tensors without that axis. It runs once; operators compute the whole
    batch by their batching rules, or where one has none, element by element in a loop. It nests,
    is differentiated and differentiates, and is traced like any code. What needs a value (``if``,
    ``item()``) or writes what differs to what does not is refused.

    Args:
        func: returns tensors, or a nest of them.
        in_dims: the axis of each argument, None for what is the same for all elements: an int, or
            a tuple of ints, None and such nests as the arguments are. Keyword arguments are the
            same for all.
        out_dims: the axis of each result.
        randomness: whether random functions are an "error", the "same" or "different" for all.
        chunk_size: elements to compute at once; all by default.

    Raises:
        ValueError: for axes that do not fit, what is no tensor, and batches of other sizes.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    mapped = _Mapped(func, in_dims, out_dims, randomness, chunk_size)

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return mapped(args, kwargs)

    return wrapper


class _Mapped:
    """One ``vmap``: what it was asked for."""

    def __init__(
        self, func: Callable[..., Any], in_dims: Any, out_dims: Any, randomness: str, chunk: Any
    ) -> None:
        self.func, self.in_dims, self.out_dims = func, in_dims, out_dims
        self.randomness, self.chunk = randomness, chunk
        self.name = getattr(func, "__name__", repr(func))

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves: list[Any] = []
        tree = flatten((args, kwargs), leaves)
        axes = self._axes(args, kwargs, leaves)
        size = self._size(leaves, axes)
        if self.chunk is None or not isinstance(size, int) or size <= self.chunk:
            return self._run(tree, leaves, axes, size)
        return self._in_chunks(tree, leaves, axes, size)

    # -- arguments -------------------------------------------------------------------------
    def _said(self) -> str:
        return f"vmap({self.name}, in_dims={self.in_dims}, ...)(<inputs>)"

    def _axes(self, args: Any, kwargs: Any, leaves: Sequence[Any]) -> list[int | None]:
        dims = self.in_dims
        if not isinstance(dims, int | tuple | list):
            raise ValueError(
                f"{self._said()}: expected `in_dims` to be int or a (potentially nested) tuple "
                f"matching the structure of inputs, got: {type(dims)}."
            )
        if not args and not kwargs:
            raise ValueError(
                f"vmap({self.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, "
                "or you are trying to vmap over a function without any. The latter is unsupported."
            )
        found = spread(dims, args)
        if found is None:
            raise ValueError(
                f"{self._said()}: in_dims is not compatible with the structure of `inputs`. "
                f"in_dims has structure {_shape(dims)} but inputs has structure {_shape(args)}."
            )
        found += [None] * (len(leaves) - len(found))  # keyword arguments
        return [self._axis(leaf, axis) for leaf, axis in zip(leaves, found, strict=True)]

    def _axis(self, leaf: Any, axis: Any) -> int | None:
        if axis is None:
            return None
        if not isinstance(axis, int) or isinstance(axis, bool):
            raise ValueError(
                f"{self._said()}: Got in_dim={axis} for an input but in_dim must be either an "
                "integer dimension or None."
            )
        if not isinstance(leaf, Handle):
            raise ValueError(
                f"{self._said()}: Got in_dim={axis} for an input but the input is of type "
                f"{type(leaf)}. We cannot vmap over non-Tensor arguments, please use None as the "
                "respective in_dim"
            )
        rank = leaf.aval.rank
        if not -rank <= axis < rank:
            raise ValueError(
                f"{self._said()}: Got in_dim={axis} for some input, but that input is a Tensor of "
                f"dimensionality {rank} so expected in_dim to satisfy "
                f"-{rank} <= in_dim < {rank}."
            )
        return axis % rank

    def _size(self, leaves: Sequence[Any], axes: Sequence[int | None]) -> Dim:
        sizes = [v.aval.shape[a] for v, a in zip(leaves, axes, strict=True) if a is not None]
        if not sizes:
            raise ValueError("vmap: Expected at least one Tensor to vmap over")
        if any(s != sizes[0] for s in sizes):
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got "
                f"sizes {sizes} for the mapped dimension"
            )
        first: Dim = sizes[0]
        return first

    # -- the call --------------------------------------------------------------------------
    def _run(self, tree: Tree, leaves: Sequence[Any], axes: Sequence[int | None], size: Dim) -> Any:
        level = Level(world(), size, self.randomness)
        given = [
            leaf if axis is None else enter(level, leaf, axis)
            for leaf, axis in zip(leaves, axes, strict=True)
        ]
        before = [_state(g) for g in given]
        args, kwargs = unflatten(tree, given)
        with inside(level):
            returned = self.func(*args, **kwargs)
        results: list[Any] = []
        shape = flatten(returned, results)
        out_axes = self._out_axes(returned, results)
        made = [self._left(level, r, a) for r, a in zip(results, out_axes, strict=True)]
        for leaf, element, axis, was in zip(leaves, given, axes, before, strict=True):
            if axis is not None and _state(element) != was:
                leaf._assign(leave(level, element, axis))
        return unflatten(shape, made)

    def _out_axes(self, returned: Any, results: Sequence[Any]) -> list[Any]:
        dims = self.out_dims
        if isinstance(returned, tuple | list | dict) or not isinstance(dims, tuple | list):
            found = spread(dims, returned)
        else:  # one result, and its axis in a tuple
            found = list(dims) if len(dims) == 1 else None
        if found is None:
            raise ValueError(
                f"vmap({self.name}, ..., out_dims={dims})(<inputs>): out_dims is not compatible "
                f"with the structure of `outputs`. out_dims has structure {_shape(dims)} but "
                f"outputs has structure {_shape(returned)}."
            )
        for result, axis in zip(results, found, strict=True):
            if not isinstance(result, Handle) and axis is not None:
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type "
                    f"{type(result)}. Did you mean to set out_dims= to None for output?"
                )
        return found

    def _left(self, level: Level, result: Any, axis: Any) -> Any:
        if axis is None:
            if _is_tensor(result) and level.owns(result._read(level)):
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor when "
                    "out_dim is None"
                )
            return result
        rank: int = result.aval.rank + 1
        if not -rank <= axis < rank:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but "
                f"got {axis})"
            )
        return leave(level, result, axis % rank)

    def _in_chunks(
        self, tree: Tree, leaves: Sequence[Any], axes: Sequence[int | None], size: int
    ) -> Any:
        runs: list[list[Any]] = []
        shape: Any = None
        for start in range(0, size, self.chunk):
            count = min(self.chunk, size - start)
            parts = [
                leaf if axis is None else slice_axis(leaf, axis, start, count)
                for leaf, axis in zip(leaves, axes, strict=True)
            ]
            run: list[Any] = []
            returned = self._run(tree, parts, axes, count)
            shape = flatten(returned, run)
            out_axes = self._out_axes(returned, run)
            runs.append(run)
        joined = [
            outs[0] if axis is None else concat(outs, axis % outs[0].aval.rank)
            for axis, outs in zip(out_axes, zip(*runs, strict=True), strict=True)
        ]
        return unflatten(shape, joined)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Handle)


def _state(element: Any) -> Any:
    """What changes when somebody writes to an element."""
    if not isinstance(element, Handle):
        return None
    elements = element._storage.elements
    return id(elements), elements.version


def spread(dims: Any, nest: Any) -> list[Any] | None:
    """An axis for each leaf of a nest, of a nest of axes that may end above it; None if unlike."""
    if isinstance(dims, tuple | list):
        if not isinstance(nest, tuple | list) or len(dims) != len(nest):
            return None
        pairs = list(zip(dims, nest, strict=True))
    elif isinstance(dims, dict):
        if not isinstance(nest, dict) or dims.keys() != nest.keys():
            return None
        pairs = [(dims[key], value) for key, value in nest.items()]
    else:
        leaves: list[Any] = []
        flatten(nest, leaves)
        return [dims] * len(leaves)
    parts = [spread(d, n) for d, n in pairs]
    return None if any(p is None for p in parts) else [a for p in parts if p for a in p]


def _shape(nest: Any) -> str:
    """A nest with ``*`` in place of its leaves."""
    if isinstance(nest, tuple | list):
        inner = ", ".join(map(_shape, nest))
        return f"[{inner}]" if isinstance(nest, list) else f"({inner})"
    if isinstance(nest, dict):
        return "{" + ", ".join(f"{key!r}: {_shape(value)}" for key, value in nest.items()) + "}"
    return "*"
