"""Methods in place that PyTorch has as functions, too: ``ng.exp_(x)`` is ``x.exp_()``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from nngraph.frontend.tensor import Tensor

__all__ = ["IN_PLACE"]

_NAMES = """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_
    atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_
    exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_
    logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_ round_ rsqrt_ sigmoid_ sin_ sinc_
    sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_
"""


def _function(name: str) -> Callable[..., Any]:
    method = getattr(Tensor, name)

    @wraps(method)
    def call(input: Tensor, *args: Any, **given: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}"
            )
        result: Tensor = method(input, *args, **given)
        return result

    call.__name__ = call.__qualname__ = name
    return call


#: The functions by their names in ``ng``.
IN_PLACE = {name: _function(name) for name in _NAMES.split()}
