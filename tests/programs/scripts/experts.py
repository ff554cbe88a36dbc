"""A language model with a mixture of experts, whose balance is a loss that the modules keep."""

import math
from dataclasses import dataclass
from typing import Optional

import numpy as np
import torch
import torch.nn as nn
from torch.nn import functional as F

rng = np.random.default_rng(0)


@dataclass
class Config:
    vocab_size: int = 7
    block_size: int = 6
    n_embd: int = 8
    n_experts: int = 3
    dropout: float = 0.0


@dataclass
class ModelOutput:
    logits: torch.Tensor
    loss: Optional[torch.Tensor] = None


class MoE(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, n = config.n_embd, config.n_experts
        self.gate = nn.Linear(d, n, bias=False)
        self.w1 = nn.Parameter(torch.empty(n, d, 2 * d))
        self.w2 = nn.Parameter(torch.empty(n, 2 * d, d))
        self.register_buffer("load", torch.zeros(n))
        self.aux_loss = None

    def forward(self, x):
        probs = self.gate(x).softmax(dim=-1)
        weight, index = torch.topk(probs, 2, dim=-1)
        weight = weight / weight.sum(dim=-1, keepdim=True)
        h = F.gelu(torch.einsum("btd,ndh->btnh", x, self.w1))
        out = torch.einsum("btnh,nhd->btnd", h, self.w2)
        out = out.gather(2, index.unsqueeze(-1).expand(-1, -1, -1, x.size(-1)))
        share = F.one_hot(index, probs.size(-1)).to(x.dtype).mean(dim=(0, 1, 2))
        self.aux_loss = probs.size(-1) * (share * probs.mean(dim=(0, 1))).sum()
        with torch.no_grad():
            self.load.mul_(0.9).add_(share, alpha=0.1)
        return (out * weight.unsqueeze(-1)).sum(dim=2)


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(config.vocab_size, config.n_embd),
                wpe=nn.Embedding(config.block_size, config.n_embd),
                qkv=nn.Linear(config.n_embd, 3 * config.n_embd, bias=False),
                ln=nn.LayerNorm(config.n_embd),
                mlp=MoE(config),
            )
        )
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.head.weight = self.transformer.wte.weight

    def forward(self, idx, targets=None):
        t = idx.size(1)
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(t))
        q, k, v = self.transformer.qkv(x).chunk(3, dim=-1)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.transformer.mlp(self.transformer.ln(x))
        logits = self.head(x)
        loss = None
        if targets is not None:
            known = targets != -1
            loss = F.cross_entropy(logits[known], targets[known])
        return ModelOutput(logits, loss)

    @torch.no_grad()
    def generate(self, idx, n):
        for _ in range(n):
            logits = self(idx[:, -self.config.block_size :]).logits[:, -1, :]
            idx = torch.cat((idx, logits.argmax(dim=-1, keepdim=True)), dim=1)
        return idx


model = GPT(Config()).double()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(p.shape))))
decay = [p for p in model.parameters() if p.dim() >= 2]
no_decay = [p for p in model.parameters() if p.dim() < 2]
groups = [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
compiled = torch.compile(model)
data = np.arange(60) ** 2 % 7


def get_batch():
    starts = rng.integers(0, len(data) - 7, 3)
    x = torch.stack([torch.from_numpy(data[i : i + 6]) for i in starts])
    y = torch.stack([torch.from_numpy(data[i + 1 : i + 7]) for i in starts])
    return x, y.masked_fill(torch.from_numpy(rng.random((3, 6)) < 0.2), -1)


results = []
for it in range(4):
    lr = 1e-2 * 0.5 * (1.0 + math.cos(math.pi * it / 4))
    for group in optimizer.param_groups:
        group["lr"] = lr
    for micro_step in range(2):
        x, y = get_batch()
        out = compiled(x, y)
        aux = sum(m.aux_loss for m in model.modules() if isinstance(m, MoE))
        ((out.loss + 0.01 * aux) / 2).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    results.append((out.loss.item(), aux.item(), norm.item()))
model.eval()
results.append(model.transformer.mlp.load.tolist())
results.append(model.generate(torch.zeros((1, 1), dtype=torch.long), 5).tolist())
