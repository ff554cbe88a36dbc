"""Changes of all of a module's tensors: dtypes and devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from nngraph.frontend.base import TensorBase
from nngraph.frontend.devices import memory_format, need_cpu
from nngraph.frontend.functional.creation import empty_like
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.ir.dtypes import DType, bfloat16, float16, float32, float64
from nngraph.nn.modules.state import StateMethods

__all__ = ["ConversionMethods"]


class ConversionMethods(StateMethods):
    """What converts a ``Module``; each method returns the module."""

    _modules: Mapping[str, ConversionMethods | None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replaces the data of each parameter, its gradient, and each buffer by ``fn`` of it."""
        if recurse:
            for module in dict.fromkeys(self._modules.values()):  # one that has two names: once
                if module is not None:
                    module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is not None:
                with no_grad():
                    parameter.data = fn(parameter)
                    if parameter._grad is not None:
                        parameter._grad.data = fn(parameter._grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``to(device)``, ``to(dtype)``, ``to(tensor)``, ``to(memory_format=)``, or several.

        Floating point parameters and buffers get the dtype. The device is the CPU, and formats of
        memory change nothing: backends choose them.

        Raises:
            TypeError: for a dtype that is no floating point type, or another argument.
            AssertionError, RuntimeError: for another device.
        """
        dtype = _target(args, kwargs)
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got "
                f"desired dtype={dtype.name}"
            )
        return self._to_dtype(dtype)

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

    def type(self, dst_type: Any) -> Self:
        """Converts all parameters and buffers, as ``Tensor.type`` does."""
        return self._apply(lambda t: t.type(dst_type))

    def to_empty(self, *, device: object, recurse: bool = True) -> Self:
        """Leaves each parameter and buffer with memory of its own, whose elements mean nothing."""
        need_cpu(device)
        return self._apply(lambda t: empty_like(t), recurse=recurse)

    def share_memory(self) -> Self:
        """Moves parameters and buffers to memory that processes forked from this one share."""
        return self._apply(lambda t: t.share_memory_())

    def cpu(self) -> Self:
        """The module itself: its tensors are on the CPU."""
        return self

    def cuda(self, device: object = None) -> Self:
        """Refused, as by ``to("cuda")``."""
        return self.to("cuda")

    def xpu(self, device: object = None) -> Self:
        """Refused, as by ``to("xpu")``."""
        return self.to("xpu")

    def ipu(self, device: object = None) -> Self:
        """Refused, as by ``to("ipu")``."""
        return self.to("ipu")

    def mtia(self, device: object = None) -> Self:
        """Refused, as by ``to("mtia")``."""
        return self.to("mtia")


def _target(args: tuple[Any, ...], kwargs: dict[str, Any]) -> DType | None:
    """The dtype that the arguments of ``to`` ask for."""
    found: DType | None = None
    unknown = kwargs.keys() - {"device", "dtype", "tensor", "non_blocking", "memory_format"}
    layout = kwargs.get("memory_format")
    if unknown or (layout is not None and not isinstance(layout, memory_format)):
        raise TypeError(f"to() received an invalid combination of arguments - got {kwargs}")
    for value in (*args, *(kwargs.get(k) for k in ("device", "dtype", "tensor"))):
        if isinstance(value, memory_format):
            raise TypeError(f"to() takes a memory format by its name: memory_format={value}")
        if isinstance(value, TensorBase):
            found = value.dtype
        elif isinstance(value, DType):
            found = value
        elif value is not None and not isinstance(value, bool):
            if not isinstance(value, str | int) and not hasattr(value, "type"):
                raise TypeError(f"to() takes a device, a dtype or a tensor, not {value!r}")
            need_cpu(value)
    return found
