"""Pooling: windows that slide, windows of unequal sizes, and the way back from maxima."""

from __future__ import annotations
