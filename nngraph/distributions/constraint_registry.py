"""From constraints to transforms: of all numbers to the region (``biject_to``, ``transform_to``).

Source: https://docs.pytorch.org/docs/stable/distributions.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph.distributions import constraints, transforms
from nngraph.distributions.constraints import Constraint
from nngraph.distributions.transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """Of each class of constraints the function that makes a transform of one.

    ``biject_to(constraint)`` gives a bijection with the volume change's logarithm, and
    ``transform_to(constraint)`` a map that may be cheaper; a class without one raises
    ``NotImplementedError``.
    """

    def __init__(self) -> None:
        self._registry: dict[type[Constraint], Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Adds a class, or that of an instance; a decorator without the function.

        Raises:
            TypeError: for what is no constraint.
        """
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, Constraint)):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform to a region.

        Raises:
            NotImplementedError: for a class without one.
        """
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _greater_than(constraint: Any) -> Transform:
    moved = transforms.AffineTransform(constraint.lower_bound, 1)
    return transforms.ComposeTransform([transforms.ExpTransform(), moved])


def _less_than(constraint: Any) -> Transform:
    moved = transforms.AffineTransform(constraint.upper_bound, -1)
    return transforms.ComposeTransform([transforms.ExpTransform(), moved])


def _interval(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    is_unit = all(isinstance(v, int | float) for v in (low, high)) and (low, high) == (0, 1)
    unit = transforms.SigmoidTransform()
    if is_unit:
        return unit
    return transforms.ComposeTransform([unit, transforms.AffineTransform(low, high - low)])


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda _: transforms.identity_transform)
    _registry.register(constraints.greater_than, _greater_than)
    _registry.register(constraints.greater_than_eq, _greater_than)
    _registry.register(constraints.less_than, _less_than)
    _registry.register(constraints.interval, _interval)
    _registry.register(constraints.half_open_interval, _interval)
    _registry.register(constraints.corr_cholesky, lambda _: transforms.CorrCholeskyTransform())

    def _independent(constraint: Any, to: ConstraintRegistry = _registry) -> Transform:
        base, axes = to(constraint.base_constraint), constraint.reinterpreted_batch_ndims
        return transforms.IndependentTransform(base, axes)

    def _cat(constraint: Any, to: ConstraintRegistry = _registry) -> Transform:
        parts = [to(c) for c in constraint.cseq]
        return transforms.CatTransform(parts, constraint.dim, constraint.lengths)

    def _stack(constraint: Any, to: ConstraintRegistry = _registry) -> Transform:
        return transforms.StackTransform([to(c) for c in constraint.cseq], constraint.dim)

    _registry.register(constraints.independent, _independent)
    _registry.register(constraints.cat, _cat)
    _registry.register(constraints.stack, _stack)

biject_to.register(constraints.simplex, lambda _: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda _: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda _: transforms.LowerCholeskyTransform())
for _constraint in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_constraint, lambda _: transforms.PositiveDefiniteTransform())
