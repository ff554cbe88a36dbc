"""Selections by masks, ``x[mask]``, without sizes that depend on values.

While code is traced, the number of elements that a mask selects is a named size, and ``Select`` and
``Unselect`` go from all positions of an axis to the selected ones and back. ``Hold`` then rewrites
the graph: what has an axis of selected positions has all of them instead, and what is at the others
does not matter. It is replaced by what changes nothing where positions meet: a sum takes zeros
there, a maximum the lowest number; a mean divides by the number of selected ones. So neither
results nor gradients see it, NaN and infinity included.
"""

from __future__ import annotations

from nngraph.passes.selected.hold import Hold, Unheld, held
from nngraph.passes.selected.ops import Select, Unselect, is_selected, selected_size

__all__ = ["Hold", "Select", "Unheld", "Unselect", "held", "is_selected", "selected_size"]
