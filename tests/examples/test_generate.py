from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from nngraph.backends import BACKENDS as MODULES
from tests.support.backends import BACKENDS
from tests.support.training import count_traces

FILE = Path(__file__).resolve().parents[2] / "examples" / "generate.py"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("generate", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = loaded()
PROMPT, COUNT = "two and three is ", 30


@pytest.fixture(scope="module")
def model() -> Any:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    return example.trained("onnx", 250, 0)


def recomputed(model: Any, prompt: str, count: int) -> str:
    """Every letter from the whole text so far, without a cache."""
    ids = list(example.encoded(prompt))
    with ng.no_grad():
        for _ in range(min(count, example.CONTEXT - len(prompt))):
            ids.append(int(model(ng.tensor(np.array([ids])))[0, -1].argmax()))
    return str(example.decoded(ids[len(prompt) :]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_token_from_one_trace_is_that_of_the_whole_text(backend: str, model: Any) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    step = example.make_step(model, backend, greedy=True)
    for prompt in (PROMPT, "one", "five and five is ten. zero and "):
        assert example.generate(step, prompt, COUNT) == recomputed(model, prompt, COUNT)
    assert count_traces(step) == 1


def test_what_it_writes_means_something(model: Any) -> None:
    step = example.make_step(model, "onnx", greedy=True)
    right = sum(
        example.generate(step, f"{example.NUMBERS[a]} and {example.NUMBERS[b]} is ", 12).startswith(
            f"{example.NUMBERS[a + b]}."
        )
        for a in range(6)
        for b in range(6)
    )
    assert right > 18  # of 36


@pytest.mark.parametrize("backend", BACKENDS)
def test_sampling_draws_from_one_trace(backend: str, model: Any) -> None:
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    step = example.make_step(model, backend, greedy=False)
    texts = []
    for seed, temperature in ((1, 2.0), (1, 2.0), (2, 2.0), (3, 1e-4)):
        ng.manual_seed(seed)
        texts.append(example.generate(step, PROMPT, COUNT, temperature))
    assert texts[0] == texts[1] != texts[2]
    assert texts[3] == recomputed(model, PROMPT, COUNT)
    assert count_traces(step) == 1


def test_the_cache_is_full_once(model: Any) -> None:
    step = example.make_step(model, "reference", greedy=True)
    assert len(example.generate(step, PROMPT, 1000)) == example.CONTEXT - len(PROMPT)


def test_unknown_letters_are_refused() -> None:
    with pytest.raises(ValueError, match="no \\['Q'\\]"):
        example.encoded("Q")


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_a_growing_text_takes_two_traces(backend: str, model: Any) -> None:
    """Without a cache: the length is a name from the second call on."""
    if MODULES[backend].missing:
        pytest.skip(f"no {backend} backend")
    forward = ng.compile(model, backend=backend, dynamic=True)
    ids = list(example.encoded(PROMPT))
    with ng.no_grad():
        for _ in range(COUNT):
            ids.append(int(forward(ng.tensor(np.array([ids])))[0, -1].argmax()))
    assert example.decoded(ids[len(PROMPT) :]) == recomputed(model, PROMPT, COUNT)
    assert count_traces(forward) == 2
