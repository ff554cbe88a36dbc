"""Jacobians by gradients and by central differences, for ``gradcheck``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from nngraph.frontend.autograd import grad
from nngraph.frontend.functional.creation import zeros
from nngraph.frontend.functional.joining import stack
from nngraph.frontend.functional.random import rand
from nngraph.frontend.generator import Generator
from nngraph.frontend.promotion import promote_types

__all__ = [
    "Case",
    "GradcheckError",
    "Options",
    "Tolerances",
    "compare_jacobians",
    "compare_projections",
    "differentiable",
    "listed",
]

Tensors = tuple[Any, ...]


class GradcheckError(RuntimeError):
    """A gradient is not what it should be."""


@dataclass(frozen=True)
class Tolerances:
    """The step, how near a difference has to come, and how much a second backward may differ."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float


@dataclass(frozen=True)
class Options:
    """Arguments of ``gradcheck``, by their names."""

    near: Tolerances
    check_undefined_grad: bool
    check_grad_dtypes: bool
    check_batched_grad: bool
    fast_mode: bool
    masked: bool | None


@dataclass(frozen=True)
class Case:
    """A function at a place.

    Attributes:
        inputs: its arguments.
        by: those of them that require grad.
    """

    func: Callable[..., Any]
    inputs: Tensors
    by: Tensors
    options: Options

    def called(self) -> Tensors:
        """What the function gives now: copies, as results may share memory with the inputs."""
        return tuple(o.detach().clone() for o in listed(self.func(*self.inputs)))

    def outputs(self) -> Tensors:
        """The results that have gradients."""
        return differentiable(self.func(*self.inputs))


def listed(value: Any) -> Tensors:
    """An argument or a result as a tuple."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def differentiable(returned: Any) -> Tensors:
    """The results that have gradients."""
    return tuple(o for o in listed(returned) if o.requires_grad)


@contextmanager
def _moved(tensor: Any) -> Iterator[Callable[[Any], None]]:
    """Gives what adds a direction to a tensor, behind the tape's back, and puts it back at last."""
    data = tensor.data
    before = data.clone()
    try:
        yield lambda direction: data.copy_(before + direction)
    finally:
        data.copy_(before)


def _difference(case: Case, tensor: Any, direction: Any, at: str = "") -> list[Any]:
    """Of each result its change along a direction, as a flat tensor; ``at`` says where that is."""
    eps = case.options.near.eps
    with _moved(tensor) as move:
        move(direction * -eps)
        below = case.called()
        move(direction * eps)
        above = case.called()
    for a, b in zip(below, above, strict=True):
        for what in ("shape", "dtype"):
            if getattr(a, what) != getattr(b, what):
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are "
                    f"perturbed {at}by {eps}, but got: {what}s {getattr(a, what)} and "
                    f"{getattr(b, what)}."
                )
    return [((b - a) / (2 * eps)).reshape(-1) for a, b in zip(below, above, strict=True)]


def _units(tensor: Any) -> Iterator[Any]:
    """Of each element the tensor that is one there and zero elsewhere."""
    for element in range(tensor.numel()):
        direction = zeros(tensor.numel(), dtype=tensor.dtype)
        direction[element] = 1
        yield direction.reshape(tensor.shape)


def _numerical(case: Case, tensor: Any, returned: Tensors) -> list[Any]:
    """Of each result the transposed Jacobian by one input."""
    places = product(*map(range, tensor.shape))
    columns = [
        _difference(case, tensor, unit, f"on index {place} ")
        for place, unit in zip(places, _units(tensor), strict=True)
    ]
    if not columns:
        return [zeros(0, o.numel(), dtype=o.dtype) for o in returned]
    return [stack(of_one) for of_one in zip(*columns, strict=True)]


# -- gradients ---------------------------------------------------------------------------------
def _rows(output: Any, by: Tensors, seeds: Sequence[Any], options: Options) -> list[Any]:
    """By each input the products of its Jacobian with seeds, transposed: one column a seed."""
    first, second = (
        [grad(output, by, seed, retain_graph=True, allow_unused=True) for seed in seeds]
        for _ in range(2)
    )
    made = []
    for place, tensor in enumerate(by):
        found = [_like(row[place], tensor, options) for row in first]
        again = [_like(row[place], tensor, options) for row in second]
        for a, b in zip(found, again, strict=True):
            if a.numel() and (a - b).abs().max().item() > options.near.nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    f"gradient matches numerical gradient.The tolerance for nondeterminism was "
                    f"{options.near.nondet_tol}."
                )
        made.append(stack(found, 1) if found else zeros(tensor.numel(), 0, dtype=tensor.dtype))
    return made


def _like(gradient: Any, tensor: Any, options: Options) -> Any:
    """The gradient, flat; zeros where there is none."""
    if gradient is None:
        return zeros(tensor.numel(), dtype=tensor.dtype)
    if gradient.shape != tensor.shape:
        raise GradcheckError("Analytical gradient has incorrect size")
    if gradient.dtype is not tensor.dtype and options.check_grad_dtypes:
        raise GradcheckError("Gradient has dtype mismatch")
    return gradient.reshape(-1)


def _close(a: Any, b: Any, rtol: float, atol: float) -> bool:
    dtype = promote_types(a.dtype, b.dtype)
    found: bool = a.to(dtype).allclose(b.to(dtype), rtol, atol)
    return found


def _mismatch(analytical: Any, numerical: Any, output: int, place: int) -> str:
    return (
        f"Jacobian mismatch for output {output} with respect to input {place},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n"
    )


def compare_jacobians(case: Case, returned: Tensors) -> None:
    """Compares the Jacobians element by element.

    Raises:
        GradcheckError: for a difference.
    """
    options = case.options
    numerical = [_numerical(case, tensor, returned) for tensor in case.by]
    wanted = [place for place, o in enumerate(returned) if o.requires_grad]
    if not wanted:
        if any((matrix != 0).any().item() for of_one in numerical for matrix in of_one):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for count, place in enumerate(wanted):
        output = returned[place]
        analytical = _rows(output, case.by, list(_units(output)), options)
        for input, matrix in enumerate(analytical):
            expected = numerical[input][place]
            if not _close(matrix, expected, options.near.rtol, options.near.atol):
                raise GradcheckError(_mismatch(matrix, expected, count, input))


def compare_projections(case: Case, returned: Tensors) -> None:
    """Compares v J u for random u and v of length one, whose elements are not negative.

    Raises:
        GradcheckError: for a difference.
    """
    options, generator = case.options, Generator().manual_seed(0)

    def direction(tensor: Any) -> Any:
        made = rand(tensor.numel(), generator=generator).to(tensor.dtype)
        return (made / made.norm()).reshape(tensor.shape)

    wanted = [place for place, o in enumerate(returned) if o.requires_grad]
    right = [direction(tensor) for tensor in case.by]
    left = {place: direction(returned[place]) for place in wanted}
    moved = [_difference(case, t, u) for t, u in zip(case.by, right, strict=True)]
    if not wanted:
        if any(
            c.numel() and c.abs().max().item() > options.near.nondet_tol for m in moved for c in m
        ):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    products = {place: _rows(returned[place], case.by, [left[place]], options) for place in wanted}
    for input, (u, changes) in enumerate(zip(right, moved, strict=True)):
        for count, place in enumerate(wanted):
            v = left[place].reshape(-1)
            analytical = (products[place][input].reshape(-1) * u.reshape(-1)).sum()
            numerical = (changes[place] * v).sum()
            atol = options.near.atol * u.sum().item() * v.sum().item()
            if not _close(analytical, numerical, options.near.rtol, atol):
                whole = _numerical(case, case.by[input], returned)[place]
                matrix = _rows(returned[place], case.by, list(_units(returned[place])), options)
                raise GradcheckError(
                    _mismatch(analytical, numerical, count, input)
                    + "\nThese are projections of the Jacobians (fast mode). The whole of them:\n"
                    + f"Numerical:\n {whole}\nAnalytical:\n{matrix[input]}\n"
                )
