"""Einsum by matrix products: two operands at a time, from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nngraph.frontend.tensor import Tensor

__all__ = ["einsum"]


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Evaluates ``"bij,bjk->bik"`` and the like."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {len(terms)} terms in {equation!r} for {len(operands)} operands")
    for term, x in zip(terms, operands, strict=True):
        if len(term) != x.ndim or "." in term:
            raise ValueError(f"einsum: the term {term!r} does not name the {x.ndim} dimensions "
                             f"of {x.type}")  # fmt: skip
    if not arrow:
        result = "".join(sorted(c for c in set("".join(terms)) if "".join(terms).count(c) == 1))
    if not set(result) <= set("".join(terms)):
        raise ValueError(f"einsum: {result!r} names a letter that no term of {left!r} has")
    labels, out = _diagonal(terms[0], operands[0])
    for position, (term, x) in enumerate(zip(terms[1:], operands[1:], strict=True), 1):
        later = set("".join(terms[position + 1 :])) | set(result)
        labels, out = _pair(labels, out, *_diagonal(term, x), later)
    gone = [a for a, c in enumerate(labels) if c not in result]
    out = out.sum(gone) if gone else out
    labels = "".join(c for c in labels if c in result)
    return out.permute(*[labels.index(c) for c in result]) if result else out


def _diagonal(term: str, x: Tensor) -> tuple[str, Tensor]:
    """Repeated letters of one term select a diagonal."""
    while len(set(term)) < len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first = term.index(letter)
        second = term.index(letter, first + 1)
        size = x.shape[first]
        from nngraph.frontend.creation import eye

        shape = [size if a in (first, second) else 1 for a in range(x.ndim)]
        x = (x * eye(int(size), dtype=x.dtype).reshape(shape)).sum(second)  # type: ignore[arg-type]
        term = term[:second] + term[second + 1 :]
    return term, x


def _pair(la: str, a: Tensor, lb: str, b: Tensor, later: set[str]) -> tuple[str, Tensor]:
    """One matrix product: letters of both that stay are batch, of both that go are summed."""
    a_only = [c for c in la if c not in lb]
    b_only = [c for c in lb if c not in la]
    drop_a, drop_b = ([c for c in only if c not in later] for only in (a_only, b_only))
    a = a.sum([la.index(c) for c in drop_a]) if drop_a else a
    b = b.sum([lb.index(c) for c in drop_b]) if drop_b else b
    la, lb = ("".join(c for c in x if c not in d) for x, d in ((la, drop_a), (lb, drop_b)))
    batch = [c for c in la if c in lb and c in later]
    inner = [c for c in la if c in lb and c not in later]
    free_a = [c for c in la if c not in lb]
    free_b = [c for c in lb if c not in la]
    sizes = dict(zip(la, a.shape, strict=True)) | dict(zip(lb, b.shape, strict=True))

    def count(letters: list[str]) -> int:
        total = 1
        for c in letters:
            total *= sizes[c]  # type: ignore[assignment]
        return total

    left = a.permute(*[la.index(c) for c in batch + free_a + inner])
    right = b.permute(*[lb.index(c) for c in batch + inner + free_b])
    shape = [sizes[c] for c in batch]
    product = left.reshape(*shape, count(free_a), count(inner)).matmul(
        right.reshape(*shape, count(inner), count(free_b))
    )
    labels = batch + free_a + free_b
    return "".join(labels), product.reshape([sizes[c] for c in labels])
