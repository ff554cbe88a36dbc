"""nngraph beside PyTorch and JAX: the same models, data and initial weights, timed side by side.

Run ``python -m benchmarks --help``.
"""

from __future__ import annotations
