"""``ng.compile`` and ``ng.trace``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from nngraph.backends import choose_backend, get_backend, need_device
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.frontend.capture.arguments import Argument, arguments_of
from nngraph.frontend.capture.specialization import Specialization
from nngraph.frontend.capture.traced import Traced, trace_arguments, trace_call
from nngraph.frontend.modes import is_grad_enabled
from nngraph.frontend.pytree import Tree, flatten
from nngraph.frontend.world import world
from nngraph.ir.graph import Graph

__all__ = ["CompiledFunction", "compile", "trace"]

_R = TypeVar("_R")
_log = logging.getLogger("nngraph.compile")


class CompiledFunction(Generic[_R]):
    """A function that is traced at its first call for each kind of arguments, then run compiled.

    Attributes:
        target: what it is compiled for.
        graph: the graph of the latest trace.
    """

    def __init__(
        self, function: Callable[..., _R], target: Target, check_finite: bool, keep_grads: bool
    ) -> None:
        self.function = function
        self.target = target
        self.check_finite = check_finite
        self.keep_grads = keep_grads
        self._known: dict[object, list[Specialization]] = {}
        self._latest: Specialization | None = None
        self._history: list[str] = []
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> _R:
        return cast("_R", world().call(self, args, kwargs))

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _R:
        """Runs compiled code for these arguments, tracing first what was not traced yet."""
        leaves: list[Any] = []
        tree = flatten((args, kwargs), leaves)
        arguments, passed = arguments_of(leaves)
        found = self._find(tree, arguments)
        self._latest = found
        return cast("_R", found.run(passed))

    def _find(self, tree: Tree, arguments: tuple[Argument, ...]) -> Specialization:
        key = (tree, arguments, is_grad_enabled())
        known = self._known.setdefault(key, [])
        reason = "first call" if not self._history else "new argument types"
        for specialization in reversed(known):
            broken = specialization.broken_guard()
            if broken is None:
                return specialization
            reason = broken
        made = self._specialize(tree, arguments, reason)
        known.append(made)
        return made

    def _specialize(
        self, tree: Tree, arguments: tuple[Argument, ...], reason: str
    ) -> Specialization:
        backend = get_backend(self.target.backend)
        traced = trace_call(self.function, tree, arguments, self.keep_grads)
        shown = ", ".join(str(a.type) for a in arguments if a.type is not None)
        line = f"trace {len(self._history) + 1} ({reason}): {shown} -> {len(traced.graph)} nodes"
        self._history.append(line)
        _log.info("%s: %s", getattr(self, "__name__", "function"), line)
        return Specialization(traced, build(backend, traced.graph, self.target), self.check_finite)

    @property
    def graph(self) -> Graph:
        """The graph of the latest call's trace, as traced (before any pass).

        Raises:
            RuntimeError: if the function was not called yet.
        """
        return self._specialization().traced.graph

    @property
    def traced(self) -> Traced:
        """The latest trace."""
        return self._specialization().traced

    def _specialization(self) -> Specialization:
        if self._latest is None:
            raise RuntimeError(
                "nothing was traced yet: call the compiled function once, or use "
                "ng.trace(function, *arguments)"
            )
        return self._latest

    def explain(self) -> str:
        """What was traced and why, and what the passes of the latest trace did."""
        parts = [f"{self.target.backend} on {self.target.device}", *self._history]
        if self._latest is not None:
            parts += ["passes of the latest trace:", *self._latest.step.built.log]
        return "\n".join(parts)


@overload
def compile(
    function: Callable[..., _R],
    /,
    *,
    backend: str = ...,
    device: str = ...,
    threads: int | None = ...,
    strict: bool = ...,
    check_finite: bool = ...,
    keep_grads: bool = ...,
    cache: str | None = ...,
) -> CompiledFunction[_R]: ...
@overload
def compile(
    *,
    backend: str = ...,
    device: str = ...,
    threads: int | None = ...,
    strict: bool = ...,
    check_finite: bool = ...,
    keep_grads: bool = ...,
    cache: str | None = ...,
) -> Callable[[Callable[..., _R]], CompiledFunction[_R]]: ...
def compile(
    function: Any = None,
    /,
    *,
    backend: str = "onnx",
    device: str = "cpu",
    threads: int | None = None,
    strict: bool = True,
    check_finite: bool = False,
    keep_grads: bool = False,
    cache: str | None = None,
) -> Any:
    """Compiles a function or module: traced at its first call, then run as one graph.

    Args:
        function: anything callable that computes with tensors; it may call ``backward`` and
            ``optimizer.step``. Left out, the result is a decorator.
        backend: ``"onnx"``, ``"tvm"``, ``"reference"`` or ``"auto"`` (the first that is installed).
        device: ``"cpu"``.
        threads: threads of a call; None takes all cores.
        strict: False permits rewrites that reassociate sums or assume finite values.
        check_finite: NaN or infinity in a call raises and leaves all state as it was; without it
            they propagate, as in PyTorch.
        keep_grads: fill ``grad`` also where an optimizer inside the function consumed it.
        cache: folder for compiled graphs and kernels; left out, ``~/.cache/nngraph``.

    Raises:
        BackendError: if the backend is unknown, not installed or does not run on the device (now),
            or cannot run the graph (at the first call).
    """
    if function is None:
        return functools.partial(
            compile,
            backend=backend,
            device=device,
            threads=threads,
            strict=strict,
            check_finite=check_finite,
            keep_grads=keep_grads,
            cache=cache,
        )
    name = choose_backend() if backend == "auto" else backend
    get_backend(name)
    need_device(name, device)
    target = Target(name, device, threads, strict, in_place=not check_finite, cache=cache)
    return CompiledFunction(function, target, check_finite, keep_grads)


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of one call, for looking at: nothing is compiled or run, no state changes."""
    inner = function.function if isinstance(function, CompiledFunction) else function
    return trace_arguments(inner, args, kwargs).graph
