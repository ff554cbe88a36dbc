"""PyTorch's own tables of inputs for its tests."""

from __future__ import annotations

import importlib
import sys
import types
import unittest
from typing import Any

import pytest
import torch

__all__ = ["table"]


def table(name: str) -> Any:
    """A module of ``torch.testing._internal``.

    It imports a package for its own golden texts, which no table needs: a name stands in for it.
    And it forbids changes of flags in the whole process, which is other tests' process, too.
    """
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        if "expecttest" not in sys.modules:
            patch.setitem(sys.modules, "expecttest", stand_in)
        patch.setattr(torch.backends, "disable_global_flags", lambda: None)
        return importlib.import_module(f"torch.testing._internal.{name}")
