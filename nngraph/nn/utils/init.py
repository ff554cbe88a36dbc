"""Modules without initial values."""

from __future__ import annotations

from inspect import signature
from typing import Any, TypeVar

from nngraph.frontend.devices import need_cpu
from nngraph.frontend.functional.random import get_rng_state, set_rng_state
from nngraph.nn.modules.module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module whose parameters and buffers have memory, but no meaning; no numbers are drawn.

    Raises:
        RuntimeError: for a class that is no module or takes no ``device``.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    need_cpu(kwargs.get("device"))
    before = get_rng_state()
    made = module_cls(*args, **kwargs).to_empty(device="cpu")
    set_rng_state(before)
    return made
