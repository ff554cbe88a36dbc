"""The backends, by name. Importing this package loads none of them."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec
from typing import cast

from nngraph.backends.base import Backend, BackendError

__all__ = ["BACKENDS", "DEVICES", "choose_backend", "get_backend", "need_device"]

# Name -> module (with a `backend` attribute), the packages it needs, the extra that brings them.
BACKENDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "reference": ("nngraph.backends.reference.backend", (), ""),
    "onnx": ("nngraph.backends.onnx.backend", ("onnx", "onnxruntime"), "onnx"),
    "tvm": ("nngraph.backends.tvm.backend", ("tvm", "tvm_ffi"), "tvm"),
}
# Where each backend runs.
DEVICES: dict[str, tuple[str, ...]] = dict.fromkeys(BACKENDS, ("cpu",))

# Distributions that install one and the same module: only one of them may be there.
_RIVALS = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu")}


def get_backend(name: str) -> Backend:
    """The backend called ``name``; its packages are imported now, not before.

    Raises:
        BackendError: if there is no such backend, if its extra is not installed, or if two packages
            that overwrite each other are.
    """
    if name not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise BackendError(f"there is no backend {name!r}; use one of {known}")
    module, packages, extra = BACKENDS[name]
    for package in packages:
        _require(name, package, extra)
    return cast("Backend", import_module(module).backend)


def need_device(name: str, device: str) -> None:
    """Passes if the backend runs on the device.

    Raises:
        BackendError: naming the devices that it runs on.
    """
    if device not in DEVICES[name]:
        known = ", ".join(map(repr, DEVICES[name]))
        raise BackendError(f"the {name} backend does not run on device {device!r}; use {known}")


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
    _refuse_rivals(name, package)


def _refuse_rivals(name: str, package: str) -> None:
    found = [d for d in _RIVALS.get(package, ()) if _is_installed(d)]
    if len(found) > 1:
        both = " and ".join(found)
        raise BackendError(
            f"both {both} are installed. They write the same files of the module {package!r}, so "
            f"the {name} backend cannot rely on either: pip uninstall {' '.join(found)}, then "
            f'install one of them: pip install "nngraph[onnx]" or "nngraph[onnx-gpu]"'
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
