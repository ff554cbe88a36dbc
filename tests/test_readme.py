from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the README's loop runs on the onnx backend")

ROOT = Path(__file__).resolve().parent.parent


def loop() -> str:
    """The first Python block of the README."""
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    return block[1]


def test_the_loop_of_the_readme_trains_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 64)).astype(np.float32)
    losses: list[float] = []
    namespace: dict[str, object] = {"batches": [(x, rng.integers(0, 10, 32))], "losses": losses}
    text = loop().replace("loss = train_step(x, y)", "losses.append(float(train_step(x, y)))", 1)
    exec(compile(text, "README.md", "exec"), namespace)
    assert len(losses) == 20
    assert losses[-1] < 0.8 * losses[0]
    assert (tmp_path / "train_step.onnx").is_file()
    assert (tmp_path / "bundle" / "manifest.json").is_file()
    assert (tmp_path / "model.onnx").is_file()


@pytest.mark.parametrize("page", sorted(p.name for p in ROOT.glob("*.md")))
def test_links_of_the_pages_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\((?!https?://)([^)#]+)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_extra_is_in_the_table_of_the_readme() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8").split("optional-dependencies]")[1]
    extras = re.findall(r"^([\w-]+) = \[", project.split("\n[tool")[0], re.MULTILINE)
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(extras)
