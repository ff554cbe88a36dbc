"""What a subscript means: basic parts become one slice, index tensors one gather."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nngraph import ops
from nngraph.frontend.eager import Eager
from nngraph.frontend.functional.access import elements, owned
from nngraph.frontend.host import concrete, distance, in_graph, is_host_number
from nngraph.frontend.symint import SymInt, dim_of
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import Dim, SymDim, floordiv, is_nonnegative, minimum, positive_part
from nngraph.ir.dtypes import bool_, int64, uint8
from nngraph.ops.core import broadcast_shapes

__all__ = ["Plan", "plan_subscript"]


@dataclass
class Plan:
    """Slice, then drop and add axes, then gather at index tensors.

    Attributes:
        base: what is subscripted.
        starts, sizes, steps: the slice, one entry for each axis of ``base``.
        view: the shape after axes of integers were dropped and those of ``None`` added.
        indices: index tensors by axis of ``view``.
        window: a slice is among the index tensors, so that a read is a copy.
        masked: True stands in the subscript: a mask without axes, so that a read copies.
    """

    base: Tensor
    starts: list[Dim] = field(default_factory=list)
    sizes: list[Dim] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    view: list[Dim] = field(default_factory=list)
    indices: dict[int, Tensor] = field(default_factory=dict)
    masked: bool = False
    window: bool = False

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The shape that a read gives and a write takes."""
        if not self.indices:
            return tuple(self.view)
        gathered, rest, place = self._gather_layout()
        return (*rest[:place], *gathered, *rest[place:])

    def _gather_layout(self) -> tuple[tuple[Dim, ...], list[Dim], int]:
        shapes = [t.aval.shape for t in self.indices.values()]
        axes = sorted(self.indices)
        adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
        rest = [d for a, d in enumerate(self.view) if a not in self.indices]
        try:
            gathered = broadcast_shapes("index", shapes)
        except TypeError as error:
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together: {error}"
            ) from None
        return gathered, rest, axes[0] if adjacent else 0

    def sliced(self) -> Tensor:
        """The basic part of the read."""
        x = self.base
        if self.sizes != list(x.aval.shape) or any(s != 1 for s in self.steps):
            x = ops.slice(x, self.starts, self.sizes, self.steps)
        return x if tuple(self.view) == x.aval.shape else ops.reshape(x, self.view)

    def read(self) -> Tensor:
        x = self.sliced()
        if not self.indices:
            return ops.copy(x) if self.masked else x
        self._gather_layout()  # the shapes of the index tensors fit
        flat, row, perm = self._flattened(x)
        out = owned(self._restore(ops.take(flat, row, 0), perm))
        if self.window or all(not t.ndim for t in self.indices.values()):
            world().apart(out)
        return out

    def _flattened(self, x: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        """Index axes moved to the front and joined, with one index for the joined axis."""
        axes = sorted(self.indices)
        perm = axes + [a for a in range(x.ndim) if a not in self.indices]
        moved = x if perm == list(range(x.ndim)) else x.permute(*perm)
        row: Tensor | None = None
        for axis in axes:
            size = cast("int", self.view[axis])
            index = self.indices[axis].to(int64)
            index = ops.where(index < 0, index + size, index) if len(axes) > 1 else index
            row = index if row is None else row * size + index
        assert row is not None
        if len(axes) > 1:
            joined: Dim = 1
            for a in axes:
                joined = joined * self.view[a]
            moved = moved.reshape(joined, *moved.aval.shape[len(axes) :])
        return moved, row, perm

    def _restore(self, out: Tensor, perm: list[int]) -> Tensor:
        """Moves the gathered axes from the front to where NumPy puts them."""
        gathered, rest, place = self._gather_layout()
        if not place:
            return out
        count = len(gathered)
        order = [
            *range(count, count + place),
            *range(count),
            *range(count + place, count + len(rest)),
        ]
        return out.permute(*order)

    def write(self, update: Tensor, reduction: str = "none") -> Tensor:
        """``base`` with the subscripted part replaced by ``update`` (of shape ``shape``)."""
        part = self._scatter(update, reduction) if self.indices else update
        inner = ops.reshape(part, tuple(self.sizes))
        whole = self.sizes == list(self.base.aval.shape) and all(s == 1 for s in self.steps)
        if whole and not self.base.requires_grad:  # (else its gradient is zero, not None)
            return inner
        out = ops.slice_update(self.base, inner, self.starts, self.sizes, self.steps)
        return out

    def _scatter(self, update: Tensor, reduction: str) -> Tensor:
        x = self.sliced()
        flat, row, perm = self._flattened(x)
        gathered, rest, place = self._gather_layout()
        count = len(gathered)
        order = [
            *range(place, place + count),
            *range(place),
            *range(place + count, count + len(rest)),
        ]
        front = update.permute(*order) if place else update
        done = ops.scatter_slices(flat, row, front, 0, reduction)
        moved_shape = [x.aval.shape[a] for a in perm]
        inverse = sorted(range(len(perm)), key=perm.__getitem__)
        return done.reshape(moved_shape).permute(*inverse)


def plan_subscript(key: Any, base: Tensor) -> Plan:
    """Reads a subscript by NumPy's and PyTorch's rules.

    Raises:
        IndexError: for too many indices, an index out of range, and anything else than integers,
            slices, None, ``...``, bools, and tensors of integers or bools.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = _expand_masks([_as_part(p, base) for p in parts], base)
    consumed = sum(1 for p in parts if not (p is None or p is Ellipsis or isinstance(p, bool)))
    if consumed > base.ndim:
        raise IndexError(f"too many indices for tensor of dimension {base.ndim}")
    fill = [slice(None)] * (base.ndim - consumed)
    spot = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts[spot : spot + 1] = fill
    parts = [p for p in parts if p is not Ellipsis]  # further ones stand for nothing
    plan, axis = Plan(base), 0
    alone = not any(isinstance(p, Tensor) for p in parts)
    for part in parts:
        if part is None or isinstance(part, bool):
            if part is False:  # an axis of no elements
                plan.indices[len(plan.view)] = ops.constant(np.zeros(0, np.int64), base)
            plan.masked |= part is True
            plan.view.append(1)
            continue
        if not (alone and isinstance(part, slice) and _add_window(plan, part, axis)):
            _add_axis(plan, part, axis)
        alone = alone and not plan.window
        axis += 1
    return plan


def _as_part(part: Any, base: Tensor) -> Any:
    if is_host_number(part) and isinstance(part, int) and not isinstance(part, bool):
        return in_graph(part)
    if isinstance(part, SymInt):
        return part.dim
    if isinstance(part, slice) and any(isinstance(b, SymInt) for b in (part.start, part.stop)):
        start, stop = (None if b is None else dim_of(b) for b in (part.start, part.stop))
        return slice(start, stop, part.step)
    if isinstance(part, list | np.ndarray | range):
        array = np.asarray(part)
        if array.dtype == np.bool_ and array.ndim:
            return array
        part = ops.constant(array.astype(np.int64) if array.size == 0 else array, base)
    if isinstance(part, str):
        raise TypeError(f"a subscript is an integer, a slice, None, ... or a tensor, got {part!r}")
    if isinstance(part, np.integer):
        return int(part)
    if isinstance(part, Tensor):
        if part.dtype.is_floating_point:
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, got {part.aval}"
            )
        if part.dtype in (bool_, uint8) and not part.ndim:
            return bool(part)
        if not part.ndim and isinstance(world(), Eager):  # an integer: what it names is a view
            return int(part.item())
    return part


def _expand_masks(parts: list[Any], base: Tensor) -> list[Any]:
    """A bool tensor counts as the indices of its true elements (eager only)."""
    out: list[Any] = []
    axis = 0
    for part in parts:
        known = isinstance(part, np.ndarray)
        if known or (isinstance(part, Tensor) and part.dtype in (bool_, uint8)):
            shape = base.aval.shape[axis : axis + part.ndim]
            own = part.shape if known else part.aval.shape
            if Ellipsis not in out and own != shape:
                raise IndexError(
                    f"The shape of the mask {list(own)} does not match "
                    f"the shape {list(shape)} of the indexed axes"
                )
            what = "x[mask] (its shape depends on the mask's values)"
            places = np.nonzero(part if known else elements(part, what))
            out += [ops.constant(p.astype(np.int64), base) for p in places]
            axis += part.ndim
        else:
            out.append(part)
            axis += not (part is None or part is Ellipsis or isinstance(part, bool))
    return out


def _add_window(plan: Plan, part: slice, axis: int) -> bool:
    """``x[n:n + 3]`` for a number that each call reads: as many elements, from another place.

    False where the length is not known, or the slice would be clipped.
    """
    start, size = part.start, plan.base.aval.shape[axis]
    count = distance(start, part.stop)
    if count is None or count < 1 or part.step not in (None, 1) or not isinstance(size, int):
        return False
    most = size - count

    def fits(value: int) -> bool:
        return 0 <= value <= most

    if not fits(concrete(start)):
        return False
    start._program.rely(start, fits, True, f"a slice of {count} leaves an axis of {size}")
    plan.indices[len(plan.view)] = in_graph(start) + ops.iota(int64, (count,), 0, plan.base)
    plan.window = True
    for values, value in ((plan.view, size), (plan.starts, 0), (plan.sizes, size)):
        values.append(value)
    plan.steps.append(1)
    return True


def _add_axis(plan: Plan, part: Any, axis: int) -> None:
    size = plan.base.aval.shape[axis]
    if isinstance(part, slice):
        start, count, step = _slice_of(part, size)
        plan.view.append(count)
    elif isinstance(part, Tensor):
        start, count, step = 0, size, 1
        plan.indices[len(plan.view)] = part
        plan.view.append(size)
    elif isinstance(part, int) and not isinstance(part, bool):
        if isinstance(size, int) and not -size <= part < size:
            raise IndexError(f"index {part} is out of bounds for dimension {axis} with size {size}")
        start, count, step = part if part >= 0 else size + part, 1, 1
    elif isinstance(part, SymDim):
        start, count, step = _index(part, size), 1, 1
    else:
        raise IndexError(
            f"a subscript is an integer, a slice, None, ... or a tensor of integers; "
            f"got {type(part).__name__}"
        )
    plan.starts.append(start)
    plan.sizes.append(count)
    plan.steps.append(step)


def _index(part: SymDim, size: Dim) -> Dim:
    """Where one element is; like those of numbers, a bound that is passed fails when it runs."""
    if is_nonnegative(part) or is_nonnegative(size - 1 - part):
        return part
    if is_nonnegative(-1 - part):
        return size + part
    raise IndexError(f"the index {part} may count from the start or from the end: take a slice")


def _slice_of(part: slice, size: Dim) -> tuple[Dim, Dim, int]:
    if part == slice(None):
        return 0, size, 1
    step = 1 if part.step is None else int(part.step)
    if step <= 0:
        raise ValueError("step must be greater than zero; use flip() to go backwards")
    symbolic = isinstance(part.start, SymDim) or isinstance(part.stop, SymDim)
    if isinstance(size, int) and not symbolic:
        span = range(*part.indices(size))
        return (span.start if len(span) else 0), len(span), step
    start = 0 if part.start is None else _place(part.start, size)
    stop = size if part.stop is None else _place(part.stop, size)
    return start, positive_part(floordiv(stop - start + (step - 1), step)), step


def _place(bound: Dim, size: Dim) -> Dim:
    """Where a bound of a slice is: negative ones count from the end, then all are clipped."""
    bound = dim_of(bound)
    inside = minimum(positive_part(bound), size)
    if is_nonnegative(bound):
        return inside
    from_end = minimum(positive_part(size + bound), size)
    if is_nonnegative(-1 - bound):
        return from_end
    if bound - size in (-1, -2):  # negative only where the size is too small to tell
        return inside
    is_there = positive_part(bound + 1) - positive_part(bound)  # 1 from 0 on, before it 0
    return inside + from_end - size * is_there
