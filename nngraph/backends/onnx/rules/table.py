"""The table of all emission rules: operator class -> rule."""

from __future__ import annotations

from nngraph.backends.onnx.emission import Emissions
from nngraph.backends.onnx.rules import (
    control,
    conv,
    elementwise,
    index,
    linalg,
    norm,
    pool,
    random,
    reduce,
    shape,
)

__all__ = ["EMISSIONS"]

EMISSIONS: Emissions = {
    **shape.EMISSIONS,
    **elementwise.EMISSIONS,
    **reduce.EMISSIONS,
    **linalg.EMISSIONS,
    **index.EMISSIONS,
    **conv.EMISSIONS,
    **norm.EMISSIONS,
    **pool.EMISSIONS,
    **random.EMISSIONS,
    **control.EMISSIONS,
}
