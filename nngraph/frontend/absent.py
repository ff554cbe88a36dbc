"""Names of PyTorch's that nngraph has not, and why: what an ``AttributeError`` says of them."""

from __future__ import annotations

__all__ = ["COMPLEX", "why_absent"]

COMPLEX = (
    "nngraph has no complex numbers; keep real and imaginary parts as two real tensors and write "
    "out their arithmetic, or compute this part with NumPy outside of the graph (x.numpy(), "
    "ng.tensor(...))"
)
_SPARSE = "nngraph has no sparse tensors; keep the indices and the values, and use index_add"
_QUANTIZED = "nngraph has no quantized tensors"
_REMOVED = "PyTorch removed it; write ng.linalg.{}"

_REASONS: dict[str, str] = {
    COMPLEX: """
        cdouble cfloat chalf complex complex128 complex32 complex64 imag istft polar stft
        view_as_complex view_as_complex_copy view_as_real view_as_real_copy
    """,
    _SPARSE: """
        ccol_indices col_indices crow_indices dense_dim dsmm hsmm hspmm indices is_coalesced
        row_indices saddmm smm sparse_bsc sparse_bsc_tensor sparse_bsr sparse_bsr_tensor
        sparse_compressed_tensor sparse_coo sparse_coo_tensor sparse_csc sparse_csc_tensor
        sparse_csr sparse_csr_tensor sparse_dim sparse_mask sparse_resize_
        sparse_resize_and_clear_ spmm sspaddmm to_mkldnn to_sparse to_sparse_bsc to_sparse_bsr
        to_sparse_coo to_sparse_csc to_sparse_csr
    """,
    _QUANTIZED: """
        dequantize empty_quantized fake_quantize_per_channel_affine fake_quantize_per_tensor_affine
        int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale
        q_zero_point qint32 qint8 qscheme quantize_per_channel quantize_per_tensor
        quantize_per_tensor_dynamic quint8
    """,
}
_NOW = {
    "eig": "eigh",
    "lstsq": "lstsq",
    "matrix_rank": "matrix_rank",
    "solve": "solve",
    "symeig": "eigh",
    "triangular_solve": "solve_triangular",
}


def why_absent(name: str) -> str:
    """The reason, after a colon; empty for a name that is not known."""
    for reason, names in _REASONS.items():
        if name in names.split():
            return f": {reason}"
    return f": {_REMOVED.format(_NOW[name])}" if name in _NOW else ""
