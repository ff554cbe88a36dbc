"""Averages of weights along the path of training, under PyTorch's names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from nngraph.frontend.foreach import FOREACH
from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.selection import where
from nngraph.frontend.host import cosine
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import DType, int64
from nngraph.nn.modules.batchnorm import _BatchNorm
from nngraph.nn.modules.module import Module
from nngraph.optim.lr_scheduler.base import LRScheduler, per_group
from nngraph.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

#: The average so far, the model's tensor, and how many were averaged; gives the new average.
AvgFn: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
#: The same of lists of tensors; changes the averages in place.
MultiAvgFn: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """``average = decay * average + (1 - decay) * weight``, of all weights at once.

    Raises:
        ValueError: for a decay outside [0, 1].
    """
    _check_decay(decay)

    def ema_update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            if averages[0].dtype.is_floating_point:
                FOREACH["_foreach_lerp_"](averages, weights, 1 - decay)
                return
            for average, weight in zip(averages, weights, strict=True):
                average.copy_(average * decay + weight * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The mean of all weights so far, of all weights at once."""

    def swa_update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            if averages[0].dtype.is_floating_point:
                FOREACH["_foreach_lerp_"](averages, weights, 1 / (count + 1))
                return
            for average, weight in zip(averages, weights, strict=True):
                average.copy_(average + (weight - average) / (count + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """``decay * average + (1 - decay) * weight``.

    Raises:
        ValueError: for a decay outside [0, 1].
    """
    _check_decay(decay)

    def ema_update(average: Tensor, weight: Tensor, count: Any) -> Tensor:
        with no_grad():
            return average * decay + weight * (1 - decay)

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The mean of all weights so far."""

    def swa_update(average: Tensor, weight: Tensor, count: Any) -> Tensor:
        with no_grad():
            mean: Tensor = average + (weight - average) / (count + 1)
            return mean

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose weights are averages: ``module`` of it, ``n_averaged`` so far.

    The first ``update_parameters`` copies the weights. Inside a compiled function it is part of the
    graph, the first time and every other.

    Args:
        model: what is averaged; it is copied.
        device: ``"cpu"``.
        avg_fn: gives the new average of one weight; None takes the mean of all.
        multi_avg_fn: changes the averages of all weights of a dtype in place.
        use_buffers: average buffers too; otherwise they are those of the model.

    Raises:
        AssertionError: for both functions at once, as PyTorch has it.

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    2018; https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes the weights that the model has now into the averages."""
        pairs = list(zip(self._averaged(self.module), self._averaged(model), strict=True))
        first = world().count(self.n_averaged) == 0
        if isinstance(first, Tensor) or not first:
            by_dtype: dict[DType, list[tuple[Tensor, Tensor]]] = {}
            for pair in pairs:
                by_dtype.setdefault(pair[0].dtype, []).append(pair)
            for group in by_dtype.values():
                self._average(group, first)
        else:
            for average, weight in pairs:
                average.copy_(weight)
        if not self.use_buffers:
            for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
                own.copy_(other)
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        tensors: Iterable[Any] = model.parameters()
        if self.use_buffers:
            tensors = chain(tensors, model.buffers())
        return (t.detach() for t in tensors)

    def _average(self, pairs: list[tuple[Tensor, Tensor]], first: Any) -> None:
        """The new averages of tensors of one dtype; in a trace ``first`` is a tensor that tells
        whether there is none so far.
        """
        averages, weights = ([pair[side] for pair in pairs] for side in (0, 1))
        if self.multi_avg_fn is not None:
            made = [a.clone() for a in averages] if isinstance(first, Tensor) else averages
            self.multi_avg_fn(made, weights, self.n_averaged)
        else:
            function = self.avg_fn or get_swa_avg_fn()
            made = [function(a, w, self.n_averaged) for a, w in zip(averages, weights, strict=True)]
        for average, weight, new in zip(averages, weights, made, strict=True):
            if isinstance(first, Tensor):
                average.copy_(where(first, weight, new.to(average.dtype)))
            elif new is not average:
                average.copy_(new)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of batch normalization anew, from all of ``loader``.

    Args:
        loader: batches: tensors, or lists and tuples whose first item is one.
        model: called with each batch, in training mode.
        device: where batches go first.
    """
    momenta: dict[_BatchNorm, float | None] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        given = batch[0] if isinstance(batch, list | tuple) else batch
        model(given if device is None else given.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Goes to ``swa_lr`` in ``anneal_epochs`` steps, along a cosine or a line, and stays there.

    Raises:
        ValueError: for another strategy, a length below 0, or rates that are not one a group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(
            per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: Any) -> Any:
        """How much of ``swa_lr`` is in the rate of a step."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - cosine(math.pi * part)) / 2

    def get_lr(self) -> list[float]:
        self._warn_if_called_by_user()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates: list[float] = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
