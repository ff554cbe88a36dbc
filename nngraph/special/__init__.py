"""Special functions (``torch.special``).

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

from nngraph.frontend.functional.gamma import digamma, igamma, igammac, lgamma, mvlgamma, polygamma
from nngraph.frontend.functional.pointwise import erf, erfc, exp2, expm1, log1p, round, sigmoid
from nngraph.frontend.functional.reduction import logsumexp
from nngraph.frontend.functional.scan import log_softmax, softmax
from nngraph.frontend.functional.special import erfinv, i0, logit, sinc, xlogy
from nngraph.special.bessel import *  # noqa: F403
from nngraph.special.bessel import __all__ as _BESSEL
from nngraph.special.error import *  # noqa: F403
from nngraph.special.error import __all__ as _ERROR
from nngraph.special.polynomials import *  # noqa: F403
from nngraph.special.polynomials import __all__ as _POLYNOMIALS

expit = sigmoid
gammainc, gammaincc = igamma, igammac
gammaln, multigammaln, psi = lgamma, mvlgamma, digamma

# fmt: off
__all__ = [
    "digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc",
    "gammaln", "i0", "log1p", "log_softmax", "logit", "logsumexp", "multigammaln", "polygamma",
    "psi", "round", "sinc", "softmax", "xlogy",
]
# fmt: on
__all__ += [*_BESSEL, *_ERROR, *_POLYNOMIALS]
