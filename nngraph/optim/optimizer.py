"""``Optimizer``: groups of parameters, the state kept for each, and their dicts."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, ClassVar

from nngraph.frontend.base import TensorBase
from nngraph.frontend.clearing import clear_gradient
from nngraph.frontend.handles import RemovableHandle, added
from nngraph.frontend.tables import StateTable, Table
from nngraph.optim.packing import ParamGroup, load_packed, packed_state

__all__ = ["Optimizer", "ParamGroup", "ParamsT", "required"]

ParamsT = Iterable[Any]


class _RequiredParameter:
    """The default of an option that every group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


class Optimizer:
    """Base class of all optimizers; a subclass defines ``step``.

    Args:
        params: parameters, pairs of a name and a parameter, or groups (dicts with ``params``).
        defaults: options of groups that do not have their own.

    Attributes:
        param_groups: dicts of options with ``params``, a list of tensors.
        state: what is kept for each parameter: a dict of tensors.

    Raises:
        TypeError, ValueError: for parameters that cannot be optimized.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.html
    """

    # A trace reads these numbers anew at each call (frontend/capture/reach.py).
    _numbers_vary: ClassVar[frozenset[str]] = frozenset({"param_groups", "_steps_called"})
    _unwatched: ClassVar[frozenset[str]] = frozenset()
    #: What a step changes that only warnings look at.
    uncounted: ClassVar[frozenset[str]] = frozenset({"_steps_called"})
    #: Options that dicts and pickles of old lack, with what they are then.
    _absent: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, params: ParamsT, defaults: ParamGroup) -> None:
        if isinstance(params, TensorBase):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                "Tensors or dicts, but got nngraph.Tensor: write [tensor]"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = StateTable(Table)
        self.param_groups: list[ParamGroup] = []
        self._step_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._step_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._state_dict_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._load_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._load_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._steps_called = 0
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        self._begin()

    def _begin(self) -> None:
        """Makes the state that is there before the first step."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._absent = vars(cls.__init__).get("absent", cls._absent)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Raises:
            NotImplementedError: in this base class.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or fills them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                clear_gradient(param, set_to_none)

    def _names_of_tensors(self) -> Iterator[tuple[Any, str]]:
        """Readable names for the keys of ``state``."""
        params = (p for group in self.param_groups for p in group["params"])
        return ((param, f"parameter {i}") for i, param in enumerate(params))

    # -- groups ----------------------------------------------------------------------------
    def add_param_group(self, param_group: ParamGroup) -> None:
        """Adds a group; options that it lacks are the defaults.

        Raises:
            TypeError: for a group that is no dict, a set of parameters, or parameters of other
                types.
            ValueError: for a parameter that another group holds, or that operators made, and for
                a group without an option whose default is ``required``.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        listed = [given] if isinstance(given, TensorBase) else list(given)
        names = [p[0] for p in listed if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in listed]
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        self._check_params(params, bool(names))
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def _check_params(self, params: list[Any], named: bool) -> None:
        for param in params:
            if not isinstance(param, TensorBase):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(param).__name__}"
                )
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        ids = [id(p) for p in params]
        if len(ids) != len(set(ids)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in "
                "future, this will cause an error",
                stacklevel=4,
            )
        for group in self.param_groups:
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot "
                    f"add param group {'with' if named else 'without'} names to the "
                    "optimizer"
                )
            if not set(ids).isdisjoint(id(p) for p in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")

    # -- dicts -----------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """State and options, parameters being numbers: PyTorch's format; memory is shared."""
        for hook in self._state_dict_pre_hooks.values():
            hook(self)
        packed = packed_state(self.state, self.param_groups)
        for hook in self._state_dict_post_hooks.values():
            replaced = hook(self, packed)
            packed = packed if replaced is None else replaced
        return packed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes state and options from what ``state_dict`` gave (tensors or NumPy arrays).

        Floating point state is cast to the parameter's dtype, except ``step``. Options that a dict
        of an older release lacks are off, whatever the constructor was given, as in PyTorch.

        Raises:
            ValueError: if the groups or their numbers of parameters differ; nothing is changed.
        """
        given = dict(state_dict)
        for hook in self._load_pre_hooks.values():
            replaced = hook(self, given)
            given = given if replaced is None else replaced
        load_packed(self.state, self.param_groups, given, self._scalars())
        self.__setstate__({"state": self.state, "param_groups": self.param_groups})
        for hook in self._load_post_hooks.values():
            hook(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes attributes: of a pickle, of a copy, and of ``load_state_dict``; subclasses may add
        what old ones lack.
        """
        self.__dict__.update(state)
        for group in self.param_groups:
            for name, value in self._absent.items():
                group.setdefault(name, value)

    def _scalars(self) -> frozenset[str]:
        """Names of state that is tensors without axes, where old dicts have Python numbers."""
        return frozenset()

    # -- hooks -----------------------------------------------------------------------------
    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` before each step; it may return new ones."""
        return added(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` after each step."""
        return added(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer)`` before ``state_dict`` is made."""
        return added(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` after; what it returns replaces the dict."""
        return added(self._state_dict_post_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` before loading; it may return another dict."""
        return added(self._load_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(optimizer)`` after loading."""
        return added(self._load_post_hooks, hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for position, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {position}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join(lines) + "\n)"


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        for hook in self._step_pre_hooks.values():
            found = hook(self, args, kwargs)
            if found is not None and not (isinstance(found, tuple) and len(found) == 2):
                raise RuntimeError(
                    f"{type(self).step} must return None or a tuple of (new_args, "
                    f"new_kwargs), but got {found}."
                )
            args, kwargs = (args, kwargs) if found is None else found
        result = step(self, *args, **kwargs)
        self._steps_called += 1
        for hook in self._step_post_hooks.values():
            hook(self, args, kwargs)
        return result

    return wrapper
