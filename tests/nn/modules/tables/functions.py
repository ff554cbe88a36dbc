"""Cases: functions that no module covers, or not in these forms."""

from __future__ import annotations

import numpy as np

from tests.nn.modules.case import Case, function, ids, shares, x

_RNG = np.random.default_rng(4)
_MASK = _RNG.integers(0, 2, (4, 5)).astype(bool)
_MASK[:, 0] = True  # a row without any key is NaN
_POSITIVE = _RNG.uniform(0.5, 1.5, 4)
_WEIGHTS = _RNG.uniform(0.5, 1.5, (3, 4))
_ONE = ("an axis more",)  # (the weights have another rank then)


def _attention(*shapes: tuple[int, ...], **options: object) -> Case:
    return function("scaled_dot_product_attention", **options).on(*(x(*s) for s in shapes))


CASES = [
    _attention((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7)),
    _attention((2, 4, 6), (2, 4, 6), (2, 4, 6), is_causal=True),
    _attention((2, 4, 6), (2, 5, 6), (2, 5, 6), attn_mask=_MASK, scale=0.3),
    _attention((2, 4, 6), (2, 5, 6), (2, 5, 6), attn_mask=_RNG.standard_normal((4, 5))),
    _attention((2, 4, 3, 6), (2, 2, 5, 6), (2, 2, 5, 6), enable_gqa=True),
    function("pad", pad=(1, 2)).on(x(2, 3, 4)),
    function("pad", pad=(1, 2, 0, 3), value=1.5).on(x(2, 3, 4)),
    function("pad", pad=(-1, 2, 1, -1)).on(x(2, 3, 5)),
    function("pad", pad=(2, 1), mode="reflect").on(x(2, 3, 4)),
    function("pad", pad=(2, 1, 1, 3), mode="replicate").on(x(1, 2, 3, 4)),
    function("pad", pad=(2, 1, 1, 3), mode="circular").on(x(1, 2, 3, 4)),
    function("pad", pad=(1, 1), mode="some").on(x(3, 4)).but(raises=True),
    function("pad", pad=(1,)).on(x(3, 4)).but(raises=True),
    function("normalize").on(x(3, 4)),
    function("normalize", p=1.0, dim=0).on(x(3, 4)),
    function("cosine_similarity", dim=-1).on(x(3, 4), x(4)),
    function("one_hot", num_classes=6).on(ids(5, 2, 3)),
    function("linear").on(x(3, 4), x(4)),
    function("linear").on(x(2, 3, 4), x(5, 4), x(5)),
    function("nll_loss").on(x(7), np.array(2)),
    *(
        function(name, weight=_WEIGHTS, reduction=reduction).on(x(3, 4), x(3, 4)).but(unlike=_ONE)
        for name in ("mse_loss", "l1_loss", "huber_loss")
        for reduction in ("mean", "sum", "none")
    ),
    function("mse_loss", weight=_POSITIVE).on(x(3, 4), x(3, 4)).but(raises=True),
    function("linear").on(x(3, 4), x(4), x(1)).but(raises=True),
    function("linear").on(x(3, 4), x()).but(raises=True),
    function("batch_norm", running_mean=None, running_var=None).on(x(4, 3)).but(raises=True),
    function("batch_norm", running_mean=np.zeros(4), running_var=np.ones(4))
    .on(x(4, 3))
    .but(raises=True),
    function("mse_loss", size_average=False).on(x(3, 4), x(3, 4)),
    function("binary_cross_entropy_with_logits", weight=_POSITIVE, pos_weight=_POSITIVE).on(
        x(3, 4), shares(3, 4)
    ),
    function("dropout", training=False).on(x(3, 4)),
    function("batch_norm", running_mean=np.zeros(3), running_var=np.ones(3)).on(x(4, 3)),
    # What PyTorch refuses.
    function("rms_norm", normalized_shape=(2,)).on(x(7)).but(raises=True),
    function("rms_norm", normalized_shape=()).on(x(7)).but(raises=True),
    function("layer_norm", normalized_shape=()).on(x(7)).but(raises=True),
    function("group_norm", num_groups=1).on(x(7)).but(raises=True),
    function("group_norm", num_groups=4).on(x(1, 4, 1)).but(raises=True),
    function("group_norm", num_groups=2).on(x(1, 2)).but(raises=True),
    function("group_norm", num_groups=2).on(x(2, 3)).but(raises=True),
    function("cross_entropy").on(x(7), np.arange(3)).but(raises=True),
    function("cross_entropy").on(x(3, 7), np.arange(2)).but(raises=True),
    function("cross_entropy").on(x(1, 7), np.array(0)).but(raises=True),
    function("nll_loss").on(x(7), np.arange(3)).but(raises=True),
    _attention((1, 2, 2), (1, 2, 2), (1, 2, 2), attn_mask=np.ones((2, 2)), is_causal=True).but(
        raises=True
    ),
    function("one_hot").on(x(2)).but(raises=True),
]
