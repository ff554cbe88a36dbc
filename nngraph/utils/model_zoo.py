"""Weights from the network (``torch.utils.model_zoo``): refused."""

from __future__ import annotations

from nngraph.frontend.elsewhere import elsewhere

__all__ = ["load_url"]

load_url = elsewhere(
    "utils.model_zoo.load_url", "download the file yourself, and load it with ng.load(path)"
)
