"""Objects that change outside of a step, between its calls; the step only reads them.

A program is three texts: what is there, what the step returns, and the change before call ``n``.
"""

from __future__ import annotations

import collections
import contextvars
import dataclasses
import enum
import functools
import types
import weakref
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["OUTSIDE", "program"]

_TABLE = r"""
array in a closure | a = np.ones(3, "f4") | x * t.tensor(a) | a[n % 3] += n
array in an attribute | o = types.SimpleNamespace(a=np.ones(3))
    | x * float(o.a.sum()) | o.a[0] += n
array in a dict | o = {"k": [np.ones(3, "f4")]} | x * t.tensor(o["k"][0]) | o["k"][0][1] = n
view of an array | b = np.arange(6.0); v = b[::2] | x * float(v[1]) | b[:] = b + n
another array | o = {"a": np.ones(3, "f4")} | x * t.tensor(o["a"]) | o["a"] = np.full(3, n, "f4")
array without axes | a = np.array(2.0) | x * a.item() | a[...] = n
array with NaN | a = np.array([np.nan, 1.0]) | x * float(a[1]) | a[1] = n
array of records | a = np.zeros(2, [("u", "f4")]) | x * float(a["u"][0]) | a["u"][0] = n
array of objects | a = np.array([1.0, "a"], object) | x * a[0] | a[0] = float(n)
array of a module | m = t.nn.Identity(); m.a = np.ones(3) | x * float(m.a[2]) | m.a[2] = n
array of ints | a = np.arange(3) | x.index_select(0, t.tensor(a)) | a[:] = np.roll(a, n)
NumPy's number | o = [np.float32(1.5)] | x * float(o[0]) | o[0] = np.float32(n)
bytes | b = bytearray(b"abc") | x * b[0] | b[0] = n + 1
memory of bytes | b = bytearray(b"abc"); m = memoryview(b) | x * m[0] | b[0] = n + 1
array of Python's | a = array("d", [1.0, 2.0]) | x * a[0] | a[0] = n + 1
nested dict | d = {"a": {"b": [1.0, (2.0, {"z": 3.0})]}}
    | x * d["a"]["b"][1][1]["z"] | d["a"]["b"][1][1]["z"] = n
set | s = {1, 2} | x * len(s) | s.add(n + 10)
frozen set | s = [frozenset({1})] | x * len(s[0]) | s[0] = frozenset(range(n + 1))
deque that turns | s = collections.deque([1.0], maxlen=3) | x * sum(s) | s.append(float(n))
list that turns | s = [1.0, 2.0, 3.0] | x * s[0] | s.append(s.pop(0))
counter | s = collections.Counter("aab") | x * s["a"] | s["a"] += 1
default dict | s = collections.defaultdict(float, a=1.0) | x * s["a"] | s["a"] += 1
order of a dict | s = dict(a=1.0, b=2.0)
    | x * list(s.values())[0] | s.update(a=s.pop("a")) if n % 2 else s.update(b=s.pop("b"))
order of an OrderedDict | s = collections.OrderedDict(a=1.0, b=2.0)
    | x * list(s.values())[0] | s.move_to_end(list(s)[0])
key of a dict | s = {"a": 1.0}
    | x * len(list(s)[0]) | s.update({list(s)[0] + "a": s.pop(list(s)[0])})
UserDict | d = collections.UserDict(a=1.0) | x * d["a"] | d["a"] = float(n)
UserList | d = collections.UserList([1.0]) | x * d[0] | d[0] = float(n)
ChainMap | d = {"a": 1.0}; m = collections.ChainMap({}, d) | x * m["a"] | d["a"] = float(n)
read-only dict | d = {"a": 1.0}; m = types.MappingProxyType(d) | x * m["a"] | d["a"] = float(n)
mapping of the user's | m = OwnMapping() | x * m["a"] | m.d["a"] = float(n)
list with attributes | m = OwnList([1.0]); m.k = 2.0 | x * m.k * m[0] | m.k = float(n)
dict with attributes | m = OwnDict(a=1.0); m.k = 2.0 | x * m.k * m["a"] | m.k = float(n)
named tuple | s = [Pair(1.0, [2.0])] | x * s[0].a * s[0].b[0] | s[0].b[0] = float(n)
another named tuple | s = [Pair(1.0, [2.0])] | x * s[0].a | s[0] = s[0]._replace(a=float(n))
data class | s = Data() | x * s.a + len(s.items) | s.a = float(n); s.items.append(n)
data class in slots | s = SlottedData() | x * s.a | s.a = float(n)
slots | s = Slotted(); s.a = 1.0 | x * s.a | s.a = float(n)
slots of a base | s = MoreSlotted(); s.a = s.b = 1.0 | x * s.a * s.b | s.a = float(n)
slot without a value | s = Slotted() | x * (s.a if hasattr(s, "a") else 5.0) | s.a = float(n)
no attribute yet | s = types.SimpleNamespace()
    | x * (s.a if hasattr(s, "a") else 5.0) | s.a = float(n)
an attribute less | s = types.SimpleNamespace(a=2.0)
    | x * (s.a if hasattr(s, "a") else 5.0)
    | vars(s).pop("a", None) if n % 2 else setattr(s, "a", float(n))
getattr with a default | s = types.SimpleNamespace() | x * getattr(s, "a", 5.0) | s.a = float(n)
no key yet | s = {} | x * s.get("a", 5.0) | s["a"] = float(n)
attribute of a class | K = own_class(); k = K() | x * k.c | K.c = float(n)
list of a class | K = own_class(); k = K() | x * k.items[0] | K.items[0] = float(n)
attribute before that of a class | K = own_class(); k = K() | x * k.c | k.c = float(n)
method of a class | K = own_class(); k = K()
    | x * k.method() | K.method = lambda self, n=n: float(n)
class method | K = own_class() | x * K.of_class() * K.static() | K.c = float(n)
property | K = own_class(); k = K() | x * k.twice | k.v = float(n)
__getattr__ | k = Getting() | x * k.q | k.d["q"] = float(n)
object that is called | k = Called() | x * k() | k.k[0] = float(n)
function that is called | s = [1.0]; g = lambda: s[0] | x * g() | s[0] = float(n)
another function | o = types.SimpleNamespace(g=lambda: 1.0)
    | x * o.g() | o.g = lambda n=n: float(n)
defaults of a function | g = lambda k=1.0: k | x * g() | g.__defaults__ = (float(n),)
keywords of a function | g = lambda *, k=1.0: k | x * g() | g.__kwdefaults__ = {"k": float(n)}
a keyword of a function | g = lambda *, k=1.0: k | x * g() | g.__kwdefaults__["k"] = float(n)
list that is a default | g = lambda k=[1.0]: k[0] | x * g() | g.__defaults__[0][0] = float(n)
attribute of a function | g = lambda: g.k; g.k = 1.0 | x * g() | g.k = float(n)
partial | a = [1.0]; g = functools.partial(lambda a, x: x * a[0], a) | g(x) | a[0] = float(n)
weak reference | w = Called(); r = weakref.ref(w) | x * r().k[0] | w.k[0] = float(n)
context variable | v = contextvars.ContextVar("v", default=1.0) | x * v.get() | v.set(float(n))
enumeration | o = {"m": Color.A}
    | x * (1 if o["m"] is Color.A else 2) | o["m"] = Color.B if n % 2 else Color.A
text | o = {"m": "relu"} | getattr(t, o["m"])(x - 2) | o["m"] = "tanh" if n % 2 else "relu"
complex number | o = [1 + 2j] | x * o[0].real | o[0] = complex(n, 1)
range | o = [range(3)] | x * len(o[0]) | o[0] = range(n)
slice | o = [slice(0, 1)] | x[o[0]].sum() | o[0] = slice(0, n % 3 + 1)
tensor in a list | o = [t.ones(3)] | x * o[0] | o[0] = t.full((3,), float(n))
tensor in place | o = t.ones(3) | x * o | o.add_(n)
memory of a tensor | o = t.ones(3); v = o.numpy() | x * o | v.__setitem__(0, v[0] + n)
tensor over an array | v = np.ones(3, "f4"); o = t.from_numpy(v) | x * o | v[0] += n
layers in a list | m = t.nn.ModuleList([t.nn.Identity()])
    | functools.reduce(lambda y, l: l(y) * 2, m, x) | m.append(t.nn.Identity())
layers in a dict | m = t.nn.ModuleDict({"a": t.nn.Identity()})
    | x * len(m) | m.update({str(n): t.nn.Identity()})
layers in a row | m = t.nn.Sequential(t.nn.Identity()) | x * len(m) | m.append(t.nn.Identity())
parameters in a list | m = t.nn.ParameterList([t.ones(3)])
    | sum(p * x for p in m).detach() | m.append(t.ones(3) * n)
parameters of a module | m = t.nn.Linear(2, 2)
    | x * len(list(m.parameters())) | m.register_parameter(f"p{n}", t.nn.Parameter(t.ones(1)))
buffers of a module | m = t.nn.Identity()
    | x * len(list(m.buffers())) | m.register_buffer(f"b{n}", t.ones(1))
"""


class OwnMapping(Mapping[str, float]):
    def __init__(self) -> None:
        self.d = {"a": 1.0}

    def __getitem__(self, key: str) -> float:
        return self.d[key]

    def __iter__(self) -> Any:
        return iter(self.d)

    def __len__(self) -> int:
        return len(self.d)


class OwnList(list[float]):
    pass


class OwnDict(dict[str, float]):
    pass


Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass
class Data:
    a: float = 1.0
    items: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class SlottedData:
    a: float = 1.0


class Slotted:
    __slots__ = ("a",)


class MoreSlotted(Slotted):
    __slots__ = "b"


class Getting:
    def __init__(self) -> None:
        self.d = {"q": 1.0}

    def __getattr__(self, name: str) -> float:
        return self.__dict__["d"][name]  # type: ignore[no-any-return]


class Called:
    def __init__(self) -> None:
        self.k = [1.0]

    def __call__(self) -> float:
        return self.k[0]


class Color(enum.Enum):
    A = 1
    B = 2


def own_class() -> Any:
    class K:
        c = 1.0
        items = [1.0]  # noqa: RUF012

        def __init__(self) -> None:
            self.v = 1.0

        def method(self) -> float:
            return 1.0

        @property
        def twice(self) -> float:
            return self.v * 2

        @classmethod
        def of_class(cls) -> float:
            return cls.c

        @staticmethod
        def static() -> float:
            return K.c

    return K


OUTSIDE: dict[str, tuple[str, str, str]] = {}
for _line in _TABLE.strip().replace("\n    | ", " | ").splitlines():
    _name, _there, _returned, _change = (part.strip() for part in _line.split(" | "))
    OUTSIDE[_name] = (_there, _returned, _change)

_NAMES = {
    each.__name__: each
    for each in (
        OwnMapping,
        OwnList,
        OwnDict,
        Pair,
        Data,
        SlottedData,
        Slotted,
        MoreSlotted,
        Getting,
        Called,
        Color,
        own_class,
        array,
    )
}
_NAMES |= {m.__name__: m for m in (collections, contextvars, functools, types, weakref)}


def program(name: str, library: Any) -> tuple[Callable[..., Any], Callable[[int], Any]]:
    """The step of a program and what changes something before call ``n``."""
    there, returned, change = OUTSIDE[name]
    text = (
        f"def make():\n {there}\n def step(x):\n  return {returned}\n"
        f" def change(n):\n  {change}\n return step, change\n"
    )
    space: dict[str, Any] = {"t": library, "np": np, **_NAMES}
    exec(text, space)  # the table's own text
    made: tuple[Any, Any] = space["make"]()
    return made
