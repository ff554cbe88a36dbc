"""Sizes that have one name are one size: a run with two is refused, in files too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import nngraph as ng
from nngraph.backends import get_backend
from nngraph.backends.base import Target
from nngraph.backends.build import build

#: Functions of two inputs, their shapes, and pairs of shapes that do not go together.
PROGRAMS: dict[str, tuple[Any, Any, Any, list[tuple[Any, Any]]]] = {
    "broadcast": (
        lambda x, y: x + y,
        ("n", 3),
        ("n", 3),
        [((1, 3), (4, 3)), ((4, 3), (1, 3)), ((0, 3), (1, 3)), ((1, 3), (0, 3)), ((2, 3), (5, 3))],
    ),
    "apart": (lambda x, y: (x.sum(), y.sum()), ("n",), ("n",), [((1,), (4,)), ((4,), (0,))]),
    "as a number": (lambda x, y: y * x.shape[0], ("n",), ("n",), [((1,), (4,)), ((2,), (1,))]),
    "in one input": (
        lambda x, y: x.sum(1) + y,
        ("n", "n"),
        ("n",),
        [((2, 8), (2,)), ((8, 2), (8,)), ((4, 4), (1,)), ((1, 4), (1,))],
    ),
    "in the middle": (
        lambda x, y: x * y,
        ("n", 2),
        (3, "n", 2),
        [((1, 2), (3, 4, 2)), ((4, 2), (3, 1, 2))],
    ),
    "a whole input": (lambda x, y: (x, y), ("n",), ("n",), [((1,), (4,))]),
    "other types": (
        lambda x, y: x.half() + y.half().long() + (y > 0),
        ("n",),
        ("n",),
        [((1,), (4,))],
    ),
}

LEVELS = [
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
]


def arrays(*shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("level", LEVELS, ids=["as written", "optimized"])
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_file_refuses_two_sizes_of_one_name(name: str, level: Any, tmp_path: Path) -> None:
    function, first, second, refused = PROGRAMS[name]
    path = ng.export(function, tmp_path / "a.onnx", ng.spec(first), ng.spec(second))
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    session = onnxruntime.InferenceSession(path, options)
    for n in (0, 1, 4):
        given = arrays(*[[n if d == "n" else d for d in shape] for shape in (first, second)])
        wanted = function(*map(ng.from_numpy, given))
        found = session.run(None, dict(zip(("x", "y"), given, strict=True)))
        for one, two in zip(found, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            np.testing.assert_allclose(one, two.numpy(), rtol=1e-6)
    for pair in refused:
        with pytest.raises(Exception, match=r"\.shape\[\d\] must be x\.shape\[0\], both are 'n'"):
            session.run(None, dict(zip(("x", "y"), arrays(*pair), strict=True)))


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_the_reference_names_both(name: str) -> None:
    function, first, second, refused = PROGRAMS[name]
    graph = ng.trace(function, ng.spec(first), ng.spec(second))
    target = Target("reference")
    executable = build(get_backend("reference"), graph, target).executable
    for pair in refused:
        with pytest.raises(ValueError, match=r"\.shape\[\d\] is \d and x\.shape\[0\] is \d"):
            executable.run(arrays(*pair), [], [])
