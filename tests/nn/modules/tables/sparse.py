"""Cases: sparse."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import ids, of

CASES = [
    of("Embedding", 7, 3).on(ids(7, 2, 5)),
    of("Embedding", 7, 3, padding_idx=-1).on(np.array([[0, 6, 6], [1, 2, 6]])),
]
