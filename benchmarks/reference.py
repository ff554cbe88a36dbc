"""What every contender starts from and has to reproduce, from PyTorch eager in its own process."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from benchmarks.case import BATCHES, CHECKED_STEPS, Case
from benchmarks.contenders import torch_step
from benchmarks.floors import count_flops, floor_ms, update_bytes
from benchmarks.frameworks import read_weights, to_numpy, torch_framework
from benchmarks.workloads import SEED


def write_weights(case: Case) -> int:
    """Write PyTorch's initial ``state_dict``; returns the number of parameters."""
    import torch

    torch.manual_seed(SEED)
    model = case.workload.build(torch_framework(), case.small)
    arrays: Any = read_weights(model)
    np.savez(case.path("weights.npz"), **arrays)
    return sum(parameter.numel() for parameter in model.parameters())


def expected_results(case: Case) -> Any:
    """Losses (or outputs) of the first steps, ``[CHECKED_STEPS, ...]``."""
    step = torch_step(case)
    return np.stack([to_numpy(step(index)) for index in range(CHECKED_STEPS)])


def require_learning(case: Case, losses: Any) -> None:
    """Refuse a tolerance so wide that a contender which never updates would pass.

    The batch of the first step comes again at the last: its loss must have moved well beyond.
    """
    moved = abs(float(losses[BATCHES] / losses[0]) - 1)
    tolerance = case.workload.loss_tolerance
    if moved < 10 * tolerance:
        raise ValueError(
            f"{case.name}: training moves the loss by {moved:.1e} in {BATCHES} steps, which a "
            f"tolerance of {tolerance:.0e} cannot tell from standing still: lower the tolerance"
        )


def write_reference(case: Case) -> None:
    """Write the weights, the expected results and the floor beside them."""
    parameters = write_weights(case)
    expected = expected_results(case)
    if case.training and not case.small:
        require_learning(case, expected)
    np.save(case.path("expected.npy"), expected)
    moved = update_bytes(case.workload, parameters) if case.training else 0
    flops = count_flops(case.workload, case.training, case.small)
    facts = {"parameters": parameters, "floor_ms": floor_ms(flops, moved, case.threads)}
    case.path("facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    write_reference(Case.from_json(sys.argv[1]))
