"""Changes of all of a module's tensors: dtypes and devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from nngraph.frontend.base import TensorBase
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, as_dtype, bfloat16, float16, float32, float64
from nngraph.nn.modules.state import StateMethods

__all__ = ["ConversionMethods"]


class ConversionMethods(StateMethods):
    """What converts a ``Module``; each method returns the module."""

    _modules: Mapping[str, ConversionMethods | None]

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replaces the data of each parameter, its gradient, and each buffer by ``fn`` of it."""
        for module in dict.fromkeys(self._modules.values()):  # one that has two names: once
            if module is not None:
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.data = fn(parameter.data)
                if parameter._grad is not None:
                    parameter._grad = fn(parameter._grad)
        for name, buffer in self._buffers.items():
            self._buffers[name] = None if buffer is None else fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Converts floating point parameters and buffers to a dtype (devices change nothing).

        Raises:
            TypeError: for a dtype that is no floating point type.
        """
        found = [as_dtype(v) for v in (*args, kwargs.get("dtype")) if isinstance(v, DType)]
        found += [v.dtype for v in args if isinstance(v, TensorBase)]
        if not found:
            return self
        if not found[0].is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got "
                f"desired dtype={found[0].name}"
            )
        return self._to_dtype(found[0])

    def _to_dtype(self, dtype: DType) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def float(self) -> Self:
        return self._to_dtype(float32)

    def double(self) -> Self:
        return self._to_dtype(float64)

    def half(self) -> Self:
        return self._to_dtype(float16)

    def bfloat16(self) -> Self:
        return self._to_dtype(bfloat16)

    def type(self, dst_type: DType) -> Self:
        """Converts all parameters and buffers."""
        return self._apply(lambda t: t.to(dst_type))

    def cpu(self) -> Self:
        return self
