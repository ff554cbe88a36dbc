"""Every choice between equivalent ONNX forms that rests on a measurement, in one place.

The numbers are CPU milliseconds of ONNX Runtime 1.31 on one thread of a Zen 4 core, each form
against PyTorch's kernel for the same shape; a tuner may replace the whole object.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Choices", "WeightGradient"]


class WeightGradient(enum.Enum):
    """How a convolution's weight gradient is written."""

    SUM = "a batched product for each image, then a sum"
    GEMM = "one product for each tap"
    COLUMNS = "all taps side by side, one product"


@dataclass(frozen=True)
class Choices:
    """Which form to write.

    Attributes:
        threads: threads of the session; serial kernels (Slice, Pad, Expand) cost more with more.
        small_constant: largest number of elements kept as a constant rather than computed.
        large_mask: elements from which on ``where(c, 0, x)`` is a product if x is finite.
    """

    threads: int = 1
    small_constant: int = 4096
    large_mask: int = 1 << 15

    def weight_gradient(
        self, channels: int, taps: int, positions: int, stride: int
    ) -> WeightGradient:
        """The form of a convolution's weight gradient.

        Args:
            channels: input channels of one group.
            taps: size of the kernel, all axes multiplied.
            positions: output positions of one image.
            stride: the largest stride.
        """
        if channels * taps <= 200 or channels < 16:
            return WeightGradient.SUM  # few channels: one fat batched product, no transposes
        if taps == 1:
            return WeightGradient.GEMM if stride == 1 else WeightGradient.SUM
        if positions <= 64:
            return WeightGradient.COLUMNS  # late layers: products of single taps are too small
        if self.threads == 1:
            return WeightGradient.GEMM
        # Slices run on one thread, so several threads gain by few large products.
        return WeightGradient.SUM if positions >= 512 and stride == 1 else WeightGradient.COLUMNS

    def transposes_convolution(self, channels: int, stride: int) -> bool:
        """True if the input gradient is a ConvTranspose, False for a Conv with flipped weights."""
        return stride > 1 or channels < 16
