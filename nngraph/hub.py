"""Models by name from the network (``torch.hub``): refused."""

from __future__ import annotations

from nngraph.frontend.elsewhere import elsewhere

__all__ = ["download_url_to_file", "help", "list", "load", "load_state_dict_from_url"]

_REPOSITORY = (
    "it runs code of a repository for PyTorch; download the weights yourself, and load them with "
    "model.load_state_dict(ng.load(path))"
)
_FILE = "download the file yourself, and load it with ng.load(path)"

load, list, help = (elsewhere(f"hub.{name}", _REPOSITORY) for name in ("load", "list", "help"))
load_state_dict_from_url = elsewhere("hub.load_state_dict_from_url", _FILE)
download_url_to_file = elsewhere("hub.download_url_to_file", _FILE)
