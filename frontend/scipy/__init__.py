"""SciPy's functions on arrays and traced arrays: `difc.scipy.linalg` and `.special`, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any

from difc.source import absent_attribute

_MODULES = ("linalg", "special")

#: packages of SciPy that a reader may look for here -> what to do instead
_ABSENT = {
    "stats": "write the logarithm of the density with difc.scipy.special (gammaln, xlogy, ndtr, log_ndtr, ...)",
    "optimize": "call SciPy's with a compiled difc.value_and_grad, or write the steps as a difc.fori_loop",
    "integrate": "use np.trapezoid, or a method with fixed steps as a difc.scan",
    "interpolate": "use np.interp, or the positions that np.searchsorted finds",
    "signal": "use np.convolve and np.correlate, and a difc.scan for recursive filters",
    "ndimage": "use difc.nn.conv, and indices of arrays for shifts",
    "fft": "complex numbers are not supported: use a product with matrices of cosines and sines, or np.convolve",
    "sparse": "use the full array, or x.at[index].add(value) with the positions of the elements that are not zero",
    "spatial": "write np.sum((x[:, None] - y) ** 2, axis=-1) for the distances of all pairs",
    "cluster": "write it with np.argmin of the distances of all pairs",
}


def instead_of(name: str) -> str:
    """Return what to use instead of SciPy's function of this name, which takes no traced arrays."""
    for module in _MODULES:
        if name in importlib.import_module(f"difc.scipy.{module}").__all__:
            return f"use difc.scipy.{module}.{name} instead of SciPy's own"
    return "use difc.scipy.linalg and .special: of SciPy itself, only the ufuncs of scipy.special take traced arrays"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"difc.scipy.{name}")
    raise absent_attribute(__name__, name, _ABSENT, lambda: _MODULES)
