"""Fused arithmetic has the bits of the operators' own definitions, operator by operator.

``python -m tests.backends.tvm.test_random_arithmetic 0 5000`` tries more graphs.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from nngraph.ir.evaluate import evaluate
from nngraph.ir.text import print_graph
from tests.support.random_arithmetic import arithmetic, same_bits
from tests.support.tvm_programs import emit, load_all

SEEDS = range(40)
AT_ONCE = 20  # graphs compiled together


def differing(seeds: range) -> list[int]:
    """The seeds of graphs that have other bits on TVM than in the interpreter."""
    cases = {seed: arithmetic(seed) for seed in seeds}
    executables = load_all([emit(graph.clone()) for graph, _ in cases.values()])
    wrong = []
    for (seed, (graph, arrays)), executable in zip(cases.items(), executables, strict=True):
        with np.errstate(all="ignore"):
            wanted = evaluate(graph, arrays)
        outputs, _ = executable.run([np.require(a, requirements="CA") for a in arrays], [], [])
        if not all(same_bits(g, np.asarray(w)) for g, w in zip(outputs, wanted, strict=True)):
            wrong.append(seed)
    return wrong


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
def test_bits_are_the_interpreters(first: int) -> None:
    wrong = differing(range(first, first + AT_ONCE))
    assert not wrong, "\n\n".join(f"{s}: {print_graph(arithmetic(s)[0])}" for s in wrong)


if __name__ == "__main__":
    for start in range(int(sys.argv[1]), int(sys.argv[2]), AT_ONCE):
        print(start, differing(range(start, start + AT_ONCE)), flush=True)
