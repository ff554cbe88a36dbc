"""The benchmark's own machinery: it must not time what is wrong, nor hide a failure."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.agreement import disagreement
from benchmarks.case import CHECKED_STEPS, Case
from benchmarks.contenders import CONTENDERS, Step
from benchmarks.floors import count_flops
from benchmarks.pool import ROOT, ContenderFailed, RemoteWorker
from benchmarks.report import format_result, format_table, ratio, summary
from benchmarks.rounds import Measurement, Result, write_reference
from benchmarks.versus import Comparison, compare
from benchmarks.worker import Worker, serve
from benchmarks.workloads import WORKLOADS


def case(folder: Path, training: bool = True) -> Case:
    return Case("mlp", training, threads=1, folder=str(folder), small=True)


def test_equal_results_agree_and_noise_within_tolerance_too(tmp_path: Path) -> None:
    losses = np.linspace(2, 1, CHECKED_STEPS)
    assert disagreement(case(tmp_path), losses, losses) is None
    assert disagreement(case(tmp_path), losses * (1 + 1e-5), losses) is None


def test_a_wrong_loss_names_its_step(tmp_path: Path) -> None:
    losses = np.linspace(2, 1, CHECKED_STEPS)
    wrong = losses.copy()
    wrong[3] *= 1.01
    assert "at step 4" in str(disagreement(case(tmp_path), wrong, losses))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_losses_that_are_not_finite_disagree(tmp_path: Path, bad: float) -> None:
    losses = np.ones(CHECKED_STEPS)
    assert "not finite" in str(disagreement(case(tmp_path), losses * bad, losses))


def test_outputs_of_another_shape_disagree(tmp_path: Path) -> None:
    outputs = np.ones((CHECKED_STEPS, 2, 3))
    assert "shape" in str(disagreement(case(tmp_path, False), outputs[..., :2], outputs))


def test_a_case_survives_json(tmp_path: Path) -> None:
    assert Case.from_json(case(tmp_path).to_json()) == case(tmp_path)


def counting_step(case: Case) -> Step:
    """A contender that returns how often it was called before, and fails at the sixth call."""

    def step(index: int) -> np.float32:
        if index == 5:
            raise ValueError("six is too many")
        return np.float32(index)

    return step


def test_a_worker_builds_runs_saves_and_reports_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTENDERS, "counting", counting_step)
    saved = tmp_path / "values.npy"
    commands = [
        {"command": "build"},
        {"command": "run", "steps": 2},
        {"command": "run", "steps": 3, "save": str(saved)},
        {"command": "memory"},
        {"command": "run", "steps": 1},
        {"command": "quit"},
        {"command": "memory"},
    ]
    replies = io.StringIO()
    lines = io.StringIO("".join(json.dumps(command) + "\n" for command in commands))
    serve(Worker("counting", case(tmp_path)), lines, replies)
    build, first, more, memory, failure = map(json.loads, replies.getvalue().splitlines())
    assert build["seconds"] >= 0
    assert (len(first["seconds"]), len(more["seconds"])) == (2, 3)
    np.testing.assert_array_equal(np.load(saved), [2, 3, 4])
    assert memory["mb"] > 10
    assert failure["error"] == "ValueError: six is too many"


def test_a_contender_that_dies_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    with RemoteWorker("nobody", case(tmp_path), timeout=60) as worker:
        with pytest.raises(ContenderFailed, match="KeyError: 'nobody'"):
            worker.ask("build")
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(ContenderFailed, match="exit code -9"):
            worker.ask("memory")


def result(folder: Path, **times: list[float]) -> Result:
    measurements = [Measurement(name, rounds_ms=rounds) for name, rounds in times.items()]
    return Result(case(folder), floor_ms=1.0, measurements=measurements)


def test_the_ratio_is_to_the_best_peer(tmp_path: Path) -> None:
    measured = result(tmp_path, eager=[4.0, 6.0, 5.0], compile=[2.0], onnx=[3.0])
    assert [ratio(measured, m) for m in measured.measurements] == [2.5, 1.0, 1.5]


def test_a_mean_over_some_cases_only_is_not_reported(tmp_path: Path) -> None:
    whole = result(tmp_path, eager=[2.0], onnx=[1.0])
    failed = result(tmp_path, eager=[2.0], onnx=[])
    assert summary([whole, whole]).splitlines()[-1].split("|")[3].strip() == "0.50"
    assert summary([whole, failed]).splitlines()[-1].split("|")[3].strip() == "-"


def test_a_failure_shows_in_the_table_and_below_it(tmp_path: Path) -> None:
    measured = result(tmp_path, eager=[1.0], onnx=[])
    measured.measurements[1].error = "no such operator"
    text = format_result(measured)
    assert "FAILED" in text and "nngraph onnx: no such operator" in text


def test_table_columns_line_up() -> None:
    lines = format_table(("a", "long header"), [("wide cell", "1")]).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_flops_of_a_dense_network_are_the_textbook_number() -> None:
    workload = WORKLOADS["mlp"]
    products = sum(fan_in * fan_out for fan_in, fan_out in ((784, 512), (512, 512), (512, 10)))
    assert count_flops(workload, training=False) == 2 * 128 * products
    # The gradient of the first layer's input is not needed.
    assert count_flops(workload, training=True) == 2 * 128 * (3 * products - 784 * 512)


def test_flops_of_grouped_convolutions_count_one_group_each() -> None:
    workload = WORKLOADS["mobilenet"]
    forward = count_flops(workload, training=False, small=True)
    assert 2 * forward < count_flops(workload, training=True, small=True) <= 3 * forward


def test_two_checkouts_take_turns_on_one_case(tmp_path: Path) -> None:
    write_reference(case(tmp_path))
    found = compare(case(tmp_path), "reference", ROOT, rounds=2, timeout=120)
    assert len(found.old.rounds_ms) == len(found.new.rounds_ms) == len(found.ratios) == 2
    assert found.old.peak_mb and found.new.peak_mb


def test_ratios_are_of_the_times_of_one_turn(tmp_path: Path) -> None:
    old = Measurement("tvm", rounds_ms=[1.0, 10.0], peak_mb=100)
    new = Measurement("tvm", rounds_ms=[2.0, 10.0], peak_mb=90)
    found = Comparison(case(tmp_path), "tvm", old, new)
    assert found.ratios == [1.0, 2.0]
    assert "x1.500 (1.000 to 2.000)" in str(found)
    assert "100 ->     90 MB" in str(found)
