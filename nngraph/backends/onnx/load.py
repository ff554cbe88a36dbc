"""Runs an ONNX model by I/O binding: no copy of any state, no allocation for states in a call.

Two sets of state buffers take turns: a call reads one and writes the other. Arrays are NumPy's own
memory, which ONNX Runtime reads and writes in place.
"""

from __future__ import annotations

import operator
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from nngraph.backends.arrays import aligned_empty
from nngraph.backends.onnx.artifact import MODEL_FILE, OnnxArtifact
from nngraph.backends.onnx.blame import explained
from nngraph.backends.onnx.model import element_type
from nngraph.backends.onnx.optimized import OptimizedModels
from nngraph.backends.spans import Spans
from nngraph.ir.dims import SymDim
from nngraph.ir.dtypes import bfloat16
from nngraph.ir.op import Array
from nngraph.ir.signature import Signature
from nngraph.ir.types import TensorType

__all__ = ["OnnxExecutable", "ort_value", "session", "tried"]

_SMALL = 1 << 14  # bytes; below, copying a result is cheaper than binding new memory for it
_LARGE = 1 << 13  # bytes of a model; below, rewriting it again is sooner done than found
_BFLOAT16 = element_type(bfloat16)


def session(
    model: bytes | str,
    threads: int,
    spinning: bool = True,
    level: Any = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    optimized: Path | None = None,
    notes: Path | None = None,
) -> ort.InferenceSession:
    """An inference session with the settings that were measured to be best for training steps.

    ``ENABLE_EXTENDED``: the layout changes of ``ENABLE_ALL`` cost up to a quarter where weights are
    inputs. Sequential: the parallel executor doubles the time of a step.

    Args:
        optimized: where to write the model as the runtime has rewritten it.
        notes: the start of the name of a file for the times of all nodes.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = level
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    if notes is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(notes)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _known(
    model: bytes, threads: int, spinning: bool, cache: Path | None
) -> ort.InferenceSession | None:
    """A session of a large model that the runtime has rewritten before, or now writes to disk."""
    if cache is None or len(model) < _LARGE:
        return None
    models = OptimizedModels(cache, ort.__version__)
    known = models.find(model)
    try:
        if known is not None:
            off = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            return session(known, threads, spinning, off)
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "optimized.onnx")
            made = session(model, threads, spinning, optimized=path)
            models.store(model, path.read_bytes())
            return made
    except OSError:
        return None
    except _FAILURES:
        return None  # without the cache it works, or says why not


def _loaded(
    artifact: OnnxArtifact, threads: int, spinning: bool, cache: Path | None
) -> ort.InferenceSession:
    """A session of the model; constants that exceed protobuf's limit are read from files.

    Raises:
        BackendError: if the runtime refuses the model.
    """
    try:
        if not artifact.data:
            known = _known(artifact.model, threads, spinning, cache)
            return known or session(artifact.model, threads, spinning)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "artifact")
            artifact.write(folder)
            return session(str(folder / MODEL_FILE), threads, spinning)
    except _FAILURES as error:
        raise explained(error, artifact.model, "does not load") from error


def tried(path: Path) -> str:
    """The version of the runtime, which has loaded the file: it has a kernel for each node.

    Raises:
        BackendError: if it refuses the file, naming the node.
    """
    off = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session(str(path), 1, level=off)
    except _FAILURES as error:
        raise explained(error, path.read_bytes(), f"does not load {path.name}") from error
    return str(ort.__version__)


def ort_value(array: Array) -> ort.OrtValue:
    """The array's memory as an ORT value (which keeps the array alive)."""
    if array.dtype == bfloat16.numpy:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), _BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(array)


class _Bank:
    """One binding: where states are read, the buffers that new states are written to."""

    def __init__(self, executable: OnnxExecutable) -> None:
        assert executable.session is not None, "there is something to run"
        self.binding = executable.session.io_binding()
        self.read: list[Array | None] = [None] * len(executable.signature.states)
        self.inputs: list[Array | None] = [None] * len(executable.signature.inputs)
        self.written: dict[int, Array] = {}
        self.spans = Spans()

    def write_to(self, buffers: dict[int, Array]) -> None:
        """These buffers take the new states from now on."""
        self.written = buffers
        self.spans = Spans()
        for array in buffers.values():
            self.spans.add(array)


class OnnxExecutable:
    """A loaded model (see ``Executable`` in ``backends/base.py``).

    With ``in_place`` the arrays of new states are the executable's own two sets, taking turns:
    what a call returned is overwritten by the call after the next. Without it each call returns
    new arrays.
    """

    def __init__(
        self,
        artifact: OnnxArtifact,
        threads: int,
        in_place: bool = True,
        spinning: bool = True,
        cache: Path | None = None,
    ) -> None:
        signature = self.signature = artifact.signature
        self._model = artifact.model  # for errors
        self.in_place = in_place
        # ONNX Runtime refuses models without outputs; nothing is to be run for them.
        self._is_idle = not signature.outputs and not signature.changed
        self.session = None if self._is_idle else self._open(artifact, threads, spinning, cache)
        self._scalars = [np.zeros((), p.type.dtype.numpy) for p in signature.scalars]
        self._results = [_Result(p.name, p.type) for p in signature.outputs]
        self._banks = [] if self._is_idle else [self._bank(), self._bank()]
        self._turn = 0
        self._options = ort.RunOptions()
        self._options.log_severity_level = 4  # what fails is raised, not logged as well

    def _open(
        self, artifact: OnnxArtifact, threads: int, spinning: bool, cache: Path | None
    ) -> ort.InferenceSession:
        return _loaded(artifact, threads, spinning, cache)

    def _bank(self) -> _Bank:
        bank = _Bank(self)
        for port, array in zip(self.signature.scalars, self._scalars, strict=True):
            bank.binding.bind_ortvalue_input(port.name, ort_value(array))
        self._renew(bank)
        for result in self._results:
            result.bind_fixed(bank.binding)
        return bank

    def _renew(self, bank: _Bank) -> None:
        """New buffers for the new states of a bank."""
        buffers: dict[int, Array] = {}
        for i in self.signature.changed:
            port = self.signature.states[i]
            buffers[i] = aligned_empty(port.type.static_shape, port.type.dtype.numpy)
            bank.binding.bind_ortvalue_output(port.output, ort_value(buffers[i]))
        bank.write_to(buffers)

    def run(
        self, inputs: Sequence[Array], scalars: Sequence[float], states: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        if self.session is None:
            return [], list(states)
        bank = self._banks[self._turn]
        self._bind_states(bank, states)
        self._bind_inputs(bank, inputs)
        for array, number in zip(self._scalars, scalars, strict=True):
            array[()] = number
        fresh = [result.bind(bank.binding, inputs, self.signature) for result in self._results]
        try:
            self.session.run_with_iobinding(bank.binding, self._options)
        except _FAILURES as error:
            raise explained(error, self._model, "fails in a call") from error
        new = list(states)
        for i, array in bank.written.items():
            new[i] = array
        if self.in_place:
            self._turn ^= 1
        else:
            self._renew(bank)
        return [r.take(a) for r, a in zip(self._results, fresh, strict=True)], new

    def _bind_states(self, bank: _Bank, states: Sequence[Array]) -> None:
        if len(states) == len(bank.read) and all(map(operator.is_, states, bank.read)):
            return
        rows = zip(states, bank.read, self.signature.states, strict=True)
        for i, (array, bound, port) in enumerate(rows):
            if array is not bound:
                bank.read[i] = _bind(bank, port.input, array)

    def _bind_inputs(self, bank: _Bank, inputs: Sequence[Array]) -> None:
        rows = zip(inputs, bank.inputs, self.signature.inputs, strict=True)
        for i, (array, bound, port) in enumerate(rows):
            if array is not bound:
                bank.inputs[i] = _bind(bank, port.name, array)


def _bind(bank: _Bank, name: str, array: Array) -> Array | None:
    """Binds an array, or a copy of it; gives it back if the binding follows its changes."""
    usable = _usable(array)
    if bank.spans.near(usable):  # a call would write into it
        usable = usable.copy()
    bank.binding.bind_ortvalue_input(name, ort_value(usable))
    return array if usable is array else None


def _usable(array: Array) -> Array:
    """The array itself where ORT reads its memory right, else a copy."""
    if isinstance(array, np.ndarray) and array.flags.c_contiguous and array.dtype.isnative:
        return array
    array = np.asarray(array)  # NumPy's scalars are no arrays
    return np.array(array, array.dtype.newbyteorder("="), order="C")


class _Result:
    """How one output comes back: copied out of a fixed buffer if small, else in new memory."""

    def __init__(self, name: str, kind: TensorType) -> None:
        self.name = name
        self.kind = kind
        small = kind.is_static and kind.nbytes <= _SMALL
        self.fixed = aligned_empty(kind.static_shape, kind.dtype.numpy) if small else None

    def bind_fixed(self, binding: Any) -> None:
        if self.fixed is not None:
            binding.bind_ortvalue_output(self.name, ort_value(self.fixed))

    def bind(self, binding: Any, inputs: Sequence[Array], signature: Signature) -> Array | None:
        """Binds new memory, if this call needs some."""
        if self.fixed is not None:
            return None
        shape = self.kind.shape
        if not self.kind.is_static:
            sizes = signature.sizes(inputs)
            shape = tuple(d.evaluate(sizes) if isinstance(d, SymDim) else d for d in shape)
        known = TensorType(self.kind.dtype, shape).static_shape
        array = aligned_empty(known, self.kind.dtype.numpy)
        binding.bind_ortvalue_output(self.name, ort_value(array))
        return array

    def take(self, array: Array | None) -> Array:
        if array is not None:
            return array
        assert self.fixed is not None
        return self.fixed.copy()


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    state = ort.capi.onnxruntime_pybind11_state
    names = (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NoSuchFile",
        "NotImplemented",
        "RuntimeException",
        "EngineError",
    )
    found = [getattr(state, n) for n in names if hasattr(state, n)]
    return (*found, RuntimeError)


_FAILURES = _onnxruntime_errors()
