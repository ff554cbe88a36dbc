"""What convolutions and pools share: padding, strided views of single taps, and their adjoints."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nngraph.backends.onnx.emission import Site
from nngraph.ir.dims import Dim, positive_part
from nngraph.ir.types import Shape

__all__ = ["WindowGrid", "product"]


def product(sizes: Sequence[Dim]) -> Dim:
    """All sizes multiplied."""
    total: Dim = 1
    for d in sizes:
        total = total * d
    return total


@dataclass(frozen=True)
class WindowGrid:
    """Windows over the spatial axes of one input.

    Attributes:
        kernel, stride, dilation: one number for each spatial axis.
        low: padding before the input.
        sizes: the input's spatial sizes.
        counts: the number of windows in each axis.
        is_padded: whether the input ends no sooner than its last windows, by construction.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    sizes: Shape
    counts: Shape
    is_padded: bool = False

    @property
    def spans(self) -> tuple[int, ...]:
        """Elements from a window's first tap to its last, both included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def reaches(self) -> Shape:
        """Padded sizes up to the end of the last window."""
        rows = zip(self.counts, self.stride, self.spans, strict=True)
        return tuple((c - 1) * st + span for c, st, span in rows)

    @property
    def high(self) -> tuple[int, ...]:
        """Padding after the input that the last window needs (0 if it ends before).

        For sizes that are known: see ``closed``.
        """
        known = [d for d in self.ends if isinstance(d, int)]
        assert len(known) == len(self.ends), "closed() comes first"
        return tuple(known)

    @property
    def ends(self) -> Shape:
        """``high``, which may depend on symbolic sizes."""
        if self.is_padded:
            return (0,) * len(self.low)
        rows = zip(self.reaches, self.sizes, self.low, strict=True)
        return tuple(positive_part(reach - size - low) for reach, size, low in rows)

    @property
    def is_open(self) -> bool:
        """Whether the padding depends on a symbolic size."""
        return not all(isinstance(d, int) for d in self.ends)

    def closed(self, s: Site, x: str, value: float = 0) -> tuple[str, WindowGrid]:
        """The input with its padding, and the same windows over that: no more padding is needed."""
        rows = zip(self.low, self.sizes, self.ends, strict=True)
        padded = tuple(a + size + b for a, size, b in rows)
        grid = replace(self, low=(0,) * len(self.low), sizes=padded, is_padded=True)
        return self.pad(s, x, value), grid

    @property
    def pads(self) -> list[int]:
        """ONNX's form: all paddings before, then all after."""
        return [*self.low, *self.high]

    @property
    def taps(self) -> Iterator[tuple[int, ...]]:
        """Kernel positions in row-major order."""
        return itertools.product(*map(range, self.kernel))

    @property
    def is_whole(self) -> bool:
        """True if the only tap reads the whole input."""
        ones = (1,) * len(self.kernel)
        flat = self.kernel == ones and self.stride == ones
        return flat and not any(d != 0 for d in (*self.low, *self.ends))

    def pad(self, s: Site, x: str, value: float = 0) -> str:
        """``x[?, ?, *sizes]`` padded for all windows."""
        if not any(d != 0 for d in (*self.low, *self.ends)):
            return x
        axes = s.ints(*range(2, 2 + len(self.kernel)))
        return s("Pad", x, s.writer.dims((*self.low, *self.ends)), s.number(value), axes)

    def views(self, s: Site, padded: str) -> list[str]:
        """What each tap reads, of the shape ``[?, ?, *counts]``."""
        if self.is_whole:
            return [padded]
        return [self._view(s, padded, tap) for tap in self.taps]

    def _view(self, s: Site, padded: str, tap: tuple[int, ...]) -> str:
        rows = list(zip(tap, self.dilation, self.stride, self.counts, strict=True))
        starts = s.ints(*(t * d for t, d, _, _ in rows))
        ends = s.writer.dims(tuple(t * d + (c - 1) * st + 1 for t, d, st, c in rows))
        axes = s.ints(*range(2, 2 + len(rows)))
        return s("Slice", padded, starts, ends, axes, s.ints(*self.stride))

    def spread(self, s: Site, parts: Sequence[str], lead: Shape) -> str:
        """The adjoint of ``views``: each part added where its tap reads, cut to ``sizes``.

        Each part is ``[*lead, *counts]``, one for each tap in order; lead is two axes.
        """
        total = ""
        for tap, part in zip(self.taps, parts, strict=True):
            moved = self._place(s, self._widen(s, part, lead), tap)
            total = s("Add", total, moved) if total else moved
        axes = s.ints(*range(2, 2 + len(self.low)))
        ends = tuple(low + size for low, size in zip(self.low, self.sizes, strict=True))
        return s("Slice", total, s.ints(*self.low), s.writer.dims(ends), axes)

    def _widen(self, s: Site, part: str, lead: Shape) -> str:
        """Zeros between neighbours, so that they stand a stride apart."""
        if all(st == 1 for st in self.stride):
            return part
        apart = [d for c in self.counts for d in (c, 1)]
        zeros = [0] * len(self.stride)
        axes = [3 + 2 * a for a in range(len(self.stride))]
        part = s.reshape(part, (*lead, *apart), (*lead, *self.counts))
        pads = s.ints(*zeros, *(st - 1 for st in self.stride))
        wide = s("Pad", part, pads, s.number(0), s.ints(*axes))
        full = tuple(c * st for c, st in zip(self.counts, self.stride, strict=True))
        wide = s.reshape(wide, (*lead, *full))
        ends = tuple((c - 1) * st + 1 for c, st in zip(self.counts, self.stride, strict=True))
        return s(
            "Slice", wide, s.ints(*zeros), s.writer.dims(ends), s.ints(*range(2, 2 + len(ends)))
        )

    def _place(self, s: Site, part: str, tap: tuple[int, ...]) -> str:
        """The part at its tap in a padded plane."""
        reach = [size + a + b for size, a, b in zip(self.sizes, self.low, self.ends, strict=True)]
        before = [t * d for t, d in zip(tap, self.dilation, strict=True)]
        width = [(c - 1) * st + 1 for c, st in zip(self.counts, self.stride, strict=True)]
        after = [r - b - w for r, b, w in zip(reach, before, width, strict=True)]
        axes = s.ints(*range(2, 2 + len(tap)))
        return s("Pad", part, s.writer.dims((*before, *after)), s.number(0), axes)
