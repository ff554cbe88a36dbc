from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tvm import tirx

from nngraph.backends.tvm.codegen.common import Epilogue
from nngraph.backends.tvm.codegen.random import philox_bits
from nngraph.backends.tvm.library import Kernel
from nngraph.ops.random import RandomBits
from tests.backends.tvm.kernel_case import LOOPS, Array, KernelCase, random

COUNTS = (1, 5, 256, 1003, 70000)


def state() -> Array:
    words = random((3,), "uint32")
    words[...] = (0xDEADBEEF, 2**32 - 5, 7)
    return words


def bits(count: int) -> Array:
    (words,) = RandomBits((count,)).eval(state())
    return np.asarray(words)


def dropout_case() -> KernelCase:
    """A mask, fused: the word decides, the extra input is scaled."""
    count, keep = 1003, 0.75
    x = random((count,))
    limit = int(keep * 2**32)

    def apply(word: Any, index: list[Any], extras: list[Any]) -> Any:
        kept = extras[0][index[0]] * tirx.const(1 / keep, "float32")
        return tirx.Select(word < tirx.const(limit, "uint32"), kept, tirx.const(0, "float32"))

    epilogue = Epilogue(apply, (((count,), "float32"),))
    want = np.where(bits(count) < limit, x / np.float32(keep), 0).astype("f4")
    return KernelCase(
        "dropout", lambda: philox_bits(count, LOOPS, epilogue, "float32"), (state(), x), (want,)
    )


CASES = [
    *(
        KernelCase(str(n), lambda n=n: philox_bits(n, LOOPS), (state(),), (bits(n),))
        for n in COUNTS
    ),
    dropout_case(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_words(case: KernelCase, kernels: dict[str, Kernel]) -> None:
    case.check(kernels[case.name])
