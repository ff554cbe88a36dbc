"""Cases: padding."""

from __future__ import annotations

from typing import Any

from tests.nn.modules.case import Case, Draw, of, x

_INPUTS: dict[int, tuple[Draw, tuple[int, ...]]] = {
    1: (x(2, 3, 5), (2, 1)),
    2: (x(2, 3, 5, 4), (2, 1, 0, 3)),
    3: (x(2, 2, 3, 4, 3), (1, 2, 0, 3, 2, 1)),
}


def _cases(kind: str, *value: Any) -> list[Case]:
    found = []
    for axes, (given, pads) in _INPUTS.items():
        name = f"{kind}Pad{axes}d"
        found += [of(name, pads, *value).on(given), of(name, 1, *value).on(given)]
        found.append(of(name, (-1, 2) * axes, *value).on(given))
    return found


CASES = [
    *_cases("Reflection"),
    *_cases("Replication"),
    *_cases("Circular"),
    *_cases("Constant", 1.5),
    *_cases("Zero"),
    of("ReflectionPad1d", 5).on(x(2, 3, 5)).but(raises=True),
    of("ReflectionPad2d", (1, 1)).on(x(2, 3, 5, 5)).but(raises=True),
    of("ReplicationPad3d", 1).on(x(2, 3, 5)).but(raises=True),
    of("CircularPad2d", 6).on(x(2, 3, 5, 5)).but(raises=True),
    of("CircularPad1d", 1).on(x(5)).but(raises=True),
    of("ConstantPad2d", (1, 1, 1), 0.0).on(x(3, 5, 5)).but(raises=True),
]
