"""What tracing refuses, with the user's line and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nngraph.frontend.storage import Storage
from nngraph.frontend.userline import source_of, user_source
from nngraph.ir.dims import SymDim
from nngraph.ir.types import TensorType, TypeMismatch
from nngraph.passes.selected import is_selected

__all__ = [
    "INDEX",
    "NUMBER",
    "NUMPY",
    "TEXT",
    "TOO_DEEP",
    "TRUTH",
    "ConcretizationError",
    "Need",
    "NotYet",
    "NumberNeeded",
    "OperandError",
    "TraceError",
    "leaked",
    "note_place",
    "selection_is_unheld",
    "size_is_unknown",
    "summary_of",
]


class TraceError(RuntimeError):
    """Code that cannot be traced; the text shows the user's line and what to write."""


def summary_of(error: Exception) -> str:
    """What went wrong, without the place and the advice, to go on with in a sentence."""
    return str(error).partition("\n")[0].rstrip(".")


class NotYet(BaseException):
    """A trace met what has to be done before it: it ends, and starts again after that.

    Attributes:
        action: what to do.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action


class Need(NamedTuple):
    """What asks for the elements of a tensor, and what to write where there are none.

    Attributes:
        what: as the code has it: ``float(tensor)``.
        instead: sentences.
    """

    what: str
    instead: str = "Return the tensor, and do this outside of the compiled function."


TRUTH = Need(
    "bool(tensor) (if, while, assert, and, or, not, in, max, min, sorted)",
    "Instead of `if x > 0: y = a` write `y = ng.where(x > 0, a, b)`, instead of `and`, `or`, `not` "
    "write `&`, `|`, `~`, and for max(a, b) ng.maximum(a, b); or return the tensor and look at it "
    "outside of the compiled function. An assertion stands under "
    "`if not ng.compiler.is_compiling():`.",
)
NUMBER = Need(
    "a Python number of a tensor (float, int, item, math)",
    "Go on with the tensor, which arithmetic and ng's functions take: ng.sqrt(x) for math.sqrt(x); "
    "or return it, and make it a number outside of the compiled function.",
)
TEXT = Need(
    "the text of a tensor's value",
    'Return the tensor, and write it outside of the compiled function: print(f"{step(x):.4f}"). '
    "Without a format (print(x)) its type is shown.",
)
INDEX = Need(
    "a tensor as an index or a size of Python's (a list, range, a slice)",
    "Index tensors by tensors (`table[i]`, `cache[:, i] = x`, `x.narrow(0, i, 1)`, "
    "`ng.where(ng.arange(n) < i, x, 0)`), or pass the number as an int argument: for each value of "
    "it the function is traced, with dynamic=True only where the code needs the number itself.",
)
NUMPY = Need(
    "a NumPy array of a tensor (numpy(), np.asarray, tolist)",
    "Write ng's function in place of NumPy's (ng.sum, ng.sqrt, ...); or return the tensor, and "
    "convert it outside of the compiled function.",
)


#: The text of a ``RecursionError`` that came through a module; setting it takes no frame.
TOO_DEEP = (
    "maximum recursion depth exceeded: modules are nested in modules (or functions call each "
    "other) too deeply for Python's stack, which holds some 200 levels of modules. Raise its limit "
    "first, sys.setrecursionlimit(10_000), or put layers side by side: nn.Sequential(*layers)."
)


class ConcretizationError(TraceError):
    """Traced code asked for a value that exists only when the compiled function runs."""

    def __init__(self, need: Need, kind: TensorType) -> None:
        super().__init__(
            f"{need.what} needs the value of a tensor ({kind}), but this code is being traced: "
            f"values exist only when the compiled function runs.\n    {user_source()}\n"
            f"{need.instead} Without ng.compile the code runs as it is."
        )


class NumberNeeded(ConcretizationError):
    """Traced code asked for a number of Python's that later calls will find changed."""

    def __init__(self, text: str) -> None:
        RuntimeError.__init__(self, text)


class OperandError(TypeMismatch, RuntimeError):
    """Operands that do not fit: PyTorch raises ``RuntimeError`` here, ``ops`` ``TypeMismatch``."""


def size_is_unknown(what: str, dim: SymDim, place: str = "") -> TraceError:
    """The error for code that needs the number behind a dynamic size."""
    if is_selected(dim):
        return selection_is_unheld(what, place or user_source())
    return TraceError(
        f"{what} depends on the dynamic size {dim}, which is known only when the graph runs:\n"
        f"    {place or user_source()}\n"
        "Write it for all sizes: x.sum(0) instead of a loop over range(x.shape[0]), "
        "ng.sym_max(n, 1) instead of max(n, 1), slices instead of an `if`; or give the axis a "
        "number, as in ng.spec((8, 3))."
    )


def selection_is_unheld(what: str, place: str) -> TraceError:
    """The error for code that does with ``x[mask]`` what no graph of fixed sizes does."""
    return TraceError(
        f"{what} needs to know how many elements a mask selects (x[mask], masked_select), which "
        f"only the call knows:\n    {place}\n"
        "Reductions (mean, sum, max, any, var, norm), arithmetic, losses and layers that take "
        "each selected row on its own are computed of selections. Else keep the places: "
        "ng.where(mask, x, 0) for x[mask], weights for a mean, "
        "x.masked_fill(mask, value) for an assignment; or select outside of the compiled function."
    )


def leaked(storage: Storage, where: str) -> TraceError:
    """The error for a traced tensor that is used outside its trace."""
    made, name = "", "another function"
    value = storage.elements.value
    if value is not None and value.graph.name == "vmap":
        return TraceError(
            f"an element ({storage.type}) of the batch that vmap maps over is used in {where}:\n"
            f"    {user_source()}\nElements leave the mapped function only by `return`."
        )
    if value is not None:
        name = repr(value.graph.name)
        if value.producer is not None:
            made = f"\n    made at {source_of(value.producer.origin)}"
    return TraceError(
        f"a tensor ({storage.type}) that was made while {name} was traced is used in {where}:\n"
        f"    {user_source()}{made}\n"
        "It stands for a value of each call and holds none. Traced tensors leave a compiled "
        f"function only by `return` (add it to what {name} returns) or by assignment in place to "
        "a tensor that existed before (`kept.copy_(tensor)`)."
    )


def note_place(error: Exception, path: str, module: object) -> None:
    """Adds the innermost module and the user's line, where the text does not have them."""
    known = any("in module" in note for note in getattr(error, "__notes__", []))
    if isinstance(error, TypeMismatch) or known:
        return
    name = f"{path!r} ({type(module).__name__})" if path else type(module).__name__
    error.add_note(f"in module {name}, called at {user_source()}")
