"""Symbolic dimensions: integer polynomials of named sizes, with floor division, kept canonical.

Two expressions that are the same polynomial are the same object by ``==`` and ``hash``, so shape
checks are plain comparisons: ``batch*64 + 0 == 64*batch``.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Dim", "SymDim", "as_dim", "floordiv", "sym"]


@dataclass(frozen=True)
class _Symbol:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Quotient:
    """``numerator // denominator``, rounded to minus infinity as in Python."""

    numerator: SymDim
    denominator: int

    def __str__(self) -> str:
        return f"({self.numerator})//{self.denominator}"


_Atom = _Symbol | _Quotient
_Monomial = tuple[_Atom, ...]  # a product of atoms, sorted by text; () is the constant term


def _key(monomial: _Monomial) -> tuple[int, tuple[str, ...]]:
    return (-len(monomial), tuple(map(str, monomial)))


@dataclass(frozen=True)
class SymDim:
    """A sum of integer multiples of products of named sizes and quotients."""

    terms: tuple[tuple[_Monomial, int], ...]

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Names of the sizes in it."""
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                found |= {atom.name} if isinstance(atom, _Symbol) else atom.numerator.symbols
        return frozenset(found)

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """Its value for given sizes.

        Raises:
            KeyError: if a size is missing.
        """
        total = 0
        for monomial, coefficient in self.terms:
            for atom in monomial:
                if isinstance(atom, _Symbol):
                    coefficient *= sizes[atom.name]
                else:
                    coefficient *= atom.numerator.evaluate(sizes) // atom.denominator
            total += coefficient
        return total

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        """It with some named sizes replaced by numbers or other expressions."""
        total: Dim = 0
        for monomial, coefficient in self.terms:
            product: Dim = coefficient
            for atom in monomial:
                if isinstance(atom, _Symbol):
                    product = product * sizes.get(atom.name, _atom(atom))
                else:
                    product = product * floordiv(atom.numerator.substitute(sizes), atom.denominator)
            total = total + product
        return total

    def __add__(self, other: object) -> Dim:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: object) -> Dim:
        return _combine(self, other, -1)

    def __rsub__(self, other: object) -> Dim:
        return _combine(self * -1, other, 1)

    def __neg__(self) -> Dim:
        return self * -1

    def __mul__(self, other: object) -> Dim:
        if not isinstance(other, int | SymDim):
            return NotImplemented
        table: dict[_Monomial, int] = {}
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
            factors = [str(a) for a in monomial]
            if len(factors) > 1 or coefficient != 1:
                # a*(b)//2 would read as (a*b)//2, and -(b)//2 as (-b)//2.
                factors = [f"({f})" if "//" in f else f for f in factors]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if out else ""
            out += sign + "*".join(factors)
        return out

    def __repr__(self) -> str:
        return f"SymDim({self})"

    def __bool__(self) -> bool:
        return True  # a symbolic size is never known to be zero; canonical zero is the int 0


Dim = int | SymDim


def _terms(value: Dim) -> tuple[tuple[_Monomial, int], ...]:
    return value.terms if isinstance(value, SymDim) else (((), int(value)),) if value else ()


def _canonical(table: Mapping[_Monomial, int]) -> Dim:
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


def _atom(atom: _Atom) -> SymDim:
    return SymDim((((atom,), 1),))


def sym(name: str) -> SymDim:
    """The named size ``name``."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"a symbolic dimension's name must be an identifier, got {name!r}")
    return _atom(_Symbol(name))


def _divide_exactly(a: SymDim, b: SymDim) -> Dim | None:
    """``a / b`` for a single-term b, where every term of a contains it; else None."""
    if len(b.terms) != 1:
        return 1 if a == b else None
    (factor, scale) = b.terms[0]
    table: dict[_Monomial, int] = {}
    for monomial, coefficient in a.terms:
        rest = list(monomial)
        for atom in factor:
            if atom not in rest:
                return None
            rest.remove(atom)
        if coefficient % scale:
            return None
        table[tuple(rest)] = coefficient // scale
    return _canonical(table)


def floordiv(a: Dim, b: Dim) -> Dim:
    """``a // b``; multiples of an integer ``b`` are divided exactly and taken out.

    Raises:
        ValueError: if ``b`` is symbolic and does not divide ``a`` term by term.
    """
    if isinstance(b, SymDim):
        exact = _divide_exactly(a, b) if isinstance(a, SymDim) else 0 if a == 0 else None
        if exact is None:
            raise ValueError(f"cannot divide the dimension {a} by the symbolic dimension {b}")
        return exact
    if isinstance(a, int):
        return a // b
    whole = _canonical({m: c // b for m, c in a.terms if c % b == 0})
    rest = _canonical({m: c for m, c in a.terms if c % b})
    if isinstance(rest, int):
        return whole + rest // b
    return whole + _atom(_Quotient(rest, b))


def as_dim(value: int | str | SymDim) -> Dim:
    """An integer, an expression, or the text of one (``"batch*64"``, ``"(h+2-3)//2+1"``).

    Raises:
        ValueError: if the text is not an expression of names, integers, ``+ - * //``.
    """
    if isinstance(value, str):
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
            return _from_ast(a) * _from_ast(b)
        case ast.BinOp(left=a, op=ast.FloorDiv(), right=b):
            return floordiv(_from_ast(a), _from_ast(b))
    raise ValueError(f"{ast.unparse(node)!r} is not a dimension: use names, integers, + - * //")
