"""The workloads: a network, its optimizer, its data, and how far losses may differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.frameworks import Array, Framework

Batch = tuple[Array, Array]
Options = dict[str, Any]
SEED = 0


@dataclass(frozen=True)
class Workload:
    """One network and one training loop; the same values serve every contender.

    ``sizes`` and ``small`` are arguments of ``model`` for the benchmark and for tests;
    ``optimizer`` is a class name of ``optim`` with its arguments;
    ``steps`` is how many steps a contender runs before it is the next one's turn.
    ``loss_tolerance`` and ``output_tolerance`` are relative.
    """

    name: str
    title: str
    model: Callable[..., Any]
    optimizer: str
    optimizer_options: Options
    make_batch: Callable[[np.random.Generator, Options], Batch]
    batch: int
    steps: int
    loss_tolerance: float
    output_tolerance: float = 1e-3
    data: Options = field(default_factory=dict)
    sizes: Options = field(default_factory=dict)
    small: Options = field(default_factory=dict)
    small_data: Options = field(default_factory=dict)

    def build(self, fw: Framework, small: bool = False) -> Any:
        """The network in ``fw``, with that framework's own initial values."""
        return self.model(fw, **(self.small if small else self.sizes))

    def build_optimizer(self, fw: Framework, model: Any) -> Any:
        """The optimizer over all of the model's parameters."""
        return getattr(fw.optim, self.optimizer)(model.parameters(), **self.optimizer_options)

    def batches(self, count: int, small: bool = False) -> list[Batch]:
        """``count`` different batches (inputs, int64 targets), the same at every call."""
        rng = np.random.default_rng(SEED)
        options = self.small_data if small else {"batch": self.batch, **self.data}
        return [self.make_batch(rng, options) for _ in range(count)]


def image_batch(rng: np.random.Generator, options: Options) -> Batch:
    """Inputs ``[batch, *shape]`` with a class-dependent mean, so that the loss can fall."""
    classes = options.get("classes", 10)
    labels = rng.integers(0, classes, (options["batch"],))
    inputs = rng.standard_normal((options["batch"], *options["shape"]), dtype=np.float32)
    inputs[:, ..., 0] += labels.reshape(-1, *[1] * (inputs.ndim - 2)).astype(np.float32)
    return inputs, labels


def token_batch(rng: np.random.Generator, options: Options) -> Batch:
    """Token ids and next-token targets, both ``[batch, tokens]``."""
    ids = rng.integers(0, options["vocab"], (options["batch"], options["tokens"] + 1))
    return np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:])


def loss_of(fw: Framework, model: Any, x: Any, y: Any) -> Any:
    """Mean cross-entropy over every prediction the model makes, in images or in tokens."""
    logits = model(x)
    classes = logits.shape[-1]
    return fw.F.cross_entropy(logits.view(-1, classes), y.view(-1))


def make_train_step(optimizer: Any, loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The body of a training loop, as a PyTorch user writes it."""

    def train_step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(x, y)
        value.backward()
        optimizer.step()
        return value

    return train_step


# Learning rates: a freshly initialised network with many batch normalizations magnifies rounding
# errors a hundredfold a step at 0.01, and no two libraries would agree after five steps. At these
# rates rounding stays below the tolerances, and learning far above them (``reference`` checks it).
SMALL_IMAGES: Options = {"batch": 4, "shape": (3, 16, 16)}

_ALL = (
    Workload(
        name="mlp",
        title="MLP 784-512-512-10, batch 128, Adam",
        model=models.mlp,
        optimizer="Adam",
        optimizer_options={"lr": 1e-3, "fused": True},
        make_batch=image_batch,
        batch=128,
        data={"shape": (784,)},
        steps=60,
        loss_tolerance=1e-4,
        small={"sizes": (12, 16, 16, 10)},
        small_data={"batch": 8, "shape": (12,)},
    ),
    Workload(
        name="cnn",
        title="CNN of two convolutions, 28x28, batch 64, SGD momentum",
        model=models.cnn,
        optimizer="SGD",
        optimizer_options={"lr": 0.01, "momentum": 0.9},
        make_batch=image_batch,
        batch=64,
        data={"shape": (1, 28, 28)},
        steps=20,
        loss_tolerance=1e-4,
        small={"channels": (4, 8), "hidden": 16, "image": 8},
        small_data={"batch": 4, "shape": (1, 8, 8)},
    ),
    Workload(
        name="resnet18",
        title="ResNet-18, 32x32, batch 32, SGD momentum",
        model=models.resnet18,
        optimizer="SGD",
        optimizer_options={"lr": 3e-4, "momentum": 0.9},
        make_batch=image_batch,
        batch=32,
        data={"shape": (3, 32, 32)},
        steps=2,
        loss_tolerance=1e-4,
        small={"width": 4},
        small_data=SMALL_IMAGES,
    ),
    Workload(
        name="mobilenet",
        title="Depthwise-separable network, 32x32, batch 32, SGD",
        model=models.mobilenet,
        sizes={"layers": models.MOBILENET_LAYERS},
        optimizer="SGD",
        optimizer_options={"lr": 1e-5},
        make_batch=image_batch,
        batch=32,
        data={"shape": (3, 32, 32)},
        steps=8,
        loss_tolerance=3e-4,
        small={"layers": ((8, 1), (12, 2), (12, 1)), "stem": 4},
        small_data=SMALL_IMAGES,
    ),
    Workload(
        name="lstm",
        title="LSTM of 2 layers, 128 wide, 64 tokens, batch 32, SGD",
        model=models.lstm,
        sizes={"layers": 2, "width": 128, "vocab": 1000},
        optimizer="SGD",
        optimizer_options={"lr": 5.0},
        make_batch=token_batch,
        batch=32,
        data={"vocab": 1000, "tokens": 64},
        steps=5,
        loss_tolerance=1e-5,
        small={"layers": 2, "width": 8, "vocab": 20},
        small_data={"batch": 4, "vocab": 20, "tokens": 6},
    ),
    Workload(
        name="gpt",
        title="GPT of 4 layers, 256 wide, 4 heads, 128 tokens, batch 8, AdamW",
        model=models.gpt,
        sizes={"layers": 4, "width": 256, "heads": 4, "context": 128, "vocab": 1000},
        optimizer="AdamW",
        optimizer_options={"lr": 3e-4, "weight_decay": 0.01, "fused": True},
        make_batch=token_batch,
        batch=8,
        data={"vocab": 1000, "tokens": 128},
        steps=5,
        loss_tolerance=1e-4,
        small={"layers": 2, "width": 16, "heads": 2, "context": 8, "vocab": 20},
        small_data={"batch": 2, "vocab": 20, "tokens": 8},
    ),
)
WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in _ALL}
