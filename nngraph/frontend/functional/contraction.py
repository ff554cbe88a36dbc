"""Sums of products, by matrix products: einsum takes two operands at a time, left to right."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from nngraph.frontend.functional.kinds import need_numbers
from nngraph.frontend.functional.variants import function
from nngraph.frontend.precision.casting import cast_as
from nngraph.frontend.tensor import Size, Tensor
from nngraph.ir.dims import Dim
from nngraph.ops.core import normalize_axis

__all__ = ["einsum", "tensordot"]


@function
def einsum(equation: str, *operands: Any) -> Tensor:
    """Evaluates ``"bij,bjk->bik"``, ``"...i,ij->...j"`` and the like.

    Raises:
        RuntimeError: if the equation does not fit the operands.
    """
    nested = len(operands) == 1 and isinstance(operands[0], list | tuple)
    return _evaluated(equation, tuple(operands[0]) if nested else operands)


def _evaluated(equation: str, operands: tuple[Tensor, ...]) -> Tensor:
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum(): {len(terms)} terms in {equation!r} for {len(operands)} operands"
        )
    terms, extra = _named_ellipsis(terms, operands)
    for term, x in zip(terms, operands, strict=True):
        if len(term) != x.ndim or "." in term:
            raise RuntimeError(
                f"einsum(): the term {term!r} does not name the {x.ndim} dimensions of {x.aval}"
            )
    joined = "".join(terms)
    if not arrow:
        result = "..." + "".join(sorted(c for c in {*joined} - {*extra} if joined.count(c) == 1))
    result = result.replace("...", extra)
    if not set(result) <= set(joined) or len(set(result)) != len(result):
        raise RuntimeError(
            f"einsum(): the output {result!r} must name letters of {left!r}, each once"
        )
    single = [_diagonal(term, x) for term, x in zip(terms, operands, strict=True)]
    (labels, out), *more = _same_sizes(single)
    for position, (term, x) in enumerate(more, 1):
        later = set("".join(terms[position + 1 :])) | set(result)
        labels, out = _pair(labels, out, term, x, later)
    gone = [a for a, c in enumerate(labels) if c not in result]
    out = out.sum(gone) if gone else out
    labels = "".join(c for c in labels if c in result)
    return out.permute(*[labels.index(c) for c in result]) if result else out


def _named_ellipsis(terms: list[str], operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """Letters for the dimensions that ``...`` stands for, the same from the right."""
    free = [c for c in string.ascii_letters if c not in "".join(terms)]
    counts = [x.ndim - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True)]
    most = max((n for n, t in zip(counts, terms, strict=True) if "..." in t), default=0)
    letters = "".join(free[: max(most, 0)])
    named = [
        t.replace("...", letters[most - n :] if n > 0 else "")
        for t, n in zip(terms, counts, strict=True)
    ]
    return named, letters


def _same_sizes(single: Sequence[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """Dimensions of one letter broadcast."""
    sizes: dict[str, Dim] = {}
    for term, x in single:
        for c, size in zip(term, x.aval.shape, strict=True):
            if sizes.setdefault(c, size) == 1:
                sizes[c] = size
            elif size not in (1, sizes[c]):
                raise RuntimeError(f"einsum(): {c!r} names sizes {sizes[c]} and {size}")
    return [(term, x.expand(*(sizes[c] for c in term))) for term, x in single]


def _diagonal(term: str, x: Tensor) -> tuple[str, Tensor]:
    """Repeated letters of one term select a diagonal."""
    while len(set(term)) < len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first = term.index(letter)
        second = term.index(letter, first + 1)
        if x.aval.shape[first] != x.aval.shape[second]:
            raise RuntimeError(
                f"einsum(): {letter!r} is repeated for sizes that differ in {x.aval}"
            )
        x = x.diagonal(0, first, second).movedim(-1, first)
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
            total *= sizes[c]
        return total

    if not inner:  # nothing is summed
        labels = batch + free_a + free_b
        return "".join(labels), _spread(la, a, labels) * _spread(lb, b, labels)
    left = a.permute(*[la.index(c) for c in batch + free_a + inner])
    right = b.permute(*[lb.index(c) for c in batch + inner + free_b])
    shape = [sizes[c] for c in batch]
    product = left.reshape(*shape, count(free_a), count(inner)).matmul(
        right.reshape(*shape, count(inner), count(free_b))
    )
    labels = batch + free_a + free_b
    return "".join(labels), product.reshape([sizes[c] for c in labels])


def _spread(labels: str, x: Tensor, wanted: Sequence[str]) -> Tensor:
    """The axes in the order wanted, of size 1 where ``x`` has none."""
    places = [labels.index(c) for c in wanted if c in labels]
    shape = [x.shape[labels.index(c)] if c in labels else 1 for c in wanted]
    return x.permute(*places).reshape(shape)


def _axes(x: Tensor, dims: Sequence[int]) -> list[int]:
    if dims and not x.ndim:
        raise IndexError(f"tensordot: dimensions {list(dims)} of a tensor without dimensions")
    return [normalize_axis(d, x.ndim, "tensordot") for d in dims]


@function
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums products over pairs of dimensions: their number, or two lists.

    A size of 1 broadcasts.

    Raises:
        RuntimeError: if the lists are of different lengths, or the sizes of a pair differ.
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    left, right = (_axes(n, ds) for ds, n in zip(dims, (a, b), strict=True))
    a, b = _paired(a, left, b, right)
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    shape = [*(a.shape[d] for d in keep_a), *(b.shape[d] for d in keep_b)]
    need_numbers("tensordot", a.dtype, b.dtype)
    if not left:  # nothing is summed
        a, b = cast_as("mm", a, b)
        product: Tensor = a.reshape(*a.shape, *(1,) * b.ndim) * b
        return product
    rows = a.permute(*keep_a, *left).flatten(len(keep_a)) if left else a.unsqueeze(-1)
    columns = b.permute(*right, *keep_b)
    if not keep_a and not keep_b:
        return rows.flatten().dot(columns.flatten())
    height, count = Size(rows.shape[:-1]).numel(), rows.shape[-1]
    width = Size(b.shape[d] for d in keep_b).numel()
    return (rows.reshape(height, count) @ columns.reshape(count, width)).reshape(shape)


def _paired(a: Tensor, left: list[int], b: Tensor, right: list[int]) -> tuple[Tensor, Tensor]:
    if len(left) != len(right):
        raise RuntimeError(
            f"tensordot(): both dimension lists should have same length, got {left} and {right}"
        )
    for i, j in zip(left, right, strict=True):
        m, n = a.aval.shape[i], b.aval.shape[j]
        if m == n:
            continue
        if m == 1:
            b = b.sum(j, keepdim=True)
        elif n == 1:
            a = a.sum(i, keepdim=True)
        else:
            raise RuntimeError(
                f"tensordot(): contracted dimensions need to match, but {a.aval} has {m} in "
                f"dimension {i} and {b.aval} {n} in dimension {j}"
            )
    return a, b
