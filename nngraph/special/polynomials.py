"""Orthogonal polynomials of a degree that is a number or a tensor.

Each is a recurrence ``p[k + 1] = (a x + b) p[k] - c p[k - 1]`` (NIST Digital Library of
Mathematical Functions, 18.9), in as many steps as the highest degree. Chebyshev's above the 8th are
functions of the angle whose cosine x is (18.5). Degrees are rounded to 0; below 0 the polynomial is
0. Results require no gradient, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph.frontend.defaults import default_dtype
from nngraph.frontend.functional.access import elements
from nngraph.frontend.functional.variants import function
from nngraph.frontend.modes import no_grad
from nngraph.frontend.promotion import is_number, promoted
from nngraph.frontend.tensor import Operand, Tensor
from nngraph.ops.composite import wide

# fmt: off
__all__ = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v",
    "chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he",
    "laguerre_polynomial_l", "legendre_polynomial_p", "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]
# fmt: on

_STEPS = 8  # of a recurrence, where there is another formula
Step = Callable[[int], tuple[float, float, float]]
Far = Callable[[Tensor, Any], Tensor]


def _polynomial(
    name: str, input: Operand, n: Operand, step: Step, far: Far | None = None, shifted: bool = False
) -> Tensor:
    """The polynomial of degree ``n``: 1, ``step(0)`` of x, and so on; ``far`` above some degree."""
    with no_grad():
        given = promoted(input, n, at_least=default_dtype())
        x = wide(given[0])
        x = x * 2 - 1 if shifted else x
        if is_number(n):
            value = _of_degree(x, int(n), step, far)
        else:
            value = _of_degrees(name, x, wide(given[1]).trunc(), step, far)
        return value.to(given[0].dtype)


def _of_degree(x: Tensor, n: int, step: Step, far: Far | None) -> Tensor:
    if n < 0:
        return x.new_zeros(x.shape)
    if far is not None and n > _STEPS:
        return far(x, n)
    return _recurrence(x, n, step)[-1]


def _of_degrees(name: str, x: Tensor, n: Tensor, step: Step, far: Far | None) -> Tensor:
    highest = _STEPS if far is not None else _highest(name, n)
    value = (x * n).new_zeros((x * n).shape)
    for k, p in enumerate(_recurrence(x, highest, step)):
        value = p.where(n.eq(k), value)
    return value if far is None else far(x, n).where(n.gt(_STEPS), value)


def _highest(name: str, n: Tensor) -> int:
    """The highest degree, which a trace cannot know."""
    instead = f"ng.special.{name}(x, 3)  # a degree of Python's"
    found = elements(n, f"special.{name}", instead)
    known = found[(found >= 0) & (found < 2.0**31)]
    return int(known.max()) if known.size else 0


def _recurrence(x: Tensor, highest: int, step: Step) -> list[Tensor]:
    """The polynomials of all degrees up to the highest."""
    found = [x.new_ones(x.shape)]
    for k in range(highest):
        a, b, c = step(k)
        line = x * a + b if b else x * a
        following = line * found[-1] if k else line
        found.append(following - found[-2] * c if k else following)
    return found


# -- Chebyshev's ------------------------------------------------------------------------------


def _alternating(n: Any) -> Any:
    """1 for even numbers, -1 for odd ones."""
    return 1 - n % 2 * 2


def _turned(value: Tensor, x: Tensor, n: Any) -> Tensor:
    """Of a number below 0, by the value of its size: polynomials are even or odd as n is."""
    return value.mul(_alternating(n)).where(x.lt(0), value)


def _quotient(x: Tensor, above: Any, below: float) -> Tensor:
    """``sin(above * angle) / sin(below * angle)`` of the angle whose cosine ``x`` is."""
    angle, turn = x.clamp(max=1).acos(), x.clamp(min=1).acosh()
    inside = angle.mul(above).sin() / angle.mul(below).sin()
    outside = turn.mul(above).sinh() / turn.mul(below).sinh()
    limit = x.mul(0).add(above).div(below)
    return inside.where(x.lt(1), outside.where(x.gt(1), limit))


def _far_t(x: Tensor, n: Any) -> Tensor:
    size = x.abs()
    inside = size.clamp(max=1).acos().mul(n).cos()
    outside = size.clamp(min=1).acosh().mul(n).cosh()
    return _turned(inside.where(size.lt(1), outside), x, n)


def _far_u(x: Tensor, n: Any) -> Tensor:
    return _turned(_quotient(x.abs(), n + 1, 1.0), x, n)


def _far_w(x: Tensor, n: Any) -> Tensor:
    half = n + 0.5
    turn = (-x).clamp(min=1).acosh()
    below = turn.mul(half).cosh().div(turn.mul(0.5).cosh()).mul(_alternating(n))
    return below.where(x.le(-1), _quotient(x.clamp(min=-1), half, 0.5))


def _far_v(x: Tensor, n: Any) -> Tensor:
    return _far_w(-x, n).mul(_alternating(n))


def _steps_of(a: float, b: float) -> Step:
    """Chebyshev's recurrence, with the polynomial of degree 1."""
    return lambda k: (2.0, 0.0, 1.0) if k else (a, b, 0.0)


_T, _U, _V, _W = (_steps_of(*line) for line in ((1, 0), (2, 0), (2, -1), (2, 1)))


@function
def chebyshev_polynomial_t(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev's polynomial of the first kind: ``cos(n * acos(x))``."""
    return _polynomial("chebyshev_polynomial_t", input, n, _T, _far_t)


@function
def chebyshev_polynomial_u(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev's polynomial of the second kind: ``sin((n + 1) * a) / sin(a)``, a = acos(x)."""
    return _polynomial("chebyshev_polynomial_u", input, n, _U, _far_u)


@function
def chebyshev_polynomial_v(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev's of the third kind: ``cos((n + 0.5) * a) / cos(a / 2)``, a = acos(x)."""
    return _polynomial("chebyshev_polynomial_v", input, n, _V, _far_v)


@function
def chebyshev_polynomial_w(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Chebyshev's of the fourth kind: ``sin((n + 0.5) * a) / sin(a / 2)``, a = acos(x)."""
    return _polynomial("chebyshev_polynomial_w", input, n, _W, _far_w)


@function
def shifted_chebyshev_polynomial_t(
    input: Operand, n: Operand, *, out: Tensor | None = None
) -> Tensor:
    """``chebyshev_polynomial_t(2 * input - 1, n)``."""
    return _polynomial("shifted_chebyshev_polynomial_t", input, n, _T, _far_t, True)


@function
def shifted_chebyshev_polynomial_u(
    input: Operand, n: Operand, *, out: Tensor | None = None
) -> Tensor:
    """``chebyshev_polynomial_u(2 * input - 1, n)``."""
    return _polynomial("shifted_chebyshev_polynomial_u", input, n, _U, _far_u, True)


@function
def shifted_chebyshev_polynomial_v(
    input: Operand, n: Operand, *, out: Tensor | None = None
) -> Tensor:
    """``chebyshev_polynomial_v(2 * input - 1, n)``."""
    return _polynomial("shifted_chebyshev_polynomial_v", input, n, _V, _far_v, True)


@function
def shifted_chebyshev_polynomial_w(
    input: Operand, n: Operand, *, out: Tensor | None = None
) -> Tensor:
    """``chebyshev_polynomial_w(2 * input - 1, n)``."""
    return _polynomial("shifted_chebyshev_polynomial_w", input, n, _W, _far_w, True)


# -- others -----------------------------------------------------------------------------------


@function
def hermite_polynomial_h(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Hermite's polynomial of the physicists."""
    return _polynomial("hermite_polynomial_h", input, n, lambda k: (2.0, 0.0, 2.0 * k))


@function
def hermite_polynomial_he(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Hermite's polynomial of the probabilists."""
    return _polynomial("hermite_polynomial_he", input, n, lambda k: (1.0, 0.0, float(k)))


@function
def laguerre_polynomial_l(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Laguerre's polynomial."""

    def step(k: int) -> tuple[float, float, float]:
        return -1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1)

    return _polynomial("laguerre_polynomial_l", input, n, step)


@function
def legendre_polynomial_p(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
    """Legendre's polynomial."""

    def step(k: int) -> tuple[float, float, float]:
        return (2 * k + 1) / (k + 1), 0.0, k / (k + 1)

    return _polynomial("legendre_polynomial_p", input, n, step)
