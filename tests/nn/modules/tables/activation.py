"""Cases: activation."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import function, of, x

_IN_PLACE = "tests/nn/test_in_place.py"
_ADAPTIVE = (8, 10, [2, 5])
_TARGETS = np.array([0, 1, 4, 9, 2, 5])

CASES = [
    of("ReLU").on(x(3, 4)),
    of("ReLU", inplace=True),
    of("ReLU6").on(x(3, 4) * 6),
    of("GELU").on(x(3, 4)),
    of("GELU", approximate="tanh").on(x(3, 4)),
    of("SiLU").on(x(3, 4)),
    of("Mish").on(x(3, 4)),
    of("Sigmoid").on(x(3, 4) * 5),
    of("LogSigmoid").on(x(3, 4) * 5),
    of("Tanh").on(x(3, 4)),
    of("Tanhshrink").on(x(3, 4)),
    of("Softsign").on(x(3, 4)),
    of("Softmax", dim=1).on(x(3, 4)),
    of("Softmin", dim=-1).on(x(3, 4)),
    of("LogSoftmax", dim=0).on(x(3, 4)),
    of("Softmax2d").on(x(2, 3, 2, 2)),
    of("LeakyReLU").on(x(3, 4)),
    of("LeakyReLU", 0.2, inplace=True),
    of("ELU", 1.3).on(x(3, 4) * 3),
    of("CELU", 2.0).on(x(3, 4) * 3),
    of("SELU").on(x(3, 4)),
    of("PReLU").on(x(3, 4)),
    of("PReLU", 3, init=0.1).on(x(2, 3, 4)),
    of("Softplus").on(x(3, 4) * 15),
    of("Softplus", 2.0, 5.0).on(x(3, 4) * 3),
    of("Softshrink").on(x(3, 4)),
    of("Hardshrink", 0.3).on(x(3, 4)),
    of("Hardtanh", -2, 1.5).on(np.array([-3.0, -2.0, 0.0, 1.5, 2.0])),
    of("Hardsigmoid").on(np.array([-4.0, -3.0, 0.5, 3.0, 4.0])).but(rough=1e-7),
    of("Hardswish").on(np.array([-4.0, -2.5, 0.5, 2.5, 4.0])),
    of("Threshold", 0.1, 20.0).on(x(3, 4)),
    of("GLU", 1).on(x(3, 4)),
    of("RReLU", 0.2, 0.2).on(x(3, 4)),
    of("RReLU", 0.3, 0.3, True),
    of("RReLU", 0.3, 0.2).on(x(3, 4)).but(raises=True),
    function("rrelu", lower=0.1, upper=0.5).on(x(3, 4)),
    of("Hardtanh", min_value=-0.5, max_value=0.7).on(x(3, 4)),
    of("Hardtanh", 1.0, 1.0).but(raises=True),
    *(
        function(name, **options).on(x(3, 4)).but(no_gradient=_IN_PLACE)
        for name, options in (
            ("celu_", {"alpha": 0.7}),
            ("elu_", {"alpha": 0.7}),
            ("hardtanh_", {"min_val": -0.3}),
            ("leaky_relu_", {"negative_slope": 0.2}),
            ("relu_", {}),
            ("rrelu_", {}),
            ("selu_", {}),
            ("threshold_", {"threshold": 0.1, "value": 7.0}),
        )
    ),
    function("relu_").on(x(3, 4)).but(raises=True),
    *(of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE, **more) for more in ({}, {"head_bias": True})),
    # (What no target needs has no gradient in PyTorch, and one of zeros here.)
    of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE, head_bias=True)
    .on(x(6, 8), _TARGETS)
    .but(unlike=("one sample", "no sample")),
    of("AdaptiveLogSoftmaxWithLoss", 8, 10, [3], div_value=2.0)
    .on(x(6, 8), _TARGETS)
    .but(unlike=("one sample", "no sample")),
    of("AdaptiveLogSoftmaxWithLoss", 8, 10, [2]).on(x(8), np.array(5)),
    of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE).on(x(6, 8), _TARGETS + 1).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE).on(x(5, 8), _TARGETS).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE).on(x(8), _TARGETS).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", *_ADAPTIVE).on(x(6, 8), _TARGETS[None]).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", 8, 10, []).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", 8, 10, [3, 3]).but(raises=True),
    of("AdaptiveLogSoftmaxWithLoss", 8, 10, [10]).but(raises=True),
]
