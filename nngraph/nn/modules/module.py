"""``Module``: parameters, buffers and submodules behind attributes, and a forward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Set
from copy import deepcopy
from inspect import signature
from typing import Any, ClassVar, Self, cast

from nngraph.frontend.base import TensorBase
from nngraph.frontend.clearing import clear_gradient
from nngraph.frontend.compile import compile as compile_function
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.host import is_host_number
from nngraph.frontend.structure import structure
from nngraph.frontend.tables import HookTable, Table
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.graph import Graph
from nngraph.nn.modules.conversion import ConversionMethods
from nngraph.nn.modules.every import (
    SHARED,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    replaced,
)
from nngraph.nn.modules.facts import Facts, TrainingMode, difference, facts_of
from nngraph.nn.modules.walks import WalkMethods
from nngraph.nn.parameter import Buffer, Parameter

__all__ = [
    "Module",
    "OptimizedModule",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_TABLES = ("_parameters", "_buffers", "_modules")
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_PLAIN = (bool, int, float, str, type(None))


class Module(ConversionMethods, WalkMethods):
    """Base class of all networks and layers; override ``__init__`` and ``forward``.

    Attributes:
        training: set by ``train()`` and ``eval()``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    # Attributes that are no state of a step: a trace looks at them in its own ways.
    _unwatched: ClassVar[frozenset[str]] = frozenset({"_changes", "training", *_TABLES})
    _hooks_of_all: ClassVar[tuple[HookTable, ...]] = SHARED.of_calls
    _guards_itself: ClassVar[frozenset[str]] = frozenset({"_non_persistent_buffers_set"})

    dump_patches: bool = False
    call_super_init: bool = False

    training: Any = TrainingMode()
    _modules: dict[str, Module | None]
    _changes: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            _need_nothing(type(self).__name__, args, kwargs)
        own = self.__dict__
        own["_changes"] = {}
        own["training"] = True
        for name in _TABLES:
            own[name] = Table()
        own["_non_persistent_buffers_set"] = set()
        for name in _HOOKS:
            own[name] = HookTable()
        own["_is_full_backward_hook"] = None
        for name in (
            "_state_dict_hooks",
            "_state_dict_pre_hooks",
            "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
        ):
            own[name] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines its own.

        Raises:
            NotImplementedError: if it does not.
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # -- calling ---------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the hooks and ``forward``, compiled if ``compile`` was called."""
        compiled = self.__dict__.get("_compiled_call_impl")
        if compiled is not None:
            return compiled(*args, **kwargs)
        return world().forward(self, args, kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the hooks and ``forward``."""
        return world().forward(self, args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Calls of this module run compiled from here on; arguments as for ``ng.compile``.

        A copy of the module is not compiled.
        """
        self.__dict__["_compiled_call_impl"] = compile_function(self._call_impl, *args, **kwargs)

    def _compiled_by(self, compiled: CompiledFunction[Any]) -> OptimizedModule:
        """What ``ng.compile(module)`` gives."""
        return OptimizedModule(self, compiled)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_compiled_call_impl"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = self.__dict__
        own.update(state)
        for name in _HOOKS:  # what was pickled before there were such hooks
            own.setdefault(name, HookTable())
        own.setdefault("_is_full_backward_hook", None)

    def _fingerprint(self, skip: Set[str] = frozenset()) -> Facts:
        """What a trace of this module's own forward relies on, besides its mode.

        Args:
            skip: attributes that do not count.
        """
        return facts_of(self, skip)

    def _difference(self, before: Facts, skip: Set[str] = frozenset()) -> str:
        """What is not as it was before, in words."""
        return difference(before, facts_of(self, skip))

    # -- attributes ------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            self._need_init("parameters")
            self._remove_from_others(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._need_init("module")
            self._remove_from_others(name, "_modules")
            self._modules[name] = replaced(SHARED.modules, self, name, value)
        elif name in own.get("_parameters", ()):
            _need_none(value, f"as parameter '{name}' (nngraph.nn.Parameter or None expected)")
            self._parameters[name] = None
        elif name in own.get("_modules", ()):
            _need_none(value, f"as child module '{name}' (nngraph.nn.Module or None expected)")
            self._modules[name] = replaced(SHARED.modules, self, name, None)
        elif isinstance(value, Buffer) or name in own.get("_buffers", ()):
            self._set_buffer(name, value)
        else:
            self._set_plain(name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, TensorBase):
            raise TypeError(
                f"cannot assign '{_type_name(value)}' as buffer '{name}' "
                "(nngraph.nn.Buffer, nngraph.Tensor or None expected)"
            )
        persistent = name not in self.__dict__.get("_non_persistent_buffers_set", ())
        if isinstance(value, Buffer):
            persistent = value.persistent
        accepts = getattr(self.register_buffer, "__func__", None) is Module.register_buffer
        if accepts or "persistent" in signature(self.register_buffer).parameters:
            self.register_buffer(name, cast("Tensor | None", value), persistent)
        elif persistent:  # a subclass whose method is older than the argument
            self.register_buffer(name, cast("Tensor | None", value))
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements "
                "register_buffer() without the persistent argument is not allowed."
            )

    def _set_plain(self, name: str, value: Any) -> None:
        """Plain attributes; a changed number or flag makes traces of the module out of date.

        What changed is kept by value, so that a value set back finds the earlier trace again;
        ``training`` is a part of the fingerprint by itself.
        """
        own = self.__dict__
        if name in _TABLES or name in _HOOKS:
            value = (Table if name in _TABLES else HookTable)(value)
            structure.changed()
        if name == "forward":
            structure.changed()
        watched = name != "training" and name in own and "_changes" in own
        if watched and _is_plain(value):
            known = own[name]
            if known is not value and (not _is_plain(known) or known != value):
                world().set_attribute(own["_changes"], name, value)
        is_new = own.get(name, self) is not value
        object.__setattr__(self, name, value)
        if is_new:
            structure.changed()

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            if table in own and name in own[table]:
                return own[table][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)
        structure.changed()

    def __dir__(self) -> list[str]:
        names = [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]
        return sorted({name for name in names if not name[0].isdigit()})

    def _need_init(self, what: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _remove_from_others(self, name: str, table: str) -> None:
        self.__dict__.pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            if other != table:
                self.__dict__[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    # -- registration ----------------------------------------------------------------------
    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under a name.

        Raises:
            AttributeError: before ``Module.__init__()``.
            TypeError, KeyError: for a name that is no string, is empty, has a dot, or is taken.
            ValueError: for a tensor that recorded operators made.
        """
        self._need_init("parameter")
        self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                "(nngraph.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        if param is None:
            self._parameters[name] = None
        else:
            self._parameters[name] = replaced(SHARED.parameters, self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is no parameter; ``persistent`` puts it in ``state_dict``.

        Raises:
            AttributeError: before ``Module.__init__()``.
            TypeError, KeyError: for a value that is no tensor, or a name as for parameters.
        """
        self._need_init("buffer")
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, TensorBase):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' "
                "(nngraph Tensor or None required)"
            )
        self._buffers[name] = replaced(SHARED.buffers, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name; errors as for parameters."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._need_init("module")
        self._check_name(name, "module", "_modules")
        self._modules[name] = replaced(SHARED.modules, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """``add_module``."""
        self.add_module(name, module)

    def _check_name(self, name: str, what: str, table: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_type_name(name)}")
        if hasattr(self, name) and name not in self.__dict__[table]:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            got = f", got: {name}" if what == "module" else ""
            raise KeyError(f'{what} name can\'t contain "."{got}')
        if not name:
            raise KeyError(f'{what} name can\'t be empty string ""')

    def _names_of_tensors(self) -> Iterator[tuple[Any, str]]:
        """Readable names of parameters, by which an optimizer's state is kept."""
        return ((tensor, name) for name, tensor in self.named_parameters())

    # -- modes -----------------------------------------------------------------------------
    def train(self, mode: bool = True) -> Self:
        """Sets training mode (dropout, batch statistics) here and in all submodules.

        Raises:
            ValueError: if ``mode`` is no bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets ``requires_grad`` of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients, or fills them with zeros."""
        for parameter in self.parameters():
            clear_gradient(parameter, set_to_none)

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Calls ``fn`` on every module, submodules first (for initial values, say)."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- as text ---------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """What ``repr`` shows of the module itself; override it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        lines = [line for line in self.extra_repr().split("\n") if line]
        children: list[str] = []
        for name, module in self._modules.items():  # (a comprehension would take frames, too)
            children.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({''.join(lines)})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*lines, *children]) + "\n)"


class OptimizedModule(Module):
    """A module whose forward runs compiled: what ``ng.compile(module)`` gives.

    Its parameters, buffers, modes and attributes are those of the module, which it holds under the
    name ``_orig_mod``, so that keys of its ``state_dict`` begin with ``_orig_mod.``.
    """

    _orig_mod: Module

    def __init__(self, module: Module, compiled: CompiledFunction[Any]) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = compiled
        self.__dict__["training"] = module.__dict__["training"]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the module compiled."""
        return self.__dict__["_compiled"](*args, **kwargs)

    @property
    def graph(self) -> Graph:
        """The graph of the latest call's trace; see ``CompiledFunction``."""
        return self._compiled_function.graph

    def explain(self) -> str:
        """What was traced and why; see ``CompiledFunction``."""
        return self._compiled_function.explain()

    @property
    def _compiled_function(self) -> CompiledFunction[Any]:
        return cast("CompiledFunction[Any]", self.__dict__["_compiled"])

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if name == "_orig_mod" or name == "training" or "_compiled" not in own or name in own:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __len__(self) -> int:
        return len(cast("Any", self._orig_mod))

    def __deepcopy__(self, memo: dict[int, Any]) -> OptimizedModule:
        compiled = deepcopy(self._compiled_function, memo)
        made = memo[id(self)] = OptimizedModule(cast("Module", compiled.function), compiled)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return OptimizedModule, (self._orig_mod, self._compiled_function)


def _need_nothing(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuses arguments that are left for ``Module.__init__``."""
    if kwargs:
        key = next(iter(kwargs))
        raise TypeError(f"{name}.__init__() got an unexpected keyword argument '{key}'")
    if args:
        count = len(args) + 1
        raise TypeError(f"{name}.__init__() takes 1 positional argument but {count} were given")


def _is_plain(value: object) -> bool:
    """True for what is told by equality: numbers, texts, None, and tuples of these."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and not is_host_number(value)


def _need_none(value: object, what: str) -> None:
    if value is not None:
        raise TypeError(f"cannot assign '{_type_name(value)}' {what}")


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
