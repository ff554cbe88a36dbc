"""An LSTM language model on packed sequences of different lengths."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

rng = np.random.default_rng(0)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp, padding_idx=0)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, batch_first=True)
        self.decoder = nn.Linear(nhid, ntoken)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(
            self.encoder(x), lengths, batch_first=True, enforce_sorted=False
        )
        out, (h, c) = self.rnn(packed)
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.size(1))
        return self.decoder(out), h


model = RNNModel(11, 6, 7, 2).double()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.3, 0.3, tuple(p.shape))))
criterion = nn.CrossEntropyLoss(ignore_index=0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5, nesterov=True)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)

results = []
for epoch in range(3):
    total = 0.0
    for batch in range(3):
        lengths = [4, 6, 2]
        rows = [torch.from_numpy(rng.integers(1, 11, n + 1)) for n in lengths]
        tokens = pad_sequence(rows, batch_first=True)
        data, target = tokens[:, :-1], tokens[:, 1:].reshape(-1)
        model.zero_grad()
        output, hidden = model(data, torch.tensor(lengths))
        loss = criterion(output.reshape(-1, 11), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        total += loss.item()
    scheduler.step(total)
    results.append(
        (
            total,
            math.exp(total / 3),
            hidden.detach().abs().sum().item(),
            optimizer.param_groups[0]["lr"],
        )
    )
results.append([p.tolist() for p in model.parameters()])
