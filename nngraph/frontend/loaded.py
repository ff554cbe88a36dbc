"""``ng.load_step``: a step from a bundle, without the code that it was traced from."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np

from nngraph.backends import get_backend, need_device
from nngraph.backends.arrays import aligned_copy
from nngraph.backends.base import Target, UnsupportedGraph
from nngraph.backends.build import build
from nngraph.frontend.capture.arguments import argument_of
from nngraph.frontend.capture.effects import (
    ArgumentGradient,
    ArgumentWritten,
    Call,
    Effect,
    GradientSet,
    host_array,
)
from nngraph.frontend.compile import backend_named, checks_of
from nngraph.frontend.pytree import plain
from nngraph.frontend.storage import Storage
from nngraph.frontend.structure import structure
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import EAGER, world
from nngraph.ir.dims import SymDim
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Port, Signature
from nngraph.ir.text import print_graph
from nngraph.ir.types import TensorType, type_of_array
from nngraph.passes.sizes import with_sizes
from nngraph.runtime.agreement import Difference, differences, node_differences, result_names
from nngraph.runtime.bundle.folder import Bundle, read_bundle, write_bundle
from nngraph.runtime.bundle.results import built, matched, shown
from nngraph.runtime.step import NO_CHECKS, Checks, CompiledStep

__all__ = ["LoadedStep", "load_step"]


def load_step(
    bundle: str | PathLike[str],
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    strict: bool = True,
    check_finite: bool = False,
    check: str | None = None,
    every: int = 100,
    cache: str | None = None,
) -> LoadedStep:
    """The step of a bundle that ``ng.export`` wrote, ready to go on from the bundle's state.

    It computes what the compiled function computes whose bundle it is, bit for bit on the same
    backend with the same threads. Nothing of the bundle is executed by loading it; the graph is
    compiled at the first call.

    Args:
        bundle: the folder.
        backend, device, threads, strict, check_finite, check, every, cache: as for ``ng.compile``.

    Raises:
        FileNotFoundError: if there is no such folder.
        BundleError: if it holds no bundle, a damaged one, or one of a newer version.
        BackendError: if the backend is unknown, not installed or does not run on the device.
    """
    name = backend_named(backend)
    get_backend(name)
    need_device(name, device)
    checks = checks_of(check_finite, check, every)
    target = Target(name, device, threads, strict, in_place=checks is NO_CHECKS, cache=cache)
    return LoadedStep(read_bundle(Path(fspath(bundle))), target, checks)


class LoadedStep:
    """A step with its state: a call takes arrays or tensors, and gives what the function gave.

    Attributes:
        name: of the function that was exported.
        signature: names, types and roles of what goes in and out.
        scalars: the number of each host scalar (``step.scalars["lr"] = 1e-4``), read at each call.
        target: what it is compiled for.
    """

    def __init__(self, bundle: Bundle, target: Target, checks: Checks) -> None:
        manifest = bundle.manifest
        self.name = manifest.name
        self.signature: Signature = manifest.signature
        self.scalars: dict[str, float] = dict(manifest.scalars)
        self.target = target
        self._checks = checks
        self._bundle = replace(bundle, states={})  # the tensors have them from here on
        self._tensors = {name: Tensor(Storage(a)) for name, a in bundle.states.items()}
        self._steps: dict[frozenset[tuple[str, int]], CompiledStep] = {}
        self._needs_numbers = False
        self._effects = self._made_effects()
        self._stamp: object = None
        self._alone = threading.RLock()

    def __repr__(self) -> str:
        inputs = ", ".join(f"{p.name}: {p.type}" for p in self.signature.inputs)
        return f"<LoadedStep {self.name}({inputs}) on {self.target.backend}>"

    # -- calls -----------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One step: changes the state, and returns what the exported function returned.

        Args:
            args, kwargs: as the exported function was called, or the inputs of the bundle in their
                order or by their names: tensors, arrays, or numbers for inputs without axes.

        Raises:
            KeyError: if ``scalars`` has other names than at first.
            TypeError: if inputs are missing, or there are others.
            ValueError: if an input has another dtype or shape.
            UnsupportedGraph: if the backend lacks something, at the first call.
        """
        world().refuse(
            "a step of a bundle is called", "Call it outside of compiled functions: it is compiled."
        )
        self._need_scalars()
        passed = self._passed(args, kwargs)
        arrays = [host_array(value) for value in passed]
        for port, array in zip(self.signature.inputs, arrays, strict=True):
            _need_type(port, array)
        sizes = self.signature.sizes(arrays)
        with self._alone:
            self._need_writable(arrays)
            call = Call(self._step(sizes).run(arrays), passed, [])
            for effect in self._effects:
                effect.apply(call)
        places = {port.name: i for i, port in enumerate(self.signature.outputs)}
        return built(self._bundle.manifest.result, lambda name: call.tensor(places[name]))

    def _passed(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        ports = self.signature.inputs
        names = [port.name for port in ports]
        given = matched(self._bundle.manifest.arguments, plain((tuple(args), dict(kwargs))))
        if given is None or given.keys() != {*names}:
            given = dict(zip(names, args, strict=False)) | dict(kwargs)
            twice = kwargs.keys() & set(names[: len(args)])
            if len(args) > len(names) or given.keys() != {*names} or twice:
                raise self._unfit(args, kwargs)
        return [_value(port, given[port.name]) for port in ports]

    def _need_scalars(self) -> None:
        if self.scalars.keys() != self._bundle.manifest.scalars.keys():
            differ = sorted(self.scalars.keys() ^ self._bundle.manifest.scalars.keys())
            known = ", ".join(self._bundle.manifest.scalars) or "none"
            raise KeyError(f"{differ[0]!r}: the scalars of {self.name} are {known}")

    def _unfit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError:
        """The error of a call with other arguments than the exported one."""
        ports = ", ".join(f"{p.name}: {p.type}" for p in self.signature.inputs) or "nothing"
        got = [*map(_shown, args), *(f"{key}={_shown(v)}" for key, v in kwargs.items())]
        structure = shown(self._bundle.manifest.arguments)
        return TypeError(
            f"{self.name} takes {ports} (arguments and keywords were {structure}); "
            f"got {', '.join(got) or 'nothing'}"
        )

    def _step(self, sizes: Mapping[str, int]) -> CompiledStep:
        """The compiled graph: one for all sizes, or where the backend needs numbers one for each.

        ``structure`` tells when the states may have moved.
        """
        key = frozenset(sizes.items() if self._needs_numbers else ())
        step, stamp = self._steps.get(key), structure.stamp
        if step is None:
            step = self._compiled(self._graph(sizes))
            if step is None:
                return self._step(sizes)
            self._steps[key] = step
        elif stamp is not self._stamp:
            for each in self._steps.values():
                if not each.refresh():
                    raise ValueError("; ".join(each.mismatches()))
        self._stamp = stamp
        return step

    def _graph(self, sizes: Mapping[str, int]) -> Graph:
        graph = self._bundle.graph
        return with_sizes(graph, sizes) if self._needs_numbers else graph

    def _compiled(self, graph: Graph) -> CompiledStep | None:
        """The step of a graph; None if its sizes have to be numbers first."""
        try:
            made = build(get_backend(self.target.backend), graph, self.target)
        except UnsupportedGraph:
            if self._needs_numbers or all(p.type.is_static for p in self.signature.inputs):
                raise
            self._needs_numbers = True
            return None
        slots = [self._tensors[port.name]._storage for port in self.signature.states]
        for slot in slots:
            slot.watched = True
        readers = [self._reader(port.name) for port in self.signature.scalars]
        written = [e.argument for e in self._effects if isinstance(e, ArgumentWritten)]
        return CompiledStep(graph, made, slots, readers, self._checks, written)

    def _reader(self, name: str) -> Any:
        return lambda: self.scalars[name]

    def _made_effects(self) -> list[Effect]:
        """What a call leaves besides its result."""
        places = {port.name: i for i, port in enumerate(self.signature.inputs)}
        made: list[Effect] = []
        for output, port in enumerate(self.signature.outputs):
            if port.role is Role.ARGUMENT and port.of in places:
                made.append(ArgumentWritten(output, places[port.of]))
            elif port.role is Role.ARGUMENT_GRADIENT and port.of in places:
                made.append(ArgumentGradient(output, places[port.of]))
            elif port.role is Role.GRADIENT and port.of in self._tensors:
                made.append(GradientSet(output, ref(self._tensors[port.of])))
        return made

    def _need_writable(self, arrays: Sequence[Array]) -> None:
        for effect in self._effects:
            if isinstance(effect, ArgumentWritten) and not arrays[effect.argument].flags.writeable:
                name = self.signature.inputs[effect.argument].name
                raise ValueError(
                    f"{self.name} writes to {name!r}, whose array is read-only: pass a copy"
                )

    def compared(self, *args: Any, **kwargs: Any) -> list[Difference]:
        """How far a step is from the operators' definitions in NumPy; the state stays as it is.

        Returns:
            A row for each result - outputs, then new states - and then one for each output of each
            operator, evaluated on the values that it met on the backend.

        Raises:
            TypeError, ValueError, UnsupportedGraph: as a call does.
        """
        inputs = [host_array(value) for value in self._passed(args, kwargs)]
        for port, array in zip(self.signature.inputs, inputs, strict=True):
            _need_type(port, array)
        sizes = self.signature.sizes(inputs)
        graph = with_sizes(self._bundle.graph, sizes) if sizes else self._bundle.graph
        target = replace(self.target, in_place=False)
        made = build(get_backend(target.backend), graph, target)
        with self._alone:
            ports = self.signature.states
            states = [aligned_copy(self._tensors[p.name]._read(EAGER)) for p in ports]
        scalars = [float(self.scalars[port.name]) for port in self.signature.scalars]
        outputs, after = made.executable.run(inputs, scalars, states)
        arguments = self.signature.arguments(inputs, scalars, states)

        def reference(*arrays: Array) -> Sequence[Array]:
            return evaluate(graph, arrays)

        results = differences(reference, arguments, (*outputs, *after), result_names(graph))
        return results + node_differences(graph, made, arguments)

    # -- state -----------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Tensor]:
        """The tensors of the state by name, as they are; later calls change them."""
        return dict(self._tensors)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the elements of another state: from ``state_dict``, or arrays of any host.

        Raises:
            RuntimeError: if names are missing or others are there, or a dtype or shape is another;
                nothing is changed then.
        """
        arrays = {name: host_array(value) for name, value in state.items()}
        wrong = [f"{name} is missing" for name in self._tensors if name not in arrays]
        wrong += [f"{name} is unexpected" for name in arrays if name not in self._tensors]
        for name, tensor in self._tensors.items():
            if name in arrays and type_of_array(arrays[name]) != tensor.aval:
                wrong.append(f"{name} is {type_of_array(arrays[name])}, wanted {tensor.aval}")
        if wrong:
            raise RuntimeError(f"the state does not fit {self.name}: {'; '.join(wrong)}")
        with self._alone:
            for name, array in arrays.items():
                EAGER.write(self._tensors[name]._storage, None, np.array(array, order="C"))

    def save(self, folder: str | PathLike[str]) -> Path:
        """Writes the bundle with the present state and scalars; an older one there is replaced.

        Raises:
            FileExistsError: if the folder holds anything else.
            FileNotFoundError: if the folder around it is not there.
            TypeError: if a scalar is no number.
        """
        self._need_scalars()
        scalars = {name: _number(name, value) for name, value in self.scalars.items()}
        with self._alone:
            states = {n: t._read(EAGER) for n, t in self._tensors.items()}
            manifest = replace(self._bundle.manifest, scalars=scalars)
            whole = replace(self._bundle, manifest=manifest, states=states)
            write_bundle(Path(fspath(folder)), whole, print_graph(self._bundle.graph))
        return Path(fspath(folder))


def _value(port: Port, value: Any) -> Any:
    if isinstance(value, bool | int | float) and port.type.rank == 0:
        return np.asarray(value, port.type.dtype.numpy)
    argument, passed = argument_of(value)
    if argument.type is None:
        raise TypeError(f"{port.name} is {port.type}; got {_shown(value)}: pass a tensor or array")
    return passed


def _need_type(port: Port, array: Array) -> None:
    found, wanted = type_of_array(array), port.type
    fits = found.dtype is wanted.dtype and found.rank == wanted.rank
    if not fits or any(
        a != b and not isinstance(b, SymDim) for a, b in zip(found.shape, wanted.shape, strict=True)
    ):
        raise ValueError(f"{port.name} is {found}; the bundle was exported for {wanted}")


def _shown(value: Any) -> str:
    kind = getattr(value, "aval", None)
    if isinstance(kind, TensorType):
        return str(kind)
    return str(type_of_array(value)) if isinstance(value, np.ndarray) else repr(value)[:40]


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"the scalar {name!r} is {value!r:.40}; it has to be a number of Python's")
