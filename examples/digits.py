"""Trains a small convolutional network on handwritten digits as one compiled step, then exports it.

The data are the 1,797 scans of 8x8 pixels that come with scikit-learn. The exported step trains on
in continue_training.py, which knows onnxruntime and NumPy but not nngraph.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import nngraph as ng
from nngraph import nn, optim

BATCH = 64
TEST_SIZE = 360
WANTED_ACCURACY = 0.97


class Digits(NamedTuple):
    """Images as (count, 1, 8, 8) float32 in [-1, 1] and labels as int64."""

    x_train: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


def load_data(seed: int) -> Digits:
    """The scans, with each class divided between training and test in the same proportion."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 8 - 1).astype(np.float32).reshape(-1, 1, 8, 8)
    parts = train_test_split(
        images, labels.astype(np.int64), test_size=TEST_SIZE, stratify=labels, random_state=seed
    )
    return Digits(*parts)


def make_model() -> nn.Module:
    """Two convolutions with batch normalisation, then a linear layer: about 10,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )


def batches(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Full batches in random order; the few images left over have their turn in another epoch."""
    order = rng.permutation(len(x))
    for start in range(0, len(x) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        yield x[chosen], y[chosen]


def train(backend: str, epochs: int, seed: int, out: Path) -> float:
    """Trains for `epochs`, writes the exported files to `out`, returns the test accuracy."""
    data = load_data(seed)
    ng.manual_seed(seed)
    rng = np.random.default_rng(seed)

    model = make_model()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)

    @ng.compile(backend=backend)
    def train_step(x: ng.Tensor, y: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss: ng.Tensor = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    @ng.compile(backend=backend)
    def predict(x: ng.Tensor) -> ng.Tensor:
        with ng.no_grad():
            classes: ng.Tensor = model(x).argmax(dim=1)
            return classes

    def accuracy() -> float:
        model.eval()
        correct = np.asarray(predict(data.x_test)) == data.y_test
        model.train()
        return float(correct.mean())

    steps = epochs * (len(data.x_train) // BATCH)
    with tqdm(total=steps, desc=f"training on {backend}", unit="step") as bar:
        for epoch in range(epochs):
            for x, y in batches(data.x_train, data.y_train, rng):
                loss = train_step(x, y)
                bar.update()
            scheduler.step()
            bar.set_postfix(epoch=epoch + 1, loss=f"{float(loss):.4f}", test=f"{accuracy():.2%}")

    out.mkdir(parents=True, exist_ok=True)
    ng.export(train_step, out / "train_step.onnx")
    ng.export(predict, out / "predict.onnx")
    ng.export(train_step, out / "bundle", ng.spec((None, 1, 8, 8)), ng.spec((None,), ng.int64))
    ng.export(model.eval(), out / "model.onnx", ng.spec((None, 1, 8, 8)))
    np.savez(out / "digits.npz", **data._asdict())
    return accuracy()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("onnx", "tvm", "reference"), default="onnx")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is written")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs {options.epochs}: an export needs at least one trained epoch")

    start = time.perf_counter()
    accuracy = train(options.backend, options.epochs, options.seed, options.out)
    print(f"test accuracy {accuracy:.2%} after {time.perf_counter() - start:.1f} s")
    for path in sorted(p for p in options.out.rglob("*") if p.is_file()):
        print(f"  {path}  {path.stat().st_size / 1024:.0f} KiB")
    if accuracy <= WANTED_ACCURACY:
        sys.exit(f"expected more than {WANTED_ACCURACY:.0%}: did you lower --epochs?")


if __name__ == "__main__":
    main()
