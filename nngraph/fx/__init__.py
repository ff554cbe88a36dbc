"""Graphs of modules, as PyTorch's code asks for them (``torch.fx``): ``ng.trace`` gives them."""

from __future__ import annotations

from typing import Any

from nngraph.frontend.elsewhere import elsewhere

__all__ = ["symbolic_trace", "wrap"]

symbolic_trace = elsewhere(
    "fx.symbolic_trace",
    "ng.trace(model, *inputs) gives a graph of typed operators, which passes rewrite; "
    "docs/extending.md",
)


def wrap(fn_or_name: Any) -> Any:
    """The function, or its name, itself: all calls are traced through."""
    return fn_or_name
