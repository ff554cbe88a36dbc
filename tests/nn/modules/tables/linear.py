"""Cases: linear."""

from __future__ import annotations

from tests.nn.modules.case import of, x

CASES = [
    of("Identity", 5, a=1).on(x(3, 4)),
    of("Linear", 4, 3).on(x(5, 4)),
    of("Linear", 4, 3, bias=False).on(x(2, 5, 4)),
    of("Linear", 4, 3).on(x(4)),
    of("Bilinear", 4, 3, 2).on(x(5, 4), x(5, 3)),
    of("Flatten").on(x(2, 3, 4)),
    of("Flatten", 0, 1).on(x(2, 3, 4)),
    of("Unflatten", 1, (2, 3)).on(x(4, 6, 2)),
]
