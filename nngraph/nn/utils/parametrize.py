"""Tensors of modules computed from others at each look (``torch.nn.utils.parametrize``).

``register_parametrization(layer, "weight", Symmetric())`` makes ``layer.weight`` what
``Symmetric`` computes from ``layer.parametrizations.weight.original``, which is the parameter now.

Source: https://docs.pytorch.org/tutorials/intermediate/parametrizations.html
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NoReturn

from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.nn.modules.container import ModuleDict, ModuleList
from nngraph.nn.modules.module import Module
from nngraph.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_SERIALIZATION = (
    "Serialization of parametrized modules is only supported through state_dict(). See:\n"
    "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
    "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
)


class _Cache:
    """What ``cached`` keeps: a traced tensor is not for eager code, nor the other way round."""

    def __init__(self) -> None:
        self.depth = 0
        self.known: dict[Any, Any] = {}

    def get(self, module: Module, name: str, compute: Callable[[], Any]) -> Any:
        """The tensor; computed at the first look inside ``cached``, and always outside."""
        if not self.depth:
            return compute()
        key = (world(), id(module), name)
        if key not in self.known:
            self.known[key] = compute()
        return self.known[key]


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.known = {}


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in their order, and what they compute it from.

    Attributes:
        original: the tensor; or ``original0``, ``original1``, ... of a ``right_inverse`` that gives
            several.
        unsafe: whether dtype and shape may change.
        is_tensor, ntensors: whether there is one original, and how many there are.

    Raises:
        ValueError: without modules, and for what changes dtype or shape.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new = self._originals_of(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            with no_grad():
                original.set_(new)
            _register(self, "original", original)
        else:
            for index, each in enumerate(new):
                self._add(index, each, original)
        if not unsafe:
            self._need_alike(self(), shape, dtype)

    def _originals_of(self, tensor: Tensor) -> Any:
        new: Any = tensor
        with no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:  # as if it had none
                        continue
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        return new

    def _add(self, index: int, each: Any, original: Tensor) -> None:
        if not isinstance(each, Tensor):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got element {index} of the sequence with type {type(each).__name__}."
            )
        if isinstance(original, Parameter):
            each = Parameter(each, original.requires_grad)
        _register(self, f"original{index}", each.requires_grad_(original.requires_grad))

    def _need_alike(self, made: Any, shape: Any, dtype: Any) -> None:
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
        what = "Registering a parametrization may not change the {} of the tensor, unless "
        if made.dtype != dtype:
            raise ValueError(
                f"{what.format('dtype')}`unsafe` flag is enabled.\n"
                f"unparametrized dtype: {dtype}\nparametrized dtype: {made.dtype}"
            )
        if made.shape != shape:
            raise ValueError(
                f"{what.format('shape')}`unsafe` flag is enabled.\n"
                f"unparametrized shape: {shape}\nparametrized shape: {made.shape}"
            )

    def right_inverse(self, value: Any) -> None:
        """Sets the originals so that the parametrizations give ``value``.

        Raises:
            RuntimeError: for a parametrization without ``right_inverse``.
            ValueError: if what these give does not fit the originals.
        """
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                self._set_only(value)
            else:
                self._set_each(value)

    def _set_only(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        if value.dtype != self.original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` "
                f"has dtype {self.original.dtype}"
            )
        self.original.set_(value)

    def _set_each(self, value: Any) -> None:
        if not isinstance(value, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}."
            )
        if len(value) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                f"Got a sequence of length {len(value)}."
            )
        for index, tensor in enumerate(value):
            original = getattr(self, f"original{index}")
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got element {index} of "
                    f"type {type(tensor).__name__}."
                )
            if original.dtype != tensor.dtype:
                raise ValueError(
                    f"Tensor {index} returned by `right_inverse` has dtype {tensor.dtype} while "
                    f"`original{index}` has dtype {original.dtype}"
                )
            original.set_(tensor)

    def forward(self) -> Any:
        """The parametrized tensor."""
        first, *others = self
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in others:
            x = module(x)
        return x


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


# -- the class of a parametrized module ----------------------------------------------------------
def _inject_new_class(module: Module) -> None:
    """Gives a module a class of its own, for the properties."""
    cls = type(module)
    members: dict[str, Any] = {"__getstate__": _getstate, "__module__": cls.__module__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _deepcopy(self: Module, memo: dict[int, Any]) -> Any:
    known = memo.get(id(self))
    if known is not None:
        return known
    replica = memo[id(self)] = self.__new__(type(self))
    state = {k: v for k, v in self.__dict__.items() if k != "_compiled_call_impl"}
    replica.__dict__.update(deepcopy(state, memo))
    for slot in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
        if hasattr(self, slot):
            setattr(replica, slot, deepcopy(getattr(self, slot), memo))
    return replica


def _getstate(self: Module) -> NoReturn:
    raise RuntimeError(_SERIALIZATION)


def _inject_property(module: Module, tensor_name: str) -> None:
    def get(self: Any) -> Any:
        return _cache.get(self, tensor_name, self.parametrizations[tensor_name])

    def assign(self: Any, value: Any) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get, assign))


# -- registration --------------------------------------------------------------------------------
def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Computes a parameter or buffer by a module from here on.

    Args:
        module: it gets a class of its own, and ``parametrizations``.
        tensor_name: of a parameter or buffer; a parametrized one gets one more parametrization.
        parametrization: called with the tensor; its ``right_inverse``, if it has one, gives the
            original for a tensor, or several originals.
        unsafe: whether dtype and shape may change.

    Returns:
        The module.

    Raises:
        ValueError: if there is no such tensor, or it would change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _need_fitting(module, tensor_name, parametrization)
        known = module.parametrizations[tensor_name]
        known.append(parametrization)
        known.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


_CHANGES = (
    "Registering a parametrization may not change the {0} of the tensor, unless the `unsafe` flag "
    "is enabled.\nmodule.{1}.{0}: {2}\nparametrization(module.{1}).{0}: {3}"
)
_INVERSE_CHANGES = (
    "The tensor returned by parametrization.right_inverse must have the same {0} as module.{1}, "
    "unless the `unsafe` flag is enabled.\nmodule.{1}.{0}: {2}\nreturned {0}: {3}"
)


def _need_fitting(module: Module, name: str, parametrization: Any) -> None:
    """One more parametrization changes neither dtype nor shape."""
    before = getattr(module, name)
    after = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    _need_alike(_CHANGES, name, before, after)
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    _need_alike(_INVERSE_CHANGES, name, before, back)


def _need_alike(text: str, name: str, before: Tensor, after: Tensor) -> None:
    if after.dtype != before.dtype:
        raise ValueError(text.format("dtype", name, before.dtype, after.dtype))
    if after.shape != before.shape:
        raise ValueError(text.format("shape", name, before.shape, after.shape))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or one of this tensor."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Makes a parametrized tensor a plain one.

    Args:
        module: it gets its class back when nothing of it is parametrized.
        tensor_name: of the tensor.
        leave_parametrized: keep the value of the parametrized tensor, not the original's.

    Raises:
        ValueError: if it is not parametrized, or its originals, which are several, shall be left.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        made = getattr(module, tensor_name)
        original = Parameter(made.detach()) if made.requires_grad else made
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before its first parametrization."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives a module the parametrizations and originals of another: of one tensor, or of all."""
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for each in source:
            register_parametrization(to_module, name, each)
        target = to_module.parametrizations[name]
        if source.is_tensor:
            target.original = source.original
        else:
            for index in range(source.ntensors):
                setattr(target, f"original{index}", getattr(source, f"original{index}"))
    return to_module
