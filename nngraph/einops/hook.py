"""Hears of the import of einops, which comes before that of nngraph, after it, or never.

einops asks each subclass of ``AbstractBackend`` whose ``framework_name`` is an imported module. So
a subclass has to be defined once einops is there, and importing einops for that would make every
user of nngraph load it. ``install`` defines it if einops is imported already, and leaves word with
Python's import system otherwise. That also finds ``einops.layers.nngraph``, for code that says
``from einops.layers.torch import Rearrange``.

Source: https://github.com/arogozhnikov/einops/blob/main/einops/_backends.py
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["install"]

_BACKENDS = "einops._backends"
_LAYERS = "einops.layers.nngraph"


def install() -> None:
    """Makes einops know tensors of nngraph, now or when it is imported."""
    if _BACKENDS in sys.modules:
        _register()
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _register() -> None:
    importlib.import_module("nngraph.einops.backend")


class _Finder(MetaPathFinder):
    """Answers for two names, and leaves all others to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _LAYERS:
            return ModuleSpec(fullname, _Layers())
        if fullname != _BACKENDS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader)
        return spec


class _Layers(Loader):
    """``einops.layers.nngraph`` is ``nngraph.einops.layers``."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module("nngraph.einops.layers")

    def exec_module(self, module: ModuleType) -> None:
        """It ran when it was imported."""


class _Telling(Loader):
    """Loads a module as another loader does, and registers the backend then."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._own.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        _register()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
