"""Hooks of all modules: they run before a module's own, for debugging and profiling.

PyTorch has them in ``torch.nn.modules.module``, from where nngraph offers them, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nngraph.frontend.handles import RemovableHandle, added
from nngraph.frontend.tables import HookTable

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Hook = Callable[..., Any]


class Shared:
    """The tables.

    Attributes:
        full: whether the hooks in ``backward`` are full ones; None before the first.
    """

    def __init__(self) -> None:
        self.forward_pre = HookTable()
        self.forward = HookTable()
        self.forward_with_kwargs = HookTable()
        self.forward_always_called = HookTable()
        self.backward_pre = HookTable()
        self.backward = HookTable()
        self.full: bool | None = None
        self.buffers = HookTable()
        self.modules = HookTable()
        self.parameters = HookTable()

    @property
    def of_calls(self) -> tuple[HookTable, ...]:
        """What runs when a module is called, and in its backward."""
        return self.forward_pre, self.forward, self.backward_pre, self.backward


SHARED = Shared()


def replaced(table: HookTable, module: object, name: str, value: Any) -> Any:
    """What is registered in place of a value."""
    for hook in table.values():
        found = hook(module, name, value)
        value = value if found is None else found
    return value


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` at ``register_buffer``; it may return another."""
    return added(SHARED.buffers, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` at ``register_module``; it may return another."""
    return added(SHARED.modules, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, name, param)`` at ``register_parameter``; it may return another."""
    return added(SHARED.parameters, hook)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls ``hook(module, args)`` before each forward; it may return other arguments."""
    return added(SHARED.forward_pre, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after each forward; it may return another output.

    Args:
        hook: with ``with_kwargs`` it is ``hook(module, args, kwargs, output)``.
        with_kwargs: see ``hook``.
        always_call: also when the forward raised.
    """
    kwargs, always = SHARED.forward_with_kwargs, SHARED.forward_always_called
    handle = RemovableHandle(SHARED.forward, extra_dict=[kwargs, always])
    SHARED.forward[handle.id] = hook
    if with_kwargs:
        kwargs[handle.id] = True
    if always_call:
        always[handle.id] = True
    return handle


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """As ``Module.register_backward_hook``, for all modules (deprecated in PyTorch).

    Raises:
        RuntimeError: if full ones were registered.
    """
    return _added(hook, False)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """As ``Module.register_full_backward_pre_hook``, for all modules."""
    return added(SHARED.backward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """As ``Module.register_full_backward_hook``, for all modules.

    Raises:
        RuntimeError: if others than full ones were registered.
    """
    return _added(hook, True)


def _added(hook: Hook, full: bool) -> RemovableHandle:
    if SHARED.full is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    SHARED.full = full
    return added(SHARED.backward, hook)
