"""Which backends there are, one row each, and what each needs; nothing of theirs is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from nngraph.backends.errors import BackendError

__all__ = ["BACKENDS", "Registration", "choose_backend", "need_device", "registration"]


@dataclass(frozen=True)
class Registration:
    """One backend.

    Attributes:
        name: what users call it.
        module: where it is, as ``backend``.
        priority: ``"auto"`` means the installed one of the highest.
        packages: what it imports to emit and to load, and never before.
        extra: of nngraph, which brings the packages.
        devices: where it runs.
        is_cached: its artifacts are worth keeping on disk.
    """

    name: str
    module: str
    priority: int
    packages: tuple[str, ...] = ()
    extra: str = ""
    devices: tuple[str, ...] = ("cpu",)
    is_cached: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not there."""
        return tuple(p for p in self.packages if find_spec(p) is None)

    @property
    def versions(self) -> tuple[str, ...]:
        """Name and version of each installed distribution that brings a package."""
        wanted = (n for p in self.packages for n in _NAMES.get(p, _RIVALS.get(p, (p,))))
        return tuple(f"{n} {metadata.version(n)}" for n in wanted if _is_installed(n))

    def backend(self) -> Any:
        """The ``Backend``; its module is imported, its packages are not."""
        return import_module(self.module).backend

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Code inside may import the packages.

        Raises:
            BackendError: if one of them is broken.
        """
        try:
            yield
        except ImportError as error:
            raise BackendError(
                f"the {self.name} backend cannot import what it needs ({error}): "
                f'pip install --force-reinstall "nngraph[{self.extra}]"'
            ) from error


BACKENDS = {
    row.name: row
    for row in (
        Registration("reference", "nngraph.backends.reference.backend", 0, is_cached=False),
        Registration("onnx", "nngraph.backends.onnx.backend", 2, ("onnx", "onnxruntime"), "onnx"),
        Registration("tvm", "nngraph.backends.tvm.backend", 1, ("tvm", "tvm_ffi"), "tvm"),
    )
}

# Distributions that install one and the same module: only one of them may be there.
_RIVALS = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu")}
# Distributions with another name than their module.
_NAMES = {"tvm": ("apache-tvm",), "tvm_ffi": ("apache-tvm-ffi",)}


def registration(name: str) -> Registration:
    """The row of a backend whose packages are there.

    Raises:
        BackendError: if there is no such backend, if its extra is not installed, or if two packages
            that overwrite each other are.
    """
    if name not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise BackendError(f"there is no backend {name!r}; use one of {known}")
    row = BACKENDS[name]
    for package in row.missing:
        raise BackendError(
            f"the {name} backend needs the package {package!r}, which is not installed: "
            f'pip install "nngraph[{row.extra}]"'
        )
    for package in row.packages:
        _refuse_rivals(name, package)
    return row


def need_device(name: str, device: str) -> None:
    """Passes if the backend runs on the device.

    Raises:
        BackendError: naming the devices that it runs on.
    """
    devices = BACKENDS[name].devices
    if device not in devices:
        known = ", ".join(map(repr, devices))
        raise BackendError(f"the {name} backend does not run on device {device!r}; use {known}")


def choose_backend() -> str:
    """The installed backend of the highest priority: what ``"auto"`` means."""
    there = (row for row in BACKENDS.values() if not row.missing)
    return max(there, key=lambda row: row.priority).name


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
