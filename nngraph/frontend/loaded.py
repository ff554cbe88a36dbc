"""``ng.load_step``: a step from a bundle, without the code that it was traced from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from nngraph.backends import get_backend, need_device
from nngraph.backends.arrays import aligned_copy
from nngraph.backends.base import Target, UnsupportedGraph
from nngraph.backends.build import Built, build
from nngraph.backends.watch import Recording
from nngraph.frontend.capture.effects import host_array
from nngraph.frontend.compile import backend_named, checks_of
from nngraph.frontend.steps import StatefulStep, need_type
from nngraph.frontend.world import EAGER
from nngraph.ir.evaluate import evaluate
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.text import print_graph
from nngraph.passes.sizes import with_sizes
from nngraph.runtime.agreement import Difference, differences, node_differences, result_names
from nngraph.runtime.bundle.folder import Bundle, read_bundle, write_bundle
from nngraph.runtime.reduction import Reduced, first_wrong_pass, reduced
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


class LoadedStep(StatefulStep):
    """The step of a bundle, which is compiled at its first call.

    Attributes:
        target: what it is compiled for.
    """

    def __init__(self, bundle: Bundle, target: Target, checks: Checks) -> None:
        m = bundle.manifest
        super().__init__(m.name, m.signature, m.scalars, m.arguments, m.result, bundle.states)
        self.target = target
        self._checks = checks
        self._bundle = replace(bundle, states={})  # the tensors have them from here on
        self._compiled: dict[frozenset[tuple[str, int]], CompiledStep] = {}
        self._needs_numbers = False

    @property
    def _where(self) -> str:
        return self.target.backend

    def watched(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], calls: int
    ) -> tuple[Recording, CompiledStep]:
        """What calls with these arguments do, and what they run; the state stays as it is."""
        self._need_scalars()
        arrays = [host_array(value) for value in self._passed(args, kwargs)]
        for port, array in zip(self.signature.inputs, arrays, strict=True):
            need_type(port, array)
        with self._alone:
            step = self._found(self.signature.sizes(arrays))
            return step.watched(arrays, calls), step

    def _step(self, sizes: Mapping[str, int]) -> CompiledStep:
        """One for all sizes, or where the backend needs numbers one for each.

        Raises:
            UnsupportedGraph: if the backend lacks something.
        """
        key = frozenset(sizes.items() if self._needs_numbers else ())
        step = self._compiled.get(key)
        if step is None:
            graph = self._bundle.graph
            if self._needs_numbers:
                graph = with_sizes(graph, sizes)
            try:
                made = build(get_backend(self.target.backend), graph, self.target)
            except UnsupportedGraph:
                if self._needs_numbers or all(p.type.is_static for p in self.signature.inputs):
                    raise
                self._needs_numbers = True
                return self._step(sizes)
            step = self._compiled[key] = self._on_states(made, graph, self._checks)
        return step

    def compared(self, *args: Any, **kwargs: Any) -> list[Difference]:
        """How far a step is from the operators' definitions in NumPy; the state stays as it is.

        Returns:
            A row for each result - outputs, then new states - and then one for each output of each
            operator, evaluated on the values that it met on the backend.

        Raises:
            TypeError, ValueError, UnsupportedGraph: as a call does.
        """
        graph, made, (inputs, scalars, states) = self._apart(args, kwargs)
        outputs, after = made.executable.run(inputs, scalars, states)
        arguments = self.signature.arguments(inputs, scalars, states)

        def reference(*arrays: Array) -> Sequence[Array]:
            return evaluate(graph, arrays)

        results = differences(reference, arguments, (*outputs, *after), result_names(graph))
        return results + node_differences(graph, made, arguments)

    def reduced(
        self, *args: Any, **kwargs: Any
    ) -> tuple[tuple[str, Difference] | None, Reduced | None]:
        """What a step computes otherwise than the operators' definitions; the state stays as it is.

        Returns:
            The first pass of the backend that changes what the graph means, with the result that is
            farthest then, and the smallest part of the graph that was found to disagree when it is
            compiled alone; None for each that there is not.

        Raises:
            TypeError, ValueError, UnsupportedGraph: as a call does.
        """
        graph, made, call = self._apart(args, kwargs)
        arguments = self.signature.arguments(*call)
        return first_wrong_pass(graph, made, arguments), reduced(graph, made, arguments)

    def _apart(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Graph, Built[Any], tuple[list[Array], list[float], list[Array]]]:
        """The graph of a call, compiled to leave the state alone, and what it would run on."""
        inputs = [host_array(value) for value in self._passed(args, kwargs)]
        for port, array in zip(self.signature.inputs, inputs, strict=True):
            need_type(port, array)
        sizes = self.signature.sizes(inputs)
        graph = with_sizes(self._bundle.graph, sizes) if sizes else self._bundle.graph
        target = replace(self.target, in_place=False)
        made = build(get_backend(target.backend), graph, target)
        with self._alone:
            ports = self.signature.states
            states = [aligned_copy(self._tensors[p.name]._read(EAGER)) for p in ports]
        scalars = [float(self.scalars[port.name]) for port in self.signature.scalars]
        return graph, made, (inputs, scalars, states)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Writes the bundle with the present state and scalars; an older one there is replaced.

        Raises:
            FileExistsError: if the folder holds anything else.
            FileNotFoundError: if the folder around it is not there.
            KeyError: if ``scalars`` has other names than at first.
            TypeError: if a scalar is no number.
        """
        with self._alone:
            scalars, states = self._present()
            manifest = replace(self._bundle.manifest, scalars=scalars)
            whole = replace(self._bundle, manifest=manifest, states=states)
            write_bundle(Path(fspath(folder)), whole, print_graph(self._bundle.graph))
        return Path(fspath(folder))
