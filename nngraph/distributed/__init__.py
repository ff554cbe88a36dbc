"""Several processes that train together (``torch.distributed``): a program is one process here.

``is_available()`` and ``is_initialized()`` are False, which is what scripts ask before they go on
alone.
"""

from __future__ import annotations

from typing import Any, NoReturn

from nngraph.frontend.elsewhere import elsewhere

__all__ = [
    "all_gather",
    "all_reduce",
    "barrier",
    "broadcast",
    "destroy_process_group",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_available",
    "is_initialized",
    "is_torchelastic_launched",
]


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


init_process_group = elsewhere(
    "distributed.init_process_group",
    "a program trains in one process, on all cores that ng.set_num_threads gives it",
)


def _no_group(*args: Any, **kwargs: Any) -> NoReturn:
    """A function of a group of processes.

    Raises:
        ValueError: there is none.
    """
    raise ValueError(
        "Default process group has not been initialized: there is one process; ask "
        "distributed.is_initialized() first"
    )


get_rank = get_world_size = barrier = destroy_process_group = _no_group
all_reduce = all_gather = broadcast = _no_group
