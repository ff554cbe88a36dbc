"""Every choice between equivalent ONNX forms that rests on a measurement, in one place.

The numbers are CPU milliseconds of ONNX Runtime 1.31 on one thread of a Zen 4 core, each form
against PyTorch's kernel for the same shape; a tuner may replace the whole object.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Choices"]


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

    def weight_gradient(self, channels: int, taps: int, positions: int, stride: int) -> str:
        """How a convolution's weight gradient is written.

        Args:
            channels: input channels of one group.
            taps: size of the kernel, all axes multiplied.
            positions: output positions of one image.
            stride: the largest stride.

        Returns:
            ``"sum"`` (batched product for each image, then a sum), ``"gemm"`` (one product for
            each tap) or ``"columns"`` (all taps side by side, one product).
        """
        if channels * taps <= 200 or channels < 16:
            return "sum"  # few channels: one fat batched product, no transposes
        if taps == 1:
            return "gemm" if stride == 1 else "sum"
        if positions <= 64:
            return "columns"  # late layers: products of single taps are too small
        if self.threads == 1:
            return "gemm"
        # Slices run on one thread, so several threads gain by few large products.
        return "sum" if positions >= 512 and stride == 1 else "columns"

    def transposes_convolution(self, channels: int, stride: int) -> bool:
        """True if the input gradient is a ConvTranspose, False for a Conv with flipped weights."""
        return stride > 1 or channels < 16
