"""PyTorch's path to ``HalfNormal`` (``torch.distributions.half_normal``)."""

from __future__ import annotations

from nngraph.distributions.half import HalfNormal

__all__ = ["HalfNormal"]
