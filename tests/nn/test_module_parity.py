"""Every layer against PyTorch's: text, names, output, gradients, buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nngraph as ng
from tests.nn.parity import TOLERANCE, arrays_of, cast, outcome, same, to_ng, to_torch

RNG = np.random.default_rng(0)


def x(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def ids(high: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, high, shape)


def signs(*shape: int) -> np.ndarray:
    return np.sign(x(*shape))


def probabilities(*shape: int) -> np.ndarray:
    return RNG.uniform(0.05, 0.95, shape)


# name, constructor arguments, options, inputs
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], list[np.ndarray]]] = [
    ("Identity", (5,), {"a": 1}, [x(3, 4)]),
    ("Linear", (4, 3), {}, [x(5, 4)]),
    ("Linear", (4, 3), {"bias": False}, [x(2, 5, 4)]),
    ("Linear", (4, 3), {}, [x(4)]),
    ("Bilinear", (4, 3, 2), {}, [x(5, 4), x(5, 3)]),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, [x(2, 4, 9)]),
    ("Conv1d", (4, 6, 3), {"padding": "same", "dilation": 2}, [x(4, 9)]),
    ("Conv2d", (4, 6, 3), {}, [x(2, 4, 7, 8)]),
    (
        "Conv2d",
        (4, 6, (3, 2)),
        {"stride": (2, 1), "padding": (1, 0), "groups": 2, "bias": False},
        [x(2, 4, 7, 8)],
    ),
    ("Conv2d", (4, 4, 3), {"padding": "same", "groups": 4}, [x(4, 7, 8)]),
    ("Conv2d", (2, 3, 3), {"padding": 1, "padding_mode": "reflect"}, [x(2, 2, 5, 6)]),
    ("Conv2d", (2, 3, 3), {"padding": (1, 2), "padding_mode": "replicate"}, [x(2, 2, 5, 6)]),
    (
        "Conv2d",
        (2, 3, 3),
        {"padding": 2, "padding_mode": "circular", "dilation": 2},
        [x(2, 2, 5, 6)],
    ),
    ("Conv3d", (2, 3, 2), {"padding": 1, "stride": 2}, [x(2, 2, 4, 5, 6)]),
    ("ConvTranspose1d", (4, 3, 3), {"stride": 2, "output_padding": 1}, [x(2, 4, 5)]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, [x(2, 4, 4, 5)]),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"dilation": 2, "bias": False}, [x(4, 4, 5)]),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, [x(1, 2, 3, 3, 2)]),
    ("BatchNorm1d", (3,), {}, [x(5, 3)]),
    ("BatchNorm1d", (3,), {"momentum": None}, [x(5, 3, 4)]),
    ("BatchNorm2d", (3,), {}, [x(4, 3, 2, 5)]),
    ("BatchNorm2d", (3,), {"affine": False, "momentum": 0.3, "eps": 1e-3}, [x(4, 3, 2, 5)]),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, [x(4, 3, 2, 5)]),
    ("BatchNorm3d", (3,), {}, [x(2, 3, 2, 3, 2)]),
    ("InstanceNorm1d", (3,), {}, [x(2, 3, 5)]),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, [x(2, 3, 4, 5)]),
    ("InstanceNorm2d", (3,), {}, [x(3, 4, 5)]),
    ("InstanceNorm3d", (3,), {}, [x(2, 3, 2, 3, 2)]),
    ("LayerNorm", (5,), {}, [x(2, 3, 5)]),
    ("LayerNorm", ((3, 5),), {"bias": False, "eps": 1e-3}, [x(2, 3, 5)]),
    ("LayerNorm", ([5],), {"elementwise_affine": False}, [x(2, 3, 5)]),
    ("RMSNorm", (5,), {}, [x(2, 3, 5)]),
    ("RMSNorm", ((3, 5),), {"eps": 1e-3, "elementwise_affine": False}, [x(2, 3, 5)]),
    ("GroupNorm", (2, 6), {}, [x(3, 6, 2, 4)]),
    ("GroupNorm", (3, 6), {"affine": False}, [x(3, 6)]),
    ("LocalResponseNorm", (3,), {"alpha": 0.1}, [x(2, 5, 3, 3)]),
    ("Embedding", (7, 3), {}, [ids(7, 2, 5)]),
    ("Embedding", (7, 3), {"padding_idx": -1}, [np.array([[0, 6, 6], [1, 2, 6]])]),
    ("MaxPool1d", (2,), {}, [x(2, 3, 7)]),
    ("MaxPool2d", (2,), {}, [x(2, 3, 6, 7)]),
    ("MaxPool2d", ((3, 2),), {"stride": 2, "padding": 1, "ceil_mode": True}, [x(2, 3, 6, 7)]),
    ("MaxPool2d", (2,), {"dilation": 2, "stride": 1}, [x(3, 6, 7)]),
    ("MaxPool3d", (2,), {}, [x(2, 3, 4, 4, 5)]),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1}, [x(2, 3, 7)]),
    ("AvgPool2d", (2,), {}, [x(2, 3, 6, 7)]),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, [x(2, 3, 6, 7)]),
    ("AvgPool2d", (3,), {"stride": 2, "ceil_mode": True, "divisor_override": 4}, [x(2, 3, 6, 8)]),
    ("AvgPool3d", (2,), {}, [x(2, 3, 4, 4, 4)]),
    ("AdaptiveAvgPool1d", (3,), {}, [x(2, 3, 7)]),
    ("AdaptiveAvgPool2d", (1,), {}, [x(2, 3, 6, 7)]),
    ("AdaptiveAvgPool2d", ((3, 2),), {}, [x(2, 3, 6, 8)]),
    ("AdaptiveAvgPool2d", ((4, 3),), {}, [x(3, 6, 7)]),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, [x(2, 3, 6, 7)]),
    ("AdaptiveAvgPool3d", (2,), {}, [x(2, 3, 4, 4, 5)]),
    ("Flatten", (), {}, [x(2, 3, 4)]),
    ("Flatten", (0, 1), {}, [x(2, 3, 4)]),
    ("Unflatten", (1, (2, 3)), {}, [x(4, 6, 2)]),
    ("ReLU", (), {}, [x(3, 4)]),
    ("ReLU", (), {"inplace": True}, None),
    ("ReLU6", (), {}, [x(3, 4) * 6]),
    ("GELU", (), {}, [x(3, 4)]),
    ("GELU", (), {"approximate": "tanh"}, [x(3, 4)]),
    ("SiLU", (), {}, [x(3, 4)]),
    ("Mish", (), {}, [x(3, 4)]),
    ("Sigmoid", (), {}, [x(3, 4) * 5]),
    ("LogSigmoid", (), {}, [x(3, 4) * 5]),
    ("Tanh", (), {}, [x(3, 4)]),
    ("Tanhshrink", (), {}, [x(3, 4)]),
    ("Softsign", (), {}, [x(3, 4)]),
    ("Softmax", (), {"dim": 1}, [x(3, 4)]),
    ("Softmin", (), {"dim": -1}, [x(3, 4)]),
    ("LogSoftmax", (), {"dim": 0}, [x(3, 4)]),
    ("Softmax2d", (), {}, [x(2, 3, 2, 2)]),
    ("LeakyReLU", (), {}, [x(3, 4)]),
    ("LeakyReLU", (0.2,), {"inplace": True}, None),
    ("ELU", (1.3,), {}, [x(3, 4) * 3]),
    ("CELU", (2.0,), {}, [x(3, 4) * 3]),
    ("SELU", (), {}, [x(3, 4)]),
    ("PReLU", (), {}, [x(3, 4)]),
    ("PReLU", (3,), {"init": 0.1}, [x(2, 3, 4)]),
    ("Softplus", (), {}, [x(3, 4) * 15]),
    ("Softplus", (2.0, 5.0), {}, [x(3, 4) * 3]),
    ("Softshrink", (), {}, [x(3, 4)]),
    ("Hardshrink", (0.3,), {}, [x(3, 4)]),
    ("Hardtanh", (-2, 1.5), {}, [np.array([-3.0, -2.0, 0.0, 1.5, 2.0])]),
    ("Hardsigmoid", (), {}, [np.array([-4.0, -3.0, 0.5, 3.0, 4.0])]),
    ("Hardswish", (), {}, [np.array([-4.0, -2.5, 0.5, 2.5, 4.0])]),
    ("Threshold", (0.1, 20.0), {}, [x(3, 4)]),
    ("GLU", (1,), {}, [x(3, 4)]),
    ("Dropout", (0.0,), {}, [x(3, 4)]),
    ("Dropout", (1.0,), {}, [x(3, 4)]),
    ("Dropout2d", (0.0,), {"inplace": True}, [x(3, 4, 2, 2)]),
    ("MSELoss", (), {}, [x(3, 4), x(3, 4)]),
    ("MSELoss", (), {"reduction": "sum"}, [x(3, 4), x(3, 4)]),
    ("L1Loss", (), {"reduction": "none"}, [x(3, 4), x(3, 4)]),
    ("SmoothL1Loss", (), {"beta": 0.7}, [x(3, 4), x(3, 4)]),
    ("SmoothL1Loss", (), {"beta": 0.0}, [x(3, 4), x(3, 4)]),
    ("HuberLoss", (), {"delta": 0.7}, [x(3, 4), x(3, 4)]),
    ("CrossEntropyLoss", (), {}, [x(5, 3), ids(3, 5)]),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 1}, [x(6, 3), ids(3, 6)]),
    ("CrossEntropyLoss", (), {"reduction": "none"}, [x(2, 3, 4), ids(3, 2, 4)]),
    ("CrossEntropyLoss", (), {}, [x(3), np.array(2)]),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.2}, [x(4, 3), probabilities(4, 3)]),
    ("NLLLoss", (), {}, [x(5, 3), ids(3, 5)]),
    ("NLLLoss", (), {"ignore_index": 1, "reduction": "sum"}, [x(2, 3, 4), ids(3, 2, 4)]),
    ("BCELoss", (), {}, [probabilities(3, 4), probabilities(3, 4)]),
    ("BCEWithLogitsLoss", (), {}, [x(3, 4) * 5, probabilities(3, 4)]),
    ("KLDivLoss", (), {"reduction": "batchmean"}, [x(3, 4), probabilities(3, 4)]),
    ("KLDivLoss", (), {"reduction": "sum", "log_target": True}, [x(3, 4), x(3, 4)]),
    ("PoissonNLLLoss", (), {"full": True}, [x(3, 4), np.abs(x(3, 4)) * 4]),
    ("GaussianNLLLoss", (), {"full": True}, [x(3, 4), x(3, 4), probabilities(3, 4)]),
    ("SoftMarginLoss", (), {}, [x(3, 4), signs(3, 4)]),
    ("MarginRankingLoss", (0.3,), {}, [x(5), x(5), signs(5)]),
    ("HingeEmbeddingLoss", (), {}, [x(3, 4), signs(3, 4)]),
    ("TripletMarginLoss", (), {"swap": True}, [x(3, 4), x(3, 4), x(3, 4)]),
]


# PyTorch has no gradient of these targets.
FIRST_ONLY = {"SoftMarginLoss"}
# PyTorch's gradient multiplies by a float32 number.
ROUGH = {"Hardsigmoid": 1e-7}


def name_of(case: Any) -> str:
    name, args, options, inputs = case
    shown = [str(a) for a in args] + [f"{k}={v}" for k, v in options.items()]
    ranks = "" if inputs is None else f"-{inputs[0].ndim}d"
    return f"{name}({', '.join(shown)}){ranks}"


def pair(name: str, args: Any, options: Any, dtype: str) -> tuple[Any, Any]:
    """The module of both frameworks, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **options).to(getattr(torch, dtype))
    ours = getattr(ng.nn, name)(*args, **options).to(getattr(ng, dtype))
    # Weights that start as constants say nothing about which of them is used where.
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.linspace(-0.2, 0.3, p.numel(), dtype=p.dtype).reshape(p.shape))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(arrays_of(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_text_is_pytorchs(case: Any) -> None:
    name, args, options, _ = case
    assert repr(getattr(ng.nn, name)(*args, **options)) == repr(
        getattr(torch.nn, name)(*args, **options)
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("case", [c for c in LAYERS if c[3] is not None], ids=name_of)
def test_outputs_gradients_and_buffers_are_pytorchs(case: Any, mode: str, dtype: str) -> None:
    name, args, options, inputs = case
    ours, theirs = pair(name, args, options, dtype)
    ours.train(mode == "train")
    theirs.train(mode == "train")
    values = cast(inputs, dtype)
    first = name in FIRST_ONLY
    tolerance = max(TOLERANCE[dtype], ROUGH.get(name, 0.0))
    for _ in range(2):  # statistics move twice
        found = outcome(to_ng, ours, values, list(ours.named_parameters()), first)
        wanted = outcome(to_torch, theirs, values, list(theirs.named_parameters()), first)
        same(found, wanted, tolerance)
    same(arrays_of(ours.state_dict()), arrays_of(theirs.state_dict()), TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_weights(name: str, reduction: str) -> None:
    weight, inputs = np.array([0.2, 1.5, 0.7]), [x(6, 3), ids(3, 6)]
    ours = getattr(ng.nn, name)(ng.tensor(weight), reduction=reduction)
    theirs = getattr(torch.nn, name)(torch.tensor(weight), reduction=reduction)
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    same(outcome(to_ng, ours, inputs, []), outcome(to_torch, theirs, inputs, []), 1e-12)


def test_a_transposed_convolution_takes_the_size_that_it_should_give() -> None:
    ours, theirs = pair("ConvTranspose2d", (2, 3, 3), {"stride": 2}, "float64")
    values = x(1, 2, 4, 4)
    size = [10, 9]
    found = ours(ng.tensor(values), output_size=size)
    wanted = theirs(torch.tensor(values), output_size=size)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match="valid sizes range"):
        ours(ng.tensor(values), output_size=[99, 9])


def test_places_of_maxima() -> None:
    values = x(2, 3, 6, 7)
    ours = ng.nn.MaxPool2d(2, return_indices=True)(ng.tensor(values))
    theirs = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(values))
    for found, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
