"""A whole program, statement by statement: PyTorch runs each, so shapes and types are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tests.support.programs.changes import CHANGES
from tests.support.programs.draw import FLOATS, INTEGERS, Draw, NothingFits
from tests.support.programs.expressions import EXPRESSIONS
from tests.support.programs.program import PRELUDE, Program

__all__ = ["generate"]

LARGEST = 1e4  # values beyond it end in infinities, which compare nothing
MOST = 200  # elements of a tensor
LACKS = ("not implemented", "not support", "view size is not compatible", "expected m1 and m2")
MODULES = (
    ("nn.Linear(3, 2)", (2, 3)),
    ("nn.Linear(3, 3, bias=False)", (2, 3)),
    ("nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))", (3, 3)),
    ("nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))", (4, 2)),
    ("nn.BatchNorm1d(3)", (4, 3)),
    ("nn.BatchNorm2d(2, momentum=None)", (2, 2, 2, 2)),
    ("nn.LayerNorm(3)", (2, 3)),
    ("nn.Conv1d(2, 3, 2)", (2, 2, 4)),
    ("nn.Conv2d(1, 2, 2, padding=1)", (1, 1, 3, 3)),
    ("nn.PReLU()", (2, 3)),
    ("nn.GroupNorm(1, 2)", (2, 2, 3)),
    ("nn.InstanceNorm1d(2, affine=True, track_running_stats=True)", (2, 2, 3)),
)
OPTIMIZERS = (
    "optim.SGD({}, lr=0.1)",
    "optim.SGD({}, lr=0.1, momentum=0.9)",
    "optim.SGD({}, lr=0.05, momentum=0.5, nesterov=True, weight_decay=0.1)",
    "optim.Adam({}, lr=0.05)",
    "optim.AdamW({}, lr=0.05, amsgrad=True)",
    "optim.RMSprop({}, lr=0.02)",
    "optim.Adagrad({}, lr=0.1)",
)


def generate(seed: int, length: int = 12) -> Program:
    """The program of a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Generator(seed).program(length)


class _Generator:
    def __init__(self, seed: int) -> None:
        self.draw = Draw(seed)
        self.space = self.draw.space
        self.space["torch"] = torch
        exec(PRELUDE.replace("{library}", ""), self.space)
        self.setup: list[str] = []
        self.body: list[str] = []
        self.parameters: list[str] = []
        self.numbers = False

    def program(self, length: int) -> Program:
        d = self.draw
        self._make_leaves()
        self._make_module()
        calls = self._calls()
        mistake = d.chance(0.06)
        tries = 0
        wanted = d.between(3, length)
        while len(self.body) < wanted and tries < 20 * length:
            tries += 1
            error = self._statement()
            if error is not None and mistake and len(self.body) > 2 and _is_mistake(error[1]):
                self.body.append(error[0])
                break
        made = [n for n in d.pool if n.startswith("t")]
        kept = [n for n in made if d.chance(0.6)] or made[-1:] or d.pool[:1]
        return Program(
            tuple(self.setup),
            (*self.parameters, *(["n0"] if self.numbers else [])),
            tuple(self.body),
            tuple(kept),
            calls,
        )

    def _set_up(self, text: str) -> None:
        exec(text, self.space)
        self.setup.append(text)

    def _leaf(self, name: str, dtype: str, shape: Sequence[int], grad: bool) -> None:
        self._set_up(f"{name} = {self.draw.leaf(shape, dtype, grad)}")
        self.draw.pool.append(name)

    def _make_leaves(self) -> None:
        d = self.draw
        shape = d.shape(1)
        for position in range(d.between(1, 2)):
            dtype = d.one(*FLOATS)
            shape = shape if d.chance(0.6) else d.shape()
            self._leaf(f"w{position}", dtype, shape, grad=d.chance(0.8))
        for position in range(d.between(0, 2)):
            dtype = d.one(*FLOATS) if d.chance(0.7) else d.one(*INTEGERS, "bool")
            self._leaf(f"s{position}", dtype, shape if d.chance(0.6) else d.shape(), False)
        for position in range(d.between(1, 2)):
            name = f"x{position}"
            dtype = d.one(*FLOATS) if d.chance(0.75) else d.one(*INTEGERS, "bool")
            grad = dtype in FLOATS and d.chance(0.3)
            self._leaf(name, dtype, shape if d.chance(0.6) else d.shape(), grad)
            self.parameters.append(name)
        if d.chance(0.25):
            self.space["n0"] = 0.5
            self.numbers = True

    def _make_module(self) -> None:
        d = self.draw
        if d.chance(0.35):
            text, shape = d.one(*MODULES)
            self._set_up(f"m0 = fill({text}, {d.between(0, 99)})")
            name = f"x{len(self.parameters)}"
            self._leaf(name, "float32", shape, False)
            self.parameters.append(name)
            self.body.append(f"h = m0({name})")
            exec(self.body[-1], self.space)
            d.pool.append("h")
        if d.chance(0.35):
            leaves = [n for n in d.pool if d.value(n).is_leaf and d.value(n).requires_grad]
            leaves = [n for n in leaves if n.startswith("w")]
            what = "m0.parameters()" if "m0" in self.space else f"[{', '.join(leaves)}]"
            if what != "[]":
                self._set_up("o0 = " + d.one(*OPTIMIZERS).format(what))

    def _statement(self) -> tuple[str, Exception] | None:
        """Draws one more statement; what PyTorch refuses is given back."""
        d = self.draw
        text, name = "", None
        try:
            if d.chance(0.3):
                text = _drawn(d, CHANGES)(d)
            else:
                name = (
                    d.fresh()
                    if d.chance(0.9) or not self._made()
                    else d.random.choice(self._made())
                )
                text = f"{name} = {_drawn(d, EXPRESSIONS)(d)}"
                if d.chance(0.04):
                    text = f"with torch.no_grad():\n    {text}"
        except NothingFits:
            return None
        before = dict(self.space)
        try:
            exec(text, self.space)
        except Exception as error:  # noqa: BLE001 - whatever PyTorch says
            self._back(before)
            return text, error
        if not self._sound(name):
            self._back(before)
            return None
        self.body.append(text)
        if name is not None and name not in d.pool:
            d.pool.append(name)
        d.pool = [n for n in d.pool if _readable(d.value(n))]
        return None

    def _made(self) -> list[str]:
        return [n for n in self.draw.pool if n.startswith("t")]

    def _back(self, before: dict[str, Any]) -> None:
        self.space.clear()
        self.space.update(before)

    def _sound(self, name: str | None) -> bool:
        """A statement that makes a tensor makes one of moderate size and, mostly, of numbers."""
        if any(t.requires_grad and not t.is_floating_point() for t in self._tensors()):
            return False  # PyTorch says so of integers that got a recorded value
        if name is None:
            return True
        t = self.space[name]
        if t.requires_grad and t.grad_fn is None and name.startswith("t"):
            return False  # PyTorch says so of views that no_grad makes, and gives no gradient
        if not isinstance(t, torch.Tensor) or t.numel() > MOST or t.is_complex():
            return False
        if not t.is_floating_point() or self.draw.special or self.draw.chance(0.1):
            return True
        return bool(t.numel() == 0 or (t.detach().double().abs() < LARGEST).all())

    def _tensors(self) -> list[torch.Tensor]:
        return [v for v in self.space.values() if isinstance(v, torch.Tensor) and _readable(v)]

    def _calls(self) -> tuple[str, ...]:
        """Three calls: again, after a change from outside, and with other arguments."""
        d = self.draw
        calls = [self._call("r0", self.parameters)]
        if d.chance(0.6):
            calls.append(self._outside())
        calls.append(self._call("r1", self.parameters))
        if d.chance(0.15):
            calls.append(self._call("r3", ["torch.ones(7)" for _ in self.parameters]))
        other = [f"{n}.detach().clone()" if d.chance(0.7) else n for n in self.parameters]
        calls.append(self._call("r2", other))
        if d.chance(0.3):  # what a result shares memory with shows it
            name = d.one("r0", "r1", "r2")
            text = "[t.detach().mul_(2) for t, *_ in {}.values() if t.dtype != torch.bool]"
            calls.append(f"_ = {text.format(name)}")
        return tuple(calls)

    def _call(self, name: str, given: Sequence[str]) -> str:
        numbers = [str(self.draw.number())] if self.numbers else []
        return f"{name} = step({', '.join([*given, *numbers])})"

    def _outside(self) -> str:
        d = self.draw
        w = d.tensor(lambda t: t.is_leaf and t.is_floating_point())
        choices = [
            f"with torch.no_grad():\n    {w}.mul_({d.number()})",
            f"with torch.no_grad():\n    {w}.add_(0.5)",
            f"{w}.grad = None",
            f"{w}.data.neg_()",
            f"{w} = ({w} * 2).detach().requires_grad_({d.value(w).requires_grad})",
        ]
        if "m0" in self.space:
            choices += ["m0.eval()", "m0.train()", "m0.zero_grad()"]
        if "o0" in self.space:
            choices += ["o0.param_groups[0]['lr'] *= 0.5", "o0.zero_grad()", "o0.step()"]
        return d.random.choice(choices)


def _drawn(d: Draw, table: list[tuple[float, Callable[[Draw], str]]]) -> Callable[[Draw], str]:
    return d.random.choices([w for _, w in table], [n for n, _ in table])[0]


def _readable(t: torch.Tensor) -> bool:
    """PyTorch lets nobody look at one of several views whose base was written."""
    try:
        return t.is_leaf or t.requires_grad or True
    except RuntimeError:
        return False


def _is_mistake(error: Exception) -> bool:
    """An error of the program, not a kernel that PyTorch lacks or a stride that it minds."""
    if isinstance(error, (NotImplementedError, TypeError)):
        return False
    return not any(words in str(error) for words in LACKS)
