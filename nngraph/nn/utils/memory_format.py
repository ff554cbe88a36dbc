"""Layouts of weights, which backends choose by themselves."""

from __future__ import annotations

from typing import TypeVar

from nngraph.frontend.devices import memory_format as Format
from nngraph.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: Format) -> M:
    """The module itself: tensors here are contiguous, and a backend lays out what its kernels want.

    Raises:
        TypeError: for what is no format.
    """
    return _same(module, memory_format)


def convert_conv3d_weight_memory_format(module: M, memory_format: Format) -> M:
    """As ``convert_conv2d_weight_memory_format``."""
    return _same(module, memory_format)


def _same(module: M, memory_format: object) -> M:
    if not isinstance(memory_format, Format):
        raise TypeError(f"expected a memory_format such as ng.channels_last, got {memory_format!r}")
    return module
