"""Functions in place, functions of layers, constants and refused names of the top namespace."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from nngraph.frontend.inplace import IN_PLACE
from nngraph.nn.functional.toplevel import TOP_LEVEL
from tests.frontend import torch_signatures
from tests.frontend.parity import cases, check, check_compiled, check_gradients
from tests.frontend.test_signatures import compared, own_parameters

LAYERS = cases(r"""
    m.adaptive_avg_pool1d(x, 2)  m.adaptive_max_pool1d(x, 2)  m.avg_pool1d(x, 2, 1)
    m.alpha_dropout(y, 0.5, False)  m.alpha_dropout_(y.clone(), 0.5, train=False)
    m.feature_alpha_dropout(x, 0.5, False)  m.feature_alpha_dropout_(x.clone(), 0.5, False)
    m.dropout(y, 0.5, False)  m.dropout(y, p=0.0, train=True)  m.dropout_(y.clone(), 0.5, False)
    m.batch_norm(x, v[:3], w[:3], None, None, True, 0.1, 1e-5, False)
    m.batch_norm(x, None, None, v[:3], p[:, 0], False, 0.1, 1e-3, cudnn_enabled=True)
    m.instance_norm(x, v[:3], w[:3], None, None, True, 0.1, 1e-5, False)
    m.group_norm(x, 3, v[:3], w[:3])  m.group_norm(x, 3, eps=1e-3, cudnn_enabled=False)
    m.layer_norm(y, (4,), v, w, 1e-3, True)  m.layer_norm(y, (4,))  m.rms_norm(y, (4,), v)
    m.bilinear(y, p, m.ones(2, 4, 4), m.ones(2))  m.channel_shuffle(q.transpose(1, 3), 2)
    m.native_channel_shuffle(q.transpose(1, 3), 2)
    m.conv1d(x, r[:, :3, :2], v[:2], 2)  m.conv2d(q, m.ones(2, 1, 2, 2), None, 1, 'same')
    m.conv3d(q[:, None], m.ones(2, 1, 1, 2, 2))  m.conv_tbc(x, r[:, :, :3], v[:3], 1)
    m.conv_transpose1d(x, x.transpose(0, 1), v[:2], 2)  m.conv_transpose2d(q, m.ones(1, 2, 2, 2))
    m.conv_transpose3d(q[:, None], m.ones(1, 2, 1, 2, 2))
    m.celu(y, 0.5)  m.celu_(y.clone(), 0.5)  m.selu(y)  m.selu_(y.clone())  m.hardshrink(y, 0.7)
    m.prelu(y, v)  m.rrelu(y, 0.1, 0.4)  m.rrelu_(y.clone(), 0.1, 0.4)  m.threshold(y, 0.5, 3)
    m.threshold_(y.clone(), 0.5, 3)
    m.cosine_similarity(y, p, 1)  m.pairwise_distance(y, p, 3)  m.pdist(y)
    m.max_pool1d(x, 2)  m.max_pool1d_with_indices(x, 2)  m.max_pool2d(q, 2)
    m.max_pool3d(q[:, None], (1, 2, 2))  m.pixel_shuffle(q.transpose(1, 3), 2)
    m.pixel_unshuffle(q.transpose(2, 3)[:, :, :, :2], 2)
    m.embedding(y, idx)  m.embedding(y, idx2, 0)  m.embedding(weight=y, indices=idx, padding_idx=-1)
    m.binary_cross_entropy_with_logits(y, p)
    m.binary_cross_entropy_with_logits(y, p, p, v.abs(), 0)
    m.cosine_embedding_loss(y, p, y[:, 0].sign(), 0.1, 2)  m.hinge_embedding_loss(y, p.sign(), 2.0)
    m.kl_div(y, p)  m.kl_div(y, p, 2, log_target=True)  m.margin_ranking_loss(y, p, y.sign(), 0.5)
    m.poisson_nll_loss(y, p, True, False, 1e-8, 1)  m.triplet_margin_loss(y, p, y[:, :1], 2.0)
    m.triplet_margin_loss(y, p, y[:, :1], swap=True, reduction=0)
    m.ctc_loss(x.log_softmax(2), m.ones(3, 1).long(), (2, 2, 1), (1, 1, 0), 0, 2, True)
""")
#: What is called with other arguments than the tensor alone.
_MORE = {
    "addmv_": "y[:, 0].clone(), y, v",
    "clamp_": "y.clone(), -1, 0.5",
    "clamp_max_": "y.clone(), 0.5",
    "clamp_min_": "y.clone(), 0.5",
    "clip_": "y.clone(), max=0.5",
    "fill_": "y.clone(), 2",
    "gcd_": "idx.clone(), idx + 2",
    "lcm_": "idx.clone(), idx + 2",
    "ldexp_": "y.clone(), v",
    "index_put_": "y.clone(), (idx,), v",
    "xlogy_": "p.clone(), p",
}
INSIDE = {"acos_", "asin_", "atanh_", "arccos_", "arcsin_", "arctanh_", "log1p_", "logit_"}
INSIDE |= {"log_", "log2_", "log10_", "sqrt_", "rsqrt_"}
IN_PLACE_CALLS = [
    f"m.{name}({_MORE.get(name, 'p.clone()' if name in INSIDE else 'y.clone().abs().add(1.5)')})"
    for name in IN_PLACE
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", [*LAYERS, *IN_PLACE_CALLS])
def test_as_pytorch(text: str) -> None:
    check(text)
    check_gradients(text)


@pytest.mark.parametrize("text", ["m.dropout(y)", "m.dropout(y, 0.5, False, False)"])
def test_calls_that_do_not_fit(text: str) -> None:
    check(text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ["m.embedding(y, idx)", "m.layer_norm(y, (4,))", "m.exp_(y + 1)"])
def test_compiled(text: str) -> None:
    check_compiled(text)


def test_every_function_is_called() -> None:
    texts = " ".join([*LAYERS, *IN_PLACE_CALLS])
    assert not [name for name in (*TOP_LEVEL, *IN_PLACE) if f"m.{name}(" not in texts]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_signatures(name: str) -> None:
    mine = own_parameters("f", TOP_LEVEL[name])
    overloads = torch_signatures.functions()[name]
    ignored = ("out", "generator")
    wanted = [[p for p in overload if p.name not in ignored] for overload in overloads]
    other = ("stride", "'valid'", "reduction=0")  # () for None; the parser, not the stub
    by_name = [p for p in compared(wanted[0], mine) if not any(word in p for word in other)]
    assert not by_name, by_name


def test_in_place_is_in_place() -> None:
    for name in IN_PLACE:
        x = ng.full((2, 3), 1.5) if name not in INSIDE else ng.full((2, 3), 0.5)
        if name not in _MORE:
            assert getattr(ng, name)(x) is x
    with pytest.raises(TypeError, match=r"exp_.*must be Tensor, not int"):
        ng.exp_(5)
    leaf = ng.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        ng.zero_(leaf)


def test_constants() -> None:
    assert (ng.pi, ng.e, ng.inf) == (torch.pi, torch.e, torch.inf)
    assert math.isnan(ng.nan) and ng.newaxis is None
    assert ng.ones(2)[ng.newaxis].shape == (1, 2)


def test_a_reduction_is_one_of_three() -> None:
    with pytest.raises(ValueError, match=r"reduction is 0 .none., 1 .mean. or 2 .sum., got 3"):
        ng.kl_div(ng.ones(2), ng.ones(2), 3)
    with pytest.raises(TypeError, match=r"dropout\(\): .*'train'; its signature is dropout"):
        ng.dropout(ng.ones(2), 0.5)


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (ng, "complex64", "no complex numbers; keep real and imaginary"),
        (ng, "stft", "no complex numbers"),
        (ng, "sparse_coo_tensor", "no sparse tensors"),
        (ng, "quantize_per_tensor", "no quantized tensors"),
        (ng, "symeig", "write ng.linalg.eigh"),
        (ng, "no_such_name", "has no attribute 'no_such_name'$"),
        (ng.fft, "rfft", "no complex numbers"),
        (ng.ones(2), "to_sparse", "no sparse tensors"),
        (ng.ones(2), "cfloat", "no complex numbers"),
        (ng.ones(2), "no_such_name", "'Tensor' object has no attribute 'no_such_name'$"),
    ],
)
def test_refused_names_say_why(owner: Any, name: str, words: str) -> None:
    assert not hasattr(owner, name)
    with pytest.raises(AttributeError, match=words):
        getattr(owner, name)


FREQUENCIES = cases(r"""
    m.fft.fftfreq(5)  m.fft.fftfreq(6, 0.5)  m.fft.fftfreq(1)  m.fft.fftfreq(4, dtype=m.float64)
    m.fft.fftfreq(4, dtype=m.int64)  m.fft.rfftfreq(5)  m.fft.rfftfreq(6, 0.5)
    m.fft.rfftfreq(4, 2.0, dtype=m.float64)  m.fft.fftshift(x)  m.fft.fftshift(x, 1)
    m.fft.fftshift(x, (0, 2))  m.fft.ifftshift(x)  m.fft.ifftshift(x, -1)
    m.fft.ifftshift(m.fft.fftshift(v))  m.fft.fftshift(x, 5)
""")


@pytest.mark.parametrize("text", FREQUENCIES)
def test_frequencies(text: str) -> None:
    check(text)


def test_signature_is_shown() -> None:
    assert str(inspect.signature(ng.dropout)) == "(input, p, train)"
    assert np.isfinite(ng.dropout(ng.ones(3), 0.5, True).numpy()).all()
