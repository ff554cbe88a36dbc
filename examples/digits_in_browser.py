"""Writes what the page in examples/browser trains: the digits network as a bundle, and the scans.

    python examples/digits_in_browser.py
    (cd examples/browser && npm install)
    nngraph serve examples/browser

The bundle is that of a step over a batch of any size, with its weights as they were drawn. The
scans are one byte a pixel, 0 to 16, and after all of them one byte a label.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from digits import BATCH, Digits, load_data, make_model

import nngraph as ng
from nngraph import nn, optim

FOLDER = Path(__file__).resolve().parent / "browser" / "data"


def write_bundle(folder: Path, seed: int) -> None:
    """The step of examples/digits.py, which gives the share of the batch that was right, too."""
    ng.manual_seed(seed)
    model = make_model()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)

    @ng.compile
    def train_step(x: ng.Tensor, y: ng.Tensor) -> dict[str, ng.Tensor]:
        optimizer.zero_grad()
        logits = model(x)
        loss = loss_fn(logits, y)
        loss.backward()
        optimizer.step()
        right = logits.detach().argmax(dim=1) == y
        return {"loss": loss, "accuracy": right.to(ng.float32).mean()}

    ng.export(train_step, folder, ng.spec((None, 1, 8, 8)), ng.spec((None,), ng.int64))


def write_scans(folder: Path, data: Digits) -> None:
    """``scans.bin``, and in ``scans.json`` how many are for training, and how many for the test."""
    images = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    pixels = ((images + 1) * 8).astype(np.uint8)
    (folder / "scans.bin").write_bytes(pixels.tobytes() + labels.astype(np.uint8).tobytes())
    counts = {"train": len(data.x_train), "test": len(data.x_test), "size": 8, "batch": BATCH}
    (folder / "scans.json").write_text(json.dumps(counts), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for what is written")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_bundle(options.out / "bundle", options.seed)
    write_scans(options.out, load_data(options.seed))
    print(f"{options.out} has the bundle and the scans: nngraph serve examples/browser")


if __name__ == "__main__":
    main()
