from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nngraph.backends.tvm.library import Kernel

# Without TVM there is no kernel to test.
collect_ignore_glob = [] if find_spec("tvm") else ["test_*.py"]


@pytest.fixture(scope="module")
def kernels(request: pytest.FixtureRequest) -> dict[str, Kernel]:
    """The compiled `CASES` of a test module, by name."""
    from tests.backends.tvm.kernel_case import compile_cases

    return compile_cases(request.module.CASES)
