"""``ng.export``: a bundle or one ONNX file from a training step or from a model."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from nngraph.backends.base import Target
from nngraph.frontend.bundles import BundleOptions, export_bundle
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.compile import compiled_of
from nngraph.frontend.compiled import CompiledFunction
from nngraph.frontend.filed import Wanted, dense, file_trace
from nngraph.ir.graph import Graph
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
    wanted = Wanted(function, args, kwargs, schedule_steps)
    traced, is_inside = file_trace(wanted, schedule, schedule_every)
    if where.suffix == _ONE_FILE:
        return _written(function, traced, where, state, opset)
    told = None if schedule is None else _described(schedule, schedule_every, is_inside)
    options = BundleOptions(opset, target, model, model_args, told)
    return export_bundle(function, traced, where, options)


_ONE_FILE = ".onnx"


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


def _written(function: Any, traced: Traced, path: Path, state: str | None, opset: int) -> Path:
    from nngraph.backends.onnx.export import write_model

    compiled = isinstance(function, CompiledFunction)
    how = state or ("safetensors" if compiled else "constants")
    graph = with_places_as_states(traced.graph)
    if how == "constants":
        _refuse_changes(graph)
    target = _target(function)
    states = {c.name: dense(c.lasting.array) for c in traced.cells}
    scalars = traced.scalars()
    return write_model(
        graph, path, states=states, scalars=scalars, state=how, target=target, opset=opset
    )


def _target(function: Any) -> Target:
    return function.target if isinstance(function, CompiledFunction) else Target("onnx")


def _refuse_changes(graph: Graph) -> None:
    changed = [state.name for state in graph.states if state.is_changed]
    if changed:
        shown = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        raise ValueError(
            f"the exported function changes its state ({shown}): call model.eval() first for an "
            'inference file, or pass state="safetensors" to keep the state as inputs and outputs'
        )
