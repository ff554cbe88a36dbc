"""A physics-informed network, u'' = -pi^2 sin(pi x) with u(0) = u(1) = 0: Adam, then L-BFGS."""

import math

import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1)
        )
        self.apply(self.init)

    def init(self, module):
        if isinstance(module, nn.Linear):
            with torch.no_grad():
                module.weight.copy_(
                    torch.from_numpy(rng.uniform(-0.8, 0.8, tuple(module.weight.shape)))
                )
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.layers(x)


net = Net().double()
x = torch.linspace(0, 1, 9, dtype=torch.float64).reshape(-1, 1).requires_grad_(True)
ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


def residual():
    u = net(x)
    du = torch.autograd.grad(u, x, grad_outputs=torch.ones_like(u), create_graph=True)[0]
    ddu = torch.autograd.grad(du, x, torch.ones_like(du), retain_graph=True, create_graph=True)[0]
    return ((ddu + math.pi**2 * torch.sin(math.pi * x)) ** 2).mean() + 10 * (net(ends) ** 2).mean()


adam = torch.optim.Adam(net.parameters(), lr=0.01)


@torch.compile
def step():
    adam.zero_grad()
    loss = residual()
    loss.backward()
    adam.step()
    return loss


results = [step().item() for _ in range(5)]
lbfgs = torch.optim.LBFGS(net.parameters(), lr=1, max_iter=4, line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    loss = residual()
    loss.backward()
    return loss


for _ in range(3):
    results.append(lbfgs.step(closure).item())
results.append([p.tolist() for p in net.parameters()])
