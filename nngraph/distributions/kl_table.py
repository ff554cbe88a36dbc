"""Tables of divergences, by pairs of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from nngraph.distributions.distribution import Distribution
from nngraph.frontend.tensor import Tensor

__all__ = ["F", "Rule", "Table"]

Rule = Callable[..., Tensor]
F = TypeVar("F", bound=Callable[..., Any])


class Table(dict[tuple[type[Distribution], type[Distribution]], Rule]):
    """Of two classes the function of their members that gives the divergence."""

    def of(self, type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[F], F]:
        """A decorator: the function is the divergence of these classes and their subclasses."""

        def decorator(fun: F) -> F:
            self[type_p, type_q] = fun
            return fun

        return decorator
