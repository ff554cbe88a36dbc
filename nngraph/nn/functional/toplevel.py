"""Functions of ``nn.functional`` that PyTorch has in its top namespace, too, as ``torch.conv2d``.

Where both signatures agree it is the same function. The others are one line of a table: the
signature of the top namespace, whose arguments are handed over by their names. There, losses are
not reduced unless asked for: PyTorch's stubs say ``reduction=1`` (mean), its parser fills in 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nngraph.nn import functional as F

__all__ = ["TOP_LEVEL"]

#: Also those that take ``inplace=`` or ``return_indices=`` besides.
_SAME = """
    adaptive_avg_pool1d avg_pool1d bilinear celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity max_pool1d
    max_pool1d_with_indices max_pool2d max_pool3d native_channel_shuffle pairwise_distance pdist
    pixel_shuffle pixel_unshuffle rms_norm rrelu rrelu_ selu selu_ threshold threshold_
"""

_TABLE = """
    adaptive_max_pool1d: input, output_size
    alpha_dropout: input, p, train
    batch_norm: input, weight, bias, running_mean, running_var, training, momentum, eps, \
cudnn_enabled
    binary_cross_entropy_with_logits: input, target, weight=None, pos_weight=None, reduction=0
    cosine_embedding_loss: input1, input2, target, margin=0.0, reduction=0
    ctc_loss: log_probs, targets, input_lengths, target_lengths, blank=0, reduction=0, \
zero_infinity=False
    dropout: input, p, train
    embedding: weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False
    feature_alpha_dropout: input, p, train
    group_norm: input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True
    hinge_embedding_loss: input, target, margin=1.0, reduction=0
    instance_norm: input, weight, bias, running_mean, running_var, use_input_stats, momentum, \
eps, cudnn_enabled
    kl_div: input, target, reduction=0, log_target=False
    layer_norm: input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True
    margin_ranking_loss: input1, input2, target, margin=0.0, reduction=0
    poisson_nll_loss: input, target, log_input, full, eps, reduction
    triplet_margin_loss: anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, \
reduction=0
"""

_REDUCTIONS = ("none", "mean", "sum")
_NAMES = {"train": "training", "indices": "input"}
_UNUSED = ("cudnn_enabled", "cudnn_enable")


def _signature(text: str) -> inspect.Signature:
    parameters = []
    for part in text.split(", "):
        name, _, default = part.partition("=")
        value = _DEFAULTS[default] if default in _DEFAULTS else float(default)
        parameters.append(inspect.Parameter(name, _KIND, default=value))
    return inspect.Signature(parameters)


_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD
_DEFAULTS: Mapping[str, Any] = {
    "": inspect.Parameter.empty,
    "None": None,
    "True": True,
    "False": False,
    "0": 0,
    "1": 1,
    "2": 2,
    "-1": -1,
}


def _handed_over(name: str, text: str, **more: Any) -> Callable[..., Any]:
    """A function of that signature, which calls the one of ``nn.functional``."""
    signature = _signature(text)

    def call(*args: Any, **given: Any) -> Any:
        try:
            bound = signature.bind(*args, **given)
        except TypeError as error:
            raise TypeError(f"{name}(): {error}; its signature is {name}{signature}") from None
        bound.apply_defaults()
        known = {_NAMES.get(k, k): v for k, v in bound.arguments.items() if k not in _UNUSED}
        if isinstance(known.get("reduction"), int):
            known["reduction"] = _reduction(name, known["reduction"])
        if name == "embedding" and known["padding_idx"] == -1:
            known["padding_idx"] = None
        return getattr(F, name.removesuffix("_"))(**known, **more)

    call.__name__ = call.__qualname__ = name
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__doc__ = f"``nn.functional.{name.removesuffix('_')}`` in the top namespace's signature."
    return call


def _reduction(name: str, number: int) -> str:
    if not 0 <= number <= 2:
        raise ValueError(f"{name}(): reduction is 0 (none), 1 (mean) or 2 (sum), got {number}")
    return _REDUCTIONS[number]


def _made() -> dict[str, Callable[..., Any]]:
    found = {name: getattr(F, name) for name in _SAME.split()}
    for row in _TABLE.strip().splitlines():
        name, _, text = row.strip().partition(": ")
        found[name] = _handed_over(name, text)
    for name in ("alpha_dropout", "dropout", "feature_alpha_dropout"):
        found[f"{name}_"] = _handed_over(f"{name}_", "input, p, train", inplace=True)
    with_indices = {"return_indices": True}
    found["adaptive_max_pool1d"] = _handed_over(
        "adaptive_max_pool1d", "input, output_size", **with_indices
    )
    return found


#: The functions by their names in ``ng``.
TOP_LEVEL = _made()
