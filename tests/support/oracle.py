"""Forward values and gradients of an operator and of its PyTorch twin, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from nngraph.ir.evaluate import evaluate
from nngraph.ir.op import Array, Op, Sample
from tests.support.contract import float_arrays, forward_graph, gradient_graph, random_like
from tests.support.tolerances import assert_close


def compare(
    op: Op,
    inputs: Sequence[Array],
    twin: Callable[..., Any],
    scale: float = 1.0,
    gradient: bool = True,
) -> None:
    """Results and gradients agree with PyTorch's, NaN and infinities included."""
    sample = Sample(op, tuple(np.asarray(a) for a in inputs))
    graph = forward_graph(sample)
    outputs = evaluate(graph, sample.inputs)
    tensors = [torch.tensor(a) for a in sample.inputs]
    tensors = [t.requires_grad_() if t.is_floating_point() else t for t in tensors]
    wanted = twin(*tensors)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for got, want in zip(outputs, wanted, strict=True):
        assert_close(got, want.detach().numpy(), f"{op}", scale)
    leaves = [t for t in tensors if t.requires_grad]
    if not (gradient and leaves and op.differentiable):
        return
    floats = float_arrays(graph, outputs, True)
    seeds = random_like(floats, 4)
    got_all = evaluate(gradient_graph(graph), [*sample.inputs, *seeds])
    sources = [w for w in wanted if w.is_floating_point()]
    total = sum((w * torch.tensor(s)).sum() for w, s in zip(sources, seeds, strict=True))
    want_all = torch.autograd.grad(total, leaves, allow_unused=True)
    for position, (got, found) in enumerate(zip(got_all, want_all, strict=True)):
        want = torch.zeros_like(leaves[position]) if found is None else found
        assert_close(got, want.numpy(), f"{op}, gradient of input {position}", scale)
