"""``ng.export``: one ONNX file from a training step or from a model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.frontend.capture.recorder import Assumed
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.tracing import trace_arguments
from nngraph.frontend.compile import CompiledFunction
from nngraph.frontend.modes import no_grad
from nngraph.ir.op import Array
from nngraph.ir.roles import Role

__all__ = ["export"]


def export(
    function: Any, path: str | PathLike[str], *args: Any, state: str | None = None, **kwargs: Any
) -> Path:
    """Writes an ONNX file that any ONNX Runtime runs, and beside it the initial state.

    A compiled function is written as its next call with arguments like the last ones would run it,
    with modules in the modes in which the last call left them (or for ``args``, if given): inputs
    are the batch, the host scalars and the state; outputs are the results and the new state; the
    metadata entry ``nngraph.step`` says which output feeds which input. A module (or another
    function) is traced for ``args`` without gradients, and its parameters become constants of the
    file.

    Args:
        function: a compiled function, a module, or any function of tensors.
        path: where to write; ``.onnx`` is the usual ending. Files are replaced atomically.
        args: example arguments, or ``ng.spec(shape, dtype)`` with None for dynamic sizes.
        state: ``"safetensors"`` (a file beside; the default for compiled functions),
            ``"initializers"`` (default values of the state inputs), or ``"constants"`` (the default
            for modules: no state inputs at all; the graph must not change its state).
        kwargs: keyword arguments of the function.

    Returns:
        The path.

    Raises:
        RuntimeError: if a compiled function was neither called nor given arguments.
        ValueError: if the function changes what only Python has, the graph changes state that
            ``"constants"`` would freeze, or has no results.
        BackendError: if ONNX cannot express the graph, or its extra is not installed.
    """
    from nngraph.backends import get_backend
    from nngraph.backends.base import Target

    get_backend("onnx")  # a clear error if the extra is missing
    from nngraph.backends.onnx.export import write_model

    traced = _traced(function, args, kwargs)
    owners = [once.owner for once in traced.once if once.lasts and once.grows]
    if owners:
        growing = frozenset(id(owner()) for owner in owners if owner is not None)
        traced = _traced(function, args, kwargs, growing)
    _refuse_host(traced)
    _refuse_once(traced)
    compiled = isinstance(function, CompiledFunction)
    how = state or ("safetensors" if compiled else "constants")
    if how == "constants":
        _refuse_changes(traced)
    if not traced.signature.outputs and not traced.signature.changed:
        raise ValueError(
            "the function returns no tensor and changes no state: there is nothing that a file of "
            "it could compute. Return the tensors that the file shall give"
        )
    target = function.target if compiled else Target("onnx")
    states = {c.name: _array(c.lasting.array) for c in traced.cells}
    scalars = traced.scalars()
    return write_model(
        traced.graph, Path(path), states=states, scalars=scalars, state=how, target=target
    )


def _array(array: Array | None) -> Array:
    assert array is not None
    return np.ascontiguousarray(array).reshape(array.shape)


def _traced(
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    growing: frozenset[int] = frozenset(),
) -> Traced:
    if isinstance(function, CompiledFunction):
        if args or kwargs:
            return trace_arguments(function.function, args, kwargs, Assumed(growing))
        return function.next_trace(growing)
    with no_grad():
        return trace_arguments(function, args, kwargs, Assumed(growing))


def _refuse_host(traced: Traced) -> None:
    if traced.on_host:
        raise ValueError(
            "the function changes Python's own objects, which a file does not have:\n    "
            + "\n    ".join(traced.on_host)
            + "\nKeep numbers in 0-d tensors that exist before (`self.calls.add_(1)`), step "
            "schedulers outside of the function (the learning rate is an input of the file), and "
            "call the function once before exporting it where only its first call makes something"
        )


def _refuse_once(traced: Traced) -> None:
    differences = [once.text for once in traced.once if once.lasts]
    if differences:
        raise ValueError(
            "a file computes the same at each call, and this function does something else at its "
            "second one:\n    " + "\n    ".join(differences) + "\nCall the "
            "function once before exporting it where only its first call differs, clear gradients "
            "at its start (`optimizer.zero_grad()`), and switch modes and requires_grad outside"
        )


def _refuse_changes(traced: Traced) -> None:
    put = {o.of for o in traced.signature.with_role(Role.PLACE)}
    changed = [s.name for s in traced.signature.states if s.is_changed or s.name in put]
    if changed:
        shown = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        raise ValueError(
            f"the exported function changes its state ({shown}): call model.eval() first for an "
            'inference file, or pass state="safetensors" to keep the state as inputs and outputs'
        )
