"""The backends, by name. Importing this package loads none of them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from nngraph.backends.base import Backend, BackendError

__all__ = ["BACKENDS", "choose_backend", "get_backend"]

# Name -> module (with a `backend` attribute), the packages it needs, the extra that brings them.
BACKENDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "reference": ("nngraph.backends.reference.backend", (), ""),
    "onnx": ("nngraph.backends.onnx.backend", ("onnx", "onnxruntime"), "onnx"),
    "tvm": ("nngraph.backends.tvm.backend", ("tvm", "tvm_ffi"), "tvm"),
}


def get_backend(name: str) -> Backend:
    """The backend called ``name``; its packages are imported now, not before.

    Raises:
        BackendError: if there is no such backend, or if its extra is not installed.
    """
    if name not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise BackendError(f"there is no backend {name!r}; use one of {known}")
    module, packages, extra = BACKENDS[name]
    for package in packages:
        _require(name, package, extra)
    return cast("Backend", import_module(module).backend)


def choose_backend() -> str:
    """The first installed backend of ``onnx``, ``tvm``, ``reference``: what ``"auto"`` means."""
    for name in ("onnx", "tvm"):
        if all(find_spec(package) is not None for package in BACKENDS[name][1]):
            return name
    return "reference"


def _require(name: str, package: str, extra: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise BackendError(
            f"the {name} backend needs the package {package!r}, which cannot be imported "
            f'({error}): pip install "nngraph[{extra}]"'
        ) from error
