"""PyTorch-style training code compiled into one typed graph, and from there to ONNX or TVM."""

from __future__ import annotations

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from nngraph import nn, optim
from nngraph.backends.base import BackendError
from nngraph.einops.hook import install as _install
from nngraph.frontend.absent import why_absent as _why_absent
from nngraph.frontend.anomaly import (
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    set_anomaly_enabled,
)
from nngraph.frontend.capture.arguments import spec
from nngraph.frontend.checkpoint.load import load
from nngraph.frontend.checkpoint.save import save
from nngraph.frontend.compile import compile, set_default_backend, trace
from nngraph.frontend.defaults import get_default_dtype, set_default_dtype
from nngraph.frontend.devices import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    get_default_device,
    layout,
    memory_format,
    preserve_format,
    set_default_device,
    strided,
)
from nngraph.frontend.errors import ConcretizationError, TraceError
from nngraph.frontend.export import export
from nngraph.frontend.foreach import FOREACH as _FOREACH
from nngraph.frontend.functional import SUBJECTS as _SUBJECTS
from nngraph.frontend.functional.activations import *
from nngraph.frontend.functional.arithmetic import *
from nngraph.frontend.functional.bins import *
from nngraph.frontend.functional.comparison import *
from nngraph.frontend.functional.constructor import *
from nngraph.frontend.functional.contraction import *
from nngraph.frontend.functional.conversion import *
from nngraph.frontend.functional.counts import *
from nngraph.frontend.functional.creation import *
from nngraph.frontend.functional.data import *
from nngraph.frontend.functional.decompositions import *
from nngraph.frontend.functional.devices import *
from nngraph.frontend.functional.distances import *
from nngraph.frontend.functional.drawing import *
from nngraph.frontend.functional.extremes import *
from nngraph.frontend.functional.facts import *
from nngraph.frontend.functional.gamma import *
from nngraph.frontend.functional.grids import *
from nngraph.frontend.functional.indexing import *
from nngraph.frontend.functional.integers import *
from nngraph.frontend.functional.joining import *
from nngraph.frontend.functional.linalg import *
from nngraph.frontend.functional.logic import *
from nngraph.frontend.functional.memory import *
from nngraph.frontend.functional.moving import *
from nngraph.frontend.functional.numbers import *
from nngraph.frontend.functional.order import *
from nngraph.frontend.functional.parts import *
from nngraph.frontend.functional.placing import *
from nngraph.frontend.functional.pointwise import *
from nngraph.frontend.functional.random import *
from nngraph.frontend.functional.reduction import *
from nngraph.frontend.functional.running import *
from nngraph.frontend.functional.scan import *
from nngraph.frontend.functional.selection import *
from nngraph.frontend.functional.shaping import *
from nngraph.frontend.functional.special import *
from nngraph.frontend.functional.spellings import *
from nngraph.frontend.functional.statistics import *
from nngraph.frontend.functional.systems import *
from nngraph.frontend.functional.tapers import *
from nngraph.frontend.functional.windows import *
from nngraph.frontend.generator import Generator, default_generator
from nngraph.frontend.inference import inference_mode, is_inference_mode_enabled
from nngraph.frontend.inplace import IN_PLACE as _IN_PLACE
from nngraph.frontend.lanes.vmap import vmap
from nngraph.frontend.limits import finfo, iinfo
from nngraph.frontend.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from nngraph.frontend.nodevice import OutOfMemoryError
from nngraph.frontend.precision import region as _region
from nngraph.frontend.precision.region import *
from nngraph.frontend.printing import set_printoptions
from nngraph.frontend.promotion import promote_types, result_type
from nngraph.frontend.settings import *
from nngraph.frontend.settings import __all__ as _SETTINGS
from nngraph.frontend.symint import sym_max, sym_min
from nngraph.frontend.tensor import Size, Tensor
from nngraph.ir.dtypes import DType as dtype
from nngraph.ir.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from nngraph.ir.dtypes import bool_ as bool
from nngraph.nn.functional.toplevel import TOP_LEVEL as _TOP_LEVEL
from nngraph.optim.amp import GradScaler
from nngraph.runtime.agreement import DisagreementError
from nngraph.runtime.binary.errors import BinaryError
from nngraph.runtime.bundle.errors import BundleError
from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.finite import NonFiniteError
from nngraph.version import __version__

if _TYPE_CHECKING:  # what few programs want: see __getattr__
    from nngraph.frontend.binaries import build, load_binary
    from nngraph.frontend.loaded import load_step
    from nngraph.frontend.profile import profile

float = float32
double = float64
half = float16
int = int32
long = int64
short = int16
newaxis = None

# fmt: off
__all__ = [
    "BackendError", "BinaryError", "BundleError", "CheckpointError", "ConcretizationError",
    "DisagreementError", "Generator", "GradScaler", "NonFiniteError", "OutOfMemoryError", "Size",
    "device", "get_default_device", "get_default_dtype", "layout", "set_default_device",
    "set_default_dtype", "set_printoptions", "strided", "Tensor",
    "TraceError", "__version__", "amp", "autograd",
    "bfloat16", "bool", "build", "channels_last",
    "channels_last_3d", "compile", "contiguous_format", "default_generator", "double",
    "dtype", "e", "enable_grad", "export", "finfo", "float", "float16", "float32", "float64",
    "fft", "func", "half",
    "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "iinfo", "inf", "int", "int16", "int32", "int64", "int8", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "linalg", "load", "load_binary", "load_step", "long",
    "memory_format", "nan", "newaxis", "nn",
    "no_grad", "optim", "pi", "preserve_format", "profile", "promote_types", "result_type", "save",
    "set_anomaly_enabled", "set_default_backend", "set_grad_enabled",
    "short", "spec", "special", "sym_max", "sym_min", "trace", "uint16", "uint32", "uint64",
    "uint8", "vmap",
]
# fmt: on
globals().update(_FOREACH | _IN_PLACE | _TOP_LEVEL | _region.OLD_NAMES)
_install()
#: Names of ours that not every program wants, and the modules of the frontend that they are from.
_NAMES_LATER = {
    "build": "binaries",
    "load_binary": "binaries",
    "load_step": "loaded",
    "profile": "profile",
}
#: Modules at PyTorch's paths; each is imported when it is first asked for.
_LATER = frozenset(
    {
        "__config__",
        "accelerator",
        "amp",
        "autograd",
        "compiler",
        "cpu",
        "cuda",
        "distributed",
        "distributions",
        "fft",
        "func",
        "functional",
        "fx",
        "hub",
        "jit",
        "linalg",
        "mps",
        "multiprocessing",
        "onnx",
        "profiler",
        "random",
        "serialization",
        "special",
        "testing",
        "types",
        "utils",
        "xpu",
    }
)
__all__ += [*_IN_PLACE, *_SETTINGS, *_TOP_LEVEL]
__all__ += [*_region.__all__, *_region.OLD_NAMES]
__all__ += [name for subject in _SUBJECTS for name in subject.__all__]


def __getattr__(name: str) -> _Any:
    if name in _NAMES_LATER:
        found = getattr(_import_module(f"nngraph.frontend.{_NAMES_LATER[name]}"), name)
        globals()[name] = found
        return found
    if name in _LATER:
        return _import_module(f"nngraph.{name}")
    raise AttributeError(f"module 'nngraph' has no attribute {name!r}{_why_absent(name)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_NAMES_LATER})
