"""What only moves float16 elements keeps the rounding of the arithmetic before it.

ONNX Runtime casts around operators that it has no float16 kernel of, and takes a cast to float16
that stands before such a one for a detour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nngraph as ng

MOVES: dict[str, Callable[[Any], Any]] = {
    "where": lambda x: ng.where(x > 0, x, x / 0.9),
    "pad": lambda x: ng.nn.functional.pad(x, (1, 2)),
    "pad by reflection": lambda x: ng.nn.functional.pad(x[None], (1, 2), mode="reflect")[0],
    "repeat": lambda x: x.repeat(2, 3),
    "expand": lambda x: x[:, None].expand(-1, 3, -1),
    "index": lambda x: x[:, ng.tensor([3, 0, 3])],
    "gather": lambda x: x.gather(1, ng.tensor([[3, 0], [1, 1]])),
    "slices": lambda x: ng.cat([x[:, 4:], x[:, :4:2].flip(1)], 1),
    "roll": lambda x: x.T.roll(3, 0),
    "scatter": lambda x: x.scatter(1, ng.tensor([[3], [1]]), x[:, :1] * 3),
    "largest": lambda x: x.topk(3)[0],
    "tril": lambda x: x.tril(2),
}


@pytest.mark.parametrize("name", MOVES)
def test_rounding_is_kept(name: str) -> None:
    rng = np.random.default_rng(0)
    x = ng.tensor(rng.normal(size=(2, 60)).astype(np.float32))

    def rounded(x: Any) -> Any:
        return MOVES[name](x.half() * 0.8123).float() * 1.0

    found = ng.compile(rounded, backend="onnx")(x)
    np.testing.assert_array_equal(found.numpy(), rounded(x).numpy())
