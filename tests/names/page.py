"""docs/names.md: every public name of PyTorch's namespaces, there or why not.

``python -m tests.names.page --update`` writes it.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributions
import torch.utils.data

import nngraph
from nngraph.frontend.absent import why_absent

__all__ = ["NAMESPACES", "NOT_YET", "PATH", "absent", "reason", "text"]

PATH = Path(__file__).resolve().parents[2] / "docs" / "names.md"
#: PyTorch's namespaces, below ``torch``; empty for the top one.
NAMESPACES = (
    "",
    "Tensor",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "optim",
    "optim.lr_scheduler",
    "optim.swa_utils",
    "autograd",
    "func",
    "amp",
    "utils.data",
    "distributions",
    "linalg",
    "special",
    "fft",
)
NOT_YET = "not yet"

#: Of names that match a pattern as a whole, in this order.
_REASONS = {
    "one of PyTorch's kernels, by the name of its library": (
        r"(cudnn|miopen|mkldnn|fbgemm|native|quantized|_?xnnpack)_.*|.*_mkldnn|.*_(vulkan|metal)"
        r"|batch_norm_(elemt|stats|gather.*|backward.*|update_stats)"
    ),
    "TorchScript, and what compiles it": (
        r"Script.*|.*Type|.*Storage.*|Graph.*|Node|Block|Value|Use|Argument.*|Alias.*|Call.*|Code"
        r"|Compil.*|Concrete.*|Deep.*|Deserial.*|Serial.*|Error.*|Exec.*|Fatal.*|FileCheck|Func.*"
        r"|Future.*|IO.*|Infer.*|JIT.*|Lite.*|Lock.*|Log.*|Noop.*|Operator.*|Optional.*|PyObj.*"
        r"|PyTorchFile.*|RRef.*|Static.*|Tag|Throughput.*|Tracing.*|Type|Union.*|import_ir.*"
        r"|parse_.*|merge_type.*|unify_type.*|Await.*|Any.*|Benchmark.*|Capsule|Aggregation.*"
        r"|Gradient|Dispatch.*|Disable.*|Dict|Buffer.*|Module.*|Parameter.*|Stream.*|jit|fx|classes"
        r"|ops|library|fork|wait|SUM|AVG|is_storage|storage.*|untyped_storage|typename|hash_tensor"
    ),
    "quantization": (
        r".*quant.*|q(u?)int.*|q_.*|qscheme|per_(channel|tensor)_.*|ao|int_repr|choose_.*"
    ),
    "sparse tensors": (
        r".*(sparse|coo|csc|csr|bsr|bsc|jagged|nested|strided|hspmm|hsmm|dsmm|spmm).*|saddmm|smm"
        r"|is_coalesced|indices|values|dense_dim|(row|col|crow|ccol)_indices.*"
        r"|values_copy|to_padded.*"
    ),
    "complex numbers": (
        r".*(complex|conj|imag|cfloat|cdouble|chalf|polar|stft|view_as_real).*|i?[rhf]{0,2}fft[2n]?"
        r"|ihfft.*|hfft.*|eig(vals)?|angle_"
    ),
    "numbers of other widths, which no backend here computes with": (
        r"u?int[1-7]|bits.*|bit|float8.*|float4.*|.*e\dm\d.*"
    ),
    "other devices and machines": (
        r".*(xpu|mtia|maia|ipu|xla|vulkan|hpu).*|is_m(eta|kldnn|ps)|mtia|mps|distributed.*"
        r"|.*[Dd]istributed.*|monitor|futures|cpp|utils_internal"
    ),
    "a module of Python's that PyTorch's happens to show": (
        r"builtins|ctypes|functools|glob|importlib|inspect|math|os|platform|sys|textwrap|threading"
        r"|types|warnings|packaging|torch_version|torch|cast|overload|namedtuple|numbers|operator"
        r"|itertools|Optional|Callable|Any|TYPE_CHECKING|List|Union|Tuple|Sequence|Iterable|Enum"
        r"|partial|wraps|copy|weakref|re|heapq|contextlib|collections|abc"
        r"|deprecated|TypeVar|Generic"
    ),
    "of PyTorch's past, which its own pages leave out": (
        r"reinforce|volatile|Container|NestedIOFunction|resize|resize_as|legacy_contiguous_format"
    ),
    "data pipes, which PyTorch develops no further: write a Dataset or an IterableDataset": (
        r".*DataPipe|DataChunk|functional_datapipe|guaranteed_datapipes_determinism"
        r"|(argument|runtime)_validation.*|non_deterministic"
    ),
    "texts and helpers that PyTorch's files show": (
        r"BroadcastingList\d|.*_notes|assert_int_or_pair|boolean_dispatch|dataclasses|np"
        r"|handle_torch_function|GRID_SAMPLE_.*|factory_kwargs|rearrange|debug_unwrap"
    ),
    "copies of views, for PyTorch's own compiler": r".*_copy|.*_scatter_?|.*_inverse|alias.*",
    "internal to PyTorch, or of its build": (
        r"compiled_with.*|get_file_path|has_.*|USE_.*|PRIVATE.*|prepare_.*|is_warn.*|set_warn.*"
        r"|sym_.*|Sym.*|init_num.*|read_vitals|set_vital|vitals_enabled"
        r"|autocast_.*|.*ipu.*|.*_xla.*"
        r"|CompleteArgumentSpec|ExcludeDispatchKeyGuard|enforce_grad_layout_policy|const_data_ptr"
        r"|classproperty|cond|while_loop|export|compiler|package|hub|testing|windows|quasirandom"
        r"|profiler.*|serialization|masked|functional|return_types|random|backends|accelerator"
    ),
}


def _found(library: Any, path: str) -> Any:
    """What stands at a path; None if nothing does."""
    try:
        for part in filter(None, path.split(".")):
            if isinstance(library, types.ModuleType):
                here = f"{library.__name__}.{part}"
                library = getattr(library, part, None) or importlib.import_module(here)
            else:
                library = getattr(library, part)
    except (AttributeError, ImportError):
        return None
    return library


def _names(path: str) -> list[str]:
    space = _found(torch, path)
    listed = getattr(space, "__all__", None) if path and path != "Tensor" else None
    return sorted(n for n in (listed or dir(space)) if not n.startswith("_"))


def absent(path: str) -> list[str]:
    """The public names of a namespace of PyTorch's that nngraph's does not have."""
    own = _found(nngraph, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [n for n in _names(path) if own is None or not hasattr(own, n)]


def reason(name: str) -> str:
    """Why a name is absent."""
    told = why_absent(name).removeprefix(": ")
    if told:
        return told.partition(";")[0]
    for why, pattern in _REASONS.items():
        if re.fullmatch(pattern, name):
            return why
    return NOT_YET


def _lines() -> Iterator[str]:
    yield "# PyTorch's names\n"
    yield (
        "Written by `python -m tests.names.page --update`; a test compares. Of each namespace of "
        f"PyTorch {torch.__version__.partition('+')[0]}: how many of its public names are here, "
        "and why the others are not.\n"
    )
    for path in NAMESPACES:
        missing, whole = absent(path), len(_names(path))
        title = f"torch.{path}" if path else "torch"
        yield f"## {title}\n\n{whole - len(missing)} of {whole} names are there.\n"
        groups: dict[str, list[str]] = {}
        for name in missing:
            groups.setdefault(reason(name), []).append(name)
        for why in sorted(groups, key=lambda w: (w == NOT_YET, w)):
            yield f"- {why}: {', '.join(f'`{n}`' for n in groups[why])}"
        if groups:
            yield ""


def text() -> str:
    """What docs/names.md has to say."""
    return "\n".join(_lines()).rstrip() + "\n"


if __name__ == "__main__":
    if "--update" in sys.argv:
        PATH.write_text(text(), encoding="utf-8")
    else:
        print(text(), end="")
