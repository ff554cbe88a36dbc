"""The ``nngraph`` command: looks at, runs, compares and writes what nngraph traces and exports.

Exit codes: 0 all went well; 1 something failed, and standard error says what; 2 the command line
is wrong; 3 the answer is no (``compare`` found a difference, ``doctor`` found nothing to run on).
"""

from __future__ import annotations

from nngraph.cli.main import main

__all__ = ["main"]
