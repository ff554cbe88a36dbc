"""Lines, images and volumes of other sizes."""

from __future__ import annotations

from nngraph.frontend.tensor import Tensor
from nngraph.nn import functional as F
from nngraph.nn.functional.vision.resize import Factors, Sizes
from nngraph.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """``[N, C, *S]`` resampled; see ``F.interpolate``."""

    scale_factor: Factors | None

    def __init__(
        self,
        size: Sizes | None = None,
        scale_factor: Factors | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, float | int | None):
            self.scale_factor = float(scale_factor) if scale_factor else None
        else:
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        scaled = self.scale_factor is not None
        sizes = f"scale_factor={self.scale_factor!r}" if scaled else f"size={self.size!r}"
        return f"{sizes}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images of more pixels, each a copy of the nearest."""

    def __init__(self, size: Sizes | None = None, scale_factor: Factors | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images of more pixels, with the corners' centres where they were."""

    def __init__(self, size: Sizes | None = None, scale_factor: Factors | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
