"""The device of eager tensors, and how elements lie in it: arguments that PyTorch's code passes."""

from __future__ import annotations

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "memory_format",
    "need_cpu",
    "preserve_format",
]

_PARTS_OF_PYTORCH = ("cuda", "xpu", "mtia")


def need_cpu(device: object) -> None:
    """Refuses every device but the CPU, where eager tensors are.

    Raises:
        AssertionError: for one that PyTorch has to be compiled with.
        RuntimeError: for any other.
    """
    if device is None:
        return
    name = "cuda" if isinstance(device, int) else str(getattr(device, "type", device))
    kind = name.partition(":")[0]
    if kind == "cpu":
        return
    raise (AssertionError if kind in _PARTS_OF_PYTORCH else RuntimeError)(
        f"there is no device {name!r} for tensors: they are on the CPU. What a compiled function "
        f"keeps and computes is on the device that you name there: ng.compile(f, device={kind!r})"
    )


class memory_format:
    """How the elements of a tensor lie in memory (``torch.memory_format``).

    Tensors here are contiguous, and a backend chooses the layouts that its kernels want, so that
    this changes nothing.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"nngraph.{self._name}"

    def __reduce__(self) -> str:
        return self._name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
