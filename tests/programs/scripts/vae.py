"""A variational autoencoder, of which only the model is compiled."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(0)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 10)
        self.fc21 = nn.Linear(10, 3)
        self.fc22 = nn.Linear(10, 3)
        self.fc3 = nn.Linear(3, 10)
        self.fc4 = nn.Linear(10, 12)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar, eps):
        std = torch.exp(0.5 * logvar)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps):
        mu, logvar = self.encode(x.view(-1, 12))
        return self.decode(self.reparameterize(mu, logvar, eps)), mu, logvar


model = VAE().double()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.4, 0.4, tuple(p.shape))))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
compiled = torch.compile(model)


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 12), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


results = []
for epoch in range(3):
    compiled.train()
    train_loss = 0
    for batch in range(4):
        x = torch.from_numpy(rng.uniform(0, 1, (6, 1, 3, 4)))
        eps = torch.from_numpy(rng.standard_normal((6, 3)))
        optimizer.zero_grad()
        recon, mu, logvar = compiled(x, eps)
        loss = loss_function(recon, x, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    compiled.eval()
    with torch.no_grad():
        sample = model.decode(torch.from_numpy(rng.standard_normal((2, 3)))).cpu()
    results.append((train_loss, sample.tolist()))
