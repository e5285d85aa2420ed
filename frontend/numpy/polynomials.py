"""Polynomials as vectors of coefficients, highest power first: sums, products, derivatives, integrals, values.

Lengths follow from those of the operands: leading zeros are kept, where NumPy's product drops them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from difc.numpy.common import as_tracer, integer, shape_error, static_size, widened
from difc.numpy.registry import implements, unsupported
from difc.tracer import Tracer, lift, wrap

__all__: list[str] = []


def _coefficients(p: Any, what: str) -> Any:
    found = np.atleast_1d(as_tracer(p))
    if found.ndim != 1:
        raise shape_error(f"{what} needs a vector of coefficients, not an array of {found.ndim} dimensions")
    static_size(lift(found), 0, what)
    return found


def _together(name: str, combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def of_two(a1: Any, a2: Any) -> Any:
        one, two = _coefficients(a1, name), _coefficients(a2, name)
        count = max(len(one), len(two))
        return combine(*(np.pad(p, (count - len(p), 0)) for p in (one, two)))

    of_two.__name__ = name
    return of_two


_add, _subtract = _together("polyadd", np.add), _together("polysub", np.subtract)


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """Return the sum of two polynomials. (numpy.polyadd)"""
    return _add(a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """Return the difference of two polynomials. (numpy.polysub)"""
    return _subtract(a1, a2)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """Return the product of two polynomials. (numpy.polymul)"""
    return np.convolve(_coefficients(a1, "polymul"), _coefficients(a2, "polymul"))


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Return the m-th derivative of a polynomial. (numpy.polyder)"""
    found = _coefficients(p, "polyder")
    times = integer(m, "m")
    if times < 0:
        raise shape_error(f"polyder: a derivative of order {times}", "use np.polyint for integrals")
    for _ in range(times):
        found = found[:-1] * np.arange(len(found) - 1, 0, -1)
    return found


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Return the m-th integral of a polynomial, with the constants k (default: 0). (numpy.polyint)"""
    found = _coefficients(p, "polyint")
    times = integer(m, "m")
    if times < 0:
        raise shape_error(f"polyint: an integral of order {times}", "use np.polyder for derivatives")
    constants = np.zeros(times) if k is None else np.atleast_1d(as_tracer(k))
    if len(constants) < times and len(constants) != 1:
        raise shape_error(f"polyint: {len(constants)} constants for {times} integrals")
    for i in range(times):
        place = i if len(constants) > 1 else 0
        found = np.concatenate([found / np.arange(len(found), 0, -1), constants[place : place + 1]])
    return found


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """Return the polynomial of a degree that is nearest to points, by least squares. (numpy.polyfit)

    Coefficients are float64, those of half floats too, which NumPy refuses.

    Raises:
      UnsupportedError: for full=True or cov=True, which return more than the coefficients.
    """
    if full or cov:
        raise unsupported("numpy.polyfit with full= or cov=", "use np.linalg.lstsq(np.vander(x, deg + 1), y)")
    places, values = (wrap(widened(lift(as_tracer(v) + 0.0))) for v in (x, y))
    count = integer(deg, "deg") + 1
    if places.ndim != 1 or values.ndim not in (1, 2) or count < 1:
        raise shape_error(f"polyfit: points {places.aval}, values {values.aval} and degree {deg} do not fit")
    rows = np.vander(places, count)
    if w is not None:
        weights = np.reshape(as_tracer(w) + 0.0, (-1, 1))
        rows, values = rows * weights, values * (weights if values.ndim == 2 else weights[:, 0])
    scale = np.sqrt(np.sum(rows * rows, axis=0))  # columns of one size are better conditioned
    limit = static_size(lift(places), 0, "polyfit") * np.finfo(places.dtype).eps if rcond is None else rcond
    found = np.linalg.lstsq(rows / scale, values, limit)[0]
    return found / (scale[:, None] if values.ndim == 2 else scale)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """Return the polynomial with given roots. (numpy.poly)"""
    roots = np.atleast_1d(as_tracer(seq_of_zeros))
    if roots.ndim != 1:
        raise unsupported("numpy.poly of a matrix, which is about complex eigenvalues,", "use np.linalg.eigvalsh first")
    roots = roots if roots.dtype in (np.float32, np.float64) else roots.astype(np.float64)
    found = np.ones(1, roots.dtype)
    for i in range(static_size(lift(roots), 0, "poly")):
        found = np.convolve(found, np.stack([np.ones((), roots.dtype), -roots[i]]))
    return found if isinstance(found, Tracer) else wrap(lift(found))
