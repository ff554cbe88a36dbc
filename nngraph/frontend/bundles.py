"""Makes a bundle of a traced step: its graph and state, and the models that it calls."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nngraph.backends.base import Target
from nngraph.frontend.capture.called import CalledModule, called_with
from nngraph.frontend.capture.recorder import Assumed
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.capture.tracing import trace_arguments
from nngraph.frontend.errors import TraceError, summary_of
from nngraph.frontend.filed import arguments_of, dense, result_of
from nngraph.frontend.modes import no_grad
from nngraph.ir.graph import Graph, Node
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature, signature_of
from nngraph.ir.text import print_graph
from nngraph.ops import REGISTRY
from nngraph.passes.base import Context
from nngraph.passes.decompose import Decompose
from nngraph.passes.nested import Everywhere
from nngraph.passes.places import with_places_as_states
from nngraph.runtime.bundle.folder import Bundle, write_bundle
from nngraph.runtime.bundle.manifest import STATE, Manifest
from nngraph.version import __version__

__all__ = ["BundleOptions", "export_bundle"]


@dataclass(frozen=True)
class BundleOptions:
    """What a user said of a bundle.

    Attributes:
        opset: of the ONNX files.
        target: as for compiling.
        model: a module, several by the names of their files, None for those that the function
            calls, False for none.
        model_args: what a module is called with; None for what the function calls it with.
        schedule: what the manifest says of the schedule.
    """

    opset: int
    target: Target
    model: Any = None
    model_args: Sequence[Any] | None = None
    schedule: Mapping[str, Any] | None = None


def export_bundle(function: Any, traced: Traced, path: Path, options: BundleOptions) -> Path:
    """Writes the bundle of a traced function.

    Raises:
        ValueError: if a model that was asked for cannot be in it, with the reason.
        UnsupportedGraph: naming all that ONNX or the opset lacks.
        BackendError: if the runtime that is installed does not load a file.
    """
    from nngraph.backends.onnx.load import tried

    graph = with_places_as_states(traced.graph)
    Everywhere(Decompose(_is_known, "known")).run(graph, Context())
    states = {c.name: dense(c.lasting.array) for c in traced.cells}
    trains = any(state.is_changed for state in graph.states)
    step = "train_step.onnx" if trains or options.model else "model.onnx"
    wanted = _wanted(traced, options) if trains or options.model else {}
    text = print_graph(graph)
    files = _Files(options, _provenance(function, graph, text))
    signature = files.add(step, graph, states, traced.scalars())
    models: dict[str, Signature] = {}
    for name, model in _models(traced, wanted, options.model is not None).items():
        models[name] = files.add(name, model.graph, model.states, {})
        states |= model.states
    manifest = Manifest(
        graph.name,
        step,
        signature,
        {name: np.asarray(value).item() for name, value in traced.scalars().items()},
        arguments_of(traced, signature),
        result_of(traced, signature),
        models,
        options.schedule,
        options.opset,
        {},
    )

    def tested(folder: Path) -> dict[str, str]:
        for name in models:
            tried(folder / name)
        return {"onnxruntime": tried(folder / step)}

    write_bundle(path, Bundle(manifest, graph, states, files.content), text, tested)
    return path


def _is_known(node: Node) -> bool:
    """Whether the text of a graph can name the operator: those of users have to be taken apart."""
    return REGISTRY.get(node.op.name) is type(node.op)


class _Files:
    """The ONNX files of a bundle, as they are made."""

    def __init__(self, options: BundleOptions, provenance: str) -> None:
        self.content: dict[str, Sequence[bytes]] = {}
        self._options = options
        self._provenance = provenance

    def add(
        self, name: str, graph: Graph, states: Mapping[str, Array], scalars: Mapping[str, float]
    ) -> Signature:
        """Makes one more; gives what it takes and gives."""
        from nngraph.backends.onnx.export import data_name, model_file

        made = model_file(
            graph,
            name,
            states=states,
            scalars=scalars,
            state_file=STATE,
            target=self._options.target,
            opset=self._options.opset,
            metadata={"nngraph.provenance": self._provenance},
        )
        self.content[name] = (made.content,)
        if made.data:
            self.content[data_name(name)] = made.data
        return signature_of(graph)


def _provenance(function: Any, graph: Graph, text: str) -> str:
    """Where a file comes from; the same code gives the same text."""
    inner = getattr(function, "function", function)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    place = f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else ""
    return json.dumps(
        {
            "nngraph": __version__,
            "function": graph.name,
            "place": place,
            "graph_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
    )


# -- models --------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Model:
    """A model in evaluation mode, whose states are named as those of the step."""

    graph: Graph
    states: dict[str, Array]


def _wanted(traced: Traced, options: BundleOptions) -> dict[str, CalledModule]:
    """The modules whose files shall be in the bundle, by the names of the files.

    Raises:
        ValueError: for a module that the function does not call, and that has no arguments.
    """
    if options.model is False:
        return {}
    if options.model is None:
        known = {id(cell.lasting) for cell in traced.cells}
        found = [c for c in traced.called if known & {id(t._storage) for t in _tensors(c.module)}]
        if len(found) == 1:
            return {"model.onnx": found[0]}
        return {f"model_{i}.onnx": each for i, each in enumerate(found)}
    if not isinstance(options.model, Mapping):
        return {"model.onnx": _called(traced, options.model, options.model_args)}
    if options.model_args is not None:
        raise ValueError("model_args= goes with one module: model=module")
    for name in options.model:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"model= names the files of modules by identifiers, got {name!r}")
    return {f"{n}.onnx": _called(traced, m, None) for n, m in options.model.items()}


def _tensors(module: Any) -> list[Any]:
    return [t for _, t in (*module.named_parameters(), *module.named_buffers())]


def _called(traced: Traced, module: Any, args: Sequence[Any] | None) -> CalledModule:
    if not hasattr(module, "named_parameters"):
        raise ValueError(f"model= takes a module, or modules by names; got {module!r:.100}")
    if args is not None:
        return called_with(module, tuple(args), {})
    found = next((c for c in traced.called if c.module is module), None)
    if found is None:
        raise ValueError(
            f"the function does not call this {type(module).__name__}, so that its inputs are "
            "unknown: pass model_args=(ng.spec((None, 64)),)"
        )
    return found


def _models(
    traced: Traced, wanted: Mapping[str, CalledModule], is_asked: bool
) -> dict[str, _Model]:
    """The models, but for those that no file can be; a warning says why.

    Raises:
        ValueError: instead of the warning, if they were asked for.
    """
    known = {id(cell.lasting): cell.name for cell in traced.cells}
    fresh = UniqueNames().fresh
    for name in known.values():
        fresh(name)
    made: dict[str, _Model] = {}
    for file, called in wanted.items():
        found = _traced(called)
        why = found if isinstance(found, str) else _why_none(found)
        if why or isinstance(found, str):
            told = f"the bundle has no {file}: {why}"
            if is_asked:
                raise ValueError(told)
            warnings.warn(told + " (model=False leaves it out)", UserWarning, stacklevel=4)
            continue
        names = {}
        for cell in found.cells:
            if id(cell.lasting) not in known:
                known[id(cell.lasting)] = fresh(cell.name)
            names[cell.name] = known[id(cell.lasting)]
        graph = with_places_as_states(found.graph)
        graph.rename_states(names)
        made[file] = _Model(graph, {names[c.name]: dense(c.lasting.array) for c in found.cells})
    return made


def _traced(called: CalledModule) -> Traced | str:
    """The module's forward in evaluation mode; the reason, where that cannot be traced."""
    if called.others:
        return f"the model is called with {', '.join(called.others)}, which no file takes"
    modes = {id(module): False for _, module in called.module.named_modules()}
    module: Any = called.module
    args, kwargs = called.arguments()
    try:
        with no_grad():
            return trace_arguments(module, args, kwargs, Assumed(modes=modes))
    except TraceError as error:
        return summary_of(error)


def _why_none(traced: Traced) -> str:
    states = with_places_as_states(traced.graph).states
    changed = [state.name for state in states if state.is_changed]
    if changed:
        return f"the model changes its state in evaluation mode ({', '.join(changed[:3])})"
    if traced.on_host:
        return f"the model changes Python's own objects ({traced.on_host[0]})"
    return "the model reads numbers at each call" if traced.signature.scalars else ""
