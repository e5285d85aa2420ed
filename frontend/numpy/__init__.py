"""NumPy's functions for traced code: `from difc import numpy as np`.

Outside a trace each function is NumPy's own, so that code can be debugged as plain NumPy. On traced arrays, and for
functions that make arrays inside a trace, it builds the program. Sizes such as `x.shape[0]` may be known only at run
time.

Importing this module does not import MLIR. A name is made when it is first used, from NumPy's name.

Example:
  >>> from difc import numpy as np
  >>> np.sum(np.ones(3))
  np.float64(3.0)
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _numpy

from difc.numpy import surface as _surface

#: The version of the Array API standard that NumPy's names follow, up to the last one that their traced forms do.
__array_api_version__ = min(_numpy.__array_api_version__, "2024.12")

#: names that are not NumPy's own object outside a trace either, and the module that has them
_OWN = {
    "__array_namespace_info__": "difc.numpy.array_api",
    **dict.fromkeys(("c_", "mgrid", "ogrid", "r_", "vectorize"), "difc.numpy.objects"),
    **dict.fromkeys(("argwhere", "bincount", "flatnonzero", "nonzero", "unique"), "difc.numpy.sized"),
    **dict.fromkeys(("cummax", "cummin", "top_k"), "difc.numpy.ranking"),
}


def __getattr__(name: str) -> Any:
    if name == "linalg":
        return importlib.import_module("difc.numpy.linalg")
    if name in _OWN:
        found = getattr(importlib.import_module(_OWN[name]), name)
    else:
        found = _surface.attribute(_numpy, __name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*_surface.names(_numpy), *(name for name in _OWN if not name.startswith("_")), "linalg"})
