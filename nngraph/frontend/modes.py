"""Gradient mode: whether operators are recorded in this thread of control."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_grad: ContextVar[bool] = ContextVar("nngraph_grad", default=True)


def is_grad_enabled() -> bool:
    """True if operators on tensors that require grad are recorded."""
    return _grad.get()


class set_grad_enabled:
    """Context manager and decorator that sets gradient recording (``torch.set_grad_enabled``)."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_grad.set(self.mode))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _grad.reset(self._tokens.pop())

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with set_grad_enabled(self.mode):
                return function(*args, **kwargs)

        return wrapper


class no_grad(set_grad_enabled):
    """Nothing inside is recorded for ``backward`` (``torch.no_grad``); also a decorator."""

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(False)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._function is not None:  # used as a bare decorator: @no_grad
            with set_grad_enabled(False):
                return self._function(*args, **kwargs)
        return super().__call__(*args, **kwargs)


class enable_grad(set_grad_enabled):
    """Records again inside ``no_grad`` (``torch.enable_grad``)."""

    def __init__(self) -> None:
        super().__init__(True)
