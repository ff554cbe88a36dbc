"""What users change between calls takes effect at the next one, with no new trace."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import nngraph as ng
import nngraph.nn.functional as F
from nngraph import nn, optim
from tests.support.training import BACKENDS, Trainer, batches, count_traces, start_weights

torch = pytest.importorskip("torch", reason="PyTorch says what is right")

DATA = batches(6)


def sgd(module: Any, parameters: Any) -> Any:
    return module.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-2)


def adamw(module: Any, parameters: Any) -> Any:
    return module.AdamW(parameters, lr=1e-2)


RULES = {"sgd": sgd, "adamw": adamw}
SCHEDULES = {
    "StepLR": lambda module, optimizer: module.StepLR(optimizer, 2, 0.5),
    "CosineAnnealingLR": lambda module, optimizer: module.CosineAnnealingLR(optimizer, 5),
}
NUMBERS = {
    "sgd": {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.3},
    "adamw": {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.3},
}


@pytest.fixture(scope="module", params=[(b, r) for b in BACKENDS for r in RULES], ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[Trainer, Trainer, str]:
    """Training in both frameworks, compiled once for all tests here."""
    backend, rule = request.param
    start = start_weights()
    ours, theirs = Trainer(backend, RULES[rule], start), Trainer(None, RULES[rule], start)
    agree(ours, theirs, 1)
    return ours, theirs, rule


def agree(ours: Trainer, theirs: Trainer, steps: int) -> None:
    """Takes steps in both and compares losses and parameters."""
    for x, y in DATA[:steps]:
        assert ours(x, y) == pytest.approx(theirs(x, y), rel=1e-5)
    wanted = theirs.weights()
    for name, array in ours.weights().items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_reaches_the_next_step_without_a_trace(pair: Any, schedule: str) -> None:
    ours, theirs, _ = pair
    mine = SCHEDULES[schedule](optim.lr_scheduler, ours.optimizer)
    wanted = SCHEDULES[schedule](torch.optim.lr_scheduler, theirs.optimizer)
    seen = set()
    for _ in range(5):
        agree(ours, theirs, 1)
        mine.step()
        wanted.step()
        assert mine.get_last_lr() == pytest.approx(wanted.get_last_lr(), rel=1e-12)
        seen.add(mine.get_last_lr()[0])
    assert len(seen) > 2
    assert count_traces(ours.compiled) == 1


def test_every_number_of_a_group_is_read_at_each_call(pair: Any) -> None:
    ours, theirs, rule = pair
    for trainer in (ours, theirs):
        trainer.optimizer.param_groups[0].update(NUMBERS[rule])
    agree(ours, theirs, 3)
    assert count_traces(ours.compiled) == 1


def test_the_state_dict_of_the_optimizer_is_current(pair: Any) -> None:
    ours, theirs, _ = pair
    agree(ours, theirs, 2)
    mine, wanted = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    assert list(mine["state"]) == list(wanted["state"])
    for number, entries in wanted["state"].items():
        assert list(mine["state"][number]) == list(entries)
        for name, value in entries.items():
            np.testing.assert_allclose(
                np.asarray(mine["state"][number][name]), value.numpy(), rtol=1e-4, atol=1e-6
            )


def test_saved_states_load_between_calls_and_before_the_first(pair: Any) -> None:
    ours, _, rule = pair
    weights, state = ours.weights(), deepcopy(ours.optimizer.state_dict())
    losses = [ours(x, y) for x, y in DATA]
    ours.load(weights)
    ours.optimizer.load_state_dict(state)
    assert [ours(x, y) for x, y in DATA] == losses
    assert count_traces(ours.compiled) == 1
    fresh = Trainer("reference", RULES[rule], start_weights())
    fresh.load(weights)
    fresh.optimizer.load_state_dict(state)
    assert [fresh(x, y) for x, y in DATA] == pytest.approx(losses, rel=1e-5)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_modes_trace_once_each_and_random_masks_repeat_with_the_seed(backend: str) -> None:
    drop = nn.Dropout(0.5)
    compiled = ng.compile(drop, backend=backend, threads=1)
    ones = np.ones((4, 8), np.float32)

    def draws(function: Any) -> list[Any]:
        ng.manual_seed(7)
        return [np.asarray(function(ng.tensor(ones))) for _ in range(3)]

    first = draws(compiled)
    np.testing.assert_array_equal(first, draws(compiled))
    np.testing.assert_array_equal(first, draws(drop), "the masks of eager code")
    assert not np.array_equal(first[0], first[1])
    for _ in range(3):
        drop.eval()
        np.testing.assert_array_equal(compiled(ones), ones)
        drop.train()
        assert np.asarray(compiled(ones)).min() == 0
    assert count_traces(compiled) == 2


def test_running_statistics_are_current_after_each_call(backend: str) -> None:
    norm, twin = nn.BatchNorm1d(4), torch.nn.BatchNorm1d(4)
    compiled = ng.compile(norm, backend=backend, threads=1)
    for count, (x, _) in enumerate(DATA[:3], 1):
        compiled(x)
        twin(torch.from_numpy(x))
        assert int(norm.num_batches_tracked) == count
        for name in ("running_mean", "running_var"):
            wanted = getattr(twin, name).numpy()
            np.testing.assert_allclose(getattr(norm, name), wanted, rtol=1e-5, atol=1e-6)


class Pair:
    """A generator and a discriminator with an optimizer each, in either framework."""

    def __init__(self, modules: Any, optimizers: Any) -> None:
        self.g, self.d = modules.Linear(2, 4), modules.Linear(4, 1)
        self.of_g = optimizers.SGD(self.g.parameters(), lr=0.1, momentum=0.5)
        self.of_d = optimizers.Adam(self.d.parameters(), lr=0.05)

    def judge(self, z: Any, real: Any) -> Any:
        self.of_d.zero_grad()
        loss = (self.d(self.g(z).detach()) ** 2).mean() + ((self.d(real) - 1) ** 2).mean()
        loss.backward()
        self.of_d.step()
        return loss

    def forge(self, z: Any) -> Any:
        self.of_g.zero_grad()
        loss = ((self.d(self.g(z)) - 1) ** 2).mean()
        loss.backward()
        self.of_g.step()
        return loss


def test_two_steps_of_a_gan_see_each_others_updates(backend: str) -> None:
    ours, theirs = Pair(nn, optim), Pair(torch.nn, torch.optim)
    for mine, wanted in ((ours.g, theirs.g), (ours.d, theirs.d)):
        mine.load_state_dict({k: v.numpy() for k, v in wanted.state_dict().items()})
    options: dict[str, Any] = {"backend": backend, "threads": 1, "keep_grads": True}
    judge, forge = ng.compile(ours.judge, **options), ng.compile(ours.forge, **options)
    rng = np.random.default_rng(3)
    for x, _ in DATA[:4]:
        z = rng.standard_normal((6, 2)).astype(np.float32)
        noise, real = torch.from_numpy(z), torch.from_numpy(x)
        wanted_loss = float(theirs.judge(noise, real).detach())
        assert float(judge(z, x)) == pytest.approx(wanted_loss, rel=1e-5)
        assert float(forge(z)) == pytest.approx(float(theirs.forge(noise).detach()), rel=1e-5)
        for mine, wanted in ((ours.g, theirs.g), (ours.d, theirs.d)):
            for p, q in zip(mine.parameters(), wanted.parameters(), strict=True):
                np.testing.assert_allclose(p.detach(), q.detach(), rtol=1e-4, atol=1e-6)
                assert p.grad is not None
                np.testing.assert_allclose(p.grad, q.grad, rtol=1e-3, atol=1e-6)
    assert count_traces(judge) + count_traces(forge) <= 4


def test_gradients_accumulate_in_one_function_and_are_applied_in_another(backend: str) -> None:
    ours, theirs = nn.Linear(4, 3), torch.nn.Linear(4, 3)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    rule, wanted_rule = sgd(optim, ours.parameters()), sgd(torch.optim, theirs.parameters())

    def accumulate(x: Any, y: Any) -> None:
        F.cross_entropy(ours(x), y).backward()

    def update() -> None:
        nn.utils.clip_grad_norm_(ours.parameters(), 0.5)
        rule.step()
        rule.zero_grad()

    add = ng.compile(accumulate, backend=backend, threads=1)
    apply = ng.compile(update, backend=backend, threads=1)
    kept = []
    for _ in range(4):
        for x, y in DATA[:3]:
            add(x, y)
            out = theirs(torch.from_numpy(x))
            torch.nn.functional.cross_entropy(out, torch.from_numpy(y)).backward()
        assert theirs.weight.grad is not None
        assert ours.weight.grad is not None
        np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-6)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        wanted_rule.step()
        wanted_rule.zero_grad()
        apply()
        kept.append(np.array(ours.weight.detach()))
        assert ours.weight.grad is None
        np.testing.assert_allclose(kept[-1], theirs.weight.detach(), rtol=1e-4, atol=1e-6)
    assert (count_traces(add), count_traces(apply)) == (2, 1)


def test_a_gradient_that_was_taken_away_stays_as_it_was(backend: str) -> None:
    w = ng.ones(3, requires_grad=True)
    add = ng.compile(lambda x: (w * x).sum().backward(), backend=backend, threads=1)
    taken = []
    for number in range(1, 4):
        for _ in range(3):
            add(np.full(3, number, np.float32))
        taken.append(w.grad)
        w.grad = None
    assert [t.tolist() for t in taken] == [[3.0 * n] * 3 for n in range(1, 4)]


@pytest.mark.parametrize("keep", [False, True])
def test_consumed_gradients_are_kept_if_asked_for(keep: bool) -> None:
    trainer = Trainer("reference", sgd, start_weights(), keep_grads=keep)
    trainer(*DATA[0])
    assert all((p.grad is not None) is keep for p in trainer.model.parameters())
