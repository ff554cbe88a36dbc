"""The backends, by name. Importing this package loads none of them.

Its modules at PyTorch's paths (``torch.backends.cudnn``, ...) answer for libraries of PyTorch's;
each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nngraph.backends.base import Backend
from nngraph.backends.errors import BackendError
from nngraph.backends.registry import BACKENDS, choose_backend, need_device, registration

__all__ = ["BACKENDS", "BackendError", "choose_backend", "get_backend", "need_device"]

_LATER = frozenset({"cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"})


def get_backend(name: str) -> Backend[Any]:
    """The backend called ``name``. Its packages are looked for, and not imported.

    Raises:
        BackendError: if there is no such backend, if its extra is not installed, or if two packages
            that overwrite each other are.
    """
    backend: Backend[Any] = registration(name).backend()
    return backend


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f"nngraph.backends.{name}")
    raise AttributeError(f"module 'nngraph.backends' has no attribute {name!r}")
