"""Gradient mode: whether operators are recorded in this thread of control."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = [
    "Mode",
    "enable_grad",
    "inference",
    "is_grad_enabled",
    "no_grad",
    "recording",
    "set_grad_enabled",
]

_F = TypeVar("_F", bound=Callable[..., Any])

_grad: ContextVar[bool] = ContextVar("nngraph_grad", default=True)
#: Whether code runs in inference mode, where nothing is recorded whatever it asks for.
inference: ContextVar[bool] = ContextVar("nngraph_inference", default=False)


def is_grad_enabled() -> bool:
    """True if operators on tensors that require grad are recorded."""
    return _grad.get()


class Mode:
    """A context manager that also decorates functions: each call runs in the mode.

    A generator runs in it while it runs, and leaves it at each ``yield``. Of a coroutine only the
    call that makes it runs in the mode, as in PyTorch.
    """

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    def clone(self) -> Self:
        """The same mode for one more ``with``."""
        return type(self)()

    def __call__(self, orig_func: _F) -> _F:
        made: _F = decorated(orig_func, self.clone)
        return made


class _Bare(Mode):
    """A mode without arguments, which may decorate without brackets: ``@no_grad``."""

    def __new__(cls, orig_func: Any = None) -> Any:
        made = super().__new__(cls)
        if orig_func is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(orig_func)

    def __init__(self, orig_func: Any = None) -> None:
        """Nothing is to be kept of a function that ``__new__`` decorated."""


def decorated(function: Any, mode: Callable[[], Any]) -> Any:
    """A function whose calls run in ``mode()``; of a class, the making of its objects."""
    if inspect.isclass(function):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should "
            "only decorate functions or methods. To preserve the current behavior of class "
            "decoration, you can directly decorate the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        made: type = function
        return lambda *args, **kwargs: _call(mode, made, args, kwargs)
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _stepped(function(*args, **kwargs), mode))

        return generator

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return wrapper


def _call(mode: Callable[[], Any], function: Any, args: Any, kwargs: Any) -> Any:
    with mode():
        return function(*args, **kwargs)


def _stepped(running: Generator[Any, Any, Any], mode: Callable[[], Any]) -> Any:
    """Runs a generator, each of its steps in the mode."""
    step: Callable[[], Any] = lambda: next(running)  # noqa: E731 - replaced by what comes in
    while True:
        try:
            with mode():
                found = step()
        except StopIteration as end:
            return end.value
        try:
            sent = yield found
        except GeneratorExit:
            with mode():
                running.close()
            raise
        except BaseException as error:  # noqa: BLE001 - the generator may catch it
            step = _thrown(running, error)
        else:
            step = _sent(running, sent)


def _thrown(running: Generator[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: running.throw(error)


def _sent(running: Generator[Any, Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: running.send(value)


class recording(Mode):
    """Inside, operators are recorded or not."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_grad.set(self.mode and not inference.get()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _grad.reset(self._tokens.pop())

    def clone(self) -> Self:
        return type(self)(self.mode)


class set_grad_enabled(Mode):
    """Sets gradient recording, at once; as a context or a decorator for what is inside only.

    Raises:
        TypeError: for a mode that is no bool.

    Source: https://docs.pytorch.org/docs/stable/torch.html#locally-disabling-gradient-computation
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not "
                f"{type(mode).__name__}"
            )
        self.mode = mode
        self.prev = _grad.get()
        _grad.set(mode and not inference.get())

    def __enter__(self) -> None:
        _grad.set(self.mode and not inference.get())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _grad.set(self.prev)

    def __call__(self, orig_func: _F) -> _F:
        _grad.set(self.prev)
        return super().__call__(orig_func)

    def clone(self) -> Self:
        return type(self)(self.mode)

    def __repr__(self) -> str:
        return f"nngraph.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class _Fixed(_Bare):
    """Recording on or off, as the class says."""

    _recorded: bool

    def __init__(self, orig_func: Any = None) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_grad.set(self._recorded and not inference.get()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _grad.reset(self._tokens.pop())


class no_grad(_Fixed):
    """Nothing inside is recorded for ``backward`` (``torch.no_grad``); also a decorator."""

    _recorded = False


class enable_grad(_Fixed):
    """Records again inside ``no_grad`` (``torch.enable_grad``); also a decorator."""

    _recorded = True
