"""``ng.compile(module)`` is a module, with the names that PyTorch's has."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

import nngraph as ng
from nngraph import nn


def built(t: Any) -> Any:
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Dropout(0.5), t.nn.BatchNorm1d(4))


@pytest.fixture
def run() -> Any:
    return ng.compile(built(ng), backend="reference")


def test_names_are_pytorchs(run: Any) -> None:
    wanted = torch.compile(built(torch), backend="eager")
    assert isinstance(run, nn.Module)
    assert list(run.state_dict()) == list(wanted.state_dict())
    for names in ("named_parameters", "named_buffers", "named_modules"):
        assert [n for n, _ in getattr(run, names)()] == [n for n, _ in getattr(wanted, names)()]
    assert type(run).__name__ == type(wanted).__name__
    assert repr(run) == repr(wanted)
    assert len(run) == len(wanted) == 3


def test_modes_are_the_modules(run: Any) -> None:
    model = run._orig_mod
    assert run.eval() is run
    assert not (run.training or model.training or model[1].training)
    x = ng.ones(2, 3)
    assert run(x).tolist() == model(x).tolist()
    run.train()
    assert run.training and model[1].training


def test_attributes_are_the_modules(run: Any) -> None:
    run.scale = 3
    assert run._orig_mod.scale == run.scale == 3
    del run.scale
    assert not hasattr(run._orig_mod, "scale")
    with pytest.raises(AttributeError, match="Sequential"):
        run.nothing  # noqa: B018 - raises


def test_casts_and_state_go_through(run: Any) -> None:
    assert run.double()(ng.ones(2, 3, dtype=ng.float64)).dtype is ng.float64
    other = ng.compile(built(ng), backend="reference").double()
    other.load_state_dict(run.state_dict())
    run.eval(), other.eval()
    x = ng.ones(1, 3, dtype=ng.float64)
    assert run(x).tolist() == other(x).tolist()


def test_copies_have_a_model_of_their_own(run: Any) -> None:
    run.eval()
    for twin in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert twin._orig_mod is not run._orig_mod
        assert twin._compiled_function.function is twin._orig_mod
        before = run(ng.ones(1, 3)).tolist()
        assert twin(ng.ones(1, 3)).tolist() == before
        with ng.no_grad():
            twin._orig_mod[2].bias.add_(1)
        assert run(ng.ones(1, 3)).tolist() == before != twin(ng.ones(1, 3)).tolist()


def test_hooks_of_both_run(run: Any) -> None:
    run.eval()
    plain = run(ng.ones(1, 3))
    run.register_forward_hook(lambda module, args, out: out * 2)
    run._orig_mod.register_forward_hook(lambda module, args, out: out + 1)
    assert run(ng.ones(1, 3)).tolist() == ((plain + 1) * 2).tolist()


def test_it_is_a_part_of_other_modules_and_functions(run: Any) -> None:
    whole = nn.Sequential(run, nn.Linear(4, 1)).eval()
    x = ng.ones(2, 3)
    eager = whole(x)
    compiled = ng.compile(whole, backend="reference")
    assert compiled(x).tolist() == eager.tolist()
    eager.sum().backward()
    assert run._orig_mod[0].weight.grad is not None


def test_what_was_traced_can_be_looked_at(run: Any) -> None:
    run(ng.ones(2, 3))
    assert len(run.graph.inputs) == 1
    assert "trace 1" in run.explain()
    assert len(ng.trace(run, ng.ones(2, 3)).outputs) == 1
