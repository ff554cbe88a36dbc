"""Trains a small GPT on sums in words and lets it write on, one token a call, from one trace.

The keys and values of the tokens so far stand in a cache of a fixed size, which each call writes at
its position: a tensor without axes. So every token runs the same compiled graph, on every backend.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import nngraph as ng
from nngraph import nn, optim
from nngraph.nn import functional as F

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEXT = " ".join(
    f"{NUMBERS[a]} and {NUMBERS[b]} is {NUMBERS[a + b]}." for a in range(6) for b in range(6)
)
LETTERS = sorted(set(TEXT))
CONTEXT = 64


def encoded(text: str) -> np.ndarray:
    """The number of each letter.

    Raises:
        ValueError: for a letter that the text does not have.
    """
    unknown = sorted(set(text) - set(LETTERS))
    if unknown:
        raise ValueError(f"the model knows no {unknown}; its letters are {''.join(LETTERS)!r}")
    return np.array([LETTERS.index(letter) for letter in text], np.int64)


def decoded(ids: list[int]) -> str:
    """The letters of numbers."""
    return "".join(LETTERS[i] for i in ids)


class Attention(nn.Module):
    """Causal attention: over a whole text, or for its next token with the others in a cache."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.projections = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        for name in ("keys", "values"):
            cache = ng.zeros(1, heads, context, self.size)
            self.register_buffer(name, cache, persistent=False)

    def split(self, x: ng.Tensor) -> Iterator[ng.Tensor]:
        """Queries, keys and values, ``[B, H, T, E / H]`` each."""
        batch, length, _ = x.shape
        for part in self.projections(x).chunk(3, -1):
            yield part.reshape(batch, length, self.heads, self.size).transpose(1, 2)

    def joined(self, x: ng.Tensor) -> ng.Tensor:
        """``[B, T, E]`` of the results of all heads."""
        made: ng.Tensor = self.out(x.transpose(1, 2).flatten(2))
        return made

    def forward(self, x: ng.Tensor) -> ng.Tensor:
        """``[B, T, E]`` to ``[B, T, E]``."""
        query, key, value = self.split(x)
        return self.joined(F.scaled_dot_product_attention(query, key, value, is_causal=True))

    def next(self, x: ng.Tensor, position: ng.Tensor) -> ng.Tensor:
        """``[1, 1, E]`` at a position to ``[1, 1, E]``; the cache has it from here on."""
        query, key, value = self.split(x)
        self.keys[:, :, position] = key[:, :, 0]
        self.values[:, :, position] = value[:, :, 0]
        seen = ng.arange(self.keys.shape[2]) <= position
        return self.joined(
            F.scaled_dot_product_attention(query, self.keys, self.values, seen[None])
        )


class Block(nn.Module):
    """Attention and a dense layer, each added to its input."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = Attention(width, heads, context)
        inner = 4 * width
        self.dense = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x: ng.Tensor) -> ng.Tensor:
        """``[B, T, E]`` to ``[B, T, E]``."""
        return self._dense(x + self.attention(self.norms[0](x)))

    def next(self, x: ng.Tensor, position: ng.Tensor) -> ng.Tensor:
        """``[1, 1, E]`` at a position to ``[1, 1, E]``."""
        return self._dense(x + self.attention.next(self.norms[0](x), position))

    def _dense(self, x: ng.Tensor) -> ng.Tensor:
        made: ng.Tensor = x + self.dense(self.norms[1](x))
        return made


class GPT(nn.Module):
    """Logits of the letter that follows, for each letter of a text or for the next one.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """

    def __init__(self, layers: int = 2, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.positions = nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList([Block(width, heads, CONTEXT) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(LETTERS), bias=False)

    def forward(self, ids: ng.Tensor) -> ng.Tensor:
        """``[B, T]`` to ``[B, T, letters]``."""
        x = self.letters(ids) + self.positions(ng.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits: ng.Tensor = self.head(self.norm(x))
        return logits

    def next(self, letter: ng.Tensor, position: ng.Tensor) -> ng.Tensor:
        """The logits after a letter at a position, both without axes: ``[letters]``."""
        x = (self.letters(letter) + self.positions(position)).reshape(1, 1, -1)
        for block in self.blocks:
            x = block.next(x, position)
        logits: ng.Tensor = self.head(self.norm(x))
        return logits.flatten()


def trained(backend: str, steps: int, seed: int) -> GPT:
    """A model that was trained on windows of the text by one compiled step."""
    ng.manual_seed(seed)
    rng, text = np.random.default_rng(seed), encoded(TEXT)
    model = GPT()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1)

    @ng.compile(backend=backend)
    def train_step(ids: ng.Tensor) -> ng.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.detach()

    starts = np.flatnonzero(text[:-CONTEXT] == LETTERS.index(".")) + 2  # of sentences
    for _ in range(steps):
        chosen = rng.choice([0, *starts[:-1]], 16)
        loss = train_step(ng.tensor(np.stack([text[i : i + CONTEXT] for i in chosen])))
    print(f"trained {steps} steps on {backend}, loss {float(loss):.3f}")
    return model.eval()


Step = Callable[[ng.Tensor, ng.Tensor, float], ng.Tensor]


def make_step(model: GPT, backend: str, greedy: bool) -> Any:
    """A compiled function from a letter, its position and a temperature to the next letter."""

    @ng.compile(backend=backend)
    def step(letter: ng.Tensor, position: ng.Tensor, temperature: float) -> ng.Tensor:
        with ng.no_grad():
            logits = model.next(letter, position)
            if greedy:
                return logits.argmax()
            # The largest of logits and Gumbel noise is a draw from their softmax.
            noise = -(-ng.rand_like(logits).clamp(min=1e-12).log()).log()
            return (logits / temperature + noise).argmax()

    return step


def generate(step: Step, prompt: str, count: int, temperature: float = 1.0) -> str:
    """Up to ``count`` letters that follow a prompt; the cache ends the text, too."""
    given = encoded(prompt)
    ids: list[int] = []
    letter = ng.tensor(int(given[0]))
    for position in range(min(len(given) + count, CONTEXT) - 1):
        found = step(letter, ng.tensor(position), temperature)
        if position + 1 < len(given):
            letter = ng.tensor(int(given[position + 1]))
        else:
            letter = found
            ids.append(int(found))
    return decoded(ids)


def main() -> int:
    """Trains, and prints what the model writes after a prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="onnx", choices=("reference", "onnx", "tvm"))
    parser.add_argument("--prompt", default="two and three is ")
    parser.add_argument("--count", type=int, default=40, help="letters to write")
    parser.add_argument("--temperature", type=float, default=0.8, help="of the sampled text")
    parser.add_argument("--steps", type=int, default=300, help="of the training")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.prompt or options.temperature <= 0 or options.steps < 1 or options.count < 1:
        parser.error("the prompt has a letter at least, and the other options are above 0")
    model = trained(options.backend, options.steps, options.seed)
    for name in ("greedy", "sampled"):
        step = make_step(model, options.backend, name == "greedy")
        step(ng.tensor(0), ng.tensor(0), 1.0)  # traced and compiled
        start = time.perf_counter()
        text = generate(step, options.prompt, options.count, options.temperature)
        each = (time.perf_counter() - start) / (len(options.prompt) + len(text) - 1)
        traces = sum(line.startswith("trace ") for line in step.explain().splitlines())
        print(f"{name}: {options.prompt}{text}")
        print(f"    {1e3 * each:.2f} ms a letter, traces: {traces}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
