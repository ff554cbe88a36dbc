"""Cases: distances and similarities of rows."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import function, of, x

CASES = [
    of("CosineSimilarity").on(x(3, 4), x(3, 4)),
    of("CosineSimilarity", 0, 1e-3).on(x(3, 4), x(4)),
    of("CosineSimilarity", 5).on(x(3, 4), x(3, 4)).but(raises=True),
    of("PairwiseDistance").on(x(3, 4), x(3, 4)),
    of("PairwiseDistance", 1, 1e-3, True).on(x(2, 3, 4), x(2, 3, 4)),
    of("PairwiseDistance", float("inf")).on(x(3, 4), x(4)),
    # (PyTorch crashes in the gradient of no row.)
    *(
        function("pdist", p=p).on(x(5, 3)).but(unlike=("no sample",))
        for p in (2.0, 0.0, 1.0, 1.5, float("inf"))
    ),
    function("pdist", p=float("inf"))
    .on(np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]))  # equal maxima
    .but(unlike=("no sample",)),
    function("pdist").on(x(1, 3)).but(unlike=("no sample",)),
    function("pdist").on(x(2, 5, 3)).but(raises=True),
    function("pdist", p=-1.0).on(x(5, 3)).but(raises=True),
]
