"""A step with its state, without the code that it was traced from: what loaded files become."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np

from nngraph.backends.base import Artifact
from nngraph.backends.build import Built
from nngraph.frontend.capture.arguments import argument_of
from nngraph.frontend.capture.effects import (
    ArgumentGradient,
    ArgumentWritten,
    Call,
    Effect,
    GradientSet,
    host_array,
)
from nngraph.frontend.pytree import plain
from nngraph.frontend.storage import Storage
from nngraph.frontend.structure import structure
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import EAGER, world
from nngraph.ir.dims import SymDim
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.roles import Role
from nngraph.ir.signature import Port, Signature
from nngraph.ir.types import TensorType, type_of_array
from nngraph.runtime.bundle.results import Structure, built, matched, shown
from nngraph.runtime.step import NO_CHECKS, Checks, CompiledStep

__all__ = ["StatefulStep", "need_type"]


class StatefulStep(ABC):
    """A step with its state: a call takes arrays or tensors, and gives what the function gave.

    Attributes:
        name: of the function.
        signature: names, types and roles of what goes in and out.
        scalars: the number of each host scalar (``step.scalars["lr"] = 1e-4``), read at each call.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        scalars: Mapping[str, float],
        arguments: Structure,
        result: Structure,
        states: Mapping[str, Array],
    ) -> None:
        self.name = name
        self.signature = signature
        self.scalars: dict[str, float] = dict(scalars)
        self._arguments = arguments
        self._result = result
        self._tensors = {name: Tensor(Storage(a)) for name, a in states.items()}
        self._effects = self._made_effects()
        self._steps: list[CompiledStep] = []
        self._stamp: object = None
        self._alone = threading.RLock()

    def __repr__(self) -> str:
        inputs = ", ".join(f"{p.name}: {p.type}" for p in self.signature.inputs)
        return f"<{type(self).__name__} {self.name}({inputs}) on {self._where}>"

    @property
    @abstractmethod
    def _where(self) -> str:
        """What runs it."""

    # -- calls -----------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One step: changes the state, and returns what the function returned.

        Args:
            args, kwargs: as the function was called when the file was written, or the inputs in
                their order or by their names: tensors, arrays, or numbers for inputs without axes.

        Raises:
            KeyError: if ``scalars`` has other names than at first.
            TypeError: if inputs are missing, or there are others.
            ValueError: if an input has another dtype or shape.
            UnsupportedGraph: if the backend lacks something, at the first call.
        """
        world().refuse(
            "a loaded step is called", "Call it outside of compiled functions: it is compiled."
        )
        self._need_scalars()
        passed = self._passed(args, kwargs)
        arrays = [host_array(value) for value in passed]
        for port, array in zip(self.signature.inputs, arrays, strict=True):
            need_type(port, array)
        sizes = self.signature.sizes(arrays)
        with self._alone:
            self._need_writable(arrays)
            call = Call(self._found(sizes).run(arrays), passed, [])
            for effect in self._effects:
                effect.apply(call)
        places = {port.name: i for i, port in enumerate(self.signature.outputs)}
        return built(self._result, lambda name: call.tensor(places[name]))

    def _passed(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        ports = self.signature.inputs
        names = [port.name for port in ports]
        given = matched(self._arguments, plain((tuple(args), dict(kwargs))))
        if given is None or given.keys() != {*names}:
            given = dict(zip(names, args, strict=False)) | dict(kwargs)
            twice = kwargs.keys() & set(names[: len(args)])
            if len(args) > len(names) or given.keys() != {*names} or twice:
                raise self._unfit(args, kwargs)
        return [_value(port, given[port.name]) for port in ports]

    def _need_scalars(self) -> None:
        wanted = {port.name for port in self.signature.scalars}
        if self.scalars.keys() != wanted:
            differ = sorted(self.scalars.keys() ^ wanted)
            known = ", ".join(port.name for port in self.signature.scalars) or "none"
            raise KeyError(f"{differ[0]!r}: the scalars of {self.name} are {known}")

    def _unfit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError:
        """The error of a call with other arguments than the exported one."""
        ports = ", ".join(f"{p.name}: {p.type}" for p in self.signature.inputs) or "nothing"
        got = [*map(_shown, args), *(f"{key}={_shown(v)}" for key, v in kwargs.items())]
        structure = shown(self._arguments)
        return TypeError(
            f"{self.name} takes {ports} (arguments and keywords were {structure}); "
            f"got {', '.join(got) or 'nothing'}"
        )

    def _found(self, sizes: Mapping[str, int]) -> CompiledStep:
        """``_step``, on the states where they are; ``structure`` tells when they may have moved."""
        stamp = structure.stamp
        if stamp is not self._stamp:
            for each in self._steps:
                if not each.refresh():
                    raise ValueError("; ".join(each.mismatches()))
        step = self._step(sizes)
        self._stamp = structure.stamp
        return step

    @abstractmethod
    def _step(self, sizes: Mapping[str, int]) -> CompiledStep:
        """What runs a call of these sizes."""

    def _on_states(
        self, made: Built[Artifact], graph: Graph | None = None, checks: Checks = NO_CHECKS
    ) -> CompiledStep:
        """What runs a loaded graph on the states."""
        slots = [self._tensors[port.name]._storage for port in self.signature.states]
        for slot in slots:
            slot.watched = True
        readers = [self._reader(port.name) for port in self.signature.scalars]
        written = [e.argument for e in self._effects if isinstance(e, ArgumentWritten)]
        step = CompiledStep(graph, made, slots, readers, checks, written)
        self._steps.append(step)
        return step

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

    @abstractmethod
    def save(self, folder: str | PathLike[str]) -> Path:
        """Writes the folder that it came from with the present state and scalars.

        An older one of that name is replaced.

        Raises:
            FileExistsError: if the folder holds anything else.
            FileNotFoundError: if the folder around it is not there.
            KeyError: if ``scalars`` has other names than at first.
            TypeError: if a scalar is no number.
        """

    def _present(self) -> tuple[dict[str, float], dict[str, Array]]:
        """The scalars and the state as they are, for files."""
        self._need_scalars()
        scalars = {name: _number(name, value) for name, value in self.scalars.items()}
        return scalars, {n: t._read(EAGER) for n, t in self._tensors.items()}


def _value(port: Port, value: Any) -> Any:
    if isinstance(value, bool | int | float) and port.type.rank == 0:
        return np.asarray(value, port.type.dtype.numpy)
    argument, passed = argument_of(value)
    if argument.type is None:
        raise TypeError(f"{port.name} is {port.type}; got {_shown(value)}: pass a tensor or array")
    return passed


def need_type(port: Port, array: Array) -> None:
    """Passes for an array of the type of an input.

    Raises:
        ValueError: if it has another dtype or shape.
    """
    found, wanted = type_of_array(array), port.type
    fits = found.dtype is wanted.dtype and found.rank == wanted.rank
    if not fits or any(
        a != b and not isinstance(b, SymDim) for a, b in zip(found.shape, wanted.shape, strict=True)
    ):
        raise ValueError(f"{port.name} is {found}; it is made for {wanted}")


def _shown(value: Any) -> str:
    kind = getattr(value, "aval", None)
    if isinstance(kind, TensorType):
        return str(kind)
    return str(type_of_array(value)) if isinstance(value, np.ndarray) else repr(value)[:40]


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"the scalar {name!r} is {value!r:.40}; it has to be a number of Python's")
