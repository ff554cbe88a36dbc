"""TorchScript, as PyTorch's code names it (``torch.jit``): ``ng.compile`` is what compiles here.

What marks functions for TorchScript gives them back as they are, ``script`` included; what would
compile a module or write a file is refused.
"""

from __future__ import annotations

import inspect
from typing import Any, Final, TypeVar

from nngraph.frontend.eager import Eager
from nngraph.frontend.elsewhere import elsewhere
from nngraph.frontend.world import world

__all__ = [
    "Attribute",
    "Final",
    "annotate",
    "export",
    "freeze",
    "ignore",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "trace",
    "trace_module",
    "unused",
]

_T = TypeVar("_T")

_COMPILE = (
    "leave the decorator out, or write ng.compile(f), which compiles the same code; "
    "ng.export(f, path, *inputs) writes a file that runs without Python"
)
_FILES = "ng.export(f, path, *inputs) writes an ONNX file, ng.save and ng.load keep weights"

_script = elsewhere("jit.script", _COMPILE)
trace, trace_module = elsewhere("jit.trace", _COMPILE), elsewhere("jit.trace_module", _COMPILE)
freeze = elsewhere("jit.freeze", _COMPILE)
optimize_for_inference = elsewhere("jit.optimize_for_inference", _COMPILE)
save, load = elsewhere("jit.save", _FILES), elsewhere("jit.load", _FILES)

_isinstance = isinstance


def script(obj: _T, *args: Any, **kwargs: Any) -> _T:
    """A function of tensors gives itself: it computes what TorchScript would.

    Raises:
        NotImplementedError: for a module, and all else that code goes on to save or inspect.
    """
    if not inspect.isfunction(obj):
        _script(obj)
    return obj


def is_scripting() -> bool:
    """False: nothing is compiled from source text."""
    return False


def is_tracing() -> bool:
    """Whether a function is being traced, by ``ng.compile``, ``trace`` or ``export``."""
    return not _isinstance(world(), Eager)


def annotate(the_type: Any, the_value: _T) -> _T:
    """``the_value``."""
    return the_value


def Attribute(value: _T, type: Any) -> _T:
    """``value``."""
    return value


def isinstance(obj: object, target_type: Any) -> bool:
    """Python's ``isinstance``."""
    return _isinstance(obj, target_type)


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself; ``@ignore`` and ``@ignore(drop=True)``."""
    return drop if callable(drop) else export


def unused(fn: _T) -> _T:
    """The function itself."""
    return fn


def export(fn: _T) -> _T:
    """The function itself."""
    return fn


def script_if_tracing(fn: _T) -> _T:
    """The function itself: what it computes is traced like any code."""
    return fn
