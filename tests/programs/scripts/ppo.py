"""Proximal policy optimization with generalized advantages, in an environment of NumPy's."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions.categorical import Categorical

rng = np.random.default_rng(0)
num_envs, num_steps, num_iterations = 3, 8, 3
gamma, gae_lambda, clip_coef, ent_coef, vf_coef = 0.99, 0.95, 0.2, 0.01, 0.5
torch.backends.cudnn.deterministic = True
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Envs:
    def reset(self):
        self.state = rng.uniform(-1, 1, (num_envs, 4))
        return self.state

    def step(self, action):
        move = (2 * action[:, None] - 1) * np.array([0.1, -0.2, 0.05, 0.3])
        self.state = 0.9 * self.state + move
        done = np.abs(self.state[:, 0]) > 0.8
        self.state[done] = 0.1
        return self.state, -np.abs(self.state[:, 1]), done


def layer_init(layer, std=np.sqrt(2), bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(
            layer_init(nn.Linear(4, 8)), nn.Tanh(), layer_init(nn.Linear(8, 1), std=1.0)
        )
        self.actor = nn.Sequential(
            layer_init(nn.Linear(4, 8)), nn.Tanh(), layer_init(nn.Linear(8, 2), std=0.01)
        )

    def get_value(self, x):
        return self.critic(x)

    def get_action_and_value(self, x, action=None):
        probs = Categorical(logits=self.actor(x))
        if action is None:
            action = (torch.from_numpy(rng.random(len(x))) < probs.probs[:, 1]).long()
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


agent = Agent().double().to(device)
with torch.no_grad():
    for p in agent.parameters():
        p.copy_(torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(p.shape))))
optimizer = optim.Adam(agent.parameters(), lr=2.5e-3, eps=1e-5)


@torch.compile
def update(obs, actions, logprobs, advantages, returns, values):
    _, newlogprob, entropy, newvalue = agent.get_action_and_value(obs, actions)
    logratio = newlogprob - logprobs
    ratio = logratio.exp()
    with torch.no_grad():
        approx_kl = ((ratio - 1) - logratio).mean()
        clipfrac = ((ratio - 1.0).abs() > clip_coef).double().mean()
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    pg_loss1 = -advantages * ratio
    pg_loss2 = -advantages * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
    pg_loss = torch.max(pg_loss1, pg_loss2).mean()
    newvalue = newvalue.view(-1)
    v_clipped = values + torch.clamp(newvalue - values, -clip_coef, clip_coef)
    v_loss = 0.5 * torch.max((newvalue - returns) ** 2, (v_clipped - returns) ** 2).mean()
    loss = pg_loss - ent_coef * entropy.mean() + v_loss * vf_coef
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
    optimizer.step()
    return pg_loss, v_loss, approx_kl, clipfrac


envs = Envs()
obs = torch.zeros((num_steps, num_envs) + (4,), dtype=torch.float64).to(device)
actions = torch.zeros((num_steps, num_envs), dtype=torch.long).to(device)
logprobs, rewards, dones, values = torch.zeros(4, num_steps, num_envs).double().unbind()
next_obs = torch.as_tensor(envs.reset()).to(device)
next_done = torch.zeros(num_envs, dtype=torch.float64, device=device)
results = []
for iteration in range(num_iterations):
    optimizer.param_groups[0]["lr"] = (1.0 - iteration / num_iterations) * 2.5e-3
    for step in range(num_steps):
        obs[step], dones[step] = next_obs, next_done
        with torch.no_grad():
            action, logprob, _, value = agent.get_action_and_value(next_obs)
        values[step], actions[step], logprobs[step] = value.flatten(), action, logprob
        state, reward, done = envs.step(action.cpu().numpy())
        rewards[step] = torch.tensor(reward).to(device).view(-1)
        next_obs, next_done = torch.tensor(state), torch.tensor(done, dtype=torch.float64)
    with torch.no_grad():
        next_value = agent.get_value(next_obs).reshape(1, -1)
        advantages, lastgaelam = torch.zeros_like(rewards), 0
        for t in reversed(range(num_steps)):
            last = t == num_steps - 1
            nonterminal = 1.0 - (next_done if last else dones[t + 1])
            delta = rewards[t] + gamma * (next_value if last else values[t + 1]) * nonterminal
            delta = delta - values[t]
            lastgaelam = delta + gamma * gae_lambda * nonterminal * lastgaelam
            advantages[t] = lastgaelam
        returns = advantages + values
    flat = [v.flatten(0, 1) for v in (obs, actions, logprobs, advantages, returns, values)]
    b_inds = rng.permutation(num_envs * num_steps)
    for start in range(0, num_envs * num_steps, 12):
        mb_inds = b_inds[start : start + 12]
        losses = update(*(v[mb_inds] for v in flat))
        results.append([v.item() for v in losses])
    results.append((rewards.mean().item(), values.var().item()))
