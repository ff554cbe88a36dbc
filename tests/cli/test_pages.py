"""The examples of docs/command-line.md, run."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nngraph.cli import main
from nngraph.cli.main import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def _examples(text: str) -> list[tuple[str, list[str]]]:
    """Each command with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ nngraph "):
                found.append((line.removeprefix("$ nngraph "), []))
            else:
                found[-1][1].append(line)
    return found


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text()
    (module,) = re.findall(r"```python\n(# train\.py\n.*?)```", text, re.DOTALL)
    (tmp_path / "train.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("train", None)
    examples = _examples(text)
    assert len(examples) > 5
    for line, wanted in examples:
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, (line, result.output)
        printed = [" ".join(row.split()) for row in result.output.splitlines()]
        for row in (" ".join(w.split()) for w in wanted):
            start = row.removesuffix("...").strip()
            assert any(p.startswith(start) for p in printed), (line, row, result.output)
    sys.modules.pop("train", None)


def test_the_page_and_the_help_name_every_command() -> None:
    text = PAGE.read_text()
    shown = CliRunner().invoke(main, ["--help"]).output
    for name in COMMANDS:
        assert f"## {name}\n" in text
        assert name in shown
        detail = CliRunner().invoke(main, [name, "--help"])
        assert detail.exit_code == 0
        assert "--json" in detail.output
