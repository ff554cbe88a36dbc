"""The narrated tour runs, and prints what it says it prints."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def runner() -> Any:
    spec = importlib.util.spec_from_file_location("run_tour", ROOT / "scripts" / "run_tour.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page",
    [
        "autograd.md",
        "data.md",
        "distributions.md",
        "tour.md",
        "extending.md",
        "mixed-precision.md",
        "optimizers.md",
    ],
)
def test_a_page_prints_what_it_says(page: str) -> None:
    _, wrong = runner().run_page(ROOT / "docs" / page)
    assert not wrong, "\n\n".join(wrong)


def test_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# T\n\n```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    updated, wrong = runner().run_page(page)
    assert "page.md:4" in wrong[0]
    page.write_text(updated)
    assert runner().run_page(page) == (updated, [])
