"""The functions of PyTorch's that tensors in its files are made by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nngraph.ir.dtypes import DType
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.values import Budget, Builder, Known, part_of

__all__ = ["Tensors"]

_TENSOR = Known("torch.Tensor")
_PARAMETER = Known("torch.nn.Parameter")
_BUFFER = Known("torch.nn.Buffer")
_NO_DATA = {
    "_rebuild_sparse_tensor": "a sparse tensor: save its to_dense()",
    "_rebuild_sparse_csr_tensor": "a sparse tensor: save its to_dense()",
    "_rebuild_qtensor": "a quantized tensor: save its dequantize()",
    "_rebuild_meta_tensor_no_storage": "a tensor on the meta device, which has no elements",
    "_rebuild_nested_tensor": "a nested tensor: save its unbind()",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own: save a plain one",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device: save its cpu()",
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of another device: save its cpu()",
}
_COMPLEX = ("ComplexFloatStorage", "ComplexDoubleStorage", "complex32", "complex64", "complex128")


class Tensors:
    """Makes tensors of what the file says of them."""

    def __init__(self, builder: Builder, budget: Budget) -> None:
        self._builder, self._budget = builder, budget

    def names(self) -> dict[tuple[str, str], Any]:
        """The names that stand for tensors, and those of tensors that are refused."""
        functions: dict[str, Callable[..., Any]] = {
            "_rebuild_tensor": self._first,
            "_rebuild_tensor_v2": self._second,
            "_rebuild_tensor_v3": self._third,
            "_rebuild_parameter": self._parameter,
            "_rebuild_parameter_with_state": self._parameter_with_state,
        }
        made: dict[tuple[str, str], Any] = {
            ("torch._utils", name): Known(f"torch._utils.{name}", call)
            for name, call in functions.items()
        }
        typed = Known("torch._tensor._rebuild_from_type_v2", self._typed)
        made["torch._tensor", "_rebuild_from_type_v2"] = typed
        made["torch", "Tensor"] = _TENSOR
        made["torch.nn.parameter", "Parameter"] = _PARAMETER
        made["torch.nn.parameter", "Buffer"] = _BUFFER
        for name, words in _NO_DATA.items():
            made["torch._utils", name] = Known(name, _refusing(words))
        layout = Known("_get_layout", _refusing(_NO_DATA["_rebuild_sparse_tensor"]))
        made["torch.serialization", "_get_layout"] = layout
        for name in _COMPLEX:
            made["torch", name] = Known(name)
        return made

    def _first(self, stored: Any, offset: Any, size: Any, stride: Any) -> Any:
        part = part_of(stored, None, offset, size, stride, self._budget)
        return self._builder.tensor(part, False)

    def _second(
        self,
        stored: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any = None,
        metadata: Any = None,
    ) -> Any:
        return self._third(stored, offset, size, stride, requires_grad, hooks, None, metadata)

    def _third(
        self,
        stored: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Any:
        _need_no_hooks(hooks)
        if metadata:
            raise CheckpointError("a tensor is conjugated or negated lazily: save its clone()")
        if dtype is not None and not isinstance(dtype, DType):
            raise CheckpointError(f"a tensor's dtype is {getattr(dtype, 'name', type(dtype))}")
        part = part_of(stored, dtype, offset, size, stride, self._budget)
        needs = bool(requires_grad) and part.dtype.is_floating_point
        return self._builder.tensor(part, needs)

    def _parameter(self, data: Any, requires_grad: Any, hooks: Any = None) -> Any:
        _need_no_hooks(hooks)
        if not self._builder.is_tensor(data) or type(requires_grad) is not bool:
            raise CheckpointError(f"a Parameter is made of {type(data).__name__}")
        return self._builder.parameter(data, requires_grad)

    def _parameter_with_state(self, data: Any, grad: Any, hooks: Any, state: Any) -> Any:
        _need_no_attributes(state)
        return self._parameter(data, grad, hooks)

    def _typed(self, function: Any, kind: Any, args: Any, state: Any) -> Any:
        if not isinstance(function, Known) or function.call is None or type(args) is not tuple:
            raise CheckpointError("a tensor of a class of its own is made by no function")
        made = function.call(*args)
        if not self._builder.is_tensor(made):
            raise CheckpointError(f"{function.name} does not make a tensor")
        if kind is _BUFFER and type(state) is dict:
            rest = {k: v for k, v in state.items() if k not in ("persistent", "_is_buffer")}
            _need_no_attributes(rest)
            return self._builder.buffer(made, bool(state.get("persistent", True)))
        if kind is _PARAMETER or kind is _TENSOR:
            _need_no_attributes(state)
            return made
        raise CheckpointError(f"a tensor is of class {getattr(kind, 'name', '?')}")


def _need_no_hooks(hooks: Any) -> None:
    if hooks is not None and (type(hooks) not in (dict, OrderedDict) or hooks):
        raise CheckpointError("a tensor has hooks, which are code: save its detach()")


def _need_no_attributes(state: Any) -> None:
    if state not in (None, (), {}, (None, None), ({}, {}), ({}, None)):
        names = ", ".join(map(repr, state)) if type(state) is dict else repr(state)
        raise CheckpointError(
            f"a tensor has attributes of its own ({names:.100}): save its detach(), and them "
            "beside it"
        )


def _refusing(words: str) -> Callable[..., Any]:
    def refuse(*_args: Any) -> Any:
        raise CheckpointError(f"the file holds {words}")

    return refuse
