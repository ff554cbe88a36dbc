"""Steps that set learning rates, and optimizers of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.frontend.state.registry import linear, lr_of, program, weights

# -- learning rates and schedules ------------------------------------------------------------


def _scheduled(t: Any, make: Callable[[Any], Any], rule: str = "SGD", **options: Any) -> Any:
    model = linear(t)
    optimizer = getattr(t.optim, rule)(model.parameters(), **{"lr": 0.1, **options})
    scheduler = make(optimizer)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    def look() -> Any:
        numbers = (scheduler.last_epoch, scheduler.get_last_lr())
        return weights(model), lr_of(optimizer), numbers

    return step, look


@program(1)
def step_lr(t: Any) -> Any:
    return _scheduled(t, lambda o: t.optim.lr_scheduler.StepLR(o, 2, 0.5))


@program(1)
def cosine(t: Any) -> Any:
    return _scheduled(t, lambda o: t.optim.lr_scheduler.CosineAnnealingLR(o, 7), "Adam")


@program(1)
def one_cycle(t: Any) -> Any:
    make = lambda o: t.optim.lr_scheduler.OneCycleLR(o, 0.3, total_steps=12)  # noqa: E731
    return _scheduled(t, make, "SGD", momentum=0.9)


@program(1)
def one_cycle_adam(t: Any) -> Any:
    return _scheduled(t, lambda o: t.optim.lr_scheduler.OneCycleLR(o, 0.3, total_steps=9), "AdamW")


@program(1)
def sequential(t: Any) -> Any:
    s = t.optim.lr_scheduler

    def make(o: Any) -> Any:
        parts = [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]
        return s.SequentialLR(o, parts, milestones=[2])

    return _scheduled(t, make)


@program(1)
def by_lambda(t: Any) -> Any:
    return _scheduled(t, lambda o: t.optim.lr_scheduler.LambdaLR(o, lambda e: 1 / (1 + e)))


@program(1)
def multiplied_by_hand(t: Any) -> Any:
    model = linear(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * 0.9
        return optimizer.param_groups[0]["lr"]

    return step, lambda: (weights(model), lr_of(optimizer))


@program(1)
def set_by_hand_after(t: Any) -> Any:
    model = linear(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.01

    return step, lambda: (weights(model), lr_of(optimizer))


@program(1)
def own_schedule(t: Any) -> Any:
    class Inverse(t.optim.lr_scheduler.LRScheduler):  # type: ignore[misc,name-defined]
        def get_lr(self) -> list[float]:
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    return _scheduled(t, Inverse)


@program(1)
def two_steps_with_a_schedule_between(t: Any) -> Any:
    model = linear(t)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)
    scheduler = t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def step(x: Any) -> Any:
        before = optimizer.param_groups[0]["lr"]
        for _ in range(2):
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
            scheduler.step()
        return before, scheduler.get_last_lr()[0], scheduler.last_epoch

    return step, lambda: (weights(model), lr_of(optimizer), scheduler.last_epoch)


# -- optimizers of the user's own ------------------------------------------------------------


def _own_adam(t: Any, count: Callable[[Any], None]) -> Any:
    class Adam(t.optim.Optimizer):  # type: ignore[misc,name-defined]
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, {"lr": lr, "betas": (0.9, 0.99), "eps": 1e-8})

        def step(self) -> None:  # type: ignore[override]
            with t.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        self.one(p, group)

        def one(self, p: Any, group: Any) -> None:
            if p.grad is None:
                return
            state, (b1, b2) = self.state[p], group["betas"]
            if "m" not in state:
                state["m"], state["v"] = t.zeros_like(p), t.zeros_like(p)
            count(state)
            state["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
            state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            bias = (1 - b2 ** state["step"]) ** 0.5
            size = group["lr"] / (1 - b1 ** state["step"])
            p.addcdiv_(state["m"], state["v"].sqrt() / bias + group["eps"], value=-size)

    model = linear(t)
    optimizer = Adam(model.parameters())

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    def look() -> Any:
        state = [
            {k: v.tolist() if hasattr(v, "tolist") else v for k, v in s.items()}
            for s in optimizer.state.values()
        ]
        return weights(model), state

    return step, look


@program(2)
def own_adam_with_get(t: Any) -> Any:
    def count(state: Any) -> None:
        state["step"] = state.get("step", 0) + 1

    return _own_adam(t, count)


@program(2)
def own_adam_made_at_first(t: Any) -> Any:
    def count(state: Any) -> None:
        if "step" not in state:
            state["step"] = 0
        state["step"] += 1

    return _own_adam(t, count)


@program(2)
def own_momentum_rebound(t: Any) -> Any:
    class Momentum(t.optim.Optimizer):  # type: ignore[misc,name-defined]
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.1, "momentum": 0.9})

        @t.no_grad()
        def step(self) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    if len(self.state[p]) == 0:
                        self.state[p]["buf"] = p.grad.clone()
                    else:
                        self.state[p]["buf"] = self.state[p]["buf"] * group["momentum"] + p.grad
                    p.sub_(self.state[p]["buf"], alpha=group["lr"])
                group["momentum"] *= 0.95

    model = linear(t)
    optimizer = Momentum(model.parameters())

    def step(x: Any) -> None:
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()

    return step, lambda: (
        weights(model),
        [s["buf"].tolist() for s in optimizer.state.values()],
        optimizer.param_groups[0]["momentum"],
    )
