"""Collects the nodes, constants and names of one ONNX graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nngraph.backends.onnx.kernels import OPSET, TO_BOOL, compute_type, typed_inputs
from nngraph.backends.onnx.model import Attribute, OnnxNode, element_type
from nngraph.ir.dims import Atom, Dim, PositivePart, Quotient, SymDim
from nngraph.ir.dtypes import DType, as_dtype, bool_, int64
from nngraph.ir.names import UniqueNames
from nngraph.ir.op import Array
from nngraph.ir.types import Shape, TensorType

__all__ = ["Missing", "Writer"]


class Missing(Exception):
    """The runtime lacks a kernel and nothing can stand in; the text says what."""


class Writer:
    """One ONNX graph being written; every name knows its element type.

    ``op`` casts around a node where the runtime has no kernel for its type. Constants and sizes of
    symbolic dimensions are kept in the outermost graph, once each.

    Attributes:
        scope: module path of the node being written; the ONNX nodes are named after it.
        doc: origin text, put on each ONNX node.
        opset: whose operators are written.
    """

    scope: str
    doc: str

    def __init__(self, outer: Writer | None = None, opset: int = OPSET) -> None:
        self.root: Writer = outer.root if outer is not None else self
        self.opset: int = outer.opset if outer is not None else opset
        self.nodes: list[OnnxNode] = []
        self.initializers: dict[str, Array] = {}
        self.dtypes: dict[str, DType] = self.root.dtypes if outer is not None else {}
        self.scope = outer.scope if outer is not None else ""
        self.doc = outer.doc if outer is not None else ""
        self._names: UniqueNames = outer._names if outer is not None else UniqueNames()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._casts: dict[tuple[str, DType], str] = {}
        self._sizes: dict[str, tuple[str, int]] = {}
        self._dims: dict[Dim, str] = {}
        self._atoms: dict[Atom, str] = {}

    # -- names -----------------------------------------------------------------------------
    def fresh(self, hint: str) -> str:
        """``hint``, with a number behind it if something of the model has that name."""
        return self._names.fresh(hint)

    def declare(self, hint: str, kind: TensorType) -> str:
        """A name that the graph is given from outside (input, state); its sizes become known."""
        name = self.fresh(hint)
        self.dtypes[name] = kind.dtype
        for axis, dim in enumerate(kind.shape):
            if isinstance(dim, SymDim) and str(dim).isidentifier():
                self.root._sizes.setdefault(str(dim), (name, axis))
        return name

    def size_source(self, dim: Dim) -> tuple[str, int] | None:
        """The declared name and the axis that a named size is read from; None for others."""
        return self.root._sizes.get(str(dim)) if isinstance(dim, SymDim) else None

    # -- nodes -----------------------------------------------------------------------------
    def op(self, kind: str, *inputs: str, dtype: DType | None = None, **attributes: Any) -> str:
        """One output of an ONNX operator; ``dtype`` is the output's, where it is not the input's.

        Raises:
            Missing: if the runtime has no kernel for the element type, nor for a wider one.
        """
        return self.ops(kind, inputs, 1, [dtype], **attributes)[0]

    def ops(
        self,
        kind: str,
        inputs: Sequence[str],
        count: int,
        dtypes: Sequence[DType | None] = (),
        **attributes: Any,
    ) -> list[str]:
        """Several outputs of an ONNX operator; ``dtypes`` as in ``op``, one each output."""
        names = list(inputs)
        typed = typed_inputs(kind, names)
        own = self.dtypes[names[typed[0]]] if typed else None
        wide = own
        if own is not None and kind not in ("Cast", "Identity"):
            wide = compute_type(kind, own, self.opset)
            if wide is None:
                raise Missing(f"ONNX Runtime has no {own.name} kernel of {kind}")
        if wide is not own and wide is not None:
            for position in typed:
                names[position] = self.cast(names[position], wide)
        outs = self._append(kind, names, count, attributes)
        given = [*dtypes, *[None] * (count - len(dtypes))]
        return [
            self._typed_out(kind, name, own, wide, dtype)
            for name, dtype in zip(outs, given, strict=True)
        ]

    def _typed_out(
        self, kind: str, name: str, own: DType | None, wide: DType | None, dtype: DType | None
    ) -> str:
        if dtype is None and kind in TO_BOOL:
            dtype = bool_
        if dtype is not None or own is None:
            assert dtype is not None, f"{kind} needs the type of its output"
            self.dtypes[name] = dtype
            return name
        assert wide is not None
        self.dtypes[name] = wide
        return self.cast(name, own)

    def _append(
        self, kind: str, inputs: Sequence[str], count: int, attributes: dict[str, Attribute | None]
    ) -> list[str]:
        outs = [self.fresh(f"{kind}_out") for _ in range(count)]
        name = self.fresh(f"{self.scope}/{kind}" if self.scope else kind)
        kept = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(OnnxNode(kind, list(inputs), outs, name, self.doc, kept))
        return list(outs)

    def cast(self, name: str, dtype: DType) -> str:
        """``name`` in another element type; the same cast is written once."""
        if self.dtypes[name] is dtype:
            return name
        key = (name, dtype)
        if key not in self._casts:
            self._casts[key] = self.op("Cast", name, dtype=dtype, to=element_type(dtype))
        return self._casts[key]

    # -- constants and sizes ---------------------------------------------------------------
    def constant(self, array: Any, dtype: DType | None = None) -> str:
        """An initializer; equal arrays share one."""
        value = np.asarray(array, dtype.numpy if dtype is not None else None)
        kind = as_dtype(value.dtype)
        key = (kind.name, value.shape, value.tobytes())
        root = self.root
        if key not in root._constants:
            name = root._constants[key] = self.fresh("const")
            root.initializers[name] = value
            root.dtypes[name] = kind
        return root._constants[key]

    def ints(self, values: Iterable[int]) -> str:
        """A vector of int64."""
        return self.constant(np.array(list(values), np.int64))

    def scalar(self, value: float, dtype: DType) -> str:
        """A rank-0 constant."""
        return self.constant(np.array(value, dtype.numpy))

    def dims(self, shape: Shape) -> str:
        """A shape as an int64 vector, computed from the inputs where it is symbolic."""
        if not any(isinstance(d, SymDim) for d in shape):
            return self.ints(int(d) for d in shape if not isinstance(d, SymDim))
        root = self.root
        parts = [root.ints([d]) if isinstance(d, int) else root.dim(d) for d in shape]
        return root.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def dim(self, value: Dim) -> str:
        """One size as an int64 vector of length 1."""
        root = self.root
        if isinstance(value, int):
            return root.ints([value])
        if value not in root._dims:
            root._dims[value] = root._sum(value)
        return root._dims[value]

    def with_size(self, name: str, axis: int, rank: int, size: Dim) -> str:
        """``name`` as it is; an error if its size at ``axis`` is not ``size``."""
        parts = [self.dim(size)]
        if axis:
            parts.insert(0, self.op("Shape", name, dtype=int64, end=axis))
        if axis + 1 < rank:
            parts.append(self.op("Shape", name, dtype=int64, start=axis + 1))
        shape = self.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
        return self.op("Reshape", name, shape, allowzero=1)

    def _sum(self, value: SymDim) -> str:
        total = ""
        for monomial, coefficient in value.terms:
            product = "" if coefficient == 1 and monomial else self.ints([coefficient])
            for atom in monomial:
                if atom not in self._atoms:
                    self._atoms[atom] = self._atom(atom)
                factor = self._atoms[atom]
                product = self.op("Mul", product, factor) if product else factor
            total = self.op("Add", total, product) if total else product
        return total

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, Quotient):
            numerator, denominator = self.dim(atom.numerator), self.ints([atom.denominator])
            rest = self.op("Mod", numerator, denominator)  # Div alone would round towards zero
            return self.op("Div", self.op("Sub", numerator, rest), denominator)
        if isinstance(atom, PositivePart):
            return self.op("Max", self.dim(atom.value), self.ints([0]))
        if atom.name not in self._sizes:
            raise Missing(f"the size {atom.name!r} is not the size of an axis of an input")
        source, axis = self._sizes[atom.name]
        return self.op("Shape", source, dtype=int64, start=axis, end=axis + 1)

    def reshape(self, name: str, shape: Shape, source: Shape = ()) -> str:
        """``name`` in another shape; ``source`` is its present shape, if known.

        Symbolic sizes that stay in place are written as 0, or a single one as -1, so that most
        reshapes need no arithmetic. Where both would be needed, or a size is 0, all are numbers:
        -1 beside a size that turns out to be 0 could be anything.
        """
        if not any(isinstance(d, SymDim) for d in shape):
            return self.op("Reshape", name, self.dims(shape), allowzero=1 if 0 in shape else None)
        symbolic = [i for i, d in enumerate(shape) if isinstance(d, SymDim)]
        moved = [i for i in symbolic if source[i : i + 1] != (shape[i],)]
        if 0 not in shape and (not moved or len(symbolic) == 1):
            codes = {i: -1 if i in moved else 0 for i in symbolic}
            numbers = [codes[i] if isinstance(d, SymDim) else d for i, d in enumerate(shape)]
            return self.op("Reshape", name, self.ints(numbers))
        return self.op("Reshape", name, self.dims(shape), allowzero=1)
