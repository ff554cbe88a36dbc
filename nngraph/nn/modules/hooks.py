"""Functions that run before and after a module's forward, and the handles that remove them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nngraph.frontend.handles import RemovableHandle, added
from nngraph.nn.modules.calling import Call
from nngraph.nn.modules.every import SHARED

__all__ = ["HookMethods", "RemovableHandle"]


class HookMethods:
    """The hooks of ``Module``, and a forward that runs with them.

    Tables are ordered by registration; ``prepend`` puts a hook first.
    """

    forward: Callable[..., Any]

    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _is_full_backward_hook: bool | None
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before forward; what it returns replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns both or None.
        """
        flags = self._forward_pre_hooks_with_kwargs
        handle = RemovableHandle(self._forward_pre_hooks, extra_dict=flags)
        _put(self._forward_pre_hooks, handle.id, hook, prepend)
        if with_kwargs:
            flags[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after forward; what it returns replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it
        also runs (with output None) when forward raised.
        """
        kwargs, always = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
        handle = RemovableHandle(self._forward_hooks, extra_dict=[kwargs, always])
        _put(self._forward_hooks, handle.id, hook, prepend)
        if with_kwargs:
            kwargs[handle.id] = True
        if always_call:
            always[handle.id] = True
        return handle

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before the module's entries are written."""
        return added(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after they are written."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return added(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As that, but what the hook returns takes the dict's place."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        return added(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before the module's entries are read.
        """
        return added(self._load_state_dict_pre_hooks, _Bound(hook, self))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        bound = _Bound(hook, self) if with_module else hook
        return added(self._load_state_dict_pre_hooks, bound)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after loading; it may change the keys."""
        return added(self._load_state_dict_post_hooks, hook)

    # -- backward ----------------------------------------------------------------------------
    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` when the gradients of the outputs are known.

        ``grad_output`` is a tuple; a tuple that the hook returns takes its place.
        """
        handle = RemovableHandle(self._backward_pre_hooks)
        _put(self._backward_pre_hooks, handle.id, hook, prepend)
        return handle

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        Both are tuples over the positional arguments and results, None where one is no tensor. A
        tuple that the hook returns takes the place of ``grad_input``.

        Raises:
            RuntimeError: if ``register_backward_hook`` was used.
        """
        self._need_kind_of_hooks(True)
        handle = RemovableHandle(self._backward_hooks)
        _put(self._backward_hooks, handle.id, hook, prepend)
        return handle

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` at the last operator of the forward.

        ``grad_input`` are the gradients of that operator's operands. Deprecated in PyTorch.

        Raises:
            RuntimeError: if ``register_full_backward_hook`` was used.
        """
        self._need_kind_of_hooks(False)
        return added(self._backward_hooks, hook)

    def _need_kind_of_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self.__dict__["_is_full_backward_hook"] = full

    def _get_backward_hooks(self) -> tuple[list[Any], list[Any]]:
        """The full backward hooks, and the others: those of all modules first."""
        kinds: tuple[list[Any], list[Any]] = ([], [])
        for which, full in ((0, True), (1, False)):
            if SHARED.full is full:
                kinds[which].extend(SHARED.backward.values())
            if self._is_full_backward_hook is full:
                kinds[which].extend(self._backward_hooks.values())
        return kinds

    def _get_backward_pre_hooks(self) -> list[Any]:
        return [*SHARED.backward_pre.values(), *self._backward_pre_hooks.values()]

    # -- calling ---------------------------------------------------------------------------
    def _entry(self) -> Callable[..., Any]:
        """What a call of the module calls: one frame less where no hook is there."""
        has_own = (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        )
        return self._with_hooks if has_own or any(SHARED.of_calls) else self.forward

    def _with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        return Call(self, args, kwargs).run()


class _Bound:
    """A hook that is given its module; copies of the module give the copy."""

    def __init__(self, hook: Callable[..., Any], module: object) -> None:
        self.hook = hook
        self.module = module

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)


def _put(table: OrderedDict[int, Any], key: int, hook: Callable[..., Any], first: bool) -> None:
    table[key] = hook
    if first:
        table.move_to_end(key, last=False)
