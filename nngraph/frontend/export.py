"""``ng.export``: a bundle or one ONNX file from a training step or from a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.backends.base import Target
from nngraph.frontend.bundles import BundleOptions, export_bundle
from nngraph.frontend.capture.effects import NumberReturned
from nngraph.frontend.capture.recorder import Assumed
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.tracing import trace_arguments
from nngraph.frontend.compile import compiled_of
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.errors import TraceError, summary_of
from nngraph.frontend.modes import no_grad
from nngraph.frontend.scheduled import AfterEach
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.passes.places import with_places_as_states

__all__ = ["export"]


def export(
    function: Any,
    path: str | PathLike[str],
    *args: Any,
    state: str | None = None,
    schedule: Any = None,
    schedule_every: int = 1,
    schedule_steps: int | None = None,
    opset: int = 21,
    model: Any = None,
    model_args: Sequence[Any] | None = None,
    **kwargs: Any,
) -> Path:
    """Writes what any ONNX Runtime runs: a bundle, or one file if the name ends in ``.onnx``.

    A bundle is a folder of the step, the model in it, their state and a manifest (docs/bundles.md),
    which ``ng.load_step`` runs, too. A compiled function is written as its next call with arguments
    like the last ones would run it, with modules in the modes in which the last call left them (or
    for ``args``, if given). A module (or another function) is traced for ``args`` without
    gradients. What goes in and out is described in docs/export.md.

    Args:
        function: a compiled function, a module, or any function of tensors.
        path: a folder, or a file ending in ``.onnx``; what is there is replaced at once.
        args, kwargs: example arguments, or ``ng.spec(shape, dtype)`` with None for dynamic sizes.
        state: ``"safetensors"`` (a file beside; the default for compiled functions),
            ``"initializers"`` (default values of the state inputs), or ``"constants"`` (the default
            for modules: no state inputs at all; the graph must not change its state).
        schedule: a scheduler, or several, that the file steps after each run.
            ``ReduceLROnPlateau`` adds an input ``metric`` (float64, no axes).
        schedule_every: after how many runs the schedule is stepped.
        schedule_steps: how long a table of a rate that no graph computes is; None: an input.
        opset: of the operators in the files, from 18 on; older runtimes load older ones.
        model: whose ``model.onnx`` is in the bundle: None means the module that the function calls,
            False none; a dict of modules names their files.
        model_args: what ``model`` is called with; left out, as the function calls it first.

    Raises:
        RuntimeError: if a compiled function was neither called nor given arguments.
        ValueError: if the function changes what only Python has, the graph changes state that
            ``"constants"`` would freeze, or has no results; for an option that does not fit.
        FileExistsError: if a folder holds something else than a bundle, which would be lost.
        BackendError: if ONNX cannot express the graph, or its extra is not installed.
    """
    compiled = compiled_of(function)
    function = function if compiled is None else compiled
    where, target = Path(path), _target(function)
    _need_form(where, state, model, model_args)
    wanted = _Wanted(function, args, kwargs, schedule_steps)
    traced, is_inside = _scheduled(wanted, schedule, schedule_every)
    for line in traced.told:
        warnings.warn(line, UserWarning, stacklevel=2)
    _refuse_useless(traced)
    if where.suffix == _ONE_FILE:
        return _written(function, traced, where, state, opset)
    told = None if schedule is None else _described(schedule, schedule_every, is_inside)
    options = BundleOptions(opset, target, model, model_args, told)
    return export_bundle(function, traced, where, options)


_ONE_FILE = ".onnx"


@dataclass(frozen=True)
class _Wanted:
    """What shall be in a file: a function for some arguments (if none, those of its last call)."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    steps: int | None

    def traced(self, after: AfterEach | None = None, in_graph: bool = False) -> Traced:
        """A trace whose file does the same at each run, as far as it can be."""
        assumed = Assumed(numbers_in_graph=in_graph, steps=self.steps)
        traced = self._traced(assumed, after)
        owners = [once.owner for once in traced.once if once.lasts and once.grows]
        if owners:
            growing = frozenset(id(owner()) for owner in owners if owner is not None)
            traced = self._traced(replace(assumed, growing=growing), after)
        return traced

    def _traced(self, assumed: Assumed, after: AfterEach | None) -> Traced:
        function, kwargs = self.function, self.kwargs
        inner = function.function if isinstance(function, CompiledFunction) else function
        added = {} if after is None else after.arguments(inner)
        traced = inner if after is None else after.following(inner)
        if isinstance(function, CompiledFunction):
            if not self.args and not kwargs:
                return function.next_trace(assumed, None if after is None else traced, added)
            return trace_arguments(traced, self.args, kwargs | added, assumed)
        with no_grad():
            return trace_arguments(traced, self.args, kwargs | added, assumed)


def _need_form(path: Path, state: str | None, model: Any, model_args: Any) -> None:
    """Passes for options that fit the form, with what writes it installed."""
    from nngraph.backends import get_backend

    get_backend("onnx")  # a clear error if the extra is missing
    is_file = path.suffix == _ONE_FILE
    if is_file and (model is not None or model_args is not None):
        raise ValueError(
            "model= and model_args= are for a bundle, a folder that has the step and the model: "
            "give a name that does not end in .onnx"
        )
    if not is_file and state not in (None, "safetensors"):
        raise ValueError(
            f"a bundle has its state in state.safetensors; state={state!r} is for one file: give a "
            "name that ends in .onnx"
        )


def _described(schedule: Any, every: int, is_inside: bool) -> dict[str, Any]:
    """What the manifest of a bundle says of a schedule."""
    each = list(schedule) if isinstance(schedule, list | tuple) else [schedule]
    kinds = [type(s).__name__ for s in each]
    return {"kinds": kinds, "where": "graph" if is_inside else "host", "every": every}


def _scheduled(wanted: _Wanted, schedule: Any, every: int) -> tuple[Traced, bool]:
    """The trace with the steps of a schedule in it; without them, if no graph computes these."""
    if schedule is not None:
        after = AfterEach(schedule, every)
        why: list[str] = []
        traced = _in_graph(wanted, why, after)
        if traced is not None:
            _refuse_host(traced)
            return traced, True
        warnings.warn(
            f"the schedule is not in the file, and what it sets is an input: {why[0]}. "
            "(`schedule_steps=n` puts n values of a function that no graph computes there.)",
            UserWarning,
            stacklevel=3,
        )
    why = []
    try:
        traced = wanted.traced()
    except TraceError:  # the step of a schedule that looks at a tensor, say
        traced = _in_graph(wanted, why)
        if traced is None:
            raise
    else:
        returned = any(isinstance(effect, NumberReturned) for effect in traced.effects)
        given = traced.numbers.box is not None
        if given:  # what Python makes of them has to be nodes
            traced = wanted.traced(in_graph=True)
        elif traced.on_host or returned:
            traced = _in_graph(wanted, why) or traced
    _refuse_host(traced, why)
    return traced, False


def _in_graph(wanted: _Wanted, why: list[str], after: AfterEach | None = None) -> Traced | None:
    """The trace with Python's numbers as states; None, and the reason, where that cannot be."""
    try:
        return wanted.traced(after, in_graph=True)
    except TraceError as error:
        why.append(summary_of(error))
        return None


def _written(function: Any, traced: Traced, path: Path, state: str | None, opset: int) -> Path:
    from nngraph.backends.onnx.export import write_model

    compiled = isinstance(function, CompiledFunction)
    how = state or ("safetensors" if compiled else "constants")
    graph = with_places_as_states(traced.graph)
    if how == "constants":
        _refuse_changes(graph)
    target = _target(function)
    states = {c.name: _array(c.lasting.array) for c in traced.cells}
    scalars = traced.scalars()
    return write_model(
        graph, path, states=states, scalars=scalars, state=how, target=target, opset=opset
    )


def _target(function: Any) -> Target:
    return function.target if isinstance(function, CompiledFunction) else Target("onnx")


def _refuse_useless(traced: Traced) -> None:
    _refuse_once(traced)
    if not traced.signature.outputs and not traced.signature.changed:
        raise ValueError(
            "the function returns no tensor and changes no state: there is nothing that a file of "
            "it could compute. Return the tensors that the file shall give"
        )


def _array(array: Array | None) -> Array:
    assert array is not None
    return np.ascontiguousarray(array).reshape(array.shape)


def _refuse_host(traced: Traced, why: Sequence[str] = ()) -> None:
    if traced.on_host:
        raise ValueError(
            "the function changes Python's own objects, which a file does not have:\n    "
            + "\n    ".join([*traced.on_host, *why])
            + "\nNumbers that it changes at each call are state of the file; keep what else it "
            "keeps in tensors that exist before (`self.h.copy_(h)`), and call the function once "
            "before exporting it where only its first call makes something"
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


def _refuse_changes(graph: Graph) -> None:
    changed = [state.name for state in graph.states if state.is_changed]
    if changed:
        shown = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        raise ValueError(
            f"the exported function changes its state ({shown}): call model.eval() first for an "
            'inference file, or pass state="safetensors" to keep the state as inputs and outputs'
        )
