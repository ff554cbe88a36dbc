"""Cases: normalization."""

from __future__ import annotations

from tests.nn.modules.case import of, x

_CROSS_MAP = "PyTorch's gradient is not the derivative of its output; nngraph's is"

CASES = [
    of("BatchNorm1d", 3).on(x(5, 3)),
    of("BatchNorm1d", 3, momentum=None).on(x(5, 3, 4)),
    of("BatchNorm2d", 3).on(x(4, 3, 2, 5)),
    of("BatchNorm2d", 3, affine=False, momentum=0.3, eps=0.001).on(x(4, 3, 2, 5)),
    of("BatchNorm2d", 3, track_running_stats=False).on(x(4, 3, 2, 5)),
    of("BatchNorm3d", 3).on(x(2, 3, 2, 3, 2)),
    of("InstanceNorm1d", 3).on(x(2, 3, 5)),
    of("InstanceNorm2d", 3, affine=True, track_running_stats=True)
    .on(x(2, 3, 4, 5))
    .but(unlike=("no sample",)),  # an IndexError of select()
    of("InstanceNorm2d", 3).on(x(3, 4, 5)),
    of("InstanceNorm3d", 3).on(x(2, 3, 2, 3, 2)),
    of("LayerNorm", 5).on(x(2, 3, 5)),
    of("LayerNorm", (3, 5), bias=False, eps=0.001).on(x(2, 3, 5)),
    of("LayerNorm", [5], elementwise_affine=False).on(x(2, 3, 5)),
    of("RMSNorm", 5).on(x(2, 3, 5)),
    of("RMSNorm", (3, 5), eps=0.001, elementwise_affine=False).on(x(2, 3, 5)),
    of("GroupNorm", 2, 6).on(x(3, 6, 2, 4)),
    of("GroupNorm", 2, 6, affine=False).on(x(3, 6)),
    of("LocalResponseNorm", 3, alpha=0.1).on(x(2, 5, 3, 3)),
    *(
        of("CrossMapLRN2d", size, alpha=0.5).on(x(2, 7, 2, 3)).but(no_gradient=_CROSS_MAP)
        for size in (3, 4, 5)
    ),
    of("CrossMapLRN2d", 3).on(x(2, 7, 2)).but(raises=True),
    of("SyncBatchNorm", 3).on(x(4, 3, 2, 5)),
    of("SyncBatchNorm", 3, momentum=None, affine=False).on(x(5, 3)),
    of("SyncBatchNorm", 3, track_running_stats=False, bias=False).on(x(5, 3, 2)),
    of("SyncBatchNorm", 3).on(x(3)).but(raises=True),
    of("SyncBatchNorm", 3).on(x(3, 0)).but(raises=True),
]
