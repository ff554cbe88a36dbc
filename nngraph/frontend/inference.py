"""Inference mode: nothing is recorded, and what is made inside never joins the tape."""

from __future__ import annotations

from contextvars import Token
from types import TracebackType
from typing import Any, Self

from nngraph.frontend.eager import Eager
from nngraph.frontend.modes import Mode, inference, recording
from nngraph.frontend.storage import Payload, Storage
from nngraph.frontend.tape import inference_used
from nngraph.frontend.world import EAGER, inside, world
from nngraph.ir.op import Array

__all__ = ["inference_mode", "is_inference_mode_enabled"]


class _Inference(Eager):
    """Eager code in inference mode: storages that are made are marked."""

    def constant(self, array: Array) -> Storage:
        return _marked(super().constant(array))

    def hold(self, payload: Payload) -> Storage:
        return _marked(super().hold(payload))

    def copied(self, payload: Payload) -> Storage:
        return _marked(super().copied(payload))

    def _need_inference(self, what: str) -> None:
        pass


def _marked(storage: Storage) -> Storage:
    storage.inference = True
    return storage


_INFERENCE = _Inference()


def is_inference_mode_enabled() -> bool:
    """Whether the code runs in inference mode."""
    return inference.get()


class inference_mode(Mode):
    """As ``no_grad``; and tensors that are made inside never take part in recorded computation.

    Eagerly these tensors say so (``is_inference()``) and outside are neither changed in place, nor
    required gradients of, nor saved for ``backward``; ``clone()`` makes ordinary ones. In compiled
    functions it is ``no_grad``, and their results are ordinary tensors. Also a decorator, with and
    without brackets.

    Args:
        mode: False leaves inference mode inside.

    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#inference-mode
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self._entered: list[tuple[recording, Any, Token[bool]]] = []

    def __enter__(self) -> None:
        if self.mode and not inference_used:
            inference_used.append(True)
        here = world()
        now = _INFERENCE if self.mode else EAGER
        grad, where = recording(not self.mode), inside(now if isinstance(here, Eager) else here)
        token = inference.set(self.mode)
        grad.__enter__()
        where.__enter__()
        self._entered.append((grad, where, token))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        grad, where, token = self._entered.pop()
        inference.reset(token)
        where.__exit__(None, None, None)
        grad.__exit__(None, None, None)

    def clone(self) -> Self:
        made: Self = type(self)(self.mode)
        return made
