"""A recogniser of sequences with CTC."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(0)


class CRNN(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(True), nn.MaxPool2d((2, 1))
        )
        self.rnn = nn.GRU(16, 6, bidirectional=True)
        self.fc = nn.Linear(12, classes)

    def forward(self, x):
        x = self.conv(x)
        b, c, h, w = x.size()
        x = x.permute(3, 0, 1, 2).contiguous().view(w, b, c * h)
        x, _ = self.rnn(x)
        return F.log_softmax(self.fc(x), 2)


model = CRNN(5).double()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.4, 0.4, tuple(p.shape))))
criterion = nn.CTCLoss(blank=0, zero_infinity=True)
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)


@torch.compile
def step(images, targets, input_lengths, target_lengths):
    optimizer.zero_grad()
    log_probs = model(images)
    loss = criterion(log_probs, targets, input_lengths, target_lengths)
    loss.backward()
    optimizer.step()
    return loss, log_probs.argmax(2)


def decode(path):
    out, last = [], 0
    for symbol in path:
        if symbol != last and symbol != 0:
            out.append(symbol)
        last = symbol
    return out


results = []
for i in range(5):
    images = torch.from_numpy(rng.standard_normal((3, 1, 8, 10)))
    targets = torch.from_numpy(rng.integers(1, 5, (3, 4)))
    input_lengths = torch.full((3,), 10, dtype=torch.long)
    target_lengths = torch.tensor([4, 2, 3])
    loss, best = step(images, targets, input_lengths, target_lengths)
    results.append((loss.item(), [decode(p) for p in best.t().tolist()]))
results.append([p.tolist() for p in model.parameters()])
