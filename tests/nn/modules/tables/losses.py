"""Cases: losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.nn.modules.case import Case, function, ids, of, positive, shares, signs, x

_WEIGHTS = np.array([0.2, 1.5, 0.7])

# The mean of no loss is what lies in the memory in PyTorch.
_EMPTY = ("no sample",)
_IMPOSSIBLE = "PyTorch's gradient of a log-probability of minus infinity is NaN; nngraph's is 0"
_LABELS = np.array([[3, 0, -1, 1], [1, 1, 2, -1]])


def _apart(a: Any, b: Any) -> Any:
    return (a - b).abs().sum(-1)


def _ctc() -> list[Case]:
    """Losses of log-probabilities of 6 steps, 3 samples, 4 classes."""
    logs = np.log(np.random.default_rng(5).dirichlet(np.ones(4), (6, 3)))
    padded = np.array([[1, 2, 2, 3], [3, 1, 0, 0], [2, 3, 3, 1]])
    line = np.array([1, 2, 2, 3, 3, 1])
    steps, counts = np.array([6, 5, 4]), np.array([3, 2, 1])
    certain = np.where(logs < -2, -np.inf, logs)  # what has no probability at all
    unlike = ("one sample", "no sample", "an axis more")  # (axis 0 is time)
    loss = of("CTCLoss", zero_infinity=True)
    found = [
        of("CTCLoss").on(logs, padded, steps, counts),
        of("CTCLoss", reduction="none").on(logs, line, steps, counts),
        of("CTCLoss", reduction="sum").on(logs, line, (6, 5, 4), (3, 2, 1)),
        of("CTCLoss", blank=2, reduction="none").on(logs, padded - 1, steps, counts),
        of("CTCLoss", reduction="none").on(logs[:, 0], line[:3], np.array(6), np.array(3)),
        of("CTCLoss", reduction="none").on(logs[:, 0], line[:3], (6,), (3,)),
        of("CTCLoss", reduction="none").on(logs, padded, steps, np.array([0, 1, 0])),
        of("CTCLoss", reduction="none", zero_infinity=True)
        .on(certain, padded, steps, counts)
        .but(no_gradient=_IMPOSSIBLE),
        # The last needs a blank between its equal labels: 3 labels in 3 steps do not fit.
        loss.on(logs, padded, np.array([6, 5, 3]), np.array([4, 2, 3])),
        loss.on(logs, padded, np.array([2, 0, 0]), np.array([4, 0, 3])),
        of("CTCLoss", 4).on(logs, padded, steps, counts).but(raises=True),
        of("CTCLoss").on(logs, padded, steps + 1, counts).but(raises=True),
        of("CTCLoss").on(logs, padded, steps[:2], counts).but(raises=True),
        of("CTCLoss").on(logs, padded, steps, counts[:2]).but(raises=True),
        of("CTCLoss").on(logs, padded[:2], steps, counts).but(raises=True),
        of("CTCLoss").on(logs, padded, steps, counts + 2).but(raises=True),
        of("CTCLoss").on(logs, line[:4], steps, counts).but(raises=True),
    ]
    return [case.but(unlike=unlike) for case in found]


CASES = [
    of("MSELoss").on(x(3, 4), x(3, 4)),
    of("KLDivLoss").on(x(3, 4), shares(3, 4)),
    of("MSELoss", reduction="sum").on(x(3, 4), x(3, 4)),
    of("L1Loss", reduction="none").on(x(3, 4), x(3, 4)),
    of("SmoothL1Loss", beta=0.7).on(x(3, 4), x(3, 4)),
    of("SmoothL1Loss", beta=0.0).on(x(3, 4), x(3, 4)),
    of("HuberLoss", delta=0.7).on(x(3, 4), x(3, 4)),
    of("CrossEntropyLoss").on(x(5, 3), ids(3, 5)),
    of("CrossEntropyLoss", label_smoothing=0.1, ignore_index=1).on(x(6, 3), ids(3, 6)),
    of("CrossEntropyLoss", reduction="none").on(x(2, 3, 4), ids(3, 2, 4)),
    of("CrossEntropyLoss").on(x(3), np.array(2)).but(unlike=("no sample",)),  # no class
    of("CrossEntropyLoss", label_smoothing=0.2).on(x(4, 3), shares(4, 3)),
    of("NLLLoss").on(x(5, 3), ids(3, 5)),
    of("NLLLoss", ignore_index=1, reduction="sum").on(x(2, 3, 4), ids(3, 2, 4)),
    of("BCELoss").on(shares(3, 4), shares(3, 4)),
    of("BCEWithLogitsLoss").on(x(3, 4) * 5, shares(3, 4)),
    of("KLDivLoss", reduction="batchmean").on(x(3, 4), shares(3, 4)),
    of("KLDivLoss", reduction="sum", log_target=True).on(x(3, 4), x(3, 4)),
    of("PoissonNLLLoss", full=True).on(x(3, 4), positive(3, 4)),
    of("GaussianNLLLoss", full=True).on(x(3, 4), x(3, 4), shares(3, 4)),
    of("SoftMarginLoss").on(x(3, 4), signs(3, 4)).but(first_only=True),
    of("MarginRankingLoss", 0.3).on(x(5), x(5), signs(5)),
    of("HingeEmbeddingLoss").on(x(3, 4), signs(3, 4)),
    of("TripletMarginLoss", swap=True).on(x(3, 4), x(3, 4), x(3, 4)),
    *(
        of(name, _WEIGHTS, reduction=reduction).on(x(6, 3), ids(3, 6))
        for name in ("CrossEntropyLoss", "NLLLoss")
        for reduction in ("mean", "sum", "none")
    ),
    of("NLLLoss2d").on(x(2, 3, 4, 2), ids(3, 2, 4, 2)),
    of("CosineEmbeddingLoss", 0.1).on(x(5, 4), x(5, 4), signs(5)),
    of("CosineEmbeddingLoss", reduction="none").on(x(4), x(4), np.array(-1)),
    of("CosineEmbeddingLoss").on(x(5, 4), x(5, 4), signs(5, 1)).but(raises=True),
    of("CosineEmbeddingLoss").on(x(4), x(4), signs(4)).but(raises=True),
    of("MultiLabelMarginLoss").on(x(2, 4), _LABELS).but(unlike=_EMPTY),
    of("MultiLabelMarginLoss", reduction="none").on(x(4), _LABELS[0]),
    of("MultiLabelMarginLoss", reduction="sum").on(x(2, 4), _LABELS).but(unlike=_EMPTY),
    of("MultiLabelMarginLoss").on(x(2, 5), _LABELS).but(raises=True),
    of("MultiLabelMarginLoss").on(x(2, 4), _LABELS + 1).but(raises=True),
    of("MultiLabelSoftMarginLoss").on(x(3, 4), shares(3, 4)),
    of("MultiLabelSoftMarginLoss", _WEIGHTS, reduction="none").on(x(4, 3), shares(4, 3)),
    of("MultiMarginLoss").on(x(5, 3), ids(3, 5)).but(unlike=_EMPTY),
    of("MultiMarginLoss", 2, 0.7, _WEIGHTS).on(x(5, 3), ids(3, 5)).but(unlike=_EMPTY),
    of("MultiMarginLoss", reduction="none").on(x(5, 3), ids(3, 5)),
    of("MultiMarginLoss", reduction="sum").on(x(3), np.array(1)),
    of("MultiMarginLoss", 3).but(raises=True),
    of("MultiMarginLoss", weight=_WEIGHTS[None]).but(raises=True),
    of("MultiMarginLoss").on(x(5, 3), ids(3, 4)).but(raises=True),
    of("MultiMarginLoss", weight=_WEIGHTS).on(x(5, 4), ids(3, 5)).but(raises=True),
    of("MultiMarginLoss").on(x(5, 3), np.array([0, 1, 2, 3, 0])).but(raises=True),
    of("TripletMarginWithDistanceLoss").on(x(3, 4), x(3, 4), x(3, 4)),
    of("TripletMarginWithDistanceLoss", distance_function=_apart, margin=0.5, swap=True).on(
        x(3, 4), x(3, 4), x(3, 4)
    ),
    of("TripletMarginWithDistanceLoss", margin=0).but(raises=True),
    of("TripletMarginWithDistanceLoss").on(x(3, 4), x(4), x(3, 4)).but(raises=True),
    function("triplet_margin_with_distance_loss", reduction="some")
    .on(x(3, 4), x(3, 4), x(3, 4))
    .but(raises=True),
    of("LinearCrossEntropyLoss", 4, 3).on(x(5, 4), ids(3, 5)),
    of("LinearCrossEntropyLoss", 4, 3, bias=True, weight=_WEIGHTS, label_smoothing=0.1).on(
        x(5, 4), ids(3, 5)
    ),
    of("LinearCrossEntropyLoss", 4, 3, out_features=(2,), bias=True, reduction="none").on(
        x(5, 4), ids(3, 5, 2)
    ),
    of("LinearCrossEntropyLoss", 4, 3, ignore_index=1).on(x(5, 4), ids(3, 5)),
    of("LinearCrossEntropyLoss", 4, 3).on(x(4), np.array(1)),
    of("LinearCrossEntropyLoss", 4, 3).on(x(5, 4), shares(5, 3)),
    of("LinearCrossEntropyLoss", 4, 3, ignore_index=1).on(x(5, 4), shares(5, 3)).but(raises=True),
    of("LinearCrossEntropyLoss", 4, 3).on(x(5, 3), ids(3, 5)).but(raises=True),
    of("LinearCrossEntropyLoss", 4, 3, out_features=(2,)).on(x(4), ids(3, 2)).but(raises=True),
    of("LinearCrossEntropyLoss", 4, 2, weight=_WEIGHTS).but(raises=True),
    of("LinearCrossEntropyLoss", 4, 3, label_smoothing=1.5).but(raises=True),
    of("LinearCrossEntropyOptions", batch_chunk_size=0).but(raises=True),
    of("LinearCrossEntropyOptions", chunking_method="some").but(raises=True),
    of("LinearCrossEntropyOptions", acc_policy="some").but(raises=True),
    *_ctc(),
]
