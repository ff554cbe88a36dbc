"""Cases: pooling."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import of, shares, x

_PLACES_1D = np.array([[[0, 3, 4], [1, 2, 5]], [[1, 3, 5], [0, 2, 4]]])
_PLACES_2D = np.array([[[[0, 3], [9, 14]]], [[[5, 6], [8, 11]]]])
_SAMPLES = np.random.default_rng(1).uniform(0.1, 0.9, (2, 3, 2))
_SAMPLES_3D = np.random.default_rng(1).uniform(0.1, 0.9, (2, 2, 3))

CASES = [
    of("MaxPool1d", 2).on(x(2, 3, 7)),
    of("MaxPool2d", 2).on(x(2, 3, 6, 7)),
    of("MaxPool2d", (3, 2), stride=2, padding=1, ceil_mode=True).on(x(2, 3, 6, 7)),
    of("MaxPool2d", 2, dilation=2, stride=1).on(x(3, 6, 7)),
    of("MaxPool3d", 2).on(x(2, 3, 4, 4, 5)),
    of("AvgPool1d", 3, stride=2, padding=1).on(x(2, 3, 7)),
    of("AvgPool2d", 2).on(x(2, 3, 6, 7)),
    of("AvgPool2d", 3, stride=2, padding=1, count_include_pad=False).on(x(2, 3, 6, 7)),
    of("AvgPool2d", 3, stride=2, ceil_mode=True, divisor_override=4).on(x(2, 3, 6, 8)),
    of("AvgPool3d", 2).on(x(2, 3, 4, 4, 4)),
    of("AdaptiveAvgPool1d", 3).on(x(2, 3, 7)),
    of("AdaptiveAvgPool2d", 1).on(x(2, 3, 6, 7)),
    of("AdaptiveAvgPool2d", (3, 2)).on(x(2, 3, 6, 8)),
    of("AdaptiveAvgPool2d", (4, 3)).on(x(3, 6, 7)),
    of("AdaptiveAvgPool2d", (None, 3)).on(x(2, 3, 6, 7)),
    of("AdaptiveAvgPool3d", 2).on(x(2, 3, 4, 4, 5)),
    *(
        of("MaxPool2d", 2, return_indices=True, **options).on(x(2, 3, 6, 7))
        for options in ({}, {"ceil_mode": True}, {"padding": 1, "dilation": 1, "stride": (1, 2)})
    ),
    of("MaxPool1d", 3, 2, return_indices=True).on(x(2, 3, 7)),
    of("MaxPool3d", 2, return_indices=True).on(x(2, 3, 4, 4, 5)),
    of("MaxPool2d", 2, padding=2).on(x(2, 3, 6, 7)).but(raises=True),
    of("AvgPool2d", 2, divisor_override=0).on(x(2, 3, 6, 7)).but(raises=True),
    of("AvgPool3d", 2, divisor_override=3).on(x(2, 3, 4, 4, 4)),
    of("AdaptiveMaxPool1d", 3).on(x(2, 3, 7)),
    of("AdaptiveMaxPool1d", 3, return_indices=True).on(x(2, 3, 6)),
    of("AdaptiveMaxPool2d", (3, 2)).on(x(2, 3, 7, 6)),
    of("AdaptiveMaxPool2d", (None, 3), return_indices=True).on(x(2, 3, 4, 7)),
    of("AdaptiveMaxPool2d", 9).on(x(2, 3, 4, 7)),
    of("AdaptiveMaxPool2d", (2, 3, 4)).on(x(2, 3, 4, 7)).but(raises=True),
    of("AdaptiveMaxPool2d", 2).on(x(2, 3, 0, 7)).but(raises=True),
    of("AdaptiveMaxPool3d", (2, 3, 1), True).on(x(2, 2, 5, 4, 3)),
    of("AdaptiveMaxPool3d", 2).on(x(2, 2, 4, 4, 4)),
    of("LPPool1d", 2, 3).on(x(2, 3, 7)),
    of("LPPool1d", 1.5, 2, ceil_mode=True).on(shares(2, 3, 7)),
    of("LPPool2d", 2, (3, 2), stride=(2, 1)).on(x(2, 3, 7, 6)),
    of("LPPool2d", 3, 2).on(x(2, 3, 7, 6)),
    of("LPPool2d", np.inf, 2).on(x(2, 3, 7, 6)),
    of("LPPool2d", -np.inf, 2).on(x(2, 3, 7, 6)),
    of("LPPool3d", 2, 2, ceil_mode=True).on(x(2, 3, 5, 4, 5)),
    of("MaxUnpool1d", 2).on(x(2, 2, 3), _PLACES_1D),
    of("MaxUnpool2d", 2).on(x(2, 1, 2, 2), _PLACES_2D),
    of("MaxUnpool2d", 2, 2).on(x(2, 1, 2, 2), _PLACES_2D, output_size=[2, 1, 5, 4]),
    of("MaxUnpool2d", 2, 2).on(x(2, 1, 2, 2), _PLACES_2D, output_size=[9, 4]).but(raises=True),
    of("MaxUnpool2d", 2).on(x(2, 1, 2, 2), _PLACES_2D[:1]).but(raises=True),
    of("MaxUnpool2d", 2).on(x(2, 1, 2, 2), _PLACES_2D + 9).but(raises=True),
    of("MaxUnpool2d", 2).on(x(2, 1, 2, 2), x(2, 1, 2, 2)).but(raises=True),
    of("MaxUnpool3d", 2, padding=0).on(x(1, 1, 1, 2, 1), np.array([[[[[3], [14]]]]])),
    of("FractionalMaxPool2d", 2, (3, 4), _random_samples=_SAMPLES).on(x(2, 3, 6, 9)),
    of("FractionalMaxPool2d", (3, 2), None, 0.5, True, _SAMPLES).on(x(2, 3, 7, 8)),
    of("FractionalMaxPool2d", 2, (1, 7), _random_samples=_SAMPLES).on(x(2, 3, 6, 9)),
    of("FractionalMaxPool2d", 2).but(raises=True),
    of("FractionalMaxPool2d", 2, 2, 0.5).but(raises=True),
    of("FractionalMaxPool2d", 2, None, 1.5).but(raises=True),
    of("FractionalMaxPool2d", 2, 6).on(x(2, 3, 6, 9)).but(raises=True),
    of("FractionalMaxPool3d", 2, (3, 2, 4), _random_samples=_SAMPLES_3D).on(x(2, 2, 5, 6, 7)),
    of("FractionalMaxPool3d", 2, None, (0.5, 0.4, 0.6), True, _SAMPLES_3D).on(x(2, 2, 5, 6, 7)),
    of("FractionalMaxPool3d", 0, 1).but(raises=True),
    of("FractionalMaxPool3d", (2, 2, 1), (4, 3, 3)).on(x(2, 2, 5, 6, 7)).but(raises=True),
]
