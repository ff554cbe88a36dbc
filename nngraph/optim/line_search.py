"""A line search for the strong Wolfe conditions.

Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006, algorithms 3.5 and 3.6,
with the cubic interpolation of equation 3.59 and PyTorch's safeguards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nngraph.frontend.tensor import Tensor

__all__ = ["Point", "strong_wolfe"]

#: How much of the decrease that the slope promises has to be there, and how flat it has to become.
_DECREASE, _CURVATURE = 1e-4, 0.9


@dataclass(frozen=True)
class Point:
    """A function on a line.

    Attributes:
        at: where on the line; the search starts at 0.
        loss: the value.
        grad: the gradient, flat.
        slope: the derivative along the line.
    """

    at: float
    loss: float
    grad: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    first: float,
    size: float,
    most: int,
    tolerance: float = 1e-9,
) -> tuple[Point, int]:
    """A point where the function has fallen enough and is flat enough, and the evaluations it took.

    Args:
        evaluate: gives the point at a place.
        start: at 0, with a negative slope.
        first: the place to try first.
        size: the largest element of the direction.
        most: how many places may be tried after the first one.
        tolerance: a bracket in which no element changes by more is small enough.
    """
    before, new = start, evaluate(first)
    for tried in range(most):
        if _is_high(new, start) or (tried > 1 and new.loss >= before.loss):
            return _zoom(evaluate, start, before, new, size, most, tried, tolerance)
        if _is_flat(new, start):
            return new, tried + 1
        if new.slope >= 0:
            return _zoom(evaluate, start, before, new, size, most, tried, tolerance)
        least, largest = new.at + 0.01 * (new.at - before.at), new.at * 10
        place = _interpolated(before, new, least, largest)
        before, new = new, evaluate(place)
    return (start if start.loss <= new.loss else new), max(most, 0) + 1


def _is_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _DECREASE * point.at * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_CURVATURE * start.slope


def _zoom(
    evaluate: Callable[[float], Point],
    start: Point,
    one: Point,
    other: Point,
    size: float,
    most: int,
    tried: int,
    tolerance: float,
) -> tuple[Point, int]:
    """Makes a bracket around a point that fulfils the conditions smaller until one is found."""
    low, high = (one, other) if one.loss <= other.loss else (other, one)
    was_near_the_end = False
    while tried < most and not abs(high.at - low.at) * size < tolerance:
        left, right = sorted((low.at, high.at))
        place = _interpolated(one, other, left, right)
        margin = 0.1 * (right - left)
        is_near_the_end = min(right - place, place - left) < margin
        if is_near_the_end and (was_near_the_end or place >= right or place <= left):
            place = right - margin if abs(place - right) < abs(place - left) else left + margin
            is_near_the_end = False
        was_near_the_end = is_near_the_end
        new = evaluate(place)
        tried += 1
        replaces_one = one is high
        if _is_high(new, start) or new.loss >= low.loss:
            one, other = (new, other) if replaces_one else (one, new)
            low, high = (one, other) if one.loss <= other.loss else (other, one)
            continue
        if _is_flat(new, start):
            return new, tried + 1
        if new.slope * (high.at - low.at) >= 0:
            high = low
        low = new
        one, other = (high, low) if replaces_one else (low, high)
    return low, tried + 1


def _interpolated(one: Point, other: Point, least: float, largest: float) -> float:
    """The minimum of the cubic through two points with these slopes, within bounds."""
    rise = one.slope + other.slope - 3 * (one.loss - other.loss) / (one.at - other.at)
    square = rise**2 - one.slope * other.slope
    if not square >= 0:
        return (least + largest) / 2
    root = math.sqrt(square)
    left, right = (one, other) if one.at <= other.at else (other, one)
    part = (right.slope + root - rise) / (right.slope - left.slope + 2 * root)
    return min(max(right.at - (right.at - left.at) * part, least), largest)
