"""PyTorch-style training code compiled into one typed graph, and from there to ONNX or TVM."""

from __future__ import annotations

from nngraph.version import __version__

__all__ = ["__version__"]
