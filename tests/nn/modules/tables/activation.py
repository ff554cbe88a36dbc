"""Cases: activation."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import of, x

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
]
