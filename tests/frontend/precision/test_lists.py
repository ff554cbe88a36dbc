"""Every function under autocast gives the dtypes that PyTorch's gives, numbers and gradients."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from nngraph.frontend.precision import casting
from nngraph.frontend.precision.tables import TABLES
from tests.frontend.parity import floats, plain
from tests.frontend.sweep.calls import programs
from tests.frontend.sweep.compare import Case, operands, run, unlike
from tests.support.backends import BACKENDS

PROGRAMS = programs()
HALVES = ("bfloat16", "float16")
TENSORS = ("x", "y", "f", "i", "b", "k", "k0")
#: What nngraph does otherwise without autocast, too.
OTHERWISE = r"x\.(flip\(\)|view\(m\.int32\))|m\.from_|F\.pdist|x\.(clone\(\)\.)?bitwise|.* [&|^] "
ROW = (
    "The lists are in nngraph/frontend/precision/tables.py. A function that is one operator in "
    "PyTorch, in no list, and consists here of listed ones, is a name of OPAQUE there."
)
#: Of which not only dtypes are compared.
COMPARED = {
    *TABLES["cpu"],
    *("einsum", "inner", "tensordot", "mv", "dot", "F.affine_grid", "F.pad", "F.lp_pool3d"),
    *(f"F.{name}" for name in TABLES["cpu"]),
    *("F.multi_head_attention_forward", "F.bilinear", "F.normalize", "F.interpolate"),
}


@contextmanager
def on(library: Any, kind: str, half: str) -> Iterator[None]:
    """Autocast as the functions see it, for a device that may not be there."""
    library.set_autocast_enabled(kind, True)
    library.set_autocast_dtype(kind, getattr(library, half))
    library.autocast_increment_nesting()
    try:
        yield
    finally:
        library.set_autocast_enabled(kind, False)
        library.set_autocast_dtype(kind, library.bfloat16 if kind == "cpu" else library.float16)
        if not library.autocast_decrement_nesting():
            library.clear_autocast_cache()


def dtypes(value: Any) -> Any:
    if isinstance(value, torch.Tensor | ng.Tensor):
        return str(value.dtype).rpartition(".")[2]
    return tuple(map(dtypes, value)) if isinstance(value, tuple | list) else None


def on_cpu(library: Any, text: str, case: Case, half: str, records: bool = True) -> Any:
    given = operands(library, text, case)
    if records and case.dtype == "float32":
        given["x"].requires_grad_()
    with on(library, "cpu", half):
        value = run(text, given)
    return value, given["x"]


def gradient(library: Any, value: Any, x: Any) -> Any:
    """Of the sum of all results, outside the region."""
    roots = [t for t in floats(library, value) if t.requires_grad]
    if not roots or not x.requires_grad:
        return None
    (found,) = library.autograd.grad(sum(t.double().sum() for t in roots), [x], allow_unused=True)
    return found


def difference(name: str, text: str, case: Case, half: str) -> str:
    is_compared = name in COMPARED
    wanted, x = on_cpu(torch, text, case, half, is_compared)
    got, mine = on_cpu(ng, text, case, half, is_compared)
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        same = isinstance(wanted, Exception) and isinstance(got, Exception)
        return "" if same else f"{got!r}, not {wanted!r}"
    if dtypes(got) != dtypes(wanted):
        return f"{dtypes(got)}, not {dtypes(wanted)}"
    if not is_compared:
        return ""
    return unlike(plain(got), plain(wanted), half, False) or _other_gradient(
        gradient(ng, got, mine), gradient(torch, wanted, x), half
    )


def _other_gradient(got: Any, wanted: Any, half: str) -> str:
    if got is None or wanted is None:
        return "" if got is wanted else f"gradient {got}, not {wanted}"
    found = unlike(plain(got), plain(wanted), half, False)
    return found and f"gradient: {found}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_cast_as_pytorch(name: str, half: str) -> None:
    problems = []
    with np.errstate(all="ignore"):
        for text in (t for t in PROGRAMS[name] if not re.match(OTHERWISE, t)):
            for dtype in ("float32", half, "float64"):
                if found := difference(name, text, Case(dtype), half):
                    problems.append(f"{text} of {dtype}: {found}")
    assert not problems, "\n".join([*problems, ROW])


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's tensors have a type and no values; nngraph's take themselves for a GPU's."""
    monkeypatch.setattr(casting, "HERE", "cuda")
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_functions_cast_as_on_a_gpu(name: str, cuda: None) -> None:
    problems = []
    for text in (t for t in PROGRAMS[name] if not re.match(OTHERWISE, t)):
        for dtype in ("float32", "float16"):
            given = operands(torch, text, Case(dtype))
            with FakeTensorMode(), on(torch, "cuda", "float16"), torch.device("cuda"):
                fake = {n: _like(v) for n, v in given.items()}
                wanted = run(text, fake)
            with on(ng, "cuda", "float16"), np.errstate(all="ignore"):
                got = run(text, operands(ng, text, Case(dtype)))
            known = not isinstance(wanted, Exception) and not isinstance(got, Exception)
            if known and dtypes(got) != dtypes(wanted):
                problems.append(f"{text} of {dtype}: {dtypes(got)}, not {dtypes(wanted)}")
    assert not problems, "\n".join([*problems, ROW])


def _like(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return torch.empty(value.shape, dtype=value.dtype, device="cuda")


def test_unsafe_on_a_gpu(cuda: None) -> None:
    p = ng.full((3,), 0.5)
    with on(ng, "cuda", "float16"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        ng.nn.functional.binary_cross_entropy(p, p)


def test_several_halves_have_no_widest() -> None:
    one, other = ng.ones(2, dtype=ng.float16), ng.ones(2, dtype=ng.bfloat16)
    with on(ng, "cpu", "bfloat16"), pytest.raises(RuntimeError, match="convert them with"):
        ng.cat([one, other])


#: PyTorch's operators that are the parts of one function here, or of none.
PARTS = {
    *("_convolution", "convolution", "nll_loss2d", "multilabel_margin_loss_forward"),
    *("_addmm_activation", "_native_multi_head_attention", "fake_quantize_per_tensor_affine"),
    *("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback"),
    *("mkldnn_rnn_layer", "view_as_complex", "_lu_with_info", "cross_entropy_loss"),
    *("fractional_max_pool2d", "fractional_max_pool3d", "adaptive_max_pool3d"),
}


def test_the_list_of_the_cpu_is_pytorchs() -> None:
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    listed = {
        name.removeprefix("aten::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and has(name, "AutocastCPU")
    }
    assert listed - PARTS - set(TABLES["cpu"]) == set()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_functions_cast_as_eager_code(backend: str) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    texts = [
        text
        for name in sorted(COMPARED & set(PROGRAMS))
        for text in PROGRAMS[name]
        if "clone" not in text and not isinstance(eager(text), Exception)
    ]
    assert len(texts) > 60
    made = operands(ng, "", Case("float32"))

    def function(*tensors: Any) -> list[Any]:
        known = {**made, **dict(zip(TENSORS, tensors, strict=True))}
        with ng.autocast("cpu", ng.bfloat16):
            return [run(text, known) for text in texts]

    tensors = [made[name] for name in TENSORS]
    results = ng.compile(function, backend=backend)(*tensors)
    problems = [
        f"{text}: {found}"
        for text, got, wanted in zip(texts, results, function(*tensors), strict=True)
        if (found := unlike(plain(got), plain(wanted), "bfloat16", False))
    ]
    assert not problems, "\n".join(problems)


def eager(text: str) -> Any:
    return on_cpu(ng, text, Case("float32"), "bfloat16")[0]
