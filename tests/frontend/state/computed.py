"""Steps that compute with the numbers that they carry: schedules by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import cos, exp, modf, pow, sqrt
from typing import Any

from tests.frontend.state.registry import linear, lr_of, program, weights

BASE = 0.1


def _by_hand(t: Any, rate: Callable[[int], Any], start: int = 0) -> Any:
    """A loop's step that sets the learning rate by its counter."""
    model = linear(t)
    optimizer = t.optim.SGD(model.parameters(), lr=BASE)

    class Trainer:
        def __init__(self) -> None:
            self.t = start
            self.rates: dict[str, Any] = {"now": 0.0}

        def step(self, x: Any) -> Any:
            self.t += 1
            self.rates["now"] = rate(self.t)
            for group in optimizer.param_groups:
                group["lr"] = self.rates["now"]
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

    trainer = Trainer()

    def look() -> Any:
        rates = [float(rate).hex() for rate in (*trainer.rates.values(), *lr_of(optimizer))]
        return weights(model), type(trainer.rates["now"]).__name__, rates, trainer.t

    return trainer.step, look


@program(1)
def by_cosine(t: Any) -> Any:
    return _by_hand(t, lambda n: BASE * 0.5 * (1 + math.cos(math.pi * n / 5)))


@program(1)
def by_warmup(t: Any) -> Any:
    return _by_hand(t, lambda n: BASE * min(1, n / 4))


@program(1)
def by_warmup_that_is_over(t: Any) -> Any:
    return _by_hand(t, lambda n: BASE * max(n / 4, 1), start=2)


@program(1)
def by_inverse_root(t: Any) -> Any:
    return _by_hand(t, lambda n: BASE * min(n**-0.5, n * 3**-1.5))


@program(1)
def by_stairs(t: Any) -> Any:
    return _by_hand(t, lambda n: BASE * 0.5 ** int(n / 2) + float(n) / 100)


@program(1)
def by_functions_of_their_own_names(t: Any) -> Any:
    def rate(n: int) -> Any:
        part, whole = modf(n / 3)
        return abs(round(cos(n), 3)) / 10 + exp(-n) + sqrt(n) * pow(n, -2.0) / 9 + part * whole / 50

    return _by_hand(t, rate)


@program(1)
def by_pieces(t: Any) -> Any:
    def rate(n: int) -> Any:
        turns, rest = divmod(n, 3)
        warm, late = n < 3, n >= 4
        return 0.01 * warm + 0.02 * (late & (rest > 0)) + sum([turns, rest]) / 1e3 + (n ^ 1) / 1e4

    return _by_hand(t, rate)


@program(1)
def by_lists(t: Any) -> Any:
    def rate(n: int) -> Any:
        steps = {"a": n / 10, "b": 1 / n}
        return (min(steps.values()) + math.hypot(n, 2) / 50 + math.fsum([n, 0.5]) / 99) / 4

    return _by_hand(t, rate)


@program(1)
def by_methods(t: Any) -> Any:
    return _by_hand(t, lambda n: n.bit_length() / 50 + (n / 2).is_integer() / 100 + n.real / 90)


@program(2)
def by_powers_that_become_fractions(t: Any) -> Any:
    """An integer at first, and a float from the third call on, which another dtype follows."""

    class Model(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.n = 3

        def forward(self, x: Any) -> Any:
            self.n -= 1
            return t.ones(2, dtype=t.int64) * 2**self.n

    model = Model()
    return model, lambda: model.n


@program(2)
def by_the_smaller_of_two_kinds(t: Any) -> Any:
    class Model(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.n = 0

        def forward(self, x: Any) -> Any:
            self.n += 1
            return t.ones(2, dtype=t.int64) * min(2, self.n / 2)

    model = Model()
    return model, lambda: model.n
