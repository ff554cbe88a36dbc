"""One trace of a function, compiled: checks its guards and runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nngraph.backends.base import Artifact
from nngraph.backends.build import Built
from nngraph.frontend.base import TensorBase
from nngraph.frontend.capture.effects import Call
from nngraph.frontend.capture.traced import Traced
from nngraph.frontend.pytree import unflatten
from nngraph.frontend.world import EAGER
from nngraph.ir.op import Array
from nngraph.runtime.step import CompiledStep

__all__ = ["Specialization"]


class Specialization:
    """A traced and compiled function for one kind of arguments."""

    def __init__(self, traced: Traced, built: Built[Artifact], finite: bool) -> None:
        self.traced = traced
        self._written = traced.written
        cells = [c.lasting for c in traced.cells]
        pairs = zip(cells, traced.signature.states, strict=True)
        # States that arguments must not be: the graph would not see that both are one tensor.
        self._own: dict[Any, str] = {c: s.name for c, s in pairs if s.is_changed or self._written}
        self.step = CompiledStep(traced.graph, built, cells, traced.readers, finite)

    def broken_guard(self) -> str | None:
        """Why the trace is no longer valid; None if it is."""
        for guard in self.traced.guards:
            if not guard.check():
                return guard.reason
        return self.step.mismatch()

    def run(self, passed: Sequence[Any]) -> Any:
        """Runs on tensor arguments in order; state is changed only if all went well.

        Raises:
            ValueError: if the code writes to an argument that is read-only.
            RuntimeError: if it writes to memory that came in a second time.
        """
        arrays = [_host_array(p) for p in passed]
        for position in self._written:
            self._need_writable(position, passed, arrays)
        if self._own:
            self._need_apart(passed)
        call = Call(self.step.run(arrays), passed, list(self.traced.leaves))
        for effect in self.traced.effects:
            effect.apply(call)
        return unflatten(self.traced.result, call.leaves)

    def _need_writable(self, position: int, passed: Sequence[Any], arrays: list[Array]) -> None:
        name, array = self.traced.signature.inputs[position].name, arrays[position]
        if not array.flags.writeable:
            raise ValueError(
                f"the function writes to argument {name!r}, whose array is read-only: pass a copy"
            )
        if sum(value is passed[position] for value in passed) > 1:
            raise RuntimeError(
                f"the function writes to argument {name!r}, which is also passed as "
                "another argument: pass a clone() of it there"
            )

    def _need_apart(self, passed: Sequence[Any]) -> None:
        for value, argument in zip(passed, self.traced.signature.inputs, strict=True):
            if not isinstance(value, TensorBase) or value._view is not None:
                continue
            state = self._own.get(value._storage)
            if state is not None:
                raise RuntimeError(
                    f"argument {argument.name!r} is the tensor {state!r} that the function also "
                    f"meets inside, and it writes to its state: use {state!r} inside without "
                    "passing it, or pass a clone() of it"
                )


def _host_array(value: Any) -> Array:
    if isinstance(value, TensorBase):
        held: Array = value._read(EAGER)
        return held
    array = np.asarray(value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
