"""``ng.compile`` and ``ng.trace``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from nngraph.backends import choose_backend, get_backend, need_device
from nngraph.backends.base import Target
from nngraph.frontend.capture.tracing import trace_arguments
from nngraph.frontend.compiled import CompiledFunction
from nngraph.ir.graph import Graph
from nngraph.runtime.step import NO_CHECKS, Checks

__all__ = ["checks_of", "compile", "backend_named", "compiled_of", "set_default_backend", "trace"]

_R = TypeVar("_R")


@overload
def compile(
    function: Callable[..., _R],
    /,
    *,
    backend: str | None = ...,
    device: str = ...,
    threads: int | None = ...,
    strict: bool = ...,
    check_finite: bool = ...,
    check: str | None = ...,
    every: int = ...,
    keep_grads: bool = ...,
    cache: str | None = ...,
    dynamic: bool | None = ...,
    fullgraph: bool = ...,
    mode: str | None = ...,
    options: dict[str, Any] | None = ...,
) -> CompiledFunction[_R]: ...
@overload
def compile(
    *,
    backend: str | None = ...,
    device: str = ...,
    threads: int | None = ...,
    strict: bool = ...,
    check_finite: bool = ...,
    check: str | None = ...,
    every: int = ...,
    keep_grads: bool = ...,
    cache: str | None = ...,
    dynamic: bool | None = ...,
    fullgraph: bool = ...,
    mode: str | None = ...,
    options: dict[str, Any] | None = ...,
) -> Callable[[Callable[..., _R]], CompiledFunction[_R]]: ...
def compile(
    function: Any = None,
    /,
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    strict: bool = True,
    check_finite: bool = False,
    check: str | None = None,
    every: int = 100,
    keep_grads: bool = False,
    cache: str | None = None,
    dynamic: bool | None = None,
    fullgraph: bool = False,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """Compiles a function or module: traced at its first call, then run as one graph.

    A module becomes a module with the same parameters, modes and attributes. Results that require
    gradients have a history: ``backward()`` outside runs a second compiled graph.

    Args:
        function: anything callable that computes with tensors; it may call ``backward`` and
            ``optimizer.step``. Left out, the result is a decorator.
        backend: ``"onnx"``, ``"tvm"``, ``"reference"`` or ``"auto"`` (the first that is installed);
            None takes what ``set_default_backend`` chose.
        device: ``"cpu"``.
        threads: threads of a call; None takes those of ``ng.set_num_threads``, or all cores.
        strict: False permits rewrites that reassociate sums or assume finite values.
        check_finite: NaN or infinity in a call raises and leaves all state as it was; without it
            they propagate, as in PyTorch.
        check, every: ``"reference"`` compares a trace's first call, and then one of ``every``, with
            the operators' definitions, and raises where rounding does not explain a difference.
        keep_grads: fill ``grad`` also where an optimizer inside the function consumed it.
        cache: folder for compiled graphs and kernels; left out, ``~/.cache/nngraph``.
        dynamic: True makes the sizes of arguments that differ in two calls names of one more trace,
            which serves every size; where the backend or the code needs numbers, each size has a
            trace of its own, as it has otherwise, and ``explain`` says why. Integers that differ
            become numbers that each call reads.
        fullgraph, mode, options: of ``torch.compile``; they change nothing.

    Raises:
        BackendError: if the backend is unknown, not installed or does not run on the device (now),
            or cannot run the graph (at the first call).
        ValueError: for a check that there is not.
    """
    name = backend_named(backend)
    get_backend(name)
    need_device(name, device)
    checks = checks_of(check_finite, check, every)
    target = Target(name, device, threads, strict, in_place=checks is NO_CHECKS, cache=cache)

    def compiled(function: Any) -> Any:
        return _wrapped(CompiledFunction(function, target, checks, keep_grads, bool(dynamic)))

    return compiled if function is None else compiled(function)


def checks_of(finite: bool, against: str | None, every: int) -> Checks:
    """What to look at after calls.

    Raises:
        ValueError: for another ``against`` than ``"reference"``, and for no number of calls.
    """
    if against not in (None, "reference"):
        raise ValueError(f'check is {against!r}; use check="reference", or None')
    if every < 1:
        raise ValueError(f"every is {every}; wanted a number of calls, at least 1")
    return Checks(finite, every if against else 0) if finite or against else NO_CHECKS


def backend_named(backend: str | None) -> str:
    """The backend that a user's ``backend=`` means: None is the default one."""
    named = _DEFAULT.backend if backend is None else backend
    return choose_backend() if named == "auto" else named


def _wrapped(made: CompiledFunction[Any]) -> Any:
    """A module for a module."""
    wrap = getattr(made.function, "_compiled_by", None)
    return made if wrap is None else wrap(made)


def compiled_of(function: Any) -> CompiledFunction[Any] | None:
    """The compiled function that something is, or that a compiled module runs."""
    if isinstance(function, CompiledFunction):
        return function
    found = getattr(type(function), "_compiled_function", None)
    return None if found is None else cast("CompiledFunction[Any]", function._compiled_function)


def set_default_backend(backend: str) -> None:
    """Chooses the backend of ``ng.compile`` where it is given none; ``"onnx"`` at first.

    Functions that were compiled before keep theirs.

    Args:
        backend: as for ``compile``.

    Raises:
        BackendError: if the backend is unknown or not installed.
    """
    get_backend(backend_named(backend))
    _DEFAULT.backend = backend


class _Default:
    backend = "onnx"


_DEFAULT = _Default()


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of one call, for looking at: nothing is compiled or run, no state changes."""
    compiled = compiled_of(function)
    inner = function if compiled is None else compiled.function
    return trace_arguments(inner, args, kwargs).graph
