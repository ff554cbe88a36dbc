"""Methods that change a tensor in place: PyTorch's names with a trailing underscore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from nngraph.frontend.base import TensorBase
from nngraph.frontend.promotion import Operand, as_tensor_like, is_safe_cast

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["InplaceMethods"]


def _in_place(name: str) -> Any:
    """The in-place form of the method ``name``."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._inplace(getattr(self, name)(*args, **kwargs))

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"``{name}`` whose result replaces the elements."
    return method


def _operator(name: str) -> Any:
    """The assignment operator of the method ``name``; other kinds of operands are refused."""

    def method(self: Any, other: Any) -> Any:
        return self._inplace(getattr(self, name)(other))

    method.__doc__ = f"``{name}`` whose result replaces the elements."
    return method


class InplaceMethods(TensorBase):
    """Each method is PyTorch's method of that name; all return the tensor itself.

    A result of a higher kind than the tensor's (bool < integer < floating point), or of another
    shape, raises ``RuntimeError``.
    """

    __slots__ = ()

    def _inplace(self, result: Tensor) -> Self:
        if not is_safe_cast(result.dtype, self.dtype):
            raise RuntimeError(
                f"result type {result.dtype.name} can't be cast to the desired output type "
                f"{self.dtype.name}; write x = x.op(...) to get a tensor of the result's type"
            )
        if result.type.shape != self.type.shape:
            raise RuntimeError(
                f"output with shape {list(self.type.shape)} doesn't match the broadcast shape "
                f"{list(result.type.shape)}"
            )
        same = result if result.dtype is self.dtype else result.to(self.dtype)
        return self._assign(same._variable)

    # -- arithmetic ------------------------------------------------------------------------
    add_, sub_, mul_, div_ = map(_in_place, ("add", "sub", "mul", "div"))
    pow_, remainder_, fmod_ = map(_in_place, ("pow", "remainder", "fmod"))
    floor_divide_, true_divide_ = map(_in_place, ("floor_divide", "div"))
    addcmul_, addcdiv_, lerp_ = map(_in_place, ("addcmul", "addcdiv", "lerp"))
    subtract_, multiply_, divide_ = sub_, mul_, div_
    clamp_, clamp_min_, clamp_max_ = map(_in_place, ("clamp", "clamp_min", "clamp_max"))
    clip_ = clamp_

    # -- functions of one tensor -------------------------------------------------------------
    neg_, abs_, sign_, square_ = map(_in_place, ("neg", "abs", "sign", "square"))
    exp_, expm1_, exp2_ = map(_in_place, ("exp", "expm1", "exp2"))
    log_, log1p_, log2_, log10_ = map(_in_place, ("log", "log1p", "log2", "log10"))
    sqrt_, rsqrt_, reciprocal_ = map(_in_place, ("sqrt", "rsqrt", "reciprocal"))
    sin_, cos_, tan_, tanh_ = map(_in_place, ("sin", "cos", "tan", "tanh"))
    sigmoid_, relu_, erf_ = map(_in_place, ("sigmoid", "relu", "erf"))
    floor_, ceil_, round_, trunc_ = map(_in_place, ("floor", "ceil", "round", "trunc"))
    nan_to_num_, cumsum_, cumprod_ = map(_in_place, ("nan_to_num", "cumsum", "cumprod"))

    # -- comparison, logic, bits -------------------------------------------------------------
    eq_, ne_, lt_, le_, gt_, ge_ = map(_in_place, ("eq", "ne", "lt", "le", "gt", "ge"))
    logical_not_, logical_and_ = map(_in_place, ("logical_not", "logical_and"))
    logical_or_, logical_xor_ = map(_in_place, ("logical_or", "logical_xor"))
    bitwise_not_, bitwise_and_ = map(_in_place, ("bitwise_not", "bitwise_and"))
    bitwise_or_, bitwise_xor_ = map(_in_place, ("bitwise_or", "bitwise_xor"))

    # -- parts -------------------------------------------------------------------------------
    tril_, triu_ = map(_in_place, ("tril", "triu"))
    masked_fill_, masked_scatter_ = map(_in_place, ("masked_fill", "masked_scatter"))
    scatter_, scatter_add_, scatter_reduce_ = map(
        _in_place, ("scatter", "scatter_add", "scatter_reduce")
    )
    index_add_, index_copy_, index_fill_ = map(_in_place, ("index_add", "index_copy", "index_fill"))
    index_put_ = _in_place("index_put")

    # -- operators ---------------------------------------------------------------------------
    __iadd__, __isub__, __imul__ = map(_operator, ("add", "sub", "mul"))
    __itruediv__, __ifloordiv__ = map(_operator, ("div", "floor_divide"))
    __imod__, __ipow__ = map(_operator, ("remainder", "pow"))
    __iand__, __ior__, __ixor__ = map(_operator, ("bitwise_and", "bitwise_or", "bitwise_xor"))
    __ilshift__, __irshift__ = map(_operator, ("bitwise_left_shift", "bitwise_right_shift"))

    # -- overwriting -------------------------------------------------------------------------
    def copy_(self, src: Tensor, non_blocking: bool = False) -> Self:
        """Overwrites the elements (``src`` is cast and broadcast)."""
        like = as_tensor_like(src, self.dtype, self)
        if like.type.shape != self.type.shape:
            like = like.expand(*self.type.shape)
        elif like is self:
            return self
        return self._assign(like._variable)

    def fill_(self, value: Operand) -> Self:
        """Every element becomes ``value``, a number or a tensor without axes."""
        if isinstance(value, TensorBase) and value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
                "dimensions."
            )
        filler = as_tensor_like(value, self.dtype, self).expand(*self.type.shape)
        return self._assign(filler._variable)

    def zero_(self) -> Self:
        return self.fill_(0)
