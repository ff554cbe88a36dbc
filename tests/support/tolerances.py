"""How closely results must agree, by element type: the only place that says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.ir.dtypes import as_dtype

# Relative error, and absolute error for results near zero. A unit in the last place is 2e-16 of
# float64, 1.2e-7 of float32, 1e-3 of float16 and 8e-3 of bfloat16.
BACKEND = {
    "float64": (1e-11, 1e-12),
    "float32": (1e-5, 2e-6),
    "float16": (4e-3, 2e-3),
    "bfloat16": (3e-2, 1.6e-2),
}
# Special functions against PyTorch's float64, of which some have eight digits themselves; the last
# digits are compared with exact values (LAST_DIGITS units in the last place).
PYTORCH_SPECIAL = {
    "float64": (1e-8, 1e-8),
    "float32": (4e-6, 2e-6),
    "float16": (1e-3, 1e-3),
    "bfloat16": (8e-3, 4e-3),
}
LAST_DIGITS = 8
# Central differences in float64 with steps of 1e-6.
DERIVATIVE = (2e-6, 2e-7)

# Sums of 10,000 to 100,000,000 random float32 terms of one sign, relative (docs/numerics.md).
LONG_SUM = 2e-6

# Losses and parameters of up to twenty training steps, against PyTorch: rounding differs in every
# step and grows from step to step.
TRAJECTORY = {"float64": (1e-10, 1e-11), "float32": (1e-4, 1e-5)}


def assert_close(got: Any, wanted: Any, note: str = "", scale: float = 1.0) -> None:
    """Same type and shape; numbers within the type's tolerance, everything else equal."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype, f"{note}: {got.dtype}, not {wanted.dtype}"
    assert got.shape == wanted.shape, f"{note}: {got.shape}, not {wanted.shape}"
    dtype = as_dtype(wanted.dtype)
    if not dtype.is_floating_point:
        np.testing.assert_array_equal(got, wanted, err_msg=note)
        return
    relative, absolute = BACKEND[dtype.name]
    np.testing.assert_allclose(
        got.astype(np.float64),
        wanted.astype(np.float64),
        relative * scale,
        absolute * scale,
        err_msg=note,
    )
