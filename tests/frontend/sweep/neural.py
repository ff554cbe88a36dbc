"""Small calls of functions of ``nn.functional``, over the operands of ``calls``."""

from __future__ import annotations

__all__ = ["NEURAL", "NEURAL_ALONE"]

#: Functions of ``nn.functional``, with all arguments.
NEURAL = r"""
    glu  x  x, 0  m.cat([x, x], -1)
    prelu  x, x.new_ones(1)  x, y[0]
    softmax  x, 0  x, -1, dtype=m.float32
    log_softmax  x, -1
    softmin  x, 0
    threshold  x, 0, 1  x, 0.5, 1.5
    conv1d  x[None], y[None]  x[None], y[None], y[0, :1]  x[None], f[None]
    conv2d  x[None, None], y[None, None]
    conv3d  x[None, None, None], y[None, None, None]
    conv_tbc  x[None], y.mT[None], y[0]
    conv_transpose1d  x[None], y[:, None]
    conv_transpose2d  x[None, None], y[None, None]
    conv_transpose3d  x[None, None, None], y[None, None, None]
    pad  x, (1, 1)  x, (1, 0), value=2  x, (0, 0)  x, (1, 1), 'reflect'  x, (1, 1), 'replicate' \
        x, (1, 1), 'circular'  x, (-1, 0)  x, (1, 1), value=1.5
    alpha_dropout  x, 0.5, False  x, 0.0, True
    dropout  x, 0.5, False  x, 0.0, True  x, 1.0, True
    dropout1d  x, 0.5, False
    dropout2d  x[None], 0.5, False
    dropout3d  x[None, None], 0.5, False
    feature_alpha_dropout  x, 0.5, False
    bilinear  x, y, x.new_ones(1, x.shape[-1], x.shape[-1])
    cosine_similarity  x, y, -1  x, y, 0  x, f, -1
    linear  x, y  x, y, y[:, 0]  x, f
    normalize  x  x, dim=0  x, 1, -1
    pairwise_distance  x, y
    scaled_dot_product_attention  x, y, y  x, y, y, is_causal=True  x, y, y, b[:1]
    binary_cross_entropy  x.sigmoid(), y.sigmoid()  x, y
    binary_cross_entropy_with_logits  x, y  x, f
    cross_entropy  x, i  x, i[:, 0]  x, y  x, i.int()[:, 0]  x[0], i[0, 0]
    kl_div  x, y  x, f
    linear_cross_entropy  x, y, i[:, 0]
    nll_loss  x, i  x, i[:, 0]  x[0], i[0, 0]
    cosine_embedding_loss  x, y, i[:, 0] * 2 - 1
    hinge_embedding_loss  x, i * 2 - 1  x, y
    margin_ranking_loss  x, y, i * 2 - 1  x, y, y
    multi_margin_loss  x, i[:, 0]
    multilabel_margin_loss  x, i
    multilabel_soft_margin_loss  x, y.sigmoid()  x, i
    soft_margin_loss  x, y  x, i
    triplet_margin_loss  x, y, x
    triplet_margin_with_distance_loss  x, y, x
    gaussian_nll_loss  x, y, y.abs()  x, y, 1.0
    huber_loss  x, y  x, f
    l1_loss  x, y  x, f  x, i  x, y, reduction='sum'
    mse_loss  x, y  x, f  x, i  x, y, reduction='none'
    poisson_nll_loss  x, y
    smooth_l1_loss  x, y  x, f
    embedding  i, x  i.int(), x  k0, x
    embedding_bag  i, x  i.int(), x  i, x, mode='max'  i, x, mode='sum'
    one_hot  i  i, 3  x.abs()  k0, 3
    batch_norm  x, x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])  x, None, None, training=True \
        x, m.zeros(x.shape[1]), m.ones(x.shape[1]) \
        x, f.new_zeros(x.shape[1]), f.new_ones(x.shape[1]), training=True
    group_norm  x[None], 1  x[None], 1, x.new_ones(x.shape[0])
    instance_norm  x[None]
    layer_norm  x, x.shape[-1:]  x, x.shape[-1:], y[0]  x, x.shape[-1:], f[0]
    local_response_norm  x[None], 2
    rms_norm  x, x.shape[-1:]  x, x.shape[-1:], y[0]
    adaptive_avg_pool1d  x, 1
    adaptive_avg_pool2d  x[None], 1
    adaptive_avg_pool3d  x[None, None], 1
    adaptive_max_pool1d  x, 1
    adaptive_max_pool2d  x[None], 1
    adaptive_max_pool3d  x[None, None], 1
    adaptive_max_pool1d_with_indices  x, 1
    adaptive_max_pool2d_with_indices  x[None], 1
    adaptive_max_pool3d_with_indices  x[None, None], 1
    fractional_max_pool2d  x[None], 1, 1, _random_samples=m.zeros(1, 1, 2).to(x.dtype)
    avg_pool1d  x, 2
    avg_pool2d  x[None], 2
    avg_pool3d  x[None, None], (1, 2, 2)
    lp_pool1d  x, 2, 2
    lp_pool2d  x[None], 2, 2
    lp_pool3d  x[None, None], 2, 1
    max_pool1d  x, 2  x, 2, 1, 1
    max_pool2d  x[None], 2
    max_pool3d  x[None, None], (1, 2, 2)
    max_pool1d_with_indices  x, 2
    max_pool2d_with_indices  x[None], 2
    max_pool3d_with_indices  x[None, None], (1, 2, 2)
    max_unpool1d  x, i * 0 + m.arange(x.shape[1]), 2
    max_unpool2d  x[None], m.arange(x.numel()).reshape(x.shape)[None], 1
    max_unpool3d  x[None, None], m.arange(x.numel()).reshape(x.shape)[None, None], 1
    affine_grid  x[None, :2, :3], (1, 1, 2, 2)
    grid_sample  x[None, None], y[None, None, :, :2], align_corners=False
    fold  x[None], (1, x.shape[1]), 1  x[:1].expand(4, -1)[None], (x.shape[1] + 1, 2), 2
    unfold  x[None, None], 1  x[None, None], 2
    interpolate  x[None], scale_factor=2  x[None, None], scale_factor=2, mode='bilinear' \
        x[None], 2, mode='linear'  x[None, None], 2, mode='area' \
        x[None, None], 2, mode='bicubic'
    upsample  x[None], 2
    upsample_bilinear  x[None, None], 2
    upsample_nearest  x[None], 2
    channel_shuffle  x.expand(2, *x.shape)[None], 2
    native_channel_shuffle  x.expand(2, *x.shape)[None], 2
    pixel_shuffle  x[:1].expand(4, -1)[..., None], 2
    pixel_unshuffle  x[:2, :2], 2
    multi_head_attention_forward  x[:, None], y[:, None], y[:, None], 3, 1, \
        m.cat([x, y, x]) / 8, None, None, None, False, 0.0, y, None, False
    ctc_loss  x[[0, 1, 2]].expand(2, 3, 3).log_softmax(-1), m.zeros(3, 1).long(), k * 0 + 2, \
        k * 0 + 1, 2
    fractional_max_pool2d_with_indices  x[None], 1, 1, _random_samples=m.zeros(1, 1, 2).to(x.dtype)
    fractional_max_pool3d  x[None, None], 1, 1, _random_samples=m.zeros(1, 1, 3).to(x.dtype)
    fractional_max_pool3d_with_indices  x[None, None], 1, 1, \
        _random_samples=m.zeros(1, 1, 3).to(x.dtype)
"""

#: The same, of ``x`` alone.
NEURAL_ALONE = """
    celu  elu  gelu  hardsigmoid  hardswish  hardtanh  leaky_relu  logsigmoid  mish  relu  relu6
    selu  sigmoid  silu  softplus  softsign  tanh  tanhshrink  hardshrink  softshrink  rrelu
    pdist
"""
