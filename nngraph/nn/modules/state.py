"""``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

from nngraph.frontend.base import TensorBase
from nngraph.frontend.functional.data import as_tensor
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.nn.modules.hooks import HookMethods
from nngraph.nn.parameter import Parameter, is_lazy

__all__ = ["IncompatibleKeys", "StateMethods"]

_EXTRA = "_extra_state"
_UNREACHABLE = (
    "Reached a code path in Module.{}() that should never be called: a module that keeps extra "
    "state overrides get_extra_state() and set_extra_state()"
)


_POSITIONAL = (
    "Positional args are being deprecated, use kwargs instead. Refer to "
    "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for "
    "details."
)


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    def __str__(self) -> str:
        return repr(self)


class StateDict(OrderedDict[str, Any]):
    """Tensors by name, in order; ``_metadata`` holds versions by module path, as in PyTorch."""

    _metadata: OrderedDict[str, dict[str, Any]]


class StateMethods(HookMethods):
    """What ``Module`` writes to and reads from dicts."""

    _version: ClassVar[int] = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: Mapping[str, StateMethods | None]
    _non_persistent_buffers_set: set[str]

    def get_extra_state(self) -> Any:
        """Override to store something besides tensors in ``state_dict``."""
        raise RuntimeError(_UNREACHABLE.format("get_extra_state"))

    def set_extra_state(self, state: Any) -> None:
        """Override to read what ``get_extra_state`` gave."""
        raise RuntimeError(_UNREACHABLE.format("set_extra_state"))

    def _has_extra(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(StateMethods, method)

    # -- writing ---------------------------------------------------------------------------
    T_destination = TypeVar("T_destination", bound=dict[str, Any])

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Parameters and persistent buffers by name, in PyTorch's order; memory is shared.

        Args:
            destination: a dict to write to; a new one if None.
            prefix: what all names start with.
            keep_vars: give the parameters themselves instead of detached tensors.
            args: the same by position, deprecated in PyTorch.

        Raises:
            RuntimeError: if a post-hook returned something.
        """
        if args:
            warnings.warn(_POSITIONAL, FutureWarning, stacklevel=2)
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = given.get("destination") if destination is None else destination
            prefix = prefix or given.get("prefix", "")
            keep_vars = keep_vars or given.get("keep_vars", False)
        if destination is None:
            destination = StateDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, metadata)
            if replaced is not None and getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = destination if replaced is None else replaced
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Writes this module's own entries, without its submodules'."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        own: dict[str, Tensor | None] = {**self._parameters}
        for name, buffer in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                own[name] = buffer
        return {name: value for name, value in own.items() if value is not None}

    # -- reading ---------------------------------------------------------------------------
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies tensors or NumPy arrays into the parameters and buffers of the same names.

        Args:
            state_dict: values by name.
            strict: missing and unexpected names are errors.
            assign: put the given tensors themselves in place of the module's.

        Returns:
            The missing and the unexpected names.

        Raises:
            TypeError: if ``state_dict`` is no mapping.
            RuntimeError: for names (if ``strict``) or shapes that do not fit; what fits is loaded
                nevertheless, as in PyTorch.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        loader = _Loader(state_dict, strict, assign)
        loader.load(self, loader.state_dict, "")
        if strict:
            loader.note_keys()
        if loader.errors:
            listed = "\n\t".join(loader.errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        return loader.incompatible

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Reads this module's own entries, without its submodules'."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        own = self._own_state()
        for name, value in own.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(name, value, state_dict[key], key, local_metadata, error_msgs)
            elif strict:
                missing_keys.append(key)
        has_extra = prefix + _EXTRA in state_dict
        if self._has_extra("set_extra_state"):
            if has_extra:
                self.set_extra_state(state_dict[prefix + _EXTRA])
            elif strict:
                missing_keys.append(prefix + _EXTRA)
        elif strict and has_extra:
            unexpected_keys.append(prefix + _EXTRA)
        if strict:
            unexpected_keys += _unexpected(self, state_dict, prefix, own)

    def _load_one(
        self,
        name: str,
        value: Tensor,
        given: Any,
        key: str,
        local_metadata: dict[str, Any],
        error_msgs: list[str],
    ) -> None:
        if not isinstance(given, TensorBase) and not hasattr(given, "__array__"):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected nngraph.Tensor or numpy '
                f"array from checkpoint but received {type(given)}"
            )
            return
        if is_lazy(value) or is_lazy(given):
            _ = is_lazy(given) and not is_lazy(value) and given.shape  # refuses
            return
        source = as_tensor(given)
        if value.ndim == 0 and source.aval.shape == (1,):  # checkpoints of old versions
            source = source.reshape(())
        if source.aval.shape != value.aval.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {source.shape} from "
                f"checkpoint, the shape in current model is {value.shape}."
            )
            return
        try:
            if local_metadata.get("assign_to_params_buffers"):
                self._put_in_place(name, value, source)
            else:
                with no_grad():
                    value.copy_(source)
        except Exception as error:  # noqa: BLE001 - told with all others
            error_msgs.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{value.shape} and whose dimensions in the checkpoint are {source.shape}, an "
                f"exception occurred : {error.args}."
            )

    def _put_in_place(self, name: str, value: Tensor, source: Tensor) -> None:
        if isinstance(value, Parameter):
            if isinstance(source, Parameter):
                source.requires_grad_(value.requires_grad)
            else:
                source = Parameter(source, value.requires_grad)
        setattr(self, name, source)


def _unexpected(module: StateMethods, state_dict: Any, prefix: str, own: Any) -> list[str]:
    """Names of this module's level that neither it nor a submodule knows."""
    found: list[str] = []
    for key in state_dict:
        if not key.startswith(prefix) or key == prefix + _EXTRA:
            continue
        first, *rest = key[len(prefix) :].split(".", 1)
        if not (rest and first in module._modules) and (rest or first not in own):
            found.append(key)
    return found


class _Loader:
    """One ``load_state_dict``: what is missing, and what is wrong."""

    def __init__(self, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> None:
        known = getattr(state_dict, "_metadata", None)
        self.metadata: Any = {} if known is None else known
        self.state_dict = StateDict(state_dict)
        if known is not None:
            self.state_dict._metadata = known
        self.strict = strict
        self.assign = assign
        self.incompatible = IncompatibleKeys([], [])
        self.errors: list[str] = []

    def load(self, module: StateMethods, entries: Any, prefix: str) -> None:
        """Visits the module and its submodules, depth first."""
        local = dict(self.metadata.get(prefix[:-1], {}))
        if self.assign:
            local["assign_to_params_buffers"] = True
        missing, unexpected = self.incompatible
        module._load_from_state_dict(entries, prefix, local, True, missing, unexpected, self.errors)
        for name, child in module._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                inside = {k: v for k, v in entries.items() if k.startswith(path)}
                self.load(child, inside, path)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, self.incompatible) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )

    def note_keys(self) -> None:
        """Makes missing and unexpected names errors, worded as PyTorch's."""
        found: list[str] = []
        for keys, word in zip(self.incompatible, ("Missing", "Unexpected"), strict=True):
            if keys:
                names = ", ".join(f'"{k}"' for k in keys)
                found.append(f"{word} key(s) in state_dict: {names}. ")
        self.errors[:0] = found
