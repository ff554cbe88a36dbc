"""Kullback-Leibler divergences, by pairs of classes."""

from __future__ import annotations

from collections.abc import Callable

from nngraph.distributions.distribution import Distribution
from nngraph.distributions.independent import Independent, sum_rightmost
from nngraph.distributions.kl_cross import CROSS
from nngraph.distributions.kl_same import SAME
from nngraph.distributions.kl_table import F, Rule, Table
from nngraph.distributions.transformed_distribution import TransformedDistribution
from nngraph.frontend.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

_RULES = Table({**SAME, **CROSS})


def register_kl(type_p: type, type_q: type) -> Callable[[F], F]:
    """A decorator: the function is the divergence of these classes and their subclasses.

    Raises:
        TypeError: for what is no class of distributions.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    return _RULES.of(type_p, type_q)


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """``E_p[log p(x) - log q(x)]``, of the shape of the batch.

    Raises:
        NotImplementedError: for a pair that has no rule.
    """
    best: tuple[int, Rule] | None = None
    for (first, second), rule in _RULES.items():
        if isinstance(p, first) and isinstance(q, second):
            far = type(p).__mro__.index(first) + type(q).__mro__.index(second)
            if best is None or far < best[0]:
                best = (far, rule)
    if best is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}: register_kl adds one"
        )
    return best[1](p, q)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)
