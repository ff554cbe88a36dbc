from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.ir.dims import Dim, SymDim, as_dim, floordiv, sym

NAMES = st.sampled_from(["a", "b", "batch"])
SIZES = {"a": 5, "b": 12, "batch": 7}


def expressions() -> st.SearchStrategy[Dim]:
    leaves = st.one_of(st.integers(-4, 9), NAMES.map(sym))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
            st.tuples(inner, st.integers(1, 4)).map(lambda p: floordiv(*p)),
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
