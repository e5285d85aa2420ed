"""scipy.special for traced code, and for NumPy arrays outside a trace; importing this module does not import MLIR.

A ufunc of SciPy's that meets a traced array finds the function of its name here.

Compiled code is the same on every target, in float32 and in float64; `docs/accuracy.md` has the error of each function
over its whole domain, and the places where only the absolute error is small. At poles, limits and infinities the values
are SciPy's, but where those are not the function's: `gammaln` is inf at -inf, as in C; `zeta(x, q)` is NaN for q < 0.
Derivatives are functions of their own, not derivatives of approximations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from difc.errors import AbsentAttributeError
from difc.numpy import surface
from difc.scipy.bessel import i0, i0e, i1, i1e, j0, j1, k0, k0e, k1, k1e, y0, y1
from difc.scipy.elementary import (
    binom,
    boxcox,
    boxcox1p,
    cbrt,
    comb,
    cosdg,
    cosm1,
    cotdg,
    exp2,
    exp10,
    expm1,
    exprel,
    factorial,
    inv_boxcox,
    inv_boxcox1p,
    log1p,
    multigammaln,
    perm,
    poch,
    powm1,
    radian,
    round,
    sinc,
    sindg,
    softplus,
    tandg,
)
from difc.scipy.entropies import entr, huber, kl_div, pseudo_huber, rel_entr, xlog1py, xlogy
from difc.scipy.exponentials import expit, log_expit, log_softmax, logit, logsumexp, softmax
from difc.scipy.gammas import (
    beta,
    betainc,
    betaln,
    digamma,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    gammasgn,
    polygamma,
    psi,
    rgamma,
    zeta,
)
from difc.scipy.normal import erf, erfc, erfcinv, erfcx, erfinv, log_ndtr, ndtr, ndtri

__all__ = [
    "beta",
    "betainc",
    "betaln",
    "binom",
    "boxcox",
    "boxcox1p",
    "cbrt",
    "comb",
    "cosdg",
    "cosm1",
    "cotdg",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp10",
    "exp2",
    "expit",
    "expm1",
    "exprel",
    "factorial",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "huber",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "inv_boxcox",
    "inv_boxcox1p",
    "j0",
    "j1",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kl_div",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "perm",
    "poch",
    "polygamma",
    "powm1",
    "pseudo_huber",
    "psi",
    "radian",
    "rel_entr",
    "rgamma",
    "round",
    "sinc",
    "sindg",
    "softmax",
    "softplus",
    "tandg",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "zeta",
]

#: Ufuncs of SciPy's whose function has another name here, or is NumPy's.
_OTHERS: dict[str, Callable[..., Any]] = {
    "_riemann_zeta": zeta,
    "_zeta": zeta,
}


def of_ufunc(name: str) -> Callable[..., Any] | None:
    """Return the function that stands for a ufunc of SciPy's of that name, or None."""
    return _OTHERS.get(name) or (globals()[name] if name in __all__ else None)


def __getattr__(name: str) -> Any:
    from difc.scipy import catalogue

    if name in catalogue.NAMES:
        raise surface.missing(__name__, name, catalogue.gap(name))
    raise AbsentAttributeError(f"module {__name__!r}", name, lambda: __all__)
