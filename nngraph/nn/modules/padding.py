"""Padding: more elements around the last axes."""

from __future__ import annotations

from typing import ClassVar

from nngraph.frontend.tensor import Tensor
from nngraph.nn import functional as F
from nngraph.nn.functional.sizes import PerAxis
from nngraph.nn.modules.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Attributes: padding, before and after, the last axis first."""

    _axes: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: PerAxis) -> None:
        super().__init__()
        count = 2 * self._axes
        self.padding = (padding,) * count if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        ranks = (self._axes + 1, self._axes + 2)
        if input.ndim not in ranks:
            raise ValueError(f"expected {ranks[0]}D or {ranks[1]}D input (got {input.ndim}D input)")
        return super().forward(input)


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: PerAxis, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ReflectionPad1d(_ReflectionPadNd):
    """``[N, C, L]`` or ``[C, L]`` with mirrored ends, the edges not repeated."""

    _axes = 1


class ReflectionPad2d(_ReflectionPadNd):
    """``[N, C, H, W]`` or ``[C, H, W]`` with mirrored margins, the edges not repeated.

    Args:
        padding: one number, or (left, right, top, bottom), each below the size of its axis.
    """

    _axes = 2


class ReflectionPad3d(_ReflectionPadNd):
    """``[N, C, D, H, W]`` or ``[C, D, H, W]`` with mirrored margins, the edges not repeated."""

    _axes = 3


class ReplicationPad1d(_ReplicationPadNd):
    """``[N, C, L]`` or ``[C, L]`` with its edges repeated."""

    _axes = 1


class ReplicationPad2d(_ReplicationPadNd):
    """``[N, C, H, W]`` or ``[C, H, W]`` with its edges repeated."""

    _axes = 2


class ReplicationPad3d(_ReplicationPadNd):
    """``[N, C, D, H, W]`` or ``[C, D, H, W]`` with its edges repeated."""

    _axes = 3


class CircularPad1d(_CircularPadNd):
    """``[N, C, L]`` or ``[C, L]`` that goes on from its other end.

    Raises:
        ValueError: for inputs of another rank.
    """

    _axes = 1


class CircularPad2d(_CircularPadNd):
    """``[N, C, H, W]`` or ``[C, H, W]`` that goes on from its other side."""

    _axes = 2


class CircularPad3d(_CircularPadNd):
    """``[N, C, D, H, W]`` or ``[C, D, H, W]`` that goes on from its other side."""

    _axes = 3


class ConstantPad1d(_ConstantPadNd):
    """Any input with ``value`` around its last axis."""

    _axes = 1


class ConstantPad2d(_ConstantPadNd):
    """Any input with ``value`` around its last two axes."""

    _axes = 2


class ConstantPad3d(_ConstantPadNd):
    """Any input with ``value`` around its last three axes."""

    _axes = 3


class ZeroPad1d(ConstantPad1d):
    """Any input with zeros around its last axis."""

    def __init__(self, padding: PerAxis) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Any input with zeros around its last two axes."""

    def __init__(self, padding: PerAxis) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Any input with zeros around its last three axes."""

    def __init__(self, padding: PerAxis) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
