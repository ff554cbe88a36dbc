"""Programs over dynamic sizes: traced once, run with many sizes on every backend, against PyTorch.

A program is Python text over ``m`` (``torch`` or ``nngraph``), ``F`` (its functions of networks)
and the names of its operands. Statements before the value are separated by ``;``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

import nngraph as ng
import nngraph.nn.functional as ng_functional
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build
from nngraph.ir.equality import difference
from nngraph.ir.graph import Graph
from nngraph.ir.op import Array
from nngraph.ir.parser import parse_graph
from nngraph.ir.text import print_graph
from nngraph.ir.verify import verify
from nngraph.ops import REGISTRY
from tests.support.tolerances import assert_close

__all__ = ["BACKENDS", "SIZES", "check", "value_of"]

#: The backends that take symbolic sizes.
BACKENDS = ("reference", "onnx")
SIZES = (0, 1, 2, 5, 7)

Shapes = Mapping[str, tuple[int | str, ...]]


def value_of(library: Any, text: str, given: Mapping[str, Any]) -> Any:
    """The value of the last expression."""
    functional = torch.nn.functional if library is torch else ng_functional
    *before, last = text.split("; ")
    scope = {"m": library, "F": functional, **given}
    exec("; ".join(before), scope)
    return eval(last, scope)


def _listed(library: Any, value: Any) -> list[Any]:
    """The tensors in a value, numbers as tensors."""
    if isinstance(value, tuple | list):
        return [t for v in value for t in _listed(library, v)]
    return [value if isinstance(value, library.Tensor) else library.tensor(value)]


def _results(library: Any, text: str, names: Sequence[str], tensors: Sequence[Any]) -> list[Any]:
    """The value's tensors, then the gradients of a weighting of them."""
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in tensors]
    given = {n: t * 1 if t.is_floating_point() else t for n, t in zip(names, leaves, strict=True)}
    found = _listed(library, value_of(library, text, given))
    roots = [v for v in found if v.requires_grad]
    wanted = [t for t in leaves if t.requires_grad]
    total = 0
    for v in roots:
        # Weights that differ, so that no element passes for another, and are smooth.
        total = total + (v / (1 + v.detach() * v.detach())).sum()
    if not roots:
        return [v.detach() for v in found]
    gradients = library.autograd.grad(total, wanted, allow_unused=True)
    rows = zip(gradients, wanted, strict=True)
    return [v.detach() for v in found] + [
        library.zeros_like(t) if g is None else g for g, t in rows
    ]


def traced(text: str, shapes: Shapes, dtypes: Mapping[str, str]) -> Graph:
    """The graph of the program's value and gradients; it is valid, and its text reads back."""

    def program(*tensors: Any) -> Any:
        return _results(ng, text, list(shapes), tensors)

    specs = [ng.spec(shape, dtypes.get(name, "float32")) for name, shape in shapes.items()]
    graph = ng.trace(program, *specs)
    verify(graph)
    assert difference(parse_graph(print_graph(graph), REGISTRY), graph) is None
    return graph


def _arrays(shapes: Shapes, dtypes: Mapping[str, str], sizes: Mapping[str, int]) -> list[Array]:
    rng = np.random.default_rng(3)
    made = []
    for name, shape in shapes.items():
        known = [sizes[d] if isinstance(d, str) else d for d in shape]
        array = rng.uniform(0.2, 2.0, known) * rng.choice([-1, 1], known)
        whole = dtypes.get(name, "float32").startswith("int")
        made.append((np.abs(array) if whole else array).astype(dtypes.get(name, "float32")))
    return made


def check(
    text: str,
    shapes: Shapes,
    sizes: Sequence[int] = SIZES,
    dtypes: Mapping[str, str] | None = None,
    backends: Sequence[str] = BACKENDS,
) -> None:
    """Traced once, the program gives at each size what PyTorch gives, gradients included.

    Where PyTorch raises, so do the backends.
    """
    dtypes = dtypes or {}
    graph = traced(text, shapes, dtypes)
    names = sorted({d for shape in shapes.values() for d in shape if isinstance(d, str)})
    for backend in backends:
        built = build(get_backend(backend), graph, Target(backend, threads=1))
        for size in sizes:
            # All names have one size at first, then each its own: no two may be taken for one.
            for stride in (0, 1) if len(names) > 1 else (0,):
                known = {name: size + stride * k for k, name in enumerate(names)}
                arrays = _arrays(shapes, dtypes, known)
                note = f"{text} on {backend} with {known}"
                try:
                    tensors = [torch.tensor(a) for a in arrays]
                    with warnings.catch_warnings():  # of variances of one element
                        warnings.simplefilter("ignore")
                        wanted = _results(torch, text, list(shapes), tensors)
                except (RuntimeError, IndexError, ValueError) as error:
                    _must_fail(built.executable, arrays, f"{note}: PyTorch raises {error}")
                    continue
                states = [ng.get_rng_state().numpy() for _ in graph.states]
                got, _ = built.executable.run(arrays, [], states)
                assert len(got) == len(wanted), note
                for g, w in zip(got, wanted, strict=True):
                    assert_close(g, w.numpy(), note)


def _must_fail(executable: Any, arrays: Sequence[Array], note: str) -> None:
    try:
        got, _ = executable.run(arrays, [], [])
    except Exception:  # noqa: BLE001 - whatever a backend raises
        return
    raise AssertionError(f"{note}; the backend gives {got}")
