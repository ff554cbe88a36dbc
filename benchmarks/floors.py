"""The least time a training step can take on a CPU: what the ratio to the best peer hides.

A step multiplies matrices at no more than the chip's rate and moves the optimizer's tensors at no
more than the memory's. The default rates were measured on two cores of a Zen 4 EPYC with AVX-512
(sgemm 95 GFLOP/s a thread, which is its FMA peak; 33 GB/s): on another machine, measure and pass
your own. Winograd's convolutions do fewer multiplications and can go below the floor.
"""

from __future__ import annotations

from typing import Any

from benchmarks.frameworks import torch_framework
from benchmarks.workloads import Workload, loss_of, make_train_step

GFLOPS_PER_THREAD = 95.0
GIGABYTES_PER_SECOND = 33.0
# Tensors of a parameter's size that an update must read or write: parameter, gradient and state.
TENSORS_MOVED = {"SGD": 3, "SGD momentum": 5, "Adam": 7, "AdamW": 7}


def convolution_backward_flops(
    grad_shape: Any, input_shape: Any, weight_shape: Any, *args: Any, **_: Any
) -> int:
    """FLOPs of a convolution's gradients (torch's own count is wrong for grouped ones)."""
    from torch.utils.flop_counter import conv_flop_count

    transposed, output_mask = args[4], args[7]
    forward = conv_flop_count(input_shape, weight_shape, grad_shape, transposed=transposed)
    return int(forward) * sum(map(bool, output_mask[:2]))


def count_flops(workload: Workload, training: bool, small: bool = False) -> int:
    """FLOPs of the matrix products and convolutions in one step (direct, not Winograd)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    fw = torch_framework()
    model = workload.build(fw, small).train(training)
    x, y = map(torch.from_numpy, workload.batches(1, small)[0])
    mapping = {torch.ops.aten.convolution_backward: convolution_backward_flops}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        if training:
            optimizer = workload.build_optimizer(fw, model)
            make_train_step(optimizer, lambda x, y: loss_of(fw, model, x, y))(x, y)
        else:
            with torch.no_grad():
                model(x)
    return int(counter.get_total_flops())


def update_bytes(workload: Workload, parameters: int) -> int:
    """Bytes that the optimizer must move in one step over float32 parameters."""
    momentum = workload.optimizer_options.get("momentum")
    kind = f"{workload.optimizer} momentum" if momentum else workload.optimizer
    return 4 * TENSORS_MOVED[kind] * parameters


def floor_ms(flops: int, moved_bytes: int, threads: int) -> float:
    """Milliseconds that ``flops`` and then ``moved_bytes`` need at the default rates."""
    compute = flops / (GFLOPS_PER_THREAD * threads * 1e9)
    return 1e3 * (compute + moved_bytes / (GIGABYTES_PER_SECOND * 1e9))
