"""``LRScheduler``: sets the learning rate of an optimizer's groups, one step after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar

from nngraph.frontend.world import world
from nngraph.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]

_EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler."
)
_ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the "
    "opposite order: `optimizer.step()` before `lr_scheduler.step()`; otherwise the first value of "
    "the learning rate schedule is skipped."
)


class LRScheduler:
    """Base class: ``get_lr`` gives the rates of step ``last_epoch``.

    A schedule is chainable: it changes the rates that it finds, so that several can act on one
    optimizer. ``_get_closed_form_lr``, where there is one, gives the rates from ``base_lrs`` alone.

    Attributes:
        optimizer: whose ``param_groups[i]["lr"]`` is set. A compiled step reads it at each call.
        base_lrs: the groups' first rates.
        last_epoch: number of the step.

    Raises:
        TypeError: for what is no optimizer.
        KeyError: if it resumes (``last_epoch >= 0``) with groups that have no ``initial_lr``.

    Source: https://docs.pytorch.org/docs/stable/optim.html
    """

    _unwatched: ClassVar[frozenset[str]] = frozenset()
    _numbers_vary: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _as_action(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = need_optimizer(optimizer)
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{position}] "
                    "when resuming scheduler with last_epoch >= 0"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._is_initial = False
        self._get_lr_called_within_step = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rates of step ``last_epoch``; for subclasses to define, not for users to call."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rates set by the last step."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Goes to the next step and sets its rates."""
        if self._step_count == 1 and not self.optimizer._steps_called:
            warnings.warn(_ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._within_step():
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed: Any = getattr(self, "_get_closed_form_lr", None)
            rates = self.get_lr() if epoch is None or closed is None else closed()
        self._set_rates(rates)

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    @contextmanager
    def _within_step(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_if_called_by_user(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` gave."""
        self.__dict__.update(state_dict)


def _as_action(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step that each call of a compiled function takes anew."""

    @wraps(step)
    def wrapper(self: LRScheduler, *args: Any, **kwargs: Any) -> Any:
        return world().act(self, step, (self, *args), kwargs)

    return wrapper


LRScheduler.step = _as_action(LRScheduler.step)  # type: ignore[method-assign]


def need_optimizer(optimizer: Any) -> Optimizer:
    """Raises TypeError for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group.

    Raises:
        ValueError: for a list of another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {groups}."
        )
    return list(value)


def saved_functions(functions: list[Any]) -> list[Any]:
    """Attributes of callable objects; None stands for functions, which are not saved."""
    plain = type(saved_functions)
    return [None if isinstance(f, plain) else f.__dict__.copy() for f in functions]


class _LRScheduler(LRScheduler):
    """The older name of ``LRScheduler``, for schedules that users derive from it."""
