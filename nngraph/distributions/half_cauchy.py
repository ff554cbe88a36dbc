"""PyTorch's path to ``HalfCauchy`` (``torch.distributions.half_cauchy``)."""

from __future__ import annotations

from nngraph.distributions.half import HalfCauchy

__all__ = ["HalfCauchy"]
