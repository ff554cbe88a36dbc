"""Exponential families: what they share."""

from __future__ import annotations

from typing import Any

from nngraph.distributions.distribution import Distribution
from nngraph.frontend.autograd import grad
from nngraph.frontend.modes import enable_grad
from nngraph.frontend.tensor import Tensor

__all__ = ["ExponentialFamily", "bregman"]


class ExponentialFamily(Distribution):
    """Base of distributions with a density ``exp(<t(x), theta> - F(theta) + k(x))``.

    A subclass gives the natural parameters ``theta`` (``_natural_params``), the log-normaliser F of
    them (``_log_normalizer``) and the mean of k (``_mean_carrier_measure``); the entropy and the
    divergence of two of one class follow (Nielsen and Nock, 2010).
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        carried = self._mean_carrier_measure
        normaliser, parts = self._moments()
        found: Tensor = normaliser - carried
        for parameter, mean in parts:
            found = found - self._of_batch(parameter * mean)
        return found

    def _moments(self) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """F, and of each natural parameter its value and the mean of its statistic (F's slope)."""
        with enable_grad():
            given = self._natural_params
            own = [p if p.requires_grad else p.detach().requires_grad_() for p in given]
            normaliser = self._log_normalizer(*own)
            slopes = grad(normaliser.sum(), own, create_graph=True)
        return normaliser, list(zip(given, slopes, strict=True))

    def _of_batch(self, terms: Tensor) -> Tensor:
        """Terms of a natural parameter, summed over the axes of an event."""
        over = terms.ndim - len(self._batch_shape)
        found: Tensor = terms.flatten(-over).sum(-1) if over else terms
        return found


def bregman(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The divergence of two members of one family.

    Raises:
        NotImplementedError: for two of different classes.
    """
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed "
            f"using Bregman divergences: got {type(p).__name__} and {type(q).__name__}"
        )
    normaliser, parts = p._moments()
    found = q._log_normalizer(*q._natural_params) - normaliser
    for (here, mean), there in zip(parts, q._natural_params, strict=True):
        found = found - p._of_batch((there - here) * mean)
    return found
