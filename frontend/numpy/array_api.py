"""What the Array API standard asks of `difc.numpy` beside NumPy's names: the description of the namespace.

Must not import MLIR.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["__array_namespace_info__"]

#: kinds of dtypes that traced arrays have, by the standard's names; there are no complex ones
_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": (),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"]


class __array_namespace_info__:
    """What traced arrays can do, as the Array API standard describes it.

    Example: `difc.numpy.__array_namespace_info__().capabilities()["data-dependent shapes"]` is False.
    """

    __module__ = "difc.numpy"

    def capabilities(self) -> dict[str, Any]:
        """Return what depends on the library: masks and results whose sizes depend on values are not traced."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> str:
        """Return what stands for the device of a traced array: the target is chosen when it is compiled."""
        return "traced"

    def devices(self) -> list[str]:
        """Return the devices that an array can be made on inside a trace."""
        return ["traced"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """Return the dtypes of Python numbers where nothing else decides."""
        floating, integral = np.dtype(float), np.dtype(int)
        return {"real floating": floating, "integral": integral, "indexing": np.dtype(np.int64)}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype]:
        """Return dtypes by name: all, or those of a kind, or of several."""
        kinds = ("bool", "numeric") if kind is None else (kind,) if isinstance(kind, str) else kind
        return {name: np.dtype(name) for k in kinds for name in _KINDS[k]}
