"""Steps that change attributes, dicts and lists."""

from __future__ import annotations

import collections
from typing import Any

from tests.frontend.state.registry import linear, program, weights

# -- attributes, dicts and lists -------------------------------------------------------------


@program(1)
def counted_calls(t: Any) -> Any:
    class Counting(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            self.scale = 1.0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            self.scale = self.scale * 0.5 + 0.25
            return x * self.calls * self.scale

    model = Counting()
    return model, lambda: (model.calls, type(model.calls).__name__, model.scale)


@program(1)
def kept_state(t: Any) -> Any:
    class Cell(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear(t)
            self.h = t.zeros(2)

        def forward(self, x: Any) -> Any:
            h = t.tanh(self.inner(x).mean(0) + self.h)
            self.h = h.detach()
            return h

    model = Cell()
    return model, lambda: (model.h.tolist(), model.h.requires_grad)


@program(1)
def kept_buffer(t: Any) -> Any:
    class Average(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", t.zeros(3))

        def forward(self, x: Any) -> Any:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            return x - self.mean

    model = Average()
    return model, lambda: (model.mean.tolist(), list(model.state_dict()))


@program(1)
def kept_pair(t: Any) -> Any:
    class Cell(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.hidden = (t.zeros(3), t.ones(3))

        def forward(self, x: Any) -> Any:
            h, c = self.hidden
            c = c * 0.5 + x.mean(0)
            h = t.tanh(c) + h * 0.1
            self.hidden = (h.detach(), c.detach())
            return h

    model = Cell()
    return model, lambda: [v.tolist() for v in model.hidden]


@program(2)
def lazy_state(t: Any) -> Any:
    class Cell(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.h = None

        def forward(self, x: Any) -> Any:
            if self.h is None:
                self.h = t.zeros(3)
            self.h = (self.h * 0.5 + x.mean(0)).detach()
            return self.h * 2

    model = Cell()
    return model, lambda: model.h.tolist()


@program(2)
def lazy_mask(t: Any) -> Any:
    class Masked(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.mask = None

        def forward(self, x: Any) -> Any:
            if self.mask is None:
                self.mask = t.ones(3, 3).tril()
            return x @ self.mask

    model = Masked()
    return model, lambda: model.mask.tolist()


@program(2)
def memory_in_a_dict(t: Any) -> Any:
    memory: dict[str, Any] = {}

    def step(x: Any) -> Any:
        before = memory.get("h", 0.0)
        memory["h"] = before * 0.5 + x.sum()
        memory["n"] = memory.get("n", 0) + 1
        return memory["h"] / memory["n"]

    return step, lambda: (memory["h"].tolist(), memory["n"])


@program(2)
def total_from_a_float(t: Any) -> Any:
    memory = {"total": 0.0}

    def step(x: Any) -> None:
        memory["total"] = memory["total"] + x.sum()

    return step, lambda: memory["total"].tolist()


@program(1)
def losses_in_a_list(t: Any) -> Any:
    losses: list[Any] = []
    rates: list[Any] = []
    model = linear(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.param_groups[0]["lr"] *= 0.5

    return step, lambda: ([v.tolist() for v in losses], list(rates))


@program(1)
def a_window(t: Any) -> Any:
    window = [t.zeros(3), t.zeros(3), t.zeros(3)]

    def step(x: Any) -> Any:
        window.pop(0)
        window.append(x.mean(0))
        return sum(window)

    return step, lambda: [v.tolist() for v in window]


@program(1)
def a_full_deque(t: Any) -> Any:
    window = collections.deque([t.zeros(3), t.zeros(3)], maxlen=2)

    def step(x: Any) -> Any:
        window.append(x.mean(0))
        return window[0] - window[1]

    return step, lambda: [v.tolist() for v in window]


@program(1)
def swapped(t: Any) -> Any:
    class Pair(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = t.zeros(3), t.ones(3)

        def forward(self, x: Any) -> Any:
            self.a, self.b = self.b, self.a
            self.a.add_(x.mean(0))
            return self.a - self.b

    model = Pair()
    return model, lambda: (model.a.tolist(), model.b.tolist())


@program(2)
def one_tensor_at_two_places(t: Any) -> Any:
    class Two(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.h, self.last = t.zeros(3), t.zeros(3)

        def forward(self, x: Any) -> Any:
            self.h.mul_(0.5)
            self.h = self.last = self.h + self.last + x.mean(0)
            return self.h

    model = Two()
    return model, lambda: (model.h.tolist(), model.last.tolist(), model.h is model.last)


@program(1)
def in_an_object(t: Any) -> Any:
    class Trainer:
        def __init__(self) -> None:
            self.model = linear(t)
            self.seen = 0
            self.ema = t.zeros(2)

        def step(self, x: Any) -> Any:
            out = self.model(x)
            self.seen += x.shape[0]
            self.ema = self.ema * 0.9 + out.detach().mean(0) * 0.1
            return out

    trainer = Trainer()
    return trainer.step, lambda: (trainer.seen, trainer.ema.tolist())


@program(1)
def the_batch_before(t: Any) -> Any:
    memory = {"x": t.zeros(4, 3)}

    def step(x: Any) -> Any:
        difference = x - memory["x"]
        memory["x"] = x
        return difference

    return step, lambda: memory["x"].tolist()


@program(2)
def a_flag(t: Any) -> Any:
    class Warm(t.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.started = False
            self.inner = linear(t)

        def forward(self, x: Any) -> Any:
            out = self.inner(x)
            if not self.started:
                with t.no_grad():
                    self.inner.bias.sub_(out.mean(0))
                self.started = True
            return self.inner(x)

    model = Warm()
    return model, lambda: (model.started, weights(model))
