"""Reads the text form of graphs (``nngraph/ir/text.py`` describes it). Nothing is evaluated."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from nngraph.ir.attributes import Subgraph
from nngraph.ir.dims import as_dim
from nngraph.ir.dtypes import DTYPES, Kind
from nngraph.ir.graph import Graph, Value
from nngraph.ir.literal import Literal
from nngraph.ir.op import Op
from nngraph.ir.origin import NOWHERE, Origin
from nngraph.ir.roles import Role
from nngraph.ir.types import TensorType, parse_type

__all__ = ["TextError", "parse_graph"]

_DTYPES = {d.short: d for d in DTYPES}
_CONSTANTS = {"none": None, "true": True, "false": False, "inf": float("inf"), "nan": float("nan")}
_DEEPEST = 100  # parentheses in parentheses, graphs in graphs
_STRING = r'"(?:[^"\\\n]|\\.)*"'
_TOKEN = re.compile(
    rf"""(?P<skip>\s+)
    | (?P<comment>\#[^\n]*)
    | (?P<value>%(?:[A-Za-z0-9_][A-Za-z0-9_.]*|{_STRING}))
    | (?P<nan>nan:[0-9a-f]{{16}})
    | (?P<number>-?(?:inf(?![\w.])|\d{{1,4000}}(?:\.\d{{1,4000}})?(?:e[+-]?\d+)?))
    | (?P<dim><[^>\n]*>)
    | (?P<type>(?:{"|".join(_DTYPES)})\[[^\]\n]*\])
    | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<string>{_STRING})
    | (?P<mark>->|[{{}}()\[\]=:,])""",
    re.VERBOSE | re.ASCII,
)


class TextError(ValueError):
    """The text is not a graph; names line and column, what was found and what was expected."""

    def __init__(self, text: str, offset: int, problem: str) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {problem}")


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> Iterator[_Token]:
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise TextError(text, offset, f"unexpected character {text[offset]!r}")
        kind = match.lastgroup or ""
        if kind != "skip":
            yield _Token(kind, match.group(), offset)
        offset = match.end()
    yield _Token("end", "", len(text))


def parse_graph(text: str, registry: Mapping[str, type[Op]]) -> Graph:
    """The graph that ``text`` describes.

    Args:
        text: what ``print_graph`` wrote.
        registry: operator classes by name.

    Raises:
        TextError: naming line and column, what was found and what was expected.
    """
    parser = _Parser(text, registry)
    graph = parser.graph()
    parser.expect("end", "the end of the text")
    return graph


class _Scope:
    """One graph under construction."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, Value] = {}
        self.pending: list[tuple[str, _Token]] = []  # state, its value after a call


class _Parser:
    def __init__(self, text: str, registry: Mapping[str, type[Op]]) -> None:
        self.text = text
        self.registry = registry
        self.stream = _tokens(text)
        self.comment: _Token | None = None
        self.depth = 0
        self.token = self.last = _Token("start", "", 0)
        self.advance()

    # -- tokens ----------------------------------------------------------------------------
    def advance(self) -> _Token:
        self.last = self.token
        self.comment = None
        token = next(self.stream)
        while token.kind == "comment":
            if "\n" not in self.text[self.last.offset : token.offset]:
                self.comment = token
            token = next(self.stream)
        self.token = token
        return self.last

    def fail(self, problem: str, token: _Token | None = None) -> NoReturn:
        raise TextError(self.text, (token or self.token).offset, problem)

    def expected(self, what: str) -> NoReturn:
        shown = repr(self.token.text) if self.token.text else "the end of the text"
        self.fail(f"expected {what}, found {shown}")

    def expect(self, kind: str, what: str) -> _Token:
        if self.token.kind != kind:
            self.expected(what)
        return self.advance() if kind != "end" else self.token

    def mark(self, text: str) -> _Token:
        if self.token.kind != "mark" or self.token.text != text:
            self.expected(f"`{text}`")
        return self.advance()

    def taken(self, text: str, kind: str = "mark") -> bool:
        """Skips one token if it is this one."""
        if self.token.kind == kind and self.token.text == text:
            self.advance()
            return True
        return False

    def listed(self, end: str, item: Callable[[], Any]) -> list[Any]:
        """Items between commas up to ``end``; a comma may follow the last."""
        items = []
        while not self.taken(end):
            items.append(item())
            if not self.taken(","):
                if self.token.text != end:
                    self.expected(f"`,` or `{end}`")
                self.mark(end)
                break
        return items

    def name(self) -> str:
        if self.token.kind == "string":
            return self.string()
        return self.expect("word", "a name").text

    def string(self) -> str:
        token = self.expect("string", "a text in double quotes")
        return self.unquoted(token.text, token)

    def unquoted(self, text: str, token: _Token) -> str:
        try:
            value: str = json.loads(text)
        except ValueError as error:
            self.fail(f"bad text {text}: {error}", token)
        return value

    def type(self) -> TensorType:
        return self.as_type(self.expect("type", "a type such as f32[8,10]"))

    def as_type(self, token: _Token) -> TensorType:
        try:
            return parse_type(token.text)
        except ValueError as error:
            self.fail(str(error), token)

    # -- statements ------------------------------------------------------------------------
    def graph(self) -> Graph:
        if not self.taken("graph", "word"):
            self.expected("`graph NAME {`")
        scope = _Scope(Graph(self.name()))
        self.mark("{")
        while not self.taken("}"):
            self.statement(scope)
        for state, token in scope.pending:
            try:
                scope.graph.set_state(state, self.lookup(scope, token))
            except TypeError as error:
                self.fail(str(error), token)
        return scope.graph

    def statement(self, scope: _Scope) -> None:
        if self.token.kind == "value":
            self.node(scope)
        elif self.taken("output", "word"):
            value = self.used(scope)
            name = self.name() if self.taken("as", "word") else ""
            scope.graph.add_output(value, name, *self.role())
        elif self.token.text in ("input", "scalar", "state") and self.token.kind == "word":
            self.parameter(scope, self.advance())
        else:
            self.expected("a node (`%1: f32[] = ...`), input, scalar, state, output or `}`")

    def role(self) -> tuple[Role, str]:
        """What an output is for, and whose it is: ``(gradient fc.weight)``."""
        if not self.taken("("):
            return Role.RESULT, ""
        known = {role.value: role for role in Role}
        if self.token.text not in known:
            self.expected(f"one of {', '.join(known)}")
        role = known[self.advance().text]
        of = "" if self.token.text == ")" else self.name()
        self.mark(")")
        return role, of

    def parameter(self, scope: _Scope, kind: _Token) -> None:
        label = self.expect("value", "a new value such as %x")
        hint = self.hint(label)
        name = self.name() if self.taken("as", "word") else hint
        self.mark(":")
        type = self.type()
        try:
            if kind.text == "input":
                value = scope.graph.add_input(type, name)
            elif kind.text == "scalar":
                value = scope.graph.add_scalar(name, type)
            else:
                value = scope.graph.add_state(name, type)
        except ValueError as error:
            self.fail(str(error), label)
        if kind.text != "input":
            value.hint = hint
        self.define(scope, label, value)
        if kind.text == "state" and self.taken("->"):
            scope.pending.append((name, self.expect("value", "the state's value after a call")))

    def node(self, scope: _Scope) -> None:
        labels = [self.result()]
        while self.taken(","):
            labels.append(self.result())
        self.mark("=")
        name = self.expect("word", "an operator")
        if name.text not in self.registry:
            self.fail(f"there is no operator {name.text!r}", name)
        self.mark("(")
        inputs = self.listed(")", lambda: self.used(scope))
        pairs = self.listed("}", self.pair) if self.taken("{") else []
        origin = self.origin()
        node = self.built(
            name, lambda: scope.graph.add_node(self.operator(name, pairs), inputs, origin)
        )
        wanted = [t for _, t in labels]
        types = [v.type for v in node.outputs]
        if types != wanted:
            shown = ", ".join(map(str, types))
            self.fail(f"{name.text} makes {shown}, not {', '.join(map(str, wanted))}", labels[0][0])
        for (label, _), value in zip(labels, node.outputs, strict=True):
            value.hint = self.hint(label)
            self.define(scope, label, value)

    def result(self) -> tuple[_Token, TensorType]:
        label = self.expect("value", "a new value such as %3")
        self.mark(":")
        return label, self.type()

    def built(self, name: _Token, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except TextError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            self.fail(f"{name.text} refuses: {error}", name)

    def operator(self, name: _Token, pairs: list[tuple[_Token, Any]]) -> Op:
        cls = self.registry[name.text]
        known = [f.name for f in dataclasses.fields(cls)]
        given: dict[str, Any] = {}
        for token, value in pairs:
            if token.text not in known or token.text in given:
                has = ", ".join(known) or "none"
                self.fail(f"{name.text} has no (other) attribute {token.text}; it has {has}", token)
            given[token.text] = value
        return cls(**given)

    def origin(self) -> Origin:
        if self.comment is None:
            return NOWHERE
        try:
            return Origin.parse(self.comment.text[1:].strip())
        except ValueError as error:
            self.fail(str(error), self.comment)

    # -- values ----------------------------------------------------------------------------
    def hint(self, label: _Token) -> str:
        text = label.text[1:]
        if text.startswith('"'):
            return self.unquoted(text, label)
        return "" if text.isdigit() else text

    def define(self, scope: _Scope, label: _Token, value: Value) -> None:
        if label.text in scope.values:
            self.fail(f"{label.text} is defined twice", label)
        scope.values[label.text] = value

    def used(self, scope: _Scope) -> Value:
        return self.lookup(scope, self.expect("value", "a value such as %3"))

    def lookup(self, scope: _Scope, token: _Token) -> Value:
        if token.text not in scope.values:
            self.fail(f"{token.text} is not defined before it is used", token)
        return scope.values[token.text]

    # -- attributes ------------------------------------------------------------------------
    def pair(self) -> tuple[_Token, Any]:
        name = self.expect("word", "an attribute's name")
        self.mark("=")
        return name, self.attribute()

    def attribute(self) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"attributes are nested more than {_DEEPEST} deep")
        value = self.attribute_value(self.token)
        self.depth -= 1
        return value

    def attribute_value(self, token: _Token) -> Any:
        if token.kind == "word" and token.text == "graph":
            return Subgraph(self.graph())
        if token.kind == "string":
            return self.string()
        if self.taken("("):
            return tuple(self.listed(")", self.attribute))
        if token.kind in ("word", "number", "nan", "dim", "type"):
            self.advance()
            return self.scalar(token)
        self.expected("an attribute's value")

    def scalar(self, token: _Token) -> Any:
        match token.kind:
            case "word" if token.text in _CONSTANTS:
                return _CONSTANTS[token.text]
            case "word" if token.text in _DTYPES:
                return _DTYPES[token.text]
            case "number" if token.text.lstrip("-").isdigit():
                return int(token.text)
            case "number":
                return float(token.text)
            case "nan":
                return struct.unpack(">d", bytes.fromhex(token.text[4:]))[0]
            case "dim":
                try:
                    return as_dim(token.text[1:-1])
                except ValueError as error:
                    self.fail(str(error), token)
            case "type":
                return self.literal(token)
        self.fail(f"{token.text!r} is no attribute value; texts go in double quotes", token)

    def literal(self, token: _Token) -> Literal:
        type = self.as_type(token)
        if not type.is_static:
            self.fail("an array has no symbolic dimension", token)
        if self.taken("["):
            return self.array(token, type, self.numbers(token, type))
        content = self.token
        try:
            raw = base64.b64decode(self.string(), validate=True)
        except binascii.Error as error:
            self.fail(f"bad base64: {error}", content)
        little = type.dtype.numpy.newbyteorder("<")
        if len(raw) != type.nbytes:
            self.fail(f"{type} has {type.nbytes} bytes, found {len(raw)}", content)
        return self.array(token, type, np.frombuffer(raw, little).astype(type.dtype.numpy))

    def numbers(self, token: _Token, type: TensorType) -> np.ndarray[Any, Any]:
        listed = self.listed("]", self.attribute)
        kind = {Kind.FLOAT: float, Kind.BOOL: bool}.get(type.dtype.kind, int)
        try:
            if all(v.__class__ is kind for v in listed):
                return np.array(listed, type.dtype.numpy)
        except OverflowError:
            pass
        self.fail(f"{type} holds numbers of the kind {kind.__name__} within its range", token)

    def array(self, token: _Token, type: TensorType, flat: np.ndarray[Any, Any]) -> Literal:
        if flat.size != type.size:
            self.fail(f"{type} has {type.size} elements, found {flat.size}", token)
        return Literal(flat.reshape(type.static_shape))
