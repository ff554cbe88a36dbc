from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.ir.dims import (
    Dim,
    SymDim,
    as_dim,
    floordiv,
    is_nonnegative,
    maximum,
    minimum,
    positive_part,
    sym,
)
from nngraph.ir.types import parse_type, tensor_type

NAMES = st.sampled_from(["a", "b", "batch"])
SIZES = {"a": 5, "b": 12, "batch": 7}
MORE = [{"a": a, "b": b, "batch": c} for a in (0, 1, 3, 8) for b in (0, 2, 9) for c in (0, 1, 6)]


def expressions() -> st.SearchStrategy[Dim]:
    leaves = st.one_of(st.integers(-4, 9), NAMES.map(sym))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
            st.tuples(inner, st.integers(1, 4)).map(lambda p: floordiv(*p)),
            st.tuples(inner, inner).map(lambda p: maximum(*p)),
            st.tuples(inner, inner).map(lambda p: minimum(*p)),
        ),
        max_leaves=6,
    )


def value(dim: Dim) -> int:
    return dim.evaluate(SIZES) if isinstance(dim, SymDim) else dim


@given(expressions())
def test_text_reads_back_as_the_same_expression(dim: Dim) -> None:
    assert as_dim(str(dim)) == dim


@given(expressions(), expressions(), st.integers(1, 5))
def test_arithmetic_agrees_with_numbers(a: Dim, b: Dim, n: int) -> None:
    assert value(a + b) == value(a) + value(b)
    assert value(a - b) == value(a) - value(b)
    assert value(a * b) == value(a) * value(b)
    assert value(floordiv(a, n)) == value(a) // n


@given(expressions(), expressions())
def test_simplified_expressions_mean_the_same_for_all_sizes(a: Dim, b: Dim) -> None:
    high, low, part = maximum(a, b), minimum(a, b), positive_part(a)
    proved, quotient = is_nonnegative(a), floordiv(a, 3)
    for sizes in MORE:
        x, y = (d.evaluate(sizes) if isinstance(d, SymDim) else d for d in (a, b))
        wanted = (max(x, y), min(x, y), max(0, x), x // 3)
        found = (high, low, part, quotient)
        assert tuple(d.evaluate(sizes) if isinstance(d, SymDim) else d for d in found) == wanted
        assert x >= 0 or not proved


@given(expressions())
def test_substitution_is_evaluation(a: Dim) -> None:
    if isinstance(a, SymDim):
        for sizes in MORE[::5]:
            assert a.substitute(sizes) == a.evaluate(sizes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("min(a, 4)", "4-max(0, 4-a)"),
        ("max(a, b)", "max(b, a)"),
        ("min(min(a, 4), 2)", "min(a, 2)"),
        ("min(2, min(a, 4))", "min(2, a)"),
        ("max(0, max(0, a-1)-2)", "max(0, a-3)"),
        ("max(0, 2*a-6)", "2*max(0, a-3)"),
        ("max(0, a+1)", "a+1"),
        ("max(0, -a)", "0"),
        ("min(a//2, a)", "a//2"),
        ("(max(0, a-1)+1)//2", "a//2"),
        ("((a+1)//2+1)//2", "(a+3)//4"),
        ("(a*b+b)//1", "b*(a+1)"),
        ("max(0, 7, -3)", "7"),
        ("a//-2", "(-a)//2"),
    ],
)
def test_one_form_for_one_meaning(one: str, other: str) -> None:
    assert as_dim(one) == as_dim(other)


def test_division_by_an_expression() -> None:
    half = as_dim("(a+1)//2")
    assert floordiv(half * 12, half) == 12
    assert floordiv(as_dim("a*b+2*b+3*a+6"), as_dim("a+2")) == as_dim("b+3")
    with pytest.raises(ValueError, match="cannot divide the dimension a"):
        floordiv(sym("a"), sym("b"))


def test_commas_of_maxima_do_not_end_a_dimension() -> None:
    kind = tensor_type("f32", ("max(0,a-max(1,b))", 3, "min(b,4)"))
    assert parse_type(str(kind)) == kind


@pytest.mark.parametrize(
    "text", ["(a)//2*b", "3*((a)//2)", "((a)//2)*((b)//3)", "-((a)//2)", "a-((b)//2)", "batch*64"]
)
def test_quotients_in_products_print_unambiguously(text: str) -> None:
    dim = as_dim(text)
    assert as_dim(str(dim)) == dim
    assert value(as_dim(str(dim))) == eval(text, {}, dict(SIZES))


@pytest.mark.parametrize("text", ["", "1.5", "a.b", "f(a)", "a if b else 1", "a//0", "True", "2+"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a dimension"):
        as_dim(text)


@pytest.mark.parametrize("name", ["", "2a", "a b", "True", "if"])
def test_names_are_identifiers(name: str) -> None:
    with pytest.raises(ValueError, match="must be an identifier"):
        sym(name)
