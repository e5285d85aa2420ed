"""Which names of NumPy and SciPy are traced, which have a derivative, and why others are not: what the page says.

Everything is read off the tables that the calls themselves use; only whether a function has a derivative is declared
here, and a test compares that with the derivatives of the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from difc.dialects.types import BOOL, is_float, is_integer
from difc.numpy import _OWN, gaps, registry
from difc.scipy import catalogue, linalg, special

__all__ = ["CONSTANT", "REFUSED", "Row", "numpy_rows", "scipy_linalg_rows", "special_rows"]

registry.load()


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: traced functions that have no derivative: their results are integers, truth values, constants, or steps
CONSTANT = _set(
    """
    all allclose angle any argmax argmin argpartition argsort argwhere around array_equal array_equiv bitwise_and
    bitwise_count bitwise_or bitwise_xor ceil count_nonzero digitize empty_like equal fix flatnonzero floor floor_divide
    gcd greater greater_equal heaviside histogram_bin_edges imag indices invert isclose iscomplex isfinite isin isinf
    isnan isneginf isposinf isreal lcm left_shift less less_equal lexsort logical_and logical_not logical_or logical_xor
    matrix_rank nanargmax nanargmin nextafter nonzero not_equal ones_like packbits ravel_multi_index right_shift rint
    round searchsorted sign signbit spacing trunc unpackbits unravel_index zeros_like
    """
)
#: traced functions that answer with types, shapes or known positions
_ABOUT = _set(
    """
    broadcast_shapes can_cast common_type diag_indices_from einsum_path iscomplexobj isrealobj isscalar iterable ix_
    min_scalar_type ndim result_type shape size tril_indices_from triu_indices_from
    """
)
#: functions of known sizes and types only: NumPy's own, inside a trace, too
_KNOWN = _set("diag_indices finfo iinfo index_exp isdtype issubdtype promote_types s_ tril_indices triu_indices")
#: functions that make arrays of values, which may be traced
_OF_VALUES = _set("array asanyarray asarray ascontiguousarray asfortranarray fromfunction full kaiser require")
#: functions that write, which are traced with inplace=False
_COPIES = _set("fill_diagonal put put_along_axis")
#: functions that are in the tables of calls only to say what to use instead
REFUSED = _set("copyto place putmask")


@dataclass(frozen=True)
class Row:
    """What is said of one name.

    Attributes:
      name: the name.
      traced: whether it can be used in a traced function.
      gradient: whether it has a derivative; None where that makes no sense.
      note: what is special, or why it is not traced and what to use instead.
    """

    name: str
    traced: bool
    gradient: bool | None = None
    note: str = ""


def _of_gap(name: str, gap: gaps.Gap) -> Row:
    return Row(name, False, note=f"{gap.reason}; {gap.instead}")


def _is_number_type(found: type) -> bool:
    if not issubclass(found, np.generic):
        return False
    try:
        dtype = np.dtype(found)
    except TypeError:
        return True  # an abstract type, as np.floating
    return dtype == BOOL or is_float(dtype) or is_integer(dtype)


def _is_traced(found: Any, name: str, creation: bool) -> bool:
    if not callable(found):
        return False
    return found in registry.UFUNCS or found in registry.FUNCTIONS or (creation and name in registry.CREATION)


def _numpy_row(module: ModuleType, table: dict[str, gaps.Gap], name: str) -> Row | None:
    """Return the row of a name, or None for an oversight."""
    found: Any = getattr(module, name)
    if module is np and name == "linalg":
        return Row(name, True, note="below")
    if name not in REFUSED and not isinstance(found, type) and _is_traced(found, name, module is np):
        note = "with `inplace=False`, which returns a copy" if name in _COPIES else ""
        constant = {name, found.__name__} & CONSTANT or _makes_constants(found, name)
        return Row(name, True, None if name in _ABOUT else not constant, note)
    if module is np and name in _OWN:
        return Row(name, True, name in ("c_", "r_", "vectorize"))
    if name in table:
        return _of_gap(name, table[name])
    if name in _KNOWN:
        return Row(name, True, note="of known sizes and types")
    if isinstance(found, type):
        return Row(name, True, note="a type") if _is_number_type(found) or found in _TYPES else None
    return None if callable(found) or isinstance(found, ModuleType) else Row(name, True, note="a constant")


_TYPES = (np.dtype, np.finfo, np.iinfo, np.ndarray, np.ufunc, np.generic, np.linalg.LinAlgError)


def _makes_constants(found: Callable[..., Any], name: str) -> bool:
    """Say whether a function makes an array of sizes alone."""
    return found not in registry.FUNCTIONS and found not in registry.UFUNCS and name not in _OF_VALUES


def numpy_rows(module: ModuleType) -> list[Row]:
    """Return a row for each public name of numpy or numpy.linalg.

    Raises:
      LookupError: for a name that is neither traced nor in the table of gaps.
    """
    table = gaps.NUMPY if module is np else gaps.LINALG
    names = sorted(n for n in dir(module) if not n.startswith("_"))
    names = [n for n in names if module is np or not isinstance(getattr(module, n), ModuleType)]
    rows = [(name, _numpy_row(module, table, name)) for name in names]
    missing = [name for name, row in rows if row is None]
    if missing:
        raise LookupError(f"neither traced nor in difc.numpy.gaps: {', '.join(missing)}")
    return [row for _, row in rows if row is not None]


def special_rows() -> list[Row]:
    """Return a row for each public name of scipy.special."""
    ours = set(special.__all__)
    return [Row(n, True, n not in CONSTANT) if n in ours else _of_gap(n, catalogue.gap(n)) for n in catalogue.NAMES]


def scipy_linalg_rows() -> list[Row]:
    """Return a row for each public name of scipy.linalg."""
    ours = set(linalg.__all__)
    return [Row(n, True, True) if n in ours else _of_gap(n, catalogue.linalg_gap(n)) for n in catalogue.LINALG_NAMES]
