"""One trace of a function, compiled: checks its guards and runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.base import Built
from nngraph.frontend.base import TensorBase
from nngraph.frontend.pytree import unflatten
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.tracing import Traced
from nngraph.frontend.variable import Storage, Variable
from nngraph.ir.op import Array
from nngraph.runtime.program import Program

__all__ = ["Specialization"]


class Specialization:
    """A traced and compiled function for one kind of arguments."""

    def __init__(self, traced: Traced, built: Built, finite: bool) -> None:
        self.traced = traced
        storages = [c.storage for c in traced.cells]
        self.program = Program(traced.graph, built, storages, traced.readers, finite)

    def broken_guard(self) -> str | None:
        """Why the trace is no longer valid; None if it is."""
        for guard in self.traced.guards:
            if not guard.check():
                return guard.reason
        return self.program.mismatch()

    def run(self, passed: Sequence[Any]) -> Any:
        """Runs on tensor arguments in order; state is changed only if all went well."""
        outputs = self.program.run([_host_array(p) for p in passed])
        return self._results(outputs, passed)

    def _results(self, outputs: Sequence[Array], passed: Sequence[Any]) -> Any:
        rest = iter(outputs)
        leaves = [_tensor(next(rest)) if dynamic else value for dynamic, value in self.traced.fixed]
        for position in self.traced.written:
            _write_back(passed[position], next(rest))
        for tensor, present in self.traced.gradients:
            tensor._grad = _tensor(next(rest)) if present else None
        for position in self.traced.argument_gradients:
            gradient, argument = _tensor(next(rest)), passed[position]
            if isinstance(argument, TensorBase):
                argument._accumulate(gradient, create_graph=False)
        return unflatten(self.traced.result, leaves)


def _tensor(array: Array) -> Tensor:
    return Tensor(Variable(Storage(array)))


def _host_array(value: Any) -> Array:
    if isinstance(value, TensorBase):
        array = value._variable.storage.array
        assert array is not None
        return array
    return np.asarray(value)


def _write_back(argument: Any, array: Array) -> None:
    if isinstance(argument, TensorBase):
        storage = argument._variable.storage
        assert storage.array is not None
        np.copyto(storage.array, array)
        storage.version += 1
    else:
        np.copyto(argument, array)
