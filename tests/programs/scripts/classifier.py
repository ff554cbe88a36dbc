"""A classifier with early stopping that is killed midway and resumed from its checkpoint."""

import os
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
rng = np.random.default_rng(0)
X = rng.standard_normal((60, 8))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(np.int64)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 2))

    def forward(self, x):
        return self.body(x)


def fresh():
    model = Net().double().to(device)
    numbers = np.random.default_rng(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(numbers.uniform(-0.3, 0.3, tuple(p.shape))))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)
    return model, optimizer, CosineAnnealingLR(optimizer, T_max=12)


data = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
train = DataLoader(data, batch_size=16, sampler=list(range(44)))
valid = DataLoader(data, batch_size=16, sampler=list(range(44, 60)))


def run(model, optimizer, scheduler, first, last, patience=3):
    @torch.compile
    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    best, bad, history = float("inf"), 0, []
    for epoch in range(first, last):
        model.train()
        total = 0.0
        for x, y in train:
            x, y = x.to(device, non_blocking=True), y.to(device)
            total += step(x, y).item() * len(x)
        scheduler.step()
        model.eval()
        correct, held = 0, 0.0
        with torch.no_grad():
            for x, y in valid:
                out = model(x.to(device))
                held += F.cross_entropy(out, y, reduction="sum").item()
                correct += (out.argmax(dim=1) == y).sum().item()
        history.append((epoch, total / 44, held / 16, correct, scheduler.get_last_lr()[0]))
        if held < best:
            best, bad = held, 0
        else:
            bad += 1
            if bad >= patience:
                break
    return history


whole = run(*fresh(), 0, 10)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "checkpoint.pt")
    model, optimizer, scheduler = fresh()
    first = run(model, optimizer, scheduler, 0, 4)
    torch.save(
        {
            "epoch": 4,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
        },
        path,
    )
    model, optimizer, scheduler = fresh()
    checkpoint = torch.load(path, map_location=device)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    second = run(model, optimizer, scheduler, checkpoint["epoch"], 10)
results = [whole, first, second, [p.tolist() for p in model.state_dict().values()]]
assert first + second == whole or len(whole) < 10
