"""Comparisons for tests (``torch.testing``)."""

from __future__ import annotations

from nngraph.testing.comparison import assert_close

__all__ = ["assert_close"]
