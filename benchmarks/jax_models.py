"""The benchmarked networks in plain JAX, on weights with PyTorch's names and layouts.

JAX is optional: only the process of the ``jax`` contender imports this module. A network is a
function ``(parameters, buffers, x, training) -> (logits, new buffers)`` over flat dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.workloads import Options, Workload

Arrays = dict[str, Any]
Network = Callable[[Arrays, Arrays, Any, bool], tuple[Any, Arrays]]
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def linear(p: Arrays, name: str, x: Any) -> Any:
    """``x W^T + b``, with PyTorch's ``[out, in]`` weight."""
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def conv(p: Arrays, name: str, x: Any, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    """NCHW convolution, with PyTorch's OIHW weight."""
    y = lax.conv_general_dilated(
        x,
        p[f"{name}.weight"],
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=groups,
    )
    return y + p[f"{name}.bias"][:, None, None] if f"{name}.bias" in p else y


def max_pool(x: Any) -> Any:
    """Two by two, without overlap."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def batch_norm(p: Arrays, buffers: Arrays, name: str, x: Any, training: bool) -> tuple[Any, Arrays]:
    """PyTorch's batch normalization, momentum 0.1: the output and the new running statistics."""
    mean, var = buffers[f"{name}.running_mean"], buffers[f"{name}.running_var"]
    new: Arrays = {}
    if training:
        count = x.size // x.shape[1]
        mean_now, var_now = x.mean((0, 2, 3)), x.var((0, 2, 3))
        new[f"{name}.running_mean"] = 0.9 * mean + 0.1 * mean_now
        new[f"{name}.running_var"] = 0.9 * var + 0.1 * var_now * count / (count - 1)
        new[f"{name}.num_batches_tracked"] = buffers[f"{name}.num_batches_tracked"] + 1
        mean, var = mean_now, var_now
    scale = p[f"{name}.weight"] * lax.rsqrt(var + 1e-5)
    shift = p[f"{name}.bias"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None], new


def layer_norm(p: Arrays, name: str, x: Any) -> Any:
    """Over the last axis, epsilon 1e-5."""
    centred = x - x.mean(-1, keepdims=True)
    normal = centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return normal * p[f"{name}.weight"] + p[f"{name}.bias"]


def mlp(p: Arrays, buffers: Arrays, x: Any, training: bool) -> tuple[Any, Arrays]:
    """``benchmarks.models.mlp``: layers are at even places of its Sequential."""
    count = len(p) // 2
    for index in range(count):
        x = linear(p, str(2 * index), x)
        x = jax.nn.relu(x) if index + 1 < count else x
    return x, buffers


def cnn(p: Arrays, buffers: Arrays, x: Any, training: bool) -> tuple[Any, Arrays]:
    """``benchmarks.models.cnn``."""
    x = max_pool(jax.nn.relu(conv(p, "0", x, padding=1)))
    x = max_pool(jax.nn.relu(conv(p, "3", x, padding=1)))
    x = jax.nn.relu(linear(p, "7", x.reshape(x.shape[0], -1)))
    return linear(p, "9", x), buffers


def conv_bn(
    p: Arrays, buffers: Arrays, names: tuple[str, str], x: Any, training: bool, **options: Any
) -> tuple[Any, Arrays]:
    """A convolution and its batch normalization, with the buffers updated."""
    y, new = batch_norm(p, buffers, names[1], conv(p, names[0], x, **options), training)
    return y, buffers | new


def resnet18(p: Arrays, buffers: Arrays, x: Any, training: bool) -> tuple[Any, Arrays]:
    """``benchmarks.models.resnet18``: blocks are the modules from 3 on that have a body."""
    x, buffers = conv_bn(p, buffers, ("0", "1"), x, training, padding=1)
    x = jax.nn.relu(x)
    block = 3
    while f"{block}.body.0.weight" in p:
        body, short = f"{block}.body", f"{block}.shortcut"
        projected = f"{short}.0.weight" in p
        stride = 2 if projected else 1  # only a new stage changes the number of channels
        names = (f"{body}.0", f"{body}.1"), (f"{body}.3", f"{body}.4"), (f"{short}.0", f"{short}.1")
        y, buffers = conv_bn(p, buffers, names[0], x, training, stride=stride, padding=1)
        y, buffers = conv_bn(p, buffers, names[1], jax.nn.relu(y), training, padding=1)
        if projected:
            x, buffers = conv_bn(p, buffers, names[2], x, training, stride=stride)
        x = jax.nn.relu(x + y)
        block += 1
    return linear(p, str(block + 2), x.mean((2, 3))), buffers


def mobilenet(
    p: Arrays, buffers: Arrays, x: Any, training: bool, strides: tuple[int, ...]
) -> tuple[Any, Arrays]:
    """``benchmarks.models.mobilenet``: every separable layer takes six places."""
    x, buffers = conv_bn(p, buffers, ("0", "1"), x, training, padding=1)
    x = jax.nn.relu(x)
    place = 3
    for stride in strides:
        names = (str(place), str(place + 1)), (str(place + 3), str(place + 4))
        depthwise = {"stride": stride, "padding": 1, "groups": x.shape[1]}
        x, buffers = conv_bn(p, buffers, names[0], x, training, **depthwise)
        x, buffers = conv_bn(p, buffers, names[1], jax.nn.relu(x), training)
        x = jax.nn.relu(x)
        place += 6
    return linear(p, str(place + 2), x.mean((2, 3))), buffers


def attention(p: Arrays, name: str, x: Any, heads: int) -> Any:
    """Causal multi-head self-attention, ``[B, T, width]`` to the same."""
    batch, tokens, width = x.shape
    qkv = linear(p, f"{name}.qkv", x).reshape(batch, tokens, 3, heads, width // heads)
    q, k, v = jnp.moveaxis(qkv, (2, 3), (0, 2))
    scores = q @ jnp.swapaxes(k, -1, -2) * (width // heads) ** -0.5
    mask = jnp.tril(jnp.ones((tokens, tokens), bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
    y = jnp.swapaxes(weights @ v, 1, 2).reshape(batch, tokens, width)
    return linear(p, f"{name}.proj", y)


def gpt(p: Arrays, buffers: Arrays, x: Any, training: bool, heads: int) -> tuple[Any, Arrays]:
    """``benchmarks.models.gpt``."""
    x = p["tokens.weight"][x] + p["positions.weight"][: x.shape[1]]
    layer = 0
    while f"blocks.{layer}.norm1.weight" in p:
        name = f"blocks.{layer}"
        x = x + attention(p, f"{name}.attention", layer_norm(p, f"{name}.norm1", x), heads)
        y = linear(p, f"{name}.mlp.0", layer_norm(p, f"{name}.norm2", x))
        x = x + linear(p, f"{name}.mlp.2", jax.nn.gelu(y, approximate=True))
        layer += 1
    return linear(p, "head", layer_norm(p, "norm", x)), buffers


def lstm(p: Arrays, buffers: Arrays, x: Any, training: bool) -> tuple[Any, Arrays]:
    """``benchmarks.models.lstm``."""
    x, layer = jnp.swapaxes(p["tokens.weight"][x], 0, 1), 0
    while (ih := p.get(f"recurrent.weight_ih_l{layer}")) is not None:
        hh = p[f"recurrent.weight_hh_l{layer}"]
        bias = p[f"recurrent.bias_ih_l{layer}"] + p[f"recurrent.bias_hh_l{layer}"]

        def step(state: Any, product: Any, hh: Any = hh) -> Any:
            h, c = state
            i, f, g, o = jnp.split(product + h @ hh.T, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[1], hh.shape[1]), x.dtype)
        x = jax.lax.scan(step, (zeros, zeros), x @ ih.T + bias)[1]
        layer += 1
    return linear(p, "head", jnp.swapaxes(x, 0, 1)), buffers


def network(workload: Workload, small: bool) -> Network:
    """The JAX network of a workload."""
    sizes = workload.small if small else workload.sizes
    if workload.name == "gpt":
        return partial(gpt, heads=sizes["heads"])
    if workload.name == "mobilenet":
        return partial(mobilenet, strides=tuple(stride for _, stride in sizes["layers"]))
    return {"mlp": mlp, "cnn": cnn, "resnet18": resnet18, "lstm": lstm}[workload.name]


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean over all predictions."""
    log_p = jax.nn.log_softmax(logits.reshape(-1, logits.shape[-1]))
    return -jnp.take_along_axis(log_p, targets.reshape(-1, 1), 1).mean()


def sgd(options: Options, p: Any, grad: Any, state: Any, _: Any) -> tuple[Any, Any]:
    """PyTorch's SGD; ``state`` is the momentum buffer, if any."""
    if "momentum" not in options:
        return p - options["lr"] * grad, state
    buffer = options["momentum"] * state[0] + grad
    return p - options["lr"] * buffer, (buffer,)


def adam(options: Options, p: Any, grad: Any, state: Any, step: Any) -> tuple[Any, Any]:
    """PyTorch's Adam and AdamW with betas (0.9, 0.999) and epsilon 1e-8."""
    lr, decay = options["lr"], options.get("weight_decay", 0.0)
    m = 0.9 * state[0] + 0.1 * grad
    v = 0.999 * state[1] + 0.001 * grad**2
    update = m / (1 - 0.9**step) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return p * (1 - lr * decay) - lr * update, (m, v)


def initial_state(workload: Workload, parameters: Arrays) -> Any:
    """Parameters' optimizer state: as many zero tensors each as the optimizer keeps."""
    kept = 2 if "Adam" in workload.optimizer else 1
    # Each tensor its own: the step is given them all to overwrite.
    return {name: tuple(jnp.zeros_like(p) for _ in range(kept)) for name, p in parameters.items()}


def make_train_step(workload: Workload, small: bool) -> Callable[..., Any]:
    """One jitted step ``(p, buffers, state, count, x, y) -> (p, buffers, state, count, loss)``."""
    apply = network(workload, small)
    rule = partial(adam if "Adam" in workload.optimizer else sgd, workload.optimizer_options)

    def loss_of(p: Arrays, buffers: Arrays, x: Any, y: Any) -> tuple[Any, Arrays]:
        logits, new = apply(p, buffers, x, True)
        return cross_entropy(logits, y), new

    def step(p: Arrays, buffers: Arrays, state: Any, count: Any, x: Any, y: Any) -> Any:
        (loss, new), grads = jax.value_and_grad(loss_of, has_aux=True)(p, buffers, x, y)
        count = count + 1
        updated = {k: rule(p[k], grads[k], state[k], count.astype(jnp.float32)) for k in p}
        p, state = ({k: pair[i] for k, pair in updated.items()} for i in (0, 1))
        return p, new, state, count, loss

    jitted: Callable[..., Any] = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    return jitted


def split_weights(weights: Arrays) -> tuple[Arrays, Arrays]:
    """A ``state_dict`` as (parameters, buffers)."""
    arrays = {name: jnp.asarray(value) for name, value in weights.items()}
    buffers = {k: v for k, v in arrays.items() if k.rpartition(".")[2] in BUFFERS}
    return {k: v for k, v in arrays.items() if k not in buffers}, buffers
