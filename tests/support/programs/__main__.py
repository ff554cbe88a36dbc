"""Draws programs and reports, one of each kind, what nngraph does otherwise than PyTorch."""

from __future__ import annotations

import argparse
import time
from collections import Counter

from tests.support.backends import BACKENDS
from tests.support.programs.generate import generate
from tests.support.programs.search import examine


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--count", type=int, default=100, help="of programs")
    parser.add_argument("--backends", default=",".join(("eager", *BACKENDS)))
    parser.add_argument("--length", type=int, default=12, help="statements of a step, at most")
    parser.add_argument("--no-shrink", action="store_true", help="print programs as drawn")
    parser.add_argument("--refused", action="store_true", help="print what was refused, too")
    parser.add_argument("--each", type=int, default=1, help="programs to print of each kind")
    chosen = parser.parse_args()
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    clean, start = 0, time.monotonic()
    for seed in range(chosen.seed, chosen.seed + chosen.count):
        program = generate(seed, chosen.length)
        finding = examine(program, chosen.backends.split(","))
        if finding is None:
            clean += 1
            continue
        counts = refused if finding.difference.refused else found
        counts[finding.title] += 1
        if counts[finding.title] <= chosen.each and (counts is found or chosen.refused):
            shown = finding if chosen.no_shrink else finding.shrunk()
            print(f"\n# seed {seed}\n{shown}", flush=True)
    spent = time.monotonic() - start
    print(f"\n{clean} of {chosen.count} programs ran clean ({spent:.0f} s)")
    for title, counts in (("different", found), ("refused", refused)):
        for kind, count in counts.most_common():
            print(f"{title} {count:4d}  {kind}")


if __name__ == "__main__":
    main()
