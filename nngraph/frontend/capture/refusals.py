"""What a trace refuses of Python's own state, with the line, and what to write instead."""

from __future__ import annotations

import dis
import linecache
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

from nngraph.frontend.capture.boxes import ABSENT, Kind, Place
from nngraph.frontend.capture.reach import is_library_file
from nngraph.frontend.errors import NumberNeeded, TraceError
from nngraph.frontend.host import concrete
from nngraph.frontend.record import Handle
from nngraph.frontend.userline import user_source

__all__ = [
    "first_line",
    "history_is_gone",
    "refuse_action",
    "refuse_argument",
    "refuse_branch",
    "refuse_change",
    "refuse_draw",
    "refuse_value",
]

_STORES = {Kind.CELL: "STORE_DEREF", Kind.GLOBALS: "STORE_GLOBAL"}


def refuse_branch(what: str, name: str) -> NumberNeeded:
    """Code that depends on a number which the traced code itself changes."""
    return NumberNeeded(
        f"{what} needs the value of {name}, a number that the traced code changes: it is another "
        f"one at each call.\n    {user_source()}\n"
        "Compute with it (operators, NumPy's functions, and `math`, `min`, `max`, `int` and "
        "`float` as global names of your own module are computed anew at each call; "
        "`ng.where(step < n, a, b)` chooses between tensors), or decide outside and "
        "pass what was decided as an argument: `step(x, y, update=count % 3 == 0)`."
    )


def refuse_argument(what: str, name: str) -> NumberNeeded:
    """A file whose code depends on a number that each run is given."""
    return NumberNeeded(
        f"{what} needs the value of {name}, which each run of the file is given.\n"
        f"    {user_source()}\nCompute with it (`ng.where({name} > 0.5, a, b)` chooses between "
        f"tensors), or fix it: export `lambda x: f(x, {name}=0.5)`."
    )


def refuse_change(place: Place, before: Any, after: Any, codes: Iterable[CodeType]) -> TraceError:
    """A variable that the traced code gave another value, which no call would change again."""
    kind, name = place.box.kind, place.name
    line = _line_of_store(kind, str(place.key) if kind is Kind.GLOBALS else name, codes)
    word = {Kind.CELL: "variable of the enclosing function", Kind.GLOBALS: "global variable"}
    if kind is Kind.HOOKS:
        return TraceError(
            f"the traced code leaves another set of hooks in {name}: a compiled function would "
            "register them once, PyTorch at each call.\nRegister hooks outside, or remove them "
            "inside with `handle.remove()`."
        )
    what = word.get(kind, "attribute of a class")
    return TraceError(
        f"the traced code changes the {what} {name!r} from {shown(before)} to {shown(after)}: "
        f"compiled, it would change once, at the trace.{line}\n"
        "Keep it in an object that is carried from call to call (`self.count += 1` of a module, "
        f"`memory[{str(place.key or name)!r}] = ...` of a dict), change it outside the compiled "
        "function, or pass it as an argument and return the new value."
    )


def refuse_draw(name: str, where: str) -> TraceError:
    """A generator of random numbers that the traced code drew from."""
    return TraceError(
        f"the traced code draws from {name}: compiled, every call would use the numbers that the "
        f"trace drew.{where}\n"
        "Draw outside and pass the number as an argument (a float is read at each call), or draw "
        "inside with ng.rand, ng.randn or ng.randint, which draw anew at each call."
    )


def refuse_action(action: Callable[..., Any]) -> TraceError:
    """A schedule's step that looks at a traced tensor."""
    name = getattr(action, "__qualname__", "the action").removesuffix(".step")
    return TraceError(
        f"{name}.step needs the value of a tensor that exists only when the compiled function "
        f"runs.\n    {user_source()}\nReturn the metric from the compiled function and write "
        "`scheduler.step(float(loss))` outside."
    )


def refuse_value(place: Place, value: Any, why: str) -> TraceError:
    """A value that no call can put at a place."""
    return TraceError(
        f"the traced code puts {type(concrete(value)).__name__} at {place.name}: {why}"
    )


def history_is_gone(name: str) -> str:
    """What ``backward`` says of a tensor whose history was an earlier call's."""
    return (
        f"backward through {name}, which holds a result of an earlier call of a compiled "
        f"function: the history of that call is gone. Write `{name} = h.detach()` for what is kept "
        "from call to call."
    )


def shown(value: Any) -> str:
    """A value in an error's text."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, Handle):
        return f"a tensor ({value.aval})"
    text = repr(concrete(value))
    return text if len(text) < 60 else f"{text[:57]}..."


def _line_of_store(kind: Kind, name: str, codes: Iterable[CodeType]) -> str:
    wanted = _STORES.get(kind, "STORE_ATTR")
    if kind is Kind.CLASS:
        name = name.rpartition(".")[2]
    for code in _with_inner(codes):
        line = code.co_firstlineno
        for instruction in dis.get_instructions(code):
            line = instruction.starts_line or line
            if instruction.opname == wanted and instruction.argval == name:
                return at_line(code.co_filename, line)
    return ""


def _with_inner(codes: Iterable[CodeType]) -> Iterable[CodeType]:
    for code in codes:
        yield code
        yield from _with_inner(c for c in code.co_consts if isinstance(c, CodeType))


def at_line(file: str, line: int) -> str:
    """The line of an error's text that shows a line of code."""
    return f"\n    {file}:{line}: {linecache.getline(file, line).strip()}" if file else ""


def first_line(run: Callable[[], object], moved: Callable[[], bool]) -> str:
    """The line of the user's code after which ``moved()`` is true for the first time.

    ``run`` is run once more for it: what it does has to be taken back by the caller.
    """
    found: list[str] = []
    last = [("", 0)]

    def look(frame: FrameType, event: str, arg: object) -> Any:
        if not found and moved():
            found.append(at_line(*last[-1]))
        if event == "call":
            if is_library_file(frame.f_code.co_filename):
                return None
            last.append((frame.f_code.co_filename, frame.f_lineno))
        elif event == "return":
            last.pop()
        else:
            last[-1] = (frame.f_code.co_filename, frame.f_lineno)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        with suppress(Exception):  # it is run for its lines
            run()
    finally:
        sys.settrace(before)
    return found[0] if found else ""
