"""What nngraph runs on (``torch.__config__``)."""

from __future__ import annotations

import numpy as np

from nngraph.backends.base import Target
from nngraph.backends.registry import BACKENDS
from nngraph.version import __version__

__all__ = ["parallel_info", "show"]


def show() -> str:
    """Versions of nngraph, of NumPy, and of what the installed backends need."""
    rows = [row for row in BACKENDS.values() if not row.missing]
    shown = [f"  - {row.name}: {', '.join(row.versions) or 'NumPy'}" for row in rows]
    return "\n".join([f"nngraph {__version__}, NumPy {np.__version__}", "Backends:", *shown])


def parallel_info() -> str:
    """How many threads a compiled function uses that names none."""
    return f"threads of compiled functions: {Target('reference').thread_count}"
