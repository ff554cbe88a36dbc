"""Scaling of losses for float16 gradients (``torch.amp.GradScaler``)."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from nngraph.frontend.functional.data import tensor
from nngraph.frontend.functional.selection import where
from nngraph.frontend.modes import no_grad
from nngraph.frontend.tensor import Tensor
from nngraph.frontend.world import world
from nngraph.ir.dtypes import float16, float32, int32
from nngraph.optim.optimizer import Optimizer

__all__ = ["GradScaler"]


class _Stage(enum.Enum):
    """Where an optimizer is since the last ``update``."""

    UNSCALED = 1
    STEPPED = 2


@dataclass
class _Progress:
    stage: _Stage
    found_inf: Tensor


class GradScaler:
    """Multiplies losses so that float16 gradients do not vanish, and adapts the factor.

    ``scale`` a loss before ``backward``; ``step`` divides the gradients again, and leaves out the
    optimizer's step if one is infinite or NaN; ``update`` makes the factor smaller then, and
    larger after ``growth_interval`` steps without. In a compiled step all this is part of the
    graph: a step that is left out writes what was there before.

    Args:
        device: ``"cpu"``; for ``"cuda"`` it warns and is not enabled, as where PyTorch has no GPU.
        init_scale: the factor at first.
        growth_factor, backoff_factor: what it is multiplied by; above 1, below 1.
        growth_interval: steps in a row.
        enabled: False makes ``scale`` and ``unscale_`` do nothing and ``step`` a plain step.

    Raises:
        AssertionError: for factors that do not lie above and below 1, as PyTorch has it.

    Source: Micikevicius et al., "Mixed Precision Training", 2017;
    https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling
    """

    # It is told once, and no call depends on it.
    _unwatched: ClassVar[frozenset[str]] = frozenset({"_was_used"})

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and str(device).startswith("cuda"):
            warnings.warn(
                'amp.GradScaler("cuda") is enabled, but CUDA is not available.  Disabling.',
                stacklevel=2,
            )
            enabled = False
        if enabled and not growth_factor > 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and not backoff_factor < 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._enabled = enabled
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._scale = tensor(init_scale, float32)
        self._growth_tracker = tensor(0, int32)
        self._progress: dict[int, _Progress] = {}
        self._was_used = False

    # -- a step --------------------------------------------------------------------------------
    def scale(self, outputs: Any) -> Any:
        """``outputs`` times the factor: a tensor, or tuples, lists and iterables of tensors.

        Raises:
            ValueError: for anything else.
        """
        if not self._enabled:
            return outputs
        self._was_used = True
        self._name()
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gradients of an optimizer's parameters by the factor, in place.

        Raises:
            RuntimeError: if this was done since the last ``update``.
            ValueError: for float16 gradients, whose scale would be lost: keep parameters in
                float32 and cast them in the forward pass.
            AssertionError: if nothing was ever scaled.
        """
        if not self._enabled:
            return
        self._need_scale("unscale_")
        known = self._progress.get(id(optimizer))
        if known is not None and known.stage is _Stage.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if known is not None:
            raise RuntimeError("unscale_() is being called after step().")
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        if any(grad.dtype is float16 for grad in grads):
            raise ValueError("Attempting to unscale FP16 gradients.")
        if not grads:
            return
        with no_grad():
            inverse = self._scale.double().reciprocal().float()
            finite = grads[0].isfinite().all()
            for grad in grads[1:]:
                finite = finite & grad.isfinite().all()
            for grad in grads:
                grad.mul_(inverse)
        self._progress[id(optimizer)] = _Progress(_Stage.UNSCALED, (~finite).float())

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """``unscale_``, if that is to be done, and the optimizer's step, if all is finite.

        In a compiled function the state of an optimizer is there after a first step that was left
        out, too: zeros, and no steps counted.

        Raises:
            RuntimeError: for a closure, or a second step since the last ``update``.
            AssertionError: if nothing was ever scaled, or there are no gradients.
            TraceError: in a compiled function, for an optimizer whose step changes numbers of
                Python's, which cannot be left out there.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        known = self._progress.get(id(optimizer))
        if known is not None and known.stage is _Stage.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if known is None:
            self.unscale_(optimizer)
        found = self._progress.get(id(optimizer))
        if found is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        fine = found.found_inf == 0
        result = world().run_if(fine, lambda: optimizer.step(*args, **kwargs), Optimizer.uncounted)
        found.stage = _Stage.STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapts the factor to what was found since the last time, or sets it.

        Raises:
            AssertionError: if nothing was scaled, or no gradients were looked at.
        """
        if not self._enabled:
            return
        self._need_scale("update")
        found = [each.found_inf for each in self._progress.values()]
        if new_scale is None and not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        with no_grad():
            if new_scale is not None:
                self._set(new_scale)
            else:
                self._adapt(sum(found[1:], found[0]) == 0)
        self._progress.clear()

    def _adapt(self, fine: Tensor) -> None:
        scale, steps = self._scale, self._growth_tracker + 1
        larger = scale * self._growth_factor
        is_due = steps == self._growth_interval
        grown = where(is_due & larger.isfinite(), larger, scale)
        self._scale.copy_(where(fine, grown, scale * self._backoff_factor))
        self._growth_tracker.copy_(where(fine & ~is_due, steps, 0))

    def _set(self, new_scale: float | Tensor) -> None:
        if isinstance(new_scale, Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
            raise AssertionError(
                "new_scale should be a float or a 1-element tensor with requires_grad=False."
            )
        if isinstance(new_scale, Tensor):
            self._scale.copy_(new_scale.reshape(()))
        else:
            self._scale.fill_(new_scale)

    def _need_scale(self, name: str) -> None:
        if not self._was_used:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def _name(self) -> None:
        def describe(trace: Any) -> None:
            trace.name(self._scale._storage, "scaler.scale")
            trace.name(self._growth_tracker._storage, "scaler.growth_tracker")

        world().describe(describe)

    # -- numbers -------------------------------------------------------------------------------
    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor now; 1.0 if it is not enabled."""
        return float(self._scale.item()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the factor grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Changes what the factor grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the factor shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Changes what the factor shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Changes after how many steps the factor grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The factor and its options, as PyTorch has them; empty if it is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.item()),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` gave, here or in PyTorch.

        Raises:
            RuntimeError: if it is empty.
            KeyError: if something is missing; nothing is changed.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        scale, tracker = state_dict["scale"], state_dict["_growth_tracker"]
        options = {
            f"_{name}": state_dict[name]
            for name in ("growth_factor", "backoff_factor", "growth_interval")
        }
        with no_grad():
            self._scale.fill_(scale)
            self._growth_tracker.fill_(tracker)
        self.__dict__.update(options)
