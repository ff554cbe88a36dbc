"""A GAN: two models, two optimizers, each step sees the other's updates."""

import numpy as np
import torch
from torch import nn, optim
from torch.autograd import Variable

numbers = np.random.default_rng(0)


def filled(module):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.from_numpy(numbers.uniform(-0.4, 0.4, tuple(p.shape))))
    return module


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(4, 16),
            nn.BatchNorm1d(16, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(16, 9),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z).view(z.size(0), 1, 3, 3)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(16, 1), nn.Sigmoid()
        )

    def forward(self, image):
        return self.model(image)


generator, discriminator = filled(Generator().double()), filled(Discriminator().double())
criterion = nn.BCELoss()
optimizer_g = optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.999))
optimizer_d = optim.Adam(discriminator.parameters(), lr=0.01, betas=(0.5, 0.999))


@torch.compile
def step(real, z):
    valid = torch.ones(real.size(0), 1, dtype=real.dtype)
    fake = torch.zeros(real.size(0), 1, dtype=real.dtype)
    optimizer_g.zero_grad()
    images = generator(z)
    g_loss = criterion(discriminator(images), valid)
    g_loss.backward()
    optimizer_g.step()
    optimizer_d.zero_grad()
    d_loss = (
        criterion(discriminator(real), valid) + criterion(discriminator(images.detach()), fake)
    ) / 2
    d_loss.backward()
    optimizer_d.step()
    return g_loss, d_loss


results = []
for i in range(8):
    real = Variable(torch.from_numpy(numbers.standard_normal((5, 1, 3, 3))))
    z = Variable(torch.from_numpy(numbers.standard_normal((5, 4))))
    g_loss, d_loss = step(real, z)
    results.append((g_loss.item(), d_loss.item()))
results.append([v.tolist() for v in generator.state_dict().values()])
results.append([v.tolist() for v in discriminator.state_dict().values()])
