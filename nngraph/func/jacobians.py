"""Jacobians and Hessians of functions: products with the rows or columns of identity matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from nngraph.frontend.functional.creation import eye
from nngraph.frontend.lanes.vmap import vmap
from nngraph.frontend.pytree import unflatten
from nngraph.func.inputs import Argnums, chosen, flat, replaced
from nngraph.func.products import jvp, vjp

__all__ = ["basis", "hessian", "jacfwd", "jacrev"]


def basis(tensors: Sequence[Any]) -> list[Any]:
    """For tensors of N elements in all, of each N tensors of its shape: of the unit vectors."""
    sizes = [math.prod(t.shape) for t in tensors]
    made: list[Any] = []
    start, total = 0, sum(sizes)
    for tensor, size in zip(tensors, sizes, strict=True):
        part = eye(total, dtype=tensor.dtype)[:, start : start + size]
        made.append(part.reshape(total, *tensor.shape))
        start += size
    return made


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """The function that computes Jacobians of ``func``, row by row, all rows in one ``vmap``.

    Args:
        func: returns tensors.
        argnums: the arguments to differentiate: an int, or several.
        has_aux: ``func`` returns ``(output, aux)``, and this ``(jacobian, aux)``.
        chunk_size: rows to compute at once; all by default.

    Returns:
        A function of the arguments of ``func``: the outputs' nest of the arguments' nests of
        tensors, of shape ``(*output.shape, *argument.shape)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacrev.html
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        def of(wanted: Any) -> Any:
            return func(*replaced(args, argnums, wanted), **kwargs)

        wanted = chosen(args, argnums)
        value, vjp_fn, *aux = vjp(of, wanted, has_aux=has_aux)
        outputs, tree = flat(value)
        (rows,) = vmap(vjp_fn, chunk_size=chunk_size)(unflatten(tree, basis(outputs)))
        found, shape = flat(rows)
        parts = [_parted(f, outputs) for f in found]
        made = unflatten(tree, [unflatten(shape, of_one) for of_one in zip(*parts, strict=True)])
        return (made, aux[0]) if has_aux else made

    return wrapper


def _parted(rows: Any, outputs: Sequence[Any]) -> list[Any]:
    """Of each output its rows, in its shape."""
    sizes = [math.prod(o.shape) for o in outputs]
    parts = [rows] if len(outputs) == 1 else rows.split(sizes)
    return [part.reshape(*o.shape, *rows.shape[1:]) for part, o in zip(parts, outputs, strict=True)]


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """As ``jacrev``, column by column; for functions with more results than arguments.

    Args:
        func, argnums, has_aux: as for ``jacrev``.
        randomness: whether random functions are an "error", the "same" or "different" for columns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacfwd.html
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        def of(wanted: Any) -> Any:
            return func(*replaced(args, argnums, wanted), **kwargs)

        wanted = chosen(args, argnums)
        inputs, tree = flat(wanted)

        def column(direction: Any) -> Any:
            _, product, *aux = jvp(of, (wanted,), (direction,), has_aux=has_aux)
            return (product, *aux)

        found = vmap(column, randomness=randomness)(unflatten(tree, basis(inputs)))
        columns, shape = flat(found[0])
        made = [_columns(c, inputs) for c in columns]
        jacobian = unflatten(shape, [unflatten(tree, of_one) for of_one in made])
        return (jacobian, _first(found[1])) if has_aux else jacobian

    return wrapper


def _columns(columns: Any, inputs: Sequence[Any]) -> list[Any]:
    """Of each input its columns, in its shape, behind the axes of the output."""
    moved = columns.movedim(0, -1)
    sizes = [math.prod(t.shape) for t in inputs]
    parts = [moved] if len(inputs) == 1 else moved.split(sizes, -1)
    return [
        part.reshape(*moved.shape[:-1], *t.shape) for part, t in zip(parts, inputs, strict=True)
    ]


def _first(aux: Any) -> Any:
    """What is the same for all columns."""
    leaves, tree = flat(aux)
    return unflatten(tree, [leaf[0] for leaf in leaves])


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that computes second derivatives of ``func``: ``jacfwd`` of ``jacrev``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.hessian.html
    """
    return jacfwd(jacrev(func, argnums), argnums)
