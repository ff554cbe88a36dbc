"""TVM's foreign function interface, without what it would bring along."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["import_ffi"]


def import_ffi() -> None:
    """Imports ``tvm_ffi``, which imports PyTorch before itself wherever that is installed: seconds
    and hundreds of megabytes that no kernel needs. A process that uses PyTorch anyway keeps it.
    """
    if "tvm_ffi" in sys.modules:
        return
    if "torch" in sys.modules:
        import tvm_ffi
    else:
        with _without("torch"):
            import tvm_ffi  # noqa: F401


class _Refusal:
    """An import hook that finds one package missing, for the thread that made it."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.thread = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == self.package and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"{name} is not imported for TVM", name=name)
        return None


@contextmanager
def _without(package: str) -> Iterator[None]:
    refusal = _Refusal(package)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)
