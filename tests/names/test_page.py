"""docs/names.md is true."""

from __future__ import annotations

import subprocess
import sys

import nngraph as ng
from tests.names.page import NAMESPACES, NOT_YET, PATH, absent, reason

ROOT = PATH.parents[1]


def test_the_page_says_what_is_there() -> None:
    # In a process of its own: what is in torch depends on which of its modules were imported.
    command = [sys.executable, "-m", "tests.names.page"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert PATH.read_text(encoding="utf-8") == run.stdout, (
        "run python -m tests.names.page --update, and look at what it says"
    )


def test_what_training_scripts_use_most_is_there() -> None:
    """Nothing of these namespaces is left for later."""
    for path in ("optim.lr_scheduler", "optim.swa_utils", "nn.init", "nn.utils", "amp"):
        left = [name for name in absent(path) if reason(name) == NOT_YET]
        assert not left, f"torch.{path}: {left}"


def test_names_that_are_there_are_no_stubs() -> None:
    assert set(NAMESPACES) >= {"", "Tensor", "nn", "optim", "utils.data", "distributions"}
    assert not {"zeros", "matmul", "compile", "save"} & set(absent(""))
    assert "stft" in absent("") and "complex" in reason("stft")
    assert ng.zeros(2).tolist() == [0, 0]
