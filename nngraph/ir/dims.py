"""Symbolic dimensions: integer polynomials of named sizes, quotients and positive parts.

Named sizes are at least 0. Expressions are kept canonical: two that are the same polynomial are the
same object by ``==`` and ``hash``, so shape checks are plain comparisons:
``batch*64 + 0 == 64*batch``. ``max`` and ``min`` are written by positive parts
(``max(a, b) = a + max(0, b-a)``), which come in one form each: ``min(n, 4)`` and
``4 - max(0, 4-n)`` are both ``n-max(0,n-4)``.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, NoReturn

__all__ = [
    "Atom",
    "Dim",
    "PositivePart",
    "Quotient",
    "SymDim",
    "Symbol",
    "UnknownSize",
    "as_dim",
    "floordiv",
    "is_nonnegative",
    "maximum",
    "minimum",
    "positive_part",
    "sym",
]


@dataclass(frozen=True)
class Symbol:
    """A named size."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset((self.name,))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        return sizes[self.name]

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        return sizes.get(self.name, _atom(self))


@dataclass(frozen=True)
class Quotient:
    """``numerator // denominator``, rounded to minus infinity as in Python."""

    numerator: SymDim
    denominator: int

    def __str__(self) -> str:
        return f"({self.numerator})//{self.denominator}"

    @property
    def symbols(self) -> frozenset[str]:
        return self.numerator.symbols

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        return self.numerator.evaluate(sizes) // self.denominator

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        return floordiv(self.numerator.substitute(sizes), self.denominator)


@dataclass(frozen=True)
class PositivePart:
    """``max(0, value)``."""

    value: SymDim

    def __str__(self) -> str:
        return f"max(0,{self.value})"

    @property
    def symbols(self) -> frozenset[str]:
        return self.value.symbols

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        return max(0, self.value.evaluate(sizes))

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        return positive_part(self.value.substitute(sizes))


class UnknownSize(TypeError):
    """Code asks for the number behind a symbolic dimension, or compares it with another.

    Attributes:
        dim: the dimension.
    """

    def __init__(self, dim: SymDim) -> None:
        self.dim = dim
        super().__init__(f"the symbolic dimension {dim} has no number yet")


Atom = Symbol | Quotient | PositivePart
Monomial = tuple[Atom, ...]  # a product of atoms, sorted by text; () is the constant term


def _key(monomial: Monomial) -> tuple[int, tuple[str, ...]]:
    return (-len(monomial), tuple(map(str, monomial)))


@dataclass(frozen=True)
class SymDim:
    """A sum of integer multiples of products of named sizes, quotients and positive parts."""

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Names of the sizes in it."""
        return frozenset().union(*(a.symbols for monomial, _ in self.terms for a in monomial))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """Its value for given sizes.

        Raises:
            KeyError: if a size is missing.
        """
        return sum(
            coefficient * math.prod(a.evaluate(sizes) for a in monomial)
            for monomial, coefficient in self.terms
        )

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        """It with some named sizes replaced by numbers or other expressions."""
        total: Dim = 0
        for monomial, coefficient in self.terms:
            product: Dim = coefficient
            for atom in monomial:
                product = product * atom.substitute(sizes)
            total = total + product
        return total

    def __add__(self, other: object) -> Dim:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: object) -> Dim:
        return _combine(self, other, -1)

    def __rsub__(self, other: object) -> Dim:
        return _combine(-self, other, 1)

    def __neg__(self) -> SymDim:
        return SymDim(tuple((monomial, -coefficient) for monomial, coefficient in self.terms))

    def __mul__(self, other: object) -> Dim:
        if not isinstance(other, int | SymDim):
            return NotImplemented
        table: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = tuple(sorted(left + right, key=str))
                table[monomial] = table.get(monomial, 0) + a * b
        return _canonical(table)

    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> Dim:
        if not isinstance(other, int | SymDim):
            return NotImplemented
        return floordiv(self, other)

    def __mod__(self, other: object) -> Dim:
        if not isinstance(other, int):
            return NotImplemented
        return self - floordiv(self, other) * other

    def __str__(self) -> str:
        out = ""
        for monomial, coefficient in self.terms:
            alone = len(monomial) == 1 and coefficient == 1
            # a*(b)//2 would read as (a*b)//2, and -(b)//2 as (-b)//2.
            factors = [
                f"({a})" if isinstance(a, Quotient) and not alone else str(a) for a in monomial
            ]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if out else ""
            out += sign + "*".join(factors)
        return out

    def __repr__(self) -> str:
        return f"SymDim({self})"

    def __bool__(self) -> bool:
        return True  # a symbolic size is never known to be zero; canonical zero is the int 0

    def _refuse(self, *_: object) -> NoReturn:
        raise UnknownSize(self)

    if not TYPE_CHECKING:  # where a checker sees it, code shall not try
        __index__ = __int__ = __float__ = _refuse
        __lt__ = __le__ = __gt__ = __ge__ = _refuse


Dim = int | SymDim


def _terms(value: Dim) -> tuple[tuple[Monomial, int], ...]:
    return value.terms if isinstance(value, SymDim) else (((), int(value)),) if value else ()


def _canonical(table: Mapping[Monomial, int]) -> Dim:
    terms = tuple(sorted(((m, c) for m, c in table.items() if c), key=lambda t: _key(t[0])))
    if not terms:
        return 0
    if len(terms) == 1 and terms[0][0] == ():
        return terms[0][1]
    return SymDim(terms)


def _combine(a: Dim, b: object, sign: int) -> Dim:
    if not isinstance(b, int | SymDim):
        return NotImplemented  # type: ignore[no-any-return]
    table = dict(_terms(a))
    for monomial, coefficient in _terms(b):
        table[monomial] = table.get(monomial, 0) + sign * coefficient
    return _canonical(table)


def _atom(atom: Atom) -> SymDim:
    return SymDim((((atom,), 1),))


def sym(name: str) -> SymDim:
    """The named size ``name``."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"a symbolic dimension's name must be an identifier, got {name!r}")
    return _atom(Symbol(name))


def _divide_exactly(a: SymDim, b: SymDim) -> Dim | None:
    """``a / b`` where that is an expression without a rest; else None."""
    factor, scale = b.terms[0]
    quotient: Dim = 0
    rest: Dim = a
    for _ in range(len(a.terms)):
        if not isinstance(rest, SymDim):
            break
        monomial, coefficient = rest.terms[0]
        part = _without(monomial, factor)
        if part is None or coefficient % scale:
            return None
        term = _canonical({part: coefficient // scale})
        quotient, rest = quotient + term, rest - term * b
    return quotient if rest == 0 else None


def _without(monomial: Monomial, factor: Monomial) -> Monomial | None:
    """The monomial divided by another; None if that is no part of it."""
    rest = list(monomial)
    for atom in factor:
        if atom not in rest:
            return None
        rest.remove(atom)
    return tuple(rest)


def floordiv(a: Dim, b: Dim) -> Dim:
    """``a // b``; multiples of an integer ``b`` are divided exactly and taken out.

    Raises:
        ValueError: if ``b`` is symbolic and does not divide ``a`` term by term.
        ZeroDivisionError: if ``b`` is 0.
    """
    if isinstance(b, SymDim):
        exact = _divide_exactly(a, b) if isinstance(a, SymDim) else 0 if a == 0 else None
        if exact is None:
            raise ValueError(f"cannot divide the dimension {a} by the symbolic dimension {b}")
        return exact
    if isinstance(a, int):
        return a // b
    if b < 0:
        a, b = -a, -b
    whole = _canonical({m: c // b for m, c in a.terms if c % b == 0})
    rest = _canonical({m: c for m, c in a.terms if c % b})
    if isinstance(rest, int):
        return whole + rest // b
    return whole + _quotient(rest, b)


def _quotient(a: SymDim, b: int) -> Dim:
    """``a // b``, with positive parts outside and quotients of quotients made one."""
    for atom, factor, others in _linear(a):
        # Rounding keeps the order of two cases; of more cases there would be too many.
        if isinstance(atom, PositivePart) and not _has_parts(others, atom.value):
            cases = floordiv(others, b), floordiv(others + factor * atom.value, b)
            return maximum(*cases) if factor > 0 else minimum(*cases)
        if isinstance(atom, Quotient) and factor == 1:
            whole = atom.numerator + others * atom.denominator
            return floordiv(whole, atom.denominator * b)
    return _atom(Quotient(a, b))


def _has_parts(*dims: Dim) -> bool:
    """True if a positive part or a quotient is in one of them."""
    known = [d for d in dims if isinstance(d, SymDim)]
    return any(not isinstance(a, Symbol) for d in known for m, _ in d.terms for a in m)


def _linear(a: SymDim) -> Iterator[tuple[Atom, int, Dim]]:
    """(atom, coefficient, rest) of the terms that are multiples of one atom."""
    for monomial, coefficient in a.terms:
        if len(monomial) == 1:
            yield monomial[0], coefficient, a - SymDim(((monomial, coefficient),))


def positive_part(a: Dim) -> Dim:
    """``max(0, a)``."""
    if isinstance(a, int):
        return max(0, a)
    if is_nonnegative(a):
        return a
    if is_nonnegative(-a):
        return 0
    common = math.gcd(*(c for _, c in a.terms))
    if common > 1:
        return positive_part(floordiv(a, common)) * common
    for value, offset in ((a, 0), (-a, a)):  # max(0, a) = a + max(0, -a)
        flat = _unnested(value)
        if flat is not None:
            return offset + flat
    return _atom(PositivePart(a)) if a.terms[0][1] > 0 else a + _atom(PositivePart(-a))


def _unnested(a: SymDim) -> Dim | None:
    """``max(0, a)`` where a positive part within ``a`` can be taken out."""
    for atom, factor, rest in _linear(a):
        if isinstance(atom, PositivePart):
            other = rest + factor * atom.value
            if factor > 0 and is_nonnegative(-rest):  # max(0, rest, other)
                return positive_part(other)
            if factor < 0 and is_nonnegative(other):
                return positive_part(rest) + factor * _atom(atom)
    return None


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger one."""
    return a + positive_part(b - a)


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller one."""
    return a - positive_part(a - b)


def is_nonnegative(a: Dim, depth: int = 6) -> bool:
    """True if ``a`` is at least 0 for all sizes; False if it is not, or the proof isn't found.

    Quotients are replaced by their bounds and positive parts by their two cases, one after the
    other, until no term is negative.
    """
    if isinstance(a, int):
        return a >= 0
    if all(c > 0 and all(_known_nonnegative(x) for x in m) for m, c in a.terms):
        return True
    if depth == 0:
        return False
    for atom, factor, rest in sorted(_linear(a), key=lambda row: row[1] > 0):
        if isinstance(atom, Symbol):
            continue
        cases = [rest, rest + factor * atom.value] if isinstance(atom, PositivePart) else []
        if isinstance(atom, Quotient):
            bound = atom.numerator - (atom.denominator - 1 if factor > 0 else 0)
            cases = [rest * atom.denominator + factor * bound]
            cases += [rest] if factor > 0 and _known_nonnegative(atom) else []
        proofs = (is_nonnegative(case, depth - 1) for case in cases)
        if factor < 0:  # the smallest of the cases
            return all(proofs)
        if any(proofs):  # the largest
            return True
    return False


def _known_nonnegative(atom: Atom) -> bool:
    return not isinstance(atom, Quotient) or is_nonnegative(atom.numerator)


def as_dim(value: int | str | SymDim) -> Dim:
    """An integer, an expression, or the text of one (``"batch*64"``, ``"(h+2-3)//2+1"``).

    Raises:
        ValueError: if the text is not an expression of names, integers, ``+ - * //``, ``max`` and
            ``min``, or multiplies out to very many terms.
    """
    if isinstance(value, str):
        if value.isidentifier() and not keyword.iskeyword(value):
            return sym(value)
        if len(value) > _LONGEST:
            raise ValueError(f"{value!r:.40}... has {len(value)} letters, and is not a dimension")
        if not _WRITTEN.fullmatch(value):
            raise ValueError(f"{value!r:.60} is not a dimension")
        try:
            return _from_ast(ast.parse(value, mode="eval").body)
        except (SyntaxError, ZeroDivisionError, RecursionError, MemoryError):
            raise ValueError(f"{value!r} is not a dimension") from None
    return value if isinstance(value, SymDim) else int(value)


def _from_ast(node: ast.expr) -> Dim:
    match node:
        case ast.Constant(value=int(v)) if not isinstance(v, bool):
            return v
        case ast.Name(id=name):
            return sym(name)
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return 0 - _from_ast(a)
        case ast.BinOp(left=a, op=ast.Add(), right=b):
            return _from_ast(a) + _from_ast(b)
        case ast.BinOp(left=a, op=ast.Sub(), right=b):
            return _from_ast(a) - _from_ast(b)
        case ast.BinOp(left=a, op=ast.Mult(), right=b):
            return _multiplied(_from_ast(a), _from_ast(b))
        case ast.BinOp(left=a, op=ast.FloorDiv(), right=b):
            return floordiv(_from_ast(a), _from_ast(b))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]) if name in _CALLS:
            return reduce(_CALLS[name], map(_from_ast, args))
    raise ValueError(
        f"{ast.unparse(node)!r} is not a dimension: use names, integers, + - * // and max, min"
    )


def _multiplied(a: Dim, b: Dim) -> Dim:
    """The product; refused where a text would make very many terms of it."""
    count = len(a.terms if isinstance(a, SymDim) else ()) * len(
        b.terms if isinstance(b, SymDim) else ()
    )
    if count > _MOST_TERMS:
        raise ValueError(f"a product of {count} terms is no dimension")
    return a * b


_MOST_TERMS = 1000
_LONGEST = 10_000  # letters of a text
_WRITTEN = re.compile(r"(?:\d++(?!\w)|[^\W\d]\w*+|[\s+\-*/(),])*+")
_CALLS: dict[str, Callable[[Dim, Dim], Dim]] = {"max": maximum, "min": minimum}
