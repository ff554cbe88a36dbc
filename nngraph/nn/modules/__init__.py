"""The layers, in files named as PyTorch's; their classes also come from here."""

from __future__ import annotations

import sys
from typing import Any

from nngraph.nn.modules import utils

__all__ = ["utils"]


def __getattr__(name: str) -> Any:
    """``from nngraph.nn.modules import Linear``, which is ``nngraph.nn.Linear``."""
    layers = vars(sys.modules["nngraph.nn"])
    if name.startswith("_") or name not in layers:
        raise AttributeError(f"module 'nngraph.nn.modules' has no attribute {name!r}")
    return layers[name]
