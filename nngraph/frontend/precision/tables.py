"""PyTorch's lists of functions by the dtype in which autocast lets them compute.

A name is that of a function of ``ng`` or ``nn.functional``, or after ``linalg_`` or ``fft_`` of one
of ``ng.linalg`` or ``ng.fft``. What a function without a row computes with is left to the functions
that it consists of, if it is a composition in PyTorch, and is as it would be without autocast if
it is one operator there (``OPAQUE`` names those that are compositions here).

Source: https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference
"""

from __future__ import annotations

import enum

__all__ = ["OPAQUE", "TABLES", "Policy"]


class Policy(enum.Enum):
    """What happens to the operands of floating point (but float64) of a function."""

    LOWER = "cast to the region's dtype"
    FLOAT32 = "cast to float32"
    FLOAT32_RESULT = "cast to float32, unless the call says dtype="
    WIDEST = "cast to the widest dtype among them"
    REFUSED = "refused"


_LOWER = """
    matmul mm bmm addmm addbmm baddbmm linalg_vecdot linear scaled_dot_product_attention prelu lstm
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
"""
_LOSSES = """
    binary_cross_entropy_with_logits cosine_embedding_loss hinge_embedding_loss huber_loss kl_div
    l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss
    poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
"""

_CPU = {
    Policy.LOWER: _LOWER,
    Policy.FLOAT32: f"""
        {_LOSSES} binary_cross_entropy cross_entropy ctc_loss
        avg_pool3d max_pool3d adaptive_avg_pool3d adaptive_max_pool3d_with_indices
        fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices
        max_unpool1d max_unpool2d max_unpool3d grid_sample
        reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d
        prod quantile nanquantile cdist trace polar stft
        cholesky cholesky_inverse cholesky_solve inverse pinverse qr svd geqrf orgqr ormqr
        lu_solve triangular_solve
        fft_fft fft_fft2 fft_fftn fft_ifft fft_ifft2 fft_ifftn fft_rfft fft_rfft2 fft_rfftn
        fft_irfft fft_irfft2 fft_irfftn fft_hfft fft_ihfft
        linalg_cholesky linalg_cholesky_ex linalg_cond linalg_eig linalg_eigh linalg_eigvals
        linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq
        linalg_matrix_rank linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv
        linalg_tensorsolve
    """,
    Policy.WIDEST: "cat stack index_copy",
}

_CUDA = {
    Policy.LOWER: f"{_LOWER} mv addmv addr chain_matmul linalg_multi_dot einsum",
    Policy.FLOAT32: f"""
        {_LOSSES}
        acos asin cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt sinh tan pow square
        softplus layer_norm group_norm rms_norm renorm logsumexp
        nuclear_norm cosine_similarity cdist dist pdist
        linalg_matrix_norm linalg_vector_norm
        upsample
    """,
    Policy.FLOAT32_RESULT: "softmax log_softmax cumsum cumprod prod sum norm",
    Policy.WIDEST: """
        cat stack addcdiv addcmul atan2 bilinear cross dot vdot grid_sample index_put tensordot
        scatter_add
    """,
    Policy.REFUSED: "binary_cross_entropy",
}


def _by_name(lists: dict[Policy, str]) -> dict[str, Policy]:
    return {name: policy for policy, names in lists.items() for name in names.split()}


#: Of each kind of device what happens in a function.
TABLES: dict[str, dict[str, Policy]] = {"cpu": _by_name(_CPU), "cuda": _by_name(_CUDA)}

#: Functions without a row that are one operator in PyTorch and consist of others here.
OPAQUE = frozenset(
    [
        *("addmv", "bilinear", "celu", "dot", "elu", "embedding_bag", "exp2", "mv", "mvlgamma"),
        *("nanmean", "nansum", "selu", "trace", "vander", "vdot"),
    ]
)
