"""What tracing refuses, with the user's line and what to write instead."""

from __future__ import annotations

from nngraph.frontend.userline import user_source
from nngraph.ir.types import TensorType, TypeMismatch

__all__ = [
    "ConcretizationError",
    "IndexRangeError",
    "OperandError",
    "TraceError",
    "leaked",
    "note_place",
]


class TraceError(RuntimeError):
    """Code that cannot be traced; the text shows the user's line and what to write."""


class ConcretizationError(TraceError):
    """Traced code asked for a value that exists only when the compiled function runs."""

    def __init__(self, what: str, kind: TensorType) -> None:
        super().__init__(
            f"{what} needs the value of a tensor ({kind}), but this code is being traced: values "
            f"exist only when the compiled function runs.\n"
            f"    {user_source()}\n"
            "Instead of `if x > 0: y = a` write `y = ng.where(x > 0, a, b)`; return the tensor and "
            "look at it outside the compiled function; or run without ng.compile."
        )


class OperandError(TypeMismatch, RuntimeError):
    """Operands that do not fit: PyTorch raises ``RuntimeError`` here, ``ops`` ``TypeMismatch``."""


class IndexRangeError(IndexError, RuntimeError):
    """An index tensor with an element out of range: PyTorch raises either."""


def leaked(kind: TensorType, where: str) -> TraceError:
    """The error for a traced tensor that is used outside its trace."""
    return TraceError(
        f"a tensor ({kind}) that was made while another function was traced is used in {where}:\n"
        f"    {user_source()}\n"
        "Traced tensors leave a compiled function only by `return` or by assignment in place to a "
        "tensor that existed before (a parameter or buffer)."
    )


def note_place(error: Exception, path: str, module: object) -> None:
    """Adds the innermost module and the user's line, where the text does not have them."""
    known = any("in module" in note for note in getattr(error, "__notes__", []))
    if isinstance(error, TypeMismatch) or known:
        return
    name = f"{path!r} ({type(module).__name__})" if path else type(module).__name__
    error.add_note(f"in module {name}, called at {user_source()}")
