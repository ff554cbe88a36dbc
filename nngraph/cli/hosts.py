"""Bundles and ONNX files as something that takes one batch after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np

from nngraph.backends.base import usable_cpus
from nngraph.backends.errors import BackendError
from nngraph.backends.onnx.describe import Port, describe
from nngraph.backends.onnx.export import METADATA_KEY
from nngraph.backends.onnx.load import session
from nngraph.backends.onnx.watch import Notes
from nngraph.cli.named import Asked
from nngraph.frontend.checkpoint.load import load
from nngraph.frontend.loaded import LoadedStep, load_step
from nngraph.frontend.profile import profiled
from nngraph.frontend.pytree import flatten
from nngraph.frontend.tensor import Tensor
from nngraph.ir.op import Array
from nngraph.ir.types import TensorType
from nngraph.runtime.profile import Profile, profile_of

__all__ = ["BundleHost", "FileHost", "Host", "batch_for", "host_of"]


class Host(Protocol):
    """Runs steps and keeps the state between them."""

    @property
    def inputs(self) -> Sequence[Port]:
        """What a step takes."""
        ...

    def step(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """One step: the results by name."""
        ...

    def state(self) -> dict[str, Array]:
        """The state by the names that it has in Python."""
        ...

    def profile(self, batch: Mapping[str, Array], steps: int, warmup: int) -> Profile:
        """What a step's time goes to; the state stays as it is."""
        ...


class BundleHost:
    """The step of a bundle, on any backend."""

    def __init__(self, path: Path, backend: str | None, threads: int | None) -> None:
        self.loaded: LoadedStep = load_step(path, backend=backend, threads=threads)
        self.inputs = [_port(p.name, p.type) for p in self.loaded.signature.inputs]

    def step(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        leaves: list[Any] = []
        flatten(self.loaded(**batch), leaves)
        return {f"output_{i}": _array(leaf) for i, leaf in enumerate(leaves) if leaf is not None}

    def state(self) -> dict[str, Array]:
        return {name: _array(tensor) for name, tensor in self.loaded.state_dict().items()}

    def profile(self, batch: Mapping[str, Array], steps: int, warmup: int) -> Profile:
        return profiled(self.loaded, (), batch, steps, warmup)


class FileHost:
    """An ONNX file in ONNX Runtime; one of ours gets back the state that it gives."""

    def __init__(self, path: Path, threads: int | None) -> None:
        facts = self.facts = describe(path)
        self.inputs = facts.inputs
        self._path, self._threads = path, threads or usable_cpus()
        self._session = session(str(path), self._threads)
        meta = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self._pairs: list[dict[str, str]] = json.loads(meta)["state"] if meta else []
        types = {i.name: i.type for i in self._session.get_inputs()}
        self._scalars = {
            name: np.asarray(value, _NUMBERS[types[name]])
            for name, value in facts.scalars.items()
            if name in types
        }
        self._state = _state_beside(path, json.loads(meta), self._pairs) if self._pairs else {}
        renewed = {pair.get("output") for pair in self._pairs}
        self._outputs = [o.name for o in self._session.get_outputs()]
        self._results = [name for name in self._outputs if name not in renewed]

    def feed(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """All that a call takes: the batch, scalars and state."""
        return {**batch, **self._scalars, **self._state}

    def step(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        try:
            values = dict(
                zip(self._outputs, self._session.run(None, self.feed(batch)), strict=True)
            )
        except Exception as error:
            raise BackendError(f"ONNX Runtime refuses the call: {error}") from error
        for pair in self._pairs:
            if "output" in pair:
                self._state[pair["input"]] = values[pair["output"]]
        return {name: values[name] for name in self._results}

    def state(self) -> dict[str, Array]:
        return {pair["name"]: self._state[pair["input"]] for pair in self._pairs}

    def profile(self, batch: Mapping[str, Array], steps: int, warmup: int) -> Profile:
        notes, kept = Notes(), (self._session, dict(self._state))
        try:
            self._session = notes.session(str(self._path), self._path.read_bytes(), self._threads)
            for _ in range(warmup + steps):
                self.step(batch)
            found = notes.recorded()
        finally:
            self._session, self._state = kept
            notes.close()
        nbytes = sum(array.nbytes for array in self._state.values())
        return profile_of(replace(found, turns=found.turns[warmup:]), "onnx", nbytes)


_NUMBERS = {"tensor(double)": np.float64, "tensor(float)": np.float32, "tensor(int64)": np.int64}


def _port(name: str, kind: TensorType) -> Port:
    shape = tuple(d if isinstance(d, int) else str(d) for d in kind.shape)
    return Port(name, kind.dtype.name, shape)


def _array(value: Any) -> Array:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _state_beside(
    path: Path, meta: Mapping[str, Any], pairs: Sequence[Mapping[str, str]]
) -> dict[str, Array]:
    name = str(meta.get("state_file") or "")
    if not name or Path(name).name != name:
        raise BackendError(f"{path} names no state file in its own folder, but {name!r}")
    found: Any = load(path.with_name(name))
    missing = [pair["name"] for pair in pairs if pair["name"] not in found]
    if missing:
        raise BackendError(f"{name} lacks the state {', '.join(missing)} of {path}")
    return {pair["input"]: _array(found[pair["name"]]) for pair in pairs}


def host_of(path: Path, backend: str | None, threads: int | None) -> Host:
    """The host of a bundle's folder or of an ONNX file.

    Raises:
        click.BadParameter: for a backend other than ONNX Runtime and a file of ONNX.
        FileNotFoundError, BackendError, BundleError: as reading says.
    """
    if path.is_dir():
        return BundleHost(path, backend, threads)
    if backend not in (None, "onnx"):
        raise click.BadParameter(f"{path} is an ONNX file, which runs on onnx and not on {backend}")
    return FileHost(path, threads)


def batch_for(inputs: Sequence[Port], asked: Asked) -> dict[str, Array]:
    """An array for each input: from a ``.npy`` file, or drawn - floats normal, integers from 0 on.

    Raises:
        click.BadParameter: if a size is not known, or a file is for no input.
    """
    files = asked.files
    unknown = files.keys() - {port.name for port in inputs}
    if unknown:
        known = ", ".join(port.name for port in inputs)
        raise click.BadParameter(f"there is no input {', '.join(unknown)}; the inputs are {known}")
    draws = np.random.default_rng(asked.seed)
    return {
        port.name: np.load(files[port.name], allow_pickle=False)
        if port.name in files
        else _drawn(port, asked, draws)
        for port in inputs
    }


def _drawn(port: Port, asked: Asked, draws: np.random.Generator) -> Array:
    shape: list[int] = []
    for dim in port.shape or ():
        size = dim if isinstance(dim, int) else asked.sizes.get(str(dim))
        if size is None:
            raise click.BadParameter(f"the size {dim} of {port.name} is open: say --size {dim}=32")
        shape.append(size)
    dtype = np.dtype(port.dtype)
    if dtype.kind == "b":
        return draws.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return draws.integers(0, asked.below, shape).astype(dtype)
    drawn: Array = np.asarray(draws.standard_normal(shape)).astype(dtype)
    return drawn
