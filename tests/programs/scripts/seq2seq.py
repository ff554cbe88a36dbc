"""Sequence to sequence with attention: an encoder, and a decoder one token at a time."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(0)


class Encoder(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.embedding = nn.Embedding(size, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * hidden, hidden)

    def forward(self, x):
        out, hidden = self.gru(self.embedding(x))
        return self.join(out), torch.tanh(hidden.sum(dim=0, keepdim=True))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.Wa = nn.Linear(hidden, hidden)
        self.Ua = nn.Linear(hidden, hidden)
        self.Va = nn.Linear(hidden, 1)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class Decoder(nn.Module):
    def __init__(self, hidden, size, length):
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(size, hidden)
        self.attention = BahdanauAttention(hidden)
        self.gru = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, size)

    def forward(self, keys, hidden, target=None):
        token = torch.empty(keys.size(0), 1, dtype=torch.long, device=keys.device).fill_(1)
        outputs, attentions = [], []
        for i in range(self.length):
            embedded = self.embedding(token)
            context, weights = self.attention(hidden.permute(1, 0, 2), keys)
            output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
            outputs.append(self.out(output))
            attentions.append(weights)
            if target is not None:
                token = target[:, i].unsqueeze(1)
            else:
                _, topi = outputs[-1].topk(1)
                token = topi.squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1), torch.cat(attentions, dim=1)


encoder, decoder = Encoder(9, 6).double(), Decoder(6, 9, 4).double()
with torch.no_grad():
    for p in [*encoder.parameters(), *decoder.parameters()]:
        p.copy_(torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(p.shape))))
optimizers = [torch.optim.Adam(m.parameters(), lr=0.02) for m in (encoder, decoder)]
criterion = nn.NLLLoss()


@torch.compile
def train_step(source, target):
    for optimizer in optimizers:
        optimizer.zero_grad()
    keys, hidden = encoder(source)
    outputs, _ = decoder(keys, hidden, target)
    loss = criterion(outputs.view(-1, outputs.size(-1)), target.view(-1))
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss


results = []
for i in range(6):
    source = torch.from_numpy(rng.integers(0, 9, (3, 5)))
    results.append(train_step(source, source[:, :4].contiguous()).item())
with torch.no_grad():
    outputs, attention = decoder(*encoder(source))
results += [outputs.argmax(-1).tolist(), attention.tolist()]
