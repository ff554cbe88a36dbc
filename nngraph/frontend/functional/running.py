"""Running extremes, integrals and slopes along a dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nngraph import ops
from nngraph.frontend.errors import size_is_unknown
from nngraph.frontend.functional.axes import one_axis
from nngraph.frontend.functional.creation import arange
from nngraph.frontend.functional.joining import cat
from nngraph.frontend.functional.kinds import need_floats
from nngraph.frontend.functional.variants import both, function
from nngraph.frontend.tensor import Extremes, Tensor
from nngraph.frontend.world import world
from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import bool_, int64, uint8
from nngraph.ops.core import normalize_axis

# fmt: off
__all__ = [
    "cummax", "cummin", "cumulative_trapezoid", "gradient", "logcumsumexp", "trapezoid", "trapz",
]
# fmt: on

Pair = tuple[Tensor, ...]


def _doubled(what: str, start: Pair, axis: int, join: Callable[[Pair, Pair], Pair]) -> Pair:
    """What ``join`` makes of all elements up to each: after step k of the last 2**k of them."""
    size = start[0].aval.shape[axis]
    if isinstance(size, SymDim):
        raise size_is_unknown(what, size, world().place())
    found, reach = start, 1
    while reach < size:
        rest = size - reach
        earlier = tuple(t.narrow(axis, 0, rest) for t in found)
        later = tuple(t.narrow(axis, reach, rest) for t in found)
        joined = join(earlier, later)
        pairs = zip(found, joined, strict=True)
        found = tuple(cat([t.narrow(axis, 0, reach), j], axis) for t, j in pairs)
        reach *= 2
    return found


def _extreme(name: str, input: Tensor, dim: int, wins: Callable[[Any, Any], Tensor]) -> Extremes:
    source, axis = one_axis(input, dim)
    x = source.detach()
    x = x.to(uint8) if x.dtype is bool_ else x
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    places = arange(x.shape[axis], dtype=int64).reshape(shape).expand(*x.shape).clone()

    def join(earlier: Pair, later: Pair) -> Pair:
        """The later one of equals, and NaN, of which the last."""
        second = wins(later[0], earlier[0]) | later[0].isnan()
        return tuple(b.where(second, a) for a, b in zip(earlier, later, strict=True))

    _, places = _doubled(name, (x, places), axis, join)
    values = source.gather(axis, places)
    return Extremes(values.reshape(input.aval.shape), places.reshape(input.aval.shape))


@both
def cummax(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> Extremes:
    """The largest element so far along a dimension, and where it is: the last one of equals."""
    return _extreme("cummax", input, dim, lambda a, b: a.ge(b))


@both
def cummin(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> Extremes:
    """The smallest element so far along a dimension, and where it is: the last one of equals."""
    return _extreme("cummin", input, dim, lambda a, b: a.le(b))


@both
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the running sums of ``exp(input)``, without overflow."""
    need_floats("logcumsumexp", input)
    source, axis = one_axis(input, dim)

    def join(earlier: Pair, later: Pair) -> Pair:
        return (ops.logaddexp(earlier[0], later[0]),)

    (found,) = _doubled("logcumsumexp", (source,), axis, join)
    found = found.clone() if found is source else found
    return found.reshape(input.aval.shape)


def _steps(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor, Any, int]:
    """Sums of neighbours, the distances between them, the axis."""
    for what, t in (("y", y), ("x", x)):
        if t is not None and t.dtype is bool_:
            raise RuntimeError(f"{name}: received a bool input for `{what}`; cast it first")
    if x is not None and dx != 1:
        raise TypeError(f"{name}() takes x= or dx=, not both")
    if not y.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    axis = normalize_axis(dim, y.ndim, name)
    size = y.shape[axis]
    count = max(size - 1, 0)
    sums = y.narrow(axis, 0, count) + y.narrow(axis, size - count, count)
    if x is None:
        return sums, dx, axis
    if not x.ndim:
        raise RuntimeError(f"{name}: x must have a value for each sample point, got {x.aval}")
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != size:
            raise RuntimeError(
                f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} for "
                f"{size}"
            )
        x = x.reshape([-1 if a == axis else 1 for a in range(y.ndim)])
    place = axis - y.ndim
    length = x.shape[place]
    count = max(length - 1, 0)
    return sums, x.narrow(place, length - count, count) - x.narrow(place, 0, count), axis


@function
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral along a dimension by the trapezoidal rule.

    Args:
        y: values.
        x: where they are; a vector, or of a shape that broadcasts with y's.
        dx: their distance, 1 if neither is given.
        dim: along which.
    """
    sums, steps, axis = _steps("trapezoid", y, x, dx, dim)
    if x is not None:
        total: Tensor = (sums * steps).sum(axis)
        return total / 2
    if y.shape[axis] == 0:
        return y.sum(axis, dtype=sums.dtype)
    ends = y.select(axis, 0) + y.select(axis, -1)
    inside: Tensor = y.sum(axis) - ends * 0.5
    return inside * dx


@function
def trapz(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """``trapezoid``."""
    return trapezoid(y, x, dx=dx, dim=dim)


@function
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1
) -> Tensor:
    """The integrals up to each value but the first; see ``trapezoid``."""
    sums, steps, axis = _steps("cumulative_trapezoid", y, x, dx, dim)
    areas: Tensor = sums * steps
    return areas.cumsum(axis) / 2


@function
def gradient(
    input: Tensor,
    *,
    spacing: Any = None,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """Slopes along each of some dimensions, by central differences of second order.

    Args:
        input: values on a grid.
        spacing: their distance, or for each dimension a distance or a vector of coordinates.
        dim: which dimensions (None: all).
        edge_order: 1 or 2, of the one-sided differences at both ends.

    Raises:
        RuntimeError: for too few values, or other than one spacing for each dimension.
    """
    axes = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    axes = [normalize_axis(a, input.ndim, "gradient") for a in axes]
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient only supports edge_order=1 and 2, got {edge_order}")
    spacing = 1 if spacing is None else spacing
    each = list(spacing) if isinstance(spacing, tuple | list) else [spacing] * len(axes)
    if len(each) != len(axes):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"{len(axes)}, got {len(each)}"
        )
    if input.dtype in (bool_, uint8):
        raise RuntimeError(f"gradient does not support {input.dtype.name} input; cast it first")
    x = input if input.dtype.is_floating_point else input.float()
    for a in axes:
        if x.shape[a] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1, got "
                f"{x.shape[a]} in dimension {a}"
            )
    return tuple(_slope(x, a, h, edge_order) for a, h in zip(axes, each, strict=True))


def _slope(x: Tensor, axis: int, spacing: Any, edge_order: int) -> Tensor:
    if isinstance(spacing, Tensor) and spacing.ndim:
        return _uneven(x, axis, spacing, edge_order)
    count = x.shape[axis] - 2

    def at(first: int) -> Tensor:
        return x.narrow(axis, first, 1)

    inside = (x.narrow(axis, 2, count) - x.narrow(axis, 0, count)) / spacing / 2
    if edge_order == 1:
        ends = at(1) - at(0), at(count + 1) - at(count)
    else:
        ends = (
            at(0) * -1.5 + at(1) * 2.0 - at(2) * 0.5,
            at(count + 1) * 1.5 - at(count) * 2.0 + at(count - 1) * 0.5,
        )
    return cat([ends[0] / spacing, inside, ends[1] / spacing], axis)


def _uneven(x: Tensor, axis: int, spacing: Tensor, edge_order: int) -> Tensor:
    """At coordinates: slopes of both sides, weighted by the distance of the other."""
    shape, count = [-1 if a == axis else 1 for a in range(x.ndim)], x.shape[axis] - 2
    gaps = spacing.diff().to(x.dtype).reshape(shape)
    slopes = x.diff(dim=axis) / gaps
    left, right = slopes.narrow(axis, 0, count), slopes.narrow(axis, 1, count)
    before, after = gaps.narrow(axis, 0, count), gaps.narrow(axis, 1, count)
    inside = (left * after + right * before) / (before + after)
    first, last = slopes.narrow(axis, 0, 1), slopes.narrow(axis, count, 1)
    if edge_order == 2:
        bends = (right - left) / (before + after)
        first = first - bends.narrow(axis, 0, 1) * gaps.narrow(axis, 0, 1)
        last = last + bends.narrow(axis, count - 1, 1) * gaps.narrow(axis, count, 1)
    return cat([first, inside, last], axis)
