"""Functions of PyTorch's that nngraph has in another form: called, they say which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["elsewhere"]


def elsewhere(name: str, instead: str) -> Callable[..., NoReturn]:
    """A function that refuses any call with what to write instead.

    It raises NotImplementedError.
    """

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"there is no {name}: {instead}")

    refused.__name__ = refused.__qualname__ = name.rpartition(".")[2]
    refused.__doc__ = f"Refused: {instead}."
    return refused
