"""Cases: dropout that draws nothing; what it draws is tested in tests/nn/test_dropout.py."""

from __future__ import annotations

from tests.nn.modules.case import Case, Draw, of, x

_INPUTS: dict[str, Draw] = {
    "Dropout": x(3, 4),
    "Dropout1d": x(2, 3, 4),
    "Dropout2d": x(3, 4, 2, 2),
    "Dropout3d": x(2, 3, 2, 2, 2),
    "AlphaDropout": x(3, 4),
    "FeatureAlphaDropout": x(2, 3, 4),
}


def _cases(name: str, given: Draw) -> list[Case]:
    refused = of(name, 1.5).but(raises=True)
    return [of(name, 0.0).on(given), of(name, 1.0).on(given), of(name, inplace=True), refused]


CASES = [case for row in _INPUTS.items() for case in _cases(*row)]
