"""Cases: other sizes, other places, patches, channels as pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.nn.modules.case import Case, Draw, function, ids, of, x

_LINE, _IMAGE, _VOLUME = x(2, 3, 5), x(2, 3, 5, 4), x(2, 2, 3, 4, 3)


def _resized(given: Draw, *modes: str, **options: Any) -> list[Case]:
    return [function("interpolate", mode=mode, **options).on(given) for mode in modes]


_RESIZED = [
    *_resized(_LINE, "nearest", "nearest-exact", "linear", "area", size=7),
    *_resized(_LINE, "nearest", "nearest-exact", "linear", "area", scale_factor=2.0),
    *_resized(_LINE, "nearest", "nearest-exact", "linear", "area", scale_factor=0.7),
    *_resized(_LINE, "linear", size=3, align_corners=True),
    *_resized(_LINE, "linear", size=1, align_corners=True),
    *_resized(_LINE, "linear", size=5),
    *_resized(_IMAGE, "nearest", "nearest-exact", "bilinear", "bicubic", "area", size=(7, 3)),
    *_resized(_IMAGE, "nearest", "nearest-exact", "bilinear", "bicubic", "area", scale_factor=3),
    *_resized(_IMAGE, "nearest", "bilinear", "bicubic", scale_factor=(1.3, 0.6)),
    *_resized(x(1, 2, 1, 3), "nearest", "bilinear", "bicubic", size=(4, 6)),
    *_resized(_IMAGE, "bilinear", "bicubic", size=(10, 8)),
    *_resized(
        _IMAGE, "nearest", "bilinear", "bicubic", scale_factor=1.7, recompute_scale_factor=True
    ),
    *_resized(_IMAGE, "bilinear", "bicubic", size=(7, 9), align_corners=True),
    *_resized(_IMAGE, "bilinear", "bicubic", scale_factor=1.5, align_corners=True),
    *_resized(_IMAGE, "bilinear", "bicubic", "lanczos", size=(3, 2), antialias=True),
    *_resized(_IMAGE, "bilinear", "bicubic", "lanczos", size=(2, 9), antialias=True),
    *_resized(_IMAGE, "bilinear", "bicubic", size=(3, 6), antialias=True, align_corners=True),
    *_resized(_IMAGE, "bilinear", scale_factor=0.6, antialias=True),
    *_resized(_VOLUME, "nearest", "nearest-exact", "trilinear", "area", size=(5, 3, 4)),
    *_resized(_VOLUME, "nearest", "trilinear", scale_factor=2),
    *_resized(_VOLUME, "trilinear", scale_factor=1.4, align_corners=True),
]
_REFUSED = [
    *_resized(_LINE, "bilinear", "trilinear", "bicubic", "some", size=7),
    *_resized(_IMAGE, "linear", "trilinear", size=7),
    *_resized(_IMAGE, "nearest", "area", size=7, align_corners=True),
    *_resized(_IMAGE, "nearest", size=7, scale_factor=2.0),
    *_resized(_IMAGE, "nearest"),
    *_resized(_IMAGE, "nearest", size=(1, 2, 3)),
    *_resized(_IMAGE, "nearest", size=(2.0, 3)),
    *_resized(_IMAGE, "nearest", scale_factor=(1.0, 2.0, 3.0)),
    *_resized(_IMAGE, "nearest", size=7, recompute_scale_factor=True),
    *_resized(_IMAGE, "nearest", "bilinear", size=0),
    *_resized(_IMAGE, "nearest", size=7, antialias=True),
    *_resized(_IMAGE, "lanczos", size=7),
    *_resized(_IMAGE, "lanczos", size=7, antialias=True, align_corners=True),
    *_resized(x(3, 4), "nearest", size=7),
]


def _grid(*shape: int) -> np.ndarray:
    """Places inside, outside and far outside, none at a joint of the pieces."""
    return np.random.default_rng(2).uniform(-1.7, 1.7, shape)


_COMPILED = {("bilinear", "zeros"), ("nearest", "border"), ("bicubic", "reflection")}
_SAMPLED = [
    function("grid_sample", mode=mode, padding_mode=padding, align_corners=align)
    .on(given, grid)
    .but(compiled=align and (mode, padding) in _COMPILED)
    for given, grid in ((_IMAGE, _grid(2, 3, 6, 2)), (_VOLUME, _grid(2, 2, 3, 2, 3)))
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for align in (True, False)
    if mode != "bicubic" or given is _IMAGE
]

# The gradient of shuffled pixels of no sample has another shape in PyTorch.
_NO_GRADIENT = ("no sample",)

CASES = [
    of("PixelShuffle", 2).on(x(2, 8, 3, 2)).but(unlike=_NO_GRADIENT),
    of("PixelShuffle", 3).on(x(18, 2, 1)).but(unlike=_NO_GRADIENT),
    of("PixelShuffle", 2).on(x(2, 6, 3, 2)).but(raises=True),
    of("PixelShuffle", 0).on(x(2, 6, 3, 2)).but(raises=True),
    of("PixelShuffle", 2).on(x(6, 3)).but(raises=True),
    of("PixelUnshuffle", 2).on(x(2, 3, 4, 6)).but(unlike=_NO_GRADIENT),
    of("PixelUnshuffle", 3).on(x(2, 6, 3)).but(unlike=_NO_GRADIENT),
    of("PixelUnshuffle", 2).on(x(2, 3, 3, 6)).but(raises=True),
    of("PixelUnshuffle", -1).on(x(2, 3, 3, 6)).but(raises=True),
    of("ChannelShuffle", 2).on(x(2, 6, 3, 2)),
    of("ChannelShuffle", 3).on(x(2, 6, 3)),
    of("ChannelShuffle", 4).on(x(2, 6, 3)).but(raises=True),
    of("ChannelShuffle", 2).on(x(2, 6)).but(raises=True),
    function("native_channel_shuffle", groups=2).on(ids(9, 2, 6, 3)),
    of("Unfold", 2).on(x(2, 3, 4, 5)),
    of("Unfold", (2, 3), dilation=(1, 2), padding=(1, 2), stride=(2, 1)).on(x(2, 2, 5, 6)),
    of("Unfold", 7).on(x(2, 3, 4, 5)).but(raises=True),
    of("Unfold", 2, stride=0).on(x(2, 3, 4, 5)).but(raises=True),
    of("Unfold", 2).on(x(1, 1, 2, 4, 5)).but(raises=True),
    of("Fold", (4, 5), 2).on(x(2, 12, 12)),
    of("Fold", (5, 6), (2, 3), dilation=(1, 2), padding=(1, 2), stride=(2, 1)).on(x(2, 6, 18)),
    of("Fold", (4, 5), 2).on(x(2, 12, 11)).but(raises=True),
    of("Fold", (4, 5), 2).on(x(2, 11, 12)).but(raises=True),
    of("Fold", (4, 5), 2, padding=-1).on(x(2, 12, 12)).but(raises=True),
    of("Upsample", scale_factor=2).on(_IMAGE),
    of("Upsample", (7, 9), mode="bilinear", align_corners=False).on(_IMAGE),
    of("Upsample", scale_factor=(1.5, 2.0), mode="bicubic").on(_IMAGE),
    of("UpsamplingNearest2d", 8).on(_IMAGE),
    of("UpsamplingNearest2d", scale_factor=(2, 3)).on(_IMAGE),
    of("UpsamplingBilinear2d", (8, 3)).on(_IMAGE),
    of("UpsamplingBilinear2d", scale_factor=2).on(_IMAGE),
    *_RESIZED,
    *(case.but(raises=True) for case in _REFUSED),
    function("upsample", size=7).on(_LINE),
    function("upsample_nearest", scale_factor=2).on(_LINE),
    function("upsample_bilinear", size=(3, 7)).on(_IMAGE),
    *_SAMPLED,
    function("grid_sample").on(_IMAGE, _grid(2, 3, 6, 2)),
    function("grid_sample", mode="bicubic").on(_VOLUME, _grid(2, 2, 3, 2, 3)).but(raises=True),
    function("grid_sample", mode="some").on(_IMAGE, _grid(2, 3, 6, 2)).but(raises=True),
    function("grid_sample", padding_mode="some").on(_IMAGE, _grid(2, 3, 6, 2)).but(raises=True),
    function("grid_sample").on(_IMAGE, _grid(1, 3, 6, 2)).but(raises=True),
    function("grid_sample").on(_IMAGE, _grid(2, 3, 6, 3)).but(raises=True),
    function("grid_sample").on(_LINE, _grid(2, 3, 2)).but(raises=True),
    function("affine_grid", size=(2, 3, 4, 5), align_corners=True).on(x(2, 2, 3)),
    function("affine_grid", size=(2, 3, 4, 5), align_corners=False).on(x(2, 2, 3)),
    function("affine_grid", size=(2, 3, 4, 1), align_corners=True).on(x(2, 2, 3)),
    function("affine_grid", size=(2, 3, 4, 5)).on(x(2, 2, 3)),
    function("affine_grid", size=(2, 3, 2, 4, 3), align_corners=False).on(x(2, 3, 4)),
    function("affine_grid", size=(2, 3, 4), align_corners=False).on(x(2, 2, 3)).but(raises=True),
    function("affine_grid", size=(2, 3, 4, 5), align_corners=False).on(x(2, 3, 3)).but(raises=True),
    function("affine_grid", size=(2, 3, 0, 5), align_corners=False).on(x(2, 2, 3)).but(raises=True),
    function("affine_grid", size=(3, 3, 4, 5), align_corners=False).on(x(2, 2, 3)).but(raises=True),
]
