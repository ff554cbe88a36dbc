"""Runs a narrated page: its ``python`` blocks in order, each against the ``text`` block after it.

python scripts/run_tour.py docs/tour.md            checks
python scripts/run_tour.py docs/tour.md --update   writes what the blocks print into the page
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)


def run_page(page: Path) -> tuple[str, list[str]]:
    """The page with true outputs, and a description of each output that differed."""
    text = page.read_text()
    scope: dict[str, object] = {"__name__": "__tour__"}
    parts, wrong, end = [], [], 0
    for match in BLOCK.finditer(text):
        line = text[: match.start("code")].count("\n")
        code = "\n" * line + match["code"]  # so that line numbers are those of the page
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec", dont_inherit=True), scope)
        output = printed.getvalue().rstrip() + "\n" if printed.getvalue().strip() else None
        if output != match["output"]:
            said = match["output"]
            wrong.append(f"{page.name}:{line + 1}\nprinted:\n{output}\nthe page says:\n{said}")
        shown = f"\n```text\n{output}```\n" if output is not None else ""
        parts += [text[end : match.start()], f"```python\n{match['code']}```\n", shown]
        end = match.end()
    return "".join([*parts, text[end:]]), wrong


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--update", action="store_true", help="write the outputs into the page")
    options = parser.parse_args()
    updated, wrong = run_page(options.page)
    if options.update:
        options.page.write_text(updated)
    elif wrong:
        sys.exit("\n\n".join(wrong))


if __name__ == "__main__":
    main()
