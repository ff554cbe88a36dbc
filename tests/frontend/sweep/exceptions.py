"""Where nngraph differs from PyTorch on purpose, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.frontend.sweep.compare import Case, Difference

__all__ = ["EXCEPTIONS", "Exemption", "undefined", "exempt"]


@dataclass(frozen=True)
class Exemption:
    """A difference that is meant.

    Attributes:
        program: a pattern that the program begins with.
        kind: of ``Difference``.
        case: a pattern in the case.
        reason: why nngraph does not do as PyTorch.
    """

    program: str
    kind: str
    case: str
    reason: str

    def fits(self, text: str, case: Case) -> bool:
        return bool(re.match(self.program, text) and re.search(self.case, str(case)))

    def covers(self, found: Difference | None) -> bool:
        return found is not None and re.fullmatch(self.kind, found.kind) is not None


_SIZES = "as everywhere in nngraph, sizes may be given one by one: here, none of them"
_LOOKS = "PyTorch looks at an axis that is not there before it checks the rank"
_CPU = "PyTorch's kernels for CUDA take half precision, those for CPUs do not"
_INTEGERS = "nngraph has none for integers, and says so; PyTorch's round each quotient down"
_UNWRITTEN = "PyTorch returns memory that nothing wrote"
_BLAS = "the sign of a sum of zeros depends on the kernel: whether it starts at 0"
_LOOPS = "PyTorch's vector loops, which take this copy, differ from its scalar ones"
_TIES = "which of equal elements is found depends on PyTorch's partial sort"
_POLES = "at its poles PyTorch divides by the sine of what is not quite a multiple of pi"

EXCEPTIONS = [
    Exemption(*row)
    for row in (
        # -- refused here -------------------------------------------------------------------
        (r"x\.view\(m\.int32\)", "refuses", "", "bits are not read as other numbers"),
        (r"m\.from_dlpack", "refuses", "bfloat16", "NumPy has no such numbers for DLPack"),
        (r"F\.conv", "refuses", "int", "convolutions of integers are not supported"),
        (r"F\.(avg|lp)_pool", "refuses", "int64|bool", _INTEGERS),
        (r"F\.local_response_norm", "refuses", "int64", _INTEGERS),
        (r"F\.(interpolate|upsample)", "refuses", "uint8", "images of uint8 have to be converted"),
        (r"F\.multi_head", "refuses", r"\(0, 3\)", "projections without weights"),
        (r"F\.linear_cross_entropy", "refuses", r"\(0, 3\)", "a loss of no classes"),
        (r"F\.scaled_dot.*, b\[:1\]", "refuses", "0", "the mask fits no scores, of which none are"),
        # -- accepted here ------------------------------------------------------------------
        (r"x\.(permute|flip|expand)\(", "accepts", "", _SIZES),
        (r"m\.from_numpy", "accepts", "bfloat16", "arrays of ml_dtypes are taken"),
        (r"F\.(multi_margin|multilabel_margin)", "accepts", "float16", _CPU),
        (r"F\.(pdist|avg_pool3d|lp_pool3d|ctc_loss)", "accepts", "float16", _CPU),
        (r"m\.cdist", "accepts", "float16", _CPU),
        (r"F\.bilinear", "accepts", "0", "PyTorch cannot reshape its empty operands"),
        (r"F\.embedding_bag", "accepts", r"\(3, 0\)", "PyTorch makes offsets with a step of 0"),
        # -- refused in other words ---------------------------------------------------------
        (r"x\.permute\(\)", "error", "", _SIZES),
        (r"m\.b?addbmm|x\[None\].*baddbmm", "error", r"\(\)", _LOOKS),
        (r"F\.(avg|lp)_pool2d", "error", "", _LOOKS),
        (r"F\.max_unpool[23]d", "error", r"\(\)", _LOOKS),
        (r"F\.unfold", "error", r"\(\)", _LOOKS),
        # -- other values -------------------------------------------------------------------
        (r"x\.topk\(0\)", "value", r"\(\)", _UNWRITTEN),
        (r"F\.(multi_margin|multilabel_margin)", "value", r"\(0, 3\)", _UNWRITTEN),
        (r"x\.kthvalue", "value", "", _TIES),
        (r"m\.cdist\(x, y, float", "value", "edges", "PyTorch leaves out NaN"),
        (r"m\.cdist\(x, y, 1\)", "gradient", "edges", "norm, of which NaN has the gradient 0"),
        (
            r"x\.logcumsumexp",
            "gradient",
            "edges",
            "infinities: PyTorch takes logarithms of gradients",
        ),
        (r"x\.clone\(\)\.addbmm_", "error", r"\(\)", _LOOKS),
        (r"x\.nextafter", "gradient", "", "PyTorch's is not implemented"),
        (r"x\.unique\(dim=0\)", "value", "edges", "rows with NaN have no order"),
        (r"x\.stride\(\)", "value", r"\(0,\)", "nothing lies anywhere"),
        (r"F\.conv1d", "value", r"\(0, 3\)", "PyTorch forgets how many filters there are"),
        (r"m\.(var|std)_mean", "value", "edges", "PyTorch's running mean loses infinity"),
        (r"F\.interpolate", "value", "edges", "PyTorch multiplies neighbours by a weight of 0"),
        (r"x\.scatter_reduce.*False", "gradient", "", "PyTorch counts what is excluded as equal"),
        (r"x\.cumprod", "gradient", "edges", "PyTorch leaves out what follows a zero, NaN too"),
        (r"x\.scatter_reduce.*prod", "gradient", "edges", "of two zeros beside NaN it is 0 here"),
        (r"x\.clone\(\)\.nextafter_", "sign", "float16.*edges", _LOOPS),
        (r"x\.clone\(\)\.clamp", "sign", "64.*edges", _LOOPS),
        (r"F\.hardtanh_", "gradient", "64.*edges", _LOOPS),
        (r"x\.(matmul|mm|inner)|x @|m\.(einsum|tensordot)", "sign", "edges", _BLAS),
        (r"F\.ctc_loss", "gradient", "edges", "PyTorch subtracts the infinite logarithms of 0"),
        (r"x\.digamma", "gradient", "", _POLES),
        (r"x\.(clone\(\)\.)?polygamma_?\(1", "value", "", _POLES),
        (r"x\.polygamma\(2", "value", "edges", "PyTorch's is NaN at infinity, its limit is 0"),
        (r"x\.prod\(", "gradient", "edges", "PyTorch asks for zeros before it asks for NaN"),
    )
]


#: What PyTorch leaves undefined, which is not compared: patterns of programs and cases, and why.
UNDEFINED = (
    (r"F\.pdist", r"\(0, 3\)", "PyTorch does not survive its gradient"),
    (
        r"x\.(to\(m\.u?int|type_as\(i|int\(|long\(|short\(|char\(|byte\()|int\(",
        "edges",
        "what NaN and numbers beyond an integer's range become depends on the machine",
    ),
)


def undefined(text: str, case: Case) -> bool:
    return any(re.match(p, text) and re.search(c, str(case)) for p, c, _ in UNDEFINED)


def exempt(text: str, case: Case, found: Difference) -> bool:
    return any(e.covers(found) and e.fits(text, case) for e in EXCEPTIONS)
