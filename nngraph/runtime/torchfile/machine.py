"""The opcodes of pickles, as data: no name is imported and nothing of the file is called.

Source: the table of opcodes of Python's ``pickletools``.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from nngraph.runtime.checkpoint import CheckpointError
from nngraph.runtime.torchfile.checks import need_key
from nngraph.runtime.torchfile.values import Known

__all__ = ["Machine", "Names"]

#: What a global name of a file stands for.
Names = Callable[[str, str], Any]
_PROTOCOLS = range(6)
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Mark:
    """Where the arguments of a later opcode begin."""


_MARK = _Mark()


class Machine:
    """Runs one pickle.

    Args:
        raw: the bytes.
        names: what a global name stands for; raises for those that are not allowed.
        stored: what a persistent id stands for.
        build: sets the state of an object.
        at: where the pickle begins.

    Attributes:
        at: behind the last opcode, once it ran.
    """

    def __init__(
        self,
        raw: bytes | memoryview,
        names: Names,
        stored: Callable[[Any], Any],
        build: Callable[[Any, Any], None],
        at: int = 0,
    ) -> None:
        self.at = at
        self._raw = memoryview(raw)
        self._names, self._stored, self._build = names, stored, build
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._made: list[dict[Any, Any]] = []

    def run(self) -> Any:
        """The value that the pickle is of.

        Raises:
            CheckpointError: whatever is wrong with it.
        """
        try:
            while True:
                start = self.at
                code = self._take(1)[0]
                if code == 0x2E:  # STOP
                    return self._pop()
                found = _OPCODES.get(code)
                if found is None:
                    raise CheckpointError(f"opcode {code:#04x} at byte {start} is not read")
                found(self)
        except CheckpointError:
            self.drop()
            raise
        except _DAMAGE as error:
            self.drop()
            raise CheckpointError(f"its pickle is damaged ({error!r:.200})") from None

    def drop(self) -> None:
        """Takes apart what was made: Python frees deep nests of defaultdicts recursively."""
        for each in self._made:
            each.clear()

    # -- reading ---------------------------------------------------------------------------------

    def _take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self._raw):
            raise CheckpointError(f"its pickle ends early, at byte {len(self._raw)}")
        part = self._raw[self.at : end]
        self.at = end
        return part

    def _line(self) -> str:
        raw = self._raw[self.at : self.at + 4096].tobytes()
        end = raw.find(b"\n")
        if end < 0:
            raise CheckpointError(f"a line that begins at byte {self.at} does not end")
        self.at += end + 1
        return raw[:end].decode("utf-8")

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _counted(self, form: str) -> bytes:
        count: int = self._number(form)
        return self._take(count).tobytes()

    # -- the stack -------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise CheckpointError(f"a value is missing before byte {self.at} of its pickle")
        return value

    def _top(self) -> Any:
        value = self._pop()
        self._stack.append(value)
        return value

    def _since_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while at >= 0 and stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise CheckpointError(f"a mark is missing before byte {self.at} of its pickle")
        values = stack[at + 1 :]
        del stack[at:]
        return values

    # -- containers ------------------------------------------------------------------------------

    def _append(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise CheckpointError(f"items are appended to {type(target).__name__}")
        target.extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) not in (dict, OrderedDict, defaultdict, Counter) or len(values) % 2:
            raise CheckpointError(f"keys and values are given to {type(target).__name__}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[need_key(key)] = value

    def _add(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) is not set:
            raise CheckpointError(f"elements are added to {type(target).__name__}")
        target.update(map(need_key, values))

    def _tuple(self, count: int) -> None:
        self._push(tuple([self._pop() for _ in range(count)][::-1]))

    # -- names and calls -------------------------------------------------------------------------

    def _named(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise CheckpointError("a global name is no text")
        self._push(self._names(module, name))

    def _call(self) -> None:
        args, target = self._pop(), self._pop()
        if not isinstance(target, Known) or target.call is None:
            name = target.name if isinstance(target, Known) else type(target).__name__
            raise CheckpointError(f"{name} is called, which nothing in a checkpoint does")
        if type(args) is not tuple:
            raise CheckpointError(f"{target.name} is called with {type(args).__name__}")
        self._made_of(target.call(*args))

    def _new(self) -> None:
        args, target = self._pop(), self._pop()
        if not isinstance(target, Known) or target.fresh is None or args != ():
            name = target.name if isinstance(target, Known) else type(target).__name__
            raise CheckpointError(f"an object of {name} is made, which nothing here allows")
        self._made_of(target.fresh())

    def _made_of(self, value: Any) -> None:
        if isinstance(value, defaultdict):
            self._made.append(value)
        self._push(value)

    def _state(self) -> None:
        state = self._pop()
        self._build(self._top(), state)

    # -- the memo --------------------------------------------------------------------------------

    def _keep(self, at: int) -> None:
        if at < 0:
            raise CheckpointError("a place of the memo is negative")
        self._memo[at] = self._top()

    def _recall(self, at: int) -> None:
        if at not in self._memo:
            raise CheckpointError(f"place {at} of the memo is empty")
        self._push(self._memo[at])

    # -- numbers ---------------------------------------------------------------------------------

    def _protocol(self) -> None:
        version = self._number("<B")
        if version not in _PROTOCOLS:
            raise CheckpointError(f"protocol {version} of its pickle is unknown")

    def _frame(self) -> None:
        size = self._number("<Q")
        if size > len(self._raw) - self.at:
            raise CheckpointError("a frame of its pickle is longer than the file")

    def _int(self) -> None:
        text = self._line()
        self._push({"00": False, "01": True}[text] if text in ("00", "01") else int(text))

    def _long(self, form: str) -> None:
        self._push(int.from_bytes(self._counted(form), "little", signed=True))

    def _text(self, form: str) -> None:
        self._push(self._counted(form).decode("utf-8", "surrogatepass"))

    def _old_text(self, form: str) -> None:
        """Python 2's ``str``: text, where it is some."""
        raw = self._counted(form)
        try:
            self._push(raw.decode("utf-8"))
        except UnicodeDecodeError:
            self._push(raw)


def _pops_mark(machine: Machine) -> None:
    machine._since_mark()


def _pop_one(machine: Machine) -> None:
    if not machine._stack:
        raise CheckpointError("the stack of its pickle is empty")
    machine._stack.pop()


def _swap_named(machine: Machine) -> None:
    name, module = machine._pop(), machine._pop()
    machine._named(module, name)


def _set_one(machine: Machine) -> None:
    value, key = machine._pop(), machine._pop()
    machine._set([key, value])


def _append_one(machine: Machine) -> None:
    machine._append([machine._pop()])


def _dict(machine: Machine) -> None:
    values = machine._since_mark()
    machine._push({})
    machine._set(values)


_OPCODES: dict[int, Callable[[Machine], None]] = {
    ord(code): run
    for code, run in {
        "(": lambda m: m._push(_MARK),
        "0": _pop_one,
        "1": _pops_mark,
        "2": lambda m: m._push(m._top()),
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "I": Machine._int,
        "L": lambda m: m._push(int(m._line().removesuffix("L"))),
        "F": lambda m: m._push(float(m._line())),
        "J": lambda m: m._push(m._number("<i")),
        "K": lambda m: m._push(m._number("<B")),
        "M": lambda m: m._push(m._number("<H")),
        "G": lambda m: m._push(m._number(">d")),
        "\x8a": lambda m: m._long("<B"),
        "\x8b": lambda m: m._long("<I"),
        "V": lambda m: m._push(m._line()),
        "X": lambda m: m._text("<I"),
        "\x8c": lambda m: m._text("<B"),
        "\x8d": lambda m: m._text("<Q"),
        "U": lambda m: m._old_text("<B"),
        "T": lambda m: m._old_text("<I"),
        "C": lambda m: m._push(m._counted("<B")),
        "B": lambda m: m._push(m._counted("<I")),
        "\x8e": lambda m: m._push(m._counted("<Q")),
        "\x96": lambda m: m._push(bytearray(m._counted("<Q"))),
        "]": lambda m: m._push([]),
        "}": lambda m: m._push({}),
        ")": lambda m: m._push(()),
        "\x8f": lambda m: m._push(set()),
        "l": lambda m: m._push(m._since_mark()),
        "t": lambda m: m._push(tuple(m._since_mark())),
        "d": _dict,
        "\x91": lambda m: m._push(frozenset(map(need_key, m._since_mark()))),
        "\x85": lambda m: m._tuple(1),
        "\x86": lambda m: m._tuple(2),
        "\x87": lambda m: m._tuple(3),
        "a": _append_one,
        "e": lambda m: m._append(m._since_mark()),
        "s": _set_one,
        "u": lambda m: m._set(m._since_mark()),
        "\x90": lambda m: m._add(m._since_mark()),
        "c": lambda m: m._named(m._line(), m._line()),
        "\x93": _swap_named,
        "R": Machine._call,
        "\x81": Machine._new,
        "b": Machine._state,
        "p": lambda m: m._keep(int(m._line())),
        "q": lambda m: m._keep(m._number("<B")),
        "r": lambda m: m._keep(m._number("<I")),
        "\x94": lambda m: m._keep(len(m._memo)),
        "g": lambda m: m._recall(int(m._line())),
        "h": lambda m: m._recall(m._number("<B")),
        "j": lambda m: m._recall(m._number("<I")),
        "P": lambda m: m._push(m._stored(m._line())),
        "Q": lambda m: m._push(m._stored(m._pop())),
        "\x80": Machine._protocol,
        "\x95": Machine._frame,
    }.items()
}
