"""Memory for time: what a part of a model saved for ``backward`` is computed again there.

Source: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from nngraph.frontend.base import TensorBase
from nngraph.frontend.modes import is_grad_enabled, no_grad
from nngraph.frontend.recompute import CheckpointError, Contexts, Region
from nngraph.nn.modules.container import Sequential

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_early_stop",
]


def noop_context_fn() -> Contexts:
    """No context for either run."""
    return nullcontext(), nullcontext()


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Changes nothing: the second run always goes through to its end."""
    yield


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, which keeps nothing for ``backward`` and runs again there.

    Eagerly what the call would save is freed when it returns, and computed again when a gradient
    arrives: with the same random numbers, in the same modes. In a compiled step the second run is
    part of the graph, behind the gradient, and its values are no output of the first. A tensor that
    it reads without getting it as an argument is not read anew where it is needed: pass what the
    function computes with.

    Args:
        function: does the same both times.
        args, kwargs: for it. ``preserve_rng_state=False`` draws new random numbers.
        use_reentrant: False is the better; True refuses keyword arguments and needs an argument
            that requires a gradient, as in PyTorch, and otherwise does the same.
        context_fn: gives two contexts, for the first and for the second run.
        determinism_check: "default" compares the types of what both runs record; "none" does not.
        debug, early_stop: change nothing.

    Raises:
        ValueError: for arguments that are not taken.
        CheckpointError: in ``backward``, if the function does something else.
        RuntimeError: in ``backward``, if an argument was changed in place.

    Source: https://docs.pytorch.org/docs/stable/checkpoint.html
    """
    keeps_random = kwargs.pop("preserve_rng_state", True)
    reentrant = _said("checkpoint", use_reentrant)
    if reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if reentrant and (context_fn is not noop_context_fn or debug):
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    contexts = context_fn()
    if reentrant and not any(isinstance(a, TensorBase) and a.requires_grad for a in args):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )
        with no_grad():
            return function(*args)
    if not is_grad_enabled():
        first: AbstractContextManager[Any] = contexts[0]
        with first:
            return function(*args, **kwargs)
    checks = determinism_check == "default"
    return Region(function, args, kwargs, contexts, keeps_random, checks).forward()


def checkpoint_sequential(
    functions: Sequential | Iterable[Callable[[Any], Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Functions one after the other, in segments that are checkpoints; the last one is none.

    Args:
        functions: modules or functions of one argument.
        segments: how many; each but the last has ``len(functions) // segments`` of them.
        input: for the first.
        use_reentrant: see ``checkpoint``.
        kwargs: ``preserve_rng_state``.

    Raises:
        ValueError: for other keyword arguments, and for more segments than functions.
    """
    reentrant = _said("checkpoint_sequential", use_reentrant)
    keeps_random = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    listed: list[Any] = list(
        functions.children() if isinstance(functions, Sequential) else functions
    )
    size = len(listed) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            _in_turn(listed[start:end]),
            input,
            use_reentrant=reentrant,
            preserve_rng_state=keeps_random,
        )
    return _in_turn(listed[end:])(input)


def _in_turn(functions: list[Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run


def _said(name: str, use_reentrant: bool | None) -> bool:
    if use_reentrant is not None:
        return use_reentrant
    warnings.warn(
        f"{name}: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
        "recommended, but if you need to preserve the current default behavior, you can pass "
        "use_reentrant=True.",
        stacklevel=3,
    )
    return True
