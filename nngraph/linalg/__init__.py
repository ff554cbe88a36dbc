"""Linear algebra (``torch.linalg``): factors, solutions, norms of matrices, batches of them.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from nngraph.ir.refusals import LinAlgError
from nngraph.linalg.decompositions import *  # noqa: F403
from nngraph.linalg.decompositions import __all__ as _DECOMPOSITIONS
from nngraph.linalg.norms import *  # noqa: F403
from nngraph.linalg.norms import __all__ as _NORMS
from nngraph.linalg.products import *  # noqa: F403
from nngraph.linalg.products import __all__ as _PRODUCTS
from nngraph.linalg.systems import *  # noqa: F403
from nngraph.linalg.systems import __all__ as _SYSTEMS

__all__ = ["LinAlgError"]
__all__ += [*_DECOMPOSITIONS, *_NORMS, *_PRODUCTS, *_SYSTEMS]
