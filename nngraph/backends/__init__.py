"""The backends, by name. Importing this package loads none of them."""

from __future__ import annotations

from typing import Any

from nngraph.backends.base import Backend
from nngraph.backends.errors import BackendError
from nngraph.backends.registry import BACKENDS, choose_backend, need_device, registration

__all__ = ["BACKENDS", "BackendError", "choose_backend", "get_backend", "need_device"]


def get_backend(name: str) -> Backend[Any]:
    """The backend called ``name``. Its packages are looked for, and not imported.

    Raises:
        BackendError: if there is no such backend, if its extra is not installed, or if two packages
            that overwrite each other are.
    """
    backend: Backend[Any] = registration(name).backend()
    return backend
