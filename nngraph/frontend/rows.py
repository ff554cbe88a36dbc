"""Gradients that are zero but in some rows: those of tables whose rows were looked up.

PyTorch has them as sparse tensors. Here such a gradient is a dense tensor that knows its rows, as
long as nobody writes to it: what asks for the rows alone (``optim.SparseAdam``) leaves the dense
elements unread, and a compiled step does not compute them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nngraph.frontend.record import Edge, Handle
from nngraph.frontend.storage import Storage
from nngraph.frontend.world import world
from nngraph.ops.shape.joining import concat

__all__ = ["RowSparse", "Rows", "attach", "coalesced", "joined", "mark", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """The rows of a gradient ``[V, D]``, as they were looked up: a row may be there twice.

    Attributes:
        places: numbers of rows, integers ``[n]``.
        values: gradients ``[n, D]``, to be added where a row is there twice.
        padding: a row that does not count.
        version: of the gradient's elements, when these were its rows.
    """

    places: Any
    values: Any
    padding: int | None
    version: int = 0


#: Few tensors are such gradients: what all tensors have has no room for them.
_ROWS = WeakKeyDictionary[Storage, Rows]()


@dataclass(frozen=True)
class RowSparse:
    """Rows of a gradient, each once and in order, as ``coalesce()`` of PyTorch's gives them."""

    shape: tuple[int, ...]
    places: Any
    rows: Any

    def indices(self) -> Any:
        """Numbers of the rows, ``[1, n]``."""
        return self.places.reshape(1, -1)

    def values(self) -> Any:
        """The rows, ``[n, D]``."""
        return self.rows

    def to_dense(self) -> Any:
        """The whole, ``[V, D]``."""
        whole = self.rows.new_zeros(self.shape)
        return whole.index_copy(0, self.places, self.rows)


def mark(found: Handle) -> None:
    """The gradient of what this looked rows up in shall know its rows."""
    edge = world().edge(found) if found._view is None else found._edge
    if isinstance(edge, Edge):
        edge.entry.sparse = True


def attach(gradient: Handle, rows: Rows | None) -> None:
    """Notes the rows of a gradient, as its elements are now."""
    if rows is not None:
        version = world().elements(gradient._storage).version
        _ROWS[gradient._storage] = Rows(rows.places, rows.values, rows.padding, version)


def rows_of(gradient: Any) -> Rows | None:
    """The rows of a gradient; None if it has more, or was written to."""
    rows = _ROWS.get(gradient._storage) if _ROWS and gradient._view is None else None
    if rows is None or world().elements(gradient._storage).version != rows.version:
        return None
    return rows


def joined(one: Rows | None, other: Rows | None) -> Rows | None:
    """The rows of a sum of two gradients."""
    if one is None or other is None or one.padding != other.padding:
        return None
    places = concat([one.places, other.places], 0)
    return Rows(places, concat([one.values, other.values], 0), one.padding)


def coalesced(gradient: Any) -> RowSparse:
    """Each row once, in order.

    Raises:
        RuntimeError: for a gradient that does not know its rows.
    """
    rows = rows_of(gradient)
    if rows is None:
        raise RuntimeError(
            "coalesce: this tensor does not know its rows: it is no gradient of a table whose rows "
            "were looked up with sparse=True, or was written to"
        )
    found = np.unique(rows.places.numpy())
    found = found[found != rows.padding] if rows.padding is not None else found
    places = rows.places.new_tensor(found)
    return RowSparse(tuple(gradient.shape), places, gradient.detach().index_select(0, places))
