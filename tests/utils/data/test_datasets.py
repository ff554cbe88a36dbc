"""Datasets, samplers and collation, beside PyTorch's."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import nngraph as ng
import nngraph.utils.data as ours

Point = namedtuple("Point", "x y")


def plain(value: Any) -> Any:
    """Structure, types and numbers, whoever's tensors they are."""
    if isinstance(value, torch.Tensor | ng.Tensor):
        return "tensor", str(value.dtype).split(".")[-1], tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.tolist()
    return value


def both(program: Any) -> None:
    found = []
    for t, data in ((torch, theirs), (ng, ours)):
        try:
            found.append(plain(program(t, data)))
        except Exception as error:  # noqa: BLE001 - compared by its class
            found.append(type(error))
    wanted, got = found
    if isinstance(wanted, type):
        assert isinstance(got, type) and issubclass(got, wanted), (wanted, got)
    else:
        assert got == wanted


PROGRAMS = {
    "tensors": lambda t, d: d.TensorDataset(t.arange(6), t.arange(12.0).reshape(6, 2))[1],
    "slice": lambda t, d: d.TensorDataset(t.arange(6))[1:4],
    "tensors_len": lambda t, d: len(d.TensorDataset(t.zeros(6, 2))),
    "tensors_bad": lambda t, d: d.TensorDataset(t.zeros(6), t.zeros(5)),
    "concat": lambda t, d: [d.ConcatDataset([[1, 2], [3], [4, 5]])[i] for i in (0, 2, 4, -1, -5)],
    "concat_far": lambda t, d: d.ConcatDataset([[1, 2]])[-3],
    "concat_none": lambda t, d: d.ConcatDataset([]),
    "concat_sizes": lambda t, d: d.ConcatDataset([[1, 2], [3]]).cumulative_sizes,
    "add": lambda t, d: list((d.TensorDataset(t.arange(2)) + d.TensorDataset(t.arange(3)))[3]),
    "stack": lambda t, d: d.StackDataset([1, 2], [3, 4])[1],
    "stack_named": lambda t, d: d.StackDataset(a=[1, 2], b=[3, 4])[1],
    "stack_many": lambda t, d: d.StackDataset(a=[1, 2], b=[3, 4]).__getitems__([1, 0]),
    "stack_bad": lambda t, d: d.StackDataset([1, 2], [3]),
    "stack_both": lambda t, d: d.StackDataset([1], b=[1]),
    "stack_none": lambda t, d: d.StackDataset(),
    "subset": lambda t, d: [d.Subset([5, 6, 7], [2, 0])[i] for i in (0, 1)],
    "subset_many": lambda t, d: d.Subset([5, 6, 7], [2, 0]).__getitems__([1, 0]),
    "split_sizes": lambda t, d: [len(s) for s in d.random_split(range(10), [0.5, 0.3, 0.2])],
    "split_rest": lambda t, d: [len(s) for s in d.random_split(range(11), [0.5, 0.5])],
    "split_lengths": lambda t, d: [len(s) for s in d.random_split(range(4), [3, 1])],
    "split_all": lambda t, d: sorted(i for s in d.random_split(range(9), [4, 5]) for i in s),
    "split_bad": lambda t, d: d.random_split(range(4), [3, 2]),
    "split_negative": lambda t, d: d.random_split(range(4), [1.5, -0.5]),
    "sequential": lambda t, d: list(d.SequentialSampler(range(4))),
    "random": lambda t, d: sorted(d.RandomSampler(range(5))),
    "random_more": lambda t, d: len(list(d.RandomSampler(range(5), num_samples=12))),
    "random_twice": lambda t, d: len(list(d.RandomSampler(range(5), True, 2000))),
    "random_empty": lambda t, d: list(d.RandomSampler([])),
    "random_bad": lambda t, d: d.RandomSampler(range(5), replacement=1),
    "random_negative": lambda t, d: d.RandomSampler(range(5), num_samples=-1),
    "random_float": lambda t, d: d.RandomSampler(range(5), num_samples=1.5),
    "subset_random": lambda t, d: sorted(d.SubsetRandomSampler([3, 1, 4])),
    "weighted": lambda t, d: sorted(d.WeightedRandomSampler([0, 1, 0, 2.5], 2, False)),
    "weighted_zero": lambda t, d: set(d.WeightedRandomSampler([0, 1, 0], 20)) == {1},
    "weighted_bad": lambda t, d: d.WeightedRandomSampler([1, 2], 0),
    "weighted_flag": lambda t, d: d.WeightedRandomSampler([1, 2], 1, 1),
    "weighted_2d": lambda t, d: d.WeightedRandomSampler([[1, 2]], 1),
    "batches": lambda t, d: list(d.BatchSampler(range(5), 2, False)),
    "batches_full": lambda t, d: list(d.BatchSampler(range(5), 2, True)),
    "batches_len": lambda t, d: [len(d.BatchSampler(range(5), 2, drop)) for drop in (True, False)],
    "batches_bad": lambda t, d: d.BatchSampler(range(5), 0, False),
    "batches_flag": lambda t, d: d.BatchSampler(range(5), 2, 1),
    "collate_numbers": lambda t, d: d.default_collate([1, 2]),
    "collate_floats": lambda t, d: d.default_collate([1.5, 2.5]),
    "collate_bools": lambda t, d: d.default_collate([True, False]),
    "collate_texts": lambda t, d: d.default_collate(["a", "b"]),
    "collate_bytes": lambda t, d: d.default_collate([b"a"]),
    "collate_tensors": lambda t, d: d.default_collate([t.ones(2), t.zeros(2)]),
    "collate_0d": lambda t, d: d.default_collate([t.tensor(1), t.tensor(2)]),
    "collate_shapes": lambda t, d: d.default_collate([t.ones(2), t.zeros(3)]),
    "collate_arrays": lambda t, d: d.default_collate([np.ones(2), np.zeros(2)]),
    "collate_scalars": lambda t, d: d.default_collate([np.float32(1), np.float32(2)]),
    "collate_text_array": lambda t, d: d.default_collate([np.array(["a"])]),
    "collate_dicts": lambda t, d: d.default_collate(
        [{"a": 1, "b": [2, 3.0]}, {"a": 4, "b": [5, 6.0]}]
    ),
    "collate_ordered": lambda t, d: d.default_collate([OrderedDict(a=1), OrderedDict(a=2)]),
    "collate_named": lambda t, d: d.default_collate([Point(1, 2.0), Point(3, 4.0)]),
    "collate_tuples": lambda t, d: d.default_collate([(1, "x"), (2, "y")]),
    "collate_lengths": lambda t, d: d.default_collate([[1, 2], [3]]),
    "collate_none": lambda t, d: d.default_collate([None, None]),
    "collate_empty_rows": lambda t, d: d.default_collate([t.zeros(0), t.zeros(0)]),
    "convert": lambda t, d: d.default_convert(
        {"a": np.ones(2), "b": (1, np.array("x")), "c": [t.ones(1)]}
    ),
    "convert_named": lambda t, d: d.default_convert(Point(np.zeros(1), "x")),
    "convert_scalar": lambda t, d: d.default_convert(np.float32(2)),
    "distributed": lambda t, d: [
        list(d.DistributedSampler(range(10), 3, r, shuffle=False)) for r in range(3)
    ],
    "distributed_drop": lambda t, d: [
        list(d.DistributedSampler(range(10), 3, r, shuffle=False, drop_last=True)) for r in range(3)
    ],
    "distributed_few": lambda t, d: list(d.DistributedSampler(range(2), 5, 4, shuffle=False)),
    "distributed_rank": lambda t, d: d.DistributedSampler(range(10), 3, 3),
    "base": lambda t, d: d.Dataset()[0],
    "here": lambda t, d: d.get_worker_info(),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_do_what_pytorchs_do(name: str) -> None:
    both(PROGRAMS[name])


def test_epochs_of_a_distributed_sampler_differ_and_cover_all() -> None:
    parts = [ours.DistributedSampler(range(12), 3, rank, seed=5) for rank in range(3)]
    first = [list(p) for p in parts]
    assert sorted(i for part in first for i in part) == list(range(12))
    assert [list(p) for p in parts] == first
    for p in parts:
        p.set_epoch(1)
    assert [list(p) for p in parts] != first


def test_generators_decide_the_order() -> None:
    def order(seed: int) -> list[int]:
        return list(ours.RandomSampler(range(50), generator=ng.Generator().manual_seed(seed)))

    assert order(1) == order(1) != order(2)
    ng.manual_seed(3)
    first = [list(ours.RandomSampler(range(50))) for _ in range(2)]
    ng.manual_seed(3)
    assert [list(ours.RandomSampler(range(50))) for _ in range(2)] == first
    assert first[0] != first[1]


def test_weights_decide_how_often() -> None:
    ng.manual_seed(0)
    drawn = np.bincount(list(ours.WeightedRandomSampler([1, 3], 4000)), minlength=2)
    assert 0.7 < drawn[1] / 4000 < 0.8


def test_too_few_positive_weights() -> None:
    with pytest.raises(ValueError, match="3 indices without replacement from 1"):
        list(ours.WeightedRandomSampler([0, 1, 0], 3, False))
    with pytest.raises(ValueError, match="not negative"):
        list(ours.WeightedRandomSampler([1, -1], 1))


def test_batches_of_tensors_that_require_gradients_have_a_history() -> None:
    x = ng.ones(2, requires_grad=True)
    batch = ours.default_collate([x, x * 2])
    batch.sum().backward()
    assert x.grad.tolist() == [3, 3]
