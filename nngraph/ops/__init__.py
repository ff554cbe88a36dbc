"""Every operator and its function under one name, and the registry of all classes."""

from __future__ import annotations

from nngraph.ir.op import Op as _Op
from nngraph.ops.activation import *  # noqa: F403
from nngraph.ops.activation import OPERATORS as _ACTIVATION
from nngraph.ops.attention import *  # noqa: F403
from nngraph.ops.attention import OPERATORS as _ATTENTION
from nngraph.ops.broadcast import *  # noqa: F403
from nngraph.ops.broadcast import OPERATORS as _BROADCAST
from nngraph.ops.creation import *  # noqa: F403
from nngraph.ops.creation import OPERATORS as _CREATION
from nngraph.ops.derived import *  # noqa: F403
from nngraph.ops.derived import OPERATORS as _DERIVED
from nngraph.ops.elementwise import *  # noqa: F403
from nngraph.ops.elementwise import OPERATORS as _ELEMENTWISE
from nngraph.ops.embedding import *  # noqa: F403
from nngraph.ops.embedding import OPERATORS as _EMBEDDING
from nngraph.ops.factor import *  # noqa: F403
from nngraph.ops.factor import OPERATORS as _FACTOR
from nngraph.ops.fused import *  # noqa: F403
from nngraph.ops.fused import OPERATORS as _FUSED
from nngraph.ops.index import *  # noqa: F403
from nngraph.ops.index import OPERATORS as _INDEX
from nngraph.ops.linalg import *  # noqa: F403
from nngraph.ops.linalg import OPERATORS as _LINALG
from nngraph.ops.loss import *  # noqa: F403
from nngraph.ops.loss import OPERATORS as _LOSS
from nngraph.ops.norm import *  # noqa: F403
from nngraph.ops.norm import OPERATORS as _NORM
from nngraph.ops.random import *  # noqa: F403
from nngraph.ops.random import OPERATORS as _RANDOM
from nngraph.ops.reduce import *  # noqa: F403
from nngraph.ops.reduce import OPERATORS as _REDUCE
from nngraph.ops.scan import *  # noqa: F403
from nngraph.ops.scan import OPERATORS as _SCAN
from nngraph.ops.shape import *  # noqa: F403
from nngraph.ops.shape import OPERATORS as _SHAPE
from nngraph.ops.sort import *  # noqa: F403
from nngraph.ops.sort import OPERATORS as _SORT
from nngraph.ops.special import *  # noqa: F403
from nngraph.ops.special import OPERATORS as _SPECIAL
from nngraph.ops.vectornorm import *  # noqa: F403
from nngraph.ops.vectornorm import OPERATORS as _VECTORNORM
from nngraph.ops.window import *  # noqa: F403
from nngraph.ops.window import OPERATORS as _WINDOW

_FAMILIES = (
    _ACTIVATION,
    _ATTENTION,
    _BROADCAST,
    _CREATION,
    _DERIVED,
    _ELEMENTWISE,
    _EMBEDDING,
    _FACTOR,
    _FUSED,
    _INDEX,
    _LINALG,
    _LOSS,
    _NORM,
    _RANDOM,
    _REDUCE,
    _SCAN,
    _SHAPE,
    _SORT,
    _SPECIAL,
    _VECTORNORM,
    _WINDOW,
)

#: Every operator class by its name.
REGISTRY: dict[str, type[_Op]] = {op.name: op for family in _FAMILIES for op in family}
