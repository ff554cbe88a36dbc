from __future__ import annotations

import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest

from nngraph.backends.tvm import ffi

SCRIPT = """
import sys
{before}
from nngraph.backends.tvm.ffi import import_ffi
hooks = list(sys.meta_path)
import_ffi()
import_ffi()
assert sys.meta_path == hooks
print("tvm_ffi" in sys.modules, "torch" in sys.modules)
import torch
"""


@pytest.mark.parametrize(("before", "printed"), [("", "True False"), ("import torch", "True True")])
def test_pytorch_comes_along_only_where_it_is_used(before: str, printed: str) -> None:
    command = [sys.executable, "-c", SCRIPT.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == printed


def test_other_threads_may_import_what_is_refused() -> None:
    found: list[bool] = []
    with ffi._without("colorsys"):
        thread = threading.Thread(target=lambda: found.append(find_spec("colorsys") is not None))
        thread.start()
        thread.join()
        sys.modules.pop("colorsys", None)
        with pytest.raises(ModuleNotFoundError, match="not imported for TVM"):
            __import__("colorsys")
    assert found == [True]
    __import__("colorsys")
