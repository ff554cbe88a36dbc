"""A function followed by the steps of schedules, as one function: what ``ng.export`` traces."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from nngraph.frontend.capture.arguments import spec
from nngraph.frontend.world import world

__all__ = ["AfterEach"]


class AfterEach:
    """Steps schedules after each run of a function, or each few.

    Args:
        schedules: one, or several in their order.
        every: after how many runs.

    Raises:
        TypeError: for what has no ``step``.
        ValueError: if ``every`` is below 1.
    """

    _numbers_vary: ClassVar[bool] = True
    _unwatched: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, schedules: Any, every: int) -> None:
        self.schedules = list(schedules) if isinstance(schedules, list | tuple) else [schedules]
        for schedule in self.schedules:
            if not callable(getattr(schedule, "step", None)):
                raise TypeError(
                    f"schedule= takes schedulers, which have step(); got {type(schedule).__name__}"
                )
        if every < 1:
            raise ValueError(f"schedule_every= is how many runs a step takes, at least 1; {every}")
        self.every = every
        self.runs = 0

    def arguments(self, function: Callable[..., Any]) -> dict[str, Any]:
        """What the function takes besides, by name.

        Raises:
            ValueError: if the function has an argument of that name.
        """
        if not any(map(_takes_metric, self.schedules)):
            return {}
        if "metric" in inspect.signature(getattr(function, "forward", function)).parameters:
            raise ValueError(
                "the file needs an input 'metric' for ReduceLROnPlateau, and the function has an "
                "argument of that name: give that another one"
            )
        return {"metric": spec((), "float64")}

    def following(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, and then the step."""

        schedule = self.schedules[0] if len(self.schedules) == 1 else self.schedules

        schedules = self  # the names of states begin with those of these variables

        @wraps(getattr(function, "forward", function))
        def scheduled(*args: Any, **kwargs: Any) -> Any:
            metric = (kwargs.pop("metric"),) if any(map(_takes_metric, self.schedules)) else ()
            result = function(*args, **kwargs)
            world().act(schedules, schedules._step, (schedule, *metric), {})
            return result

        return scheduled

    def _step(self, schedule: Any, *metric: Any) -> None:
        if self.every > 1:
            self.runs += 1
            if self.runs % self.every:
                return
        for each in self.schedules if schedule is self.schedules else (schedule,):
            each.step(*metric if _takes_metric(each) else ())


def _takes_metric(schedule: Any) -> bool:
    return "metrics" in inspect.signature(schedule.step).parameters
