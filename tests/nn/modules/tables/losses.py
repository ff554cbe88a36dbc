"""Cases: losses."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import ids, of, positive, shares, signs, x

_WEIGHTS = np.array([0.2, 1.5, 0.7])

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
]
