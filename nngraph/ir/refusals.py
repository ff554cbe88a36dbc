"""Values among the elements that an operator does not take: the errors of PyTorch's kinds.

For one and the same mistake PyTorch raises ``RuntimeError`` in one function and a kind of its own
in another; each of these is both.
"""

from __future__ import annotations

__all__ = [
    "REFUSALS",
    "IndexRangeError",
    "IntegerDivisionError",
    "LinAlgError",
    "ValueRangeError",
    "refusal",
]


class IndexRangeError(IndexError, RuntimeError):
    """An index out of range."""


class ValueRangeError(ValueError, RuntimeError):
    """A value outside of a function's domain."""


class LinAlgError(ValueRangeError):
    """A matrix that a factorization does not take."""


class IntegerDivisionError(ZeroDivisionError, RuntimeError):
    """An integer divided by zero."""


#: What operators raise at values that they do not take.
REFUSALS = (IndexError, ZeroDivisionError, ValueRangeError)


def refusal(error: Exception, place: str = "") -> Exception:
    """The error as both kinds, with a place after its text.

    Args:
        error: one of ``REFUSALS``.
        place: of the user's, to be shown as it is.
    """
    kind: type[Exception] = ValueRangeError
    if isinstance(error, IndexError):
        kind = IndexRangeError
    elif isinstance(error, ZeroDivisionError):
        kind = IntegerDivisionError
    elif isinstance(error, LinAlgError):
        kind = LinAlgError
    return kind(f"{error}{place}")
