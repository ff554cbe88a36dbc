"""Contrastive learning of pairs with a momentum encoder."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(0)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool1d(2)
        )
        self.projector = nn.Sequential(nn.Flatten(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x):
        return F.normalize(self.projector(self.backbone(x)), dim=1)


query = Encoder().double()
with torch.no_grad():
    for p in query.parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(p.shape))))
key = copy.deepcopy(query)
for p in key.parameters():
    p.requires_grad = False
queue = F.normalize(torch.from_numpy(rng.standard_normal((6, 4))), dim=1)
temperature = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
optimizer = torch.optim.SGD(
    [*query.parameters(), temperature], lr=0.1, momentum=0.9, weight_decay=1e-4
)


@torch.no_grad()
def momentum_update(m=0.9):
    for q, k in zip(query.parameters(), key.parameters()):
        k.data = k.data * m + q.data * (1.0 - m)


@torch.compile
def loss_of(a, b, queue):
    q = query(a)
    with torch.no_grad():
        k = key(b)
    positive = torch.einsum("nc,nc->n", q, k).unsqueeze(-1)
    negative = torch.einsum("nc,kc->nk", q, queue)
    logits = torch.cat([positive, negative], dim=1) / temperature.clamp(min=0.05)
    labels = torch.zeros(logits.shape[0], dtype=torch.long)
    return F.cross_entropy(logits, labels), k, logits


results = []
for i in range(6):
    x = rng.standard_normal((5, 2, 7))
    a, b = (torch.from_numpy(x + 0.1 * rng.standard_normal(x.shape)) for _ in range(2))
    momentum_update()
    loss, k, logits = loss_of(a, b, queue)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    queue = torch.cat([k.detach(), queue], dim=0)[:6]
    accuracy = (logits.detach().max(dim=1)[1] == 0).double().mean()
    results.append((loss.item(), accuracy.item(), temperature.item()))
results.append([p.tolist() for p in [*query.parameters(), *key.parameters()]])
