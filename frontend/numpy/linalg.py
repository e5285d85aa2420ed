"""numpy.linalg for traced code: factorisations, solves, norms, products and powers of matrices.

Outside a trace each function is NumPy's own. In one, what NumPy stops at with a LinAlgError gives NaN or infinities.
"""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from difc.numpy import surface as _surface


def __getattr__(name: str) -> Any:
    found = _surface.attribute(_numpy.linalg, __name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(_surface.names(_numpy.linalg))
