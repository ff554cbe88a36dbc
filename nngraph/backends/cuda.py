"""CUDA's libraries, as PyTorch's code asks for them (``torch.backends.cuda``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from nngraph.backends.switches import changed, products

# fmt: off
__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp",
    "enable_mem_efficient_sdp", "flash_sdp_enabled", "is_built", "is_flash_attention_available",
    "math_sdp_enabled", "matmul", "mem_efficient_sdp_enabled", "sdp_kernel",
]
# fmt: on

matmul = products
_flash = _math = _mem_efficient = _cudnn = True


def is_built() -> bool:
    """False: tensors are on the CPU. ``ng.compile(f, device="cuda")`` is what a GPU computes."""
    return False


def is_flash_attention_available() -> bool:
    """False: there is no such kernel on the CPU."""
    return False


def _enabled(name: str) -> Callable[[], bool]:
    def enabled() -> bool:
        return bool(globals()[name])

    return enabled


def _enable(name: str) -> Callable[[bool], None]:
    def enable(enabled: bool) -> None:
        globals()[name] = bool(enabled)

    return enable


flash_sdp_enabled, enable_flash_sdp = _enabled("_flash"), _enable("_flash")
math_sdp_enabled, enable_math_sdp = _enabled("_math"), _enable("_math")
mem_efficient_sdp_enabled = _enabled("_mem_efficient")
enable_mem_efficient_sdp = _enable("_mem_efficient")
cudnn_sdp_enabled, enable_cudnn_sdp = _enabled("_cudnn"), _enable("_cudnn")


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[None]:
    """Asks for one of several kernels of attention, which all compute the same: no change."""
    return changed(
        sys.modules[__name__],
        _flash=enable_flash,
        _math=enable_math,
        _mem_efficient=enable_mem_efficient,
        _cudnn=enable_cudnn,
    )
