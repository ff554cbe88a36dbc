"""PyTorch's path to the modes of recording (``torch.autograd.grad_mode``)."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import TracebackType

from nngraph.frontend.inference import inference_mode
from nngraph.frontend.modes import enable_grad, no_grad, set_grad_enabled

__all__ = [
    "enable_grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class set_multithreading_enabled(ContextDecorator):
    """Changes nothing: ``backward`` runs on the thread that calls it.

    It is a context and a decorator, and does what it does at once.

    Args:
        mode: whether PyTorch might take others.
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        pass
