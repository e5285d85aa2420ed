"""Why some names of NumPy and SciPy are not traced, and what to use instead.

The tables serve three readers: the error of a call, the error of an attribute that is not there, and the page
`docs/coverage.md`, which is made of them. Must not import MLIR. A name that is neither traced nor here is an oversight;
a test finds it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LINALG", "NUMPY", "PAGE", "Gap"]

#: The page that lists every name.
PAGE = "docs/coverage.md"


class Gap(NamedTuple):
    """Why a name is not traced, and what to use instead."""

    reason: str
    instead: str


def _each(names: str, reason: str, instead: str) -> dict[str, Gap]:
    return dict.fromkeys(names.split(), Gap(reason, instead))


_SIZE = "the size of its result depends on values, and is not known before the program runs"
_TEXT = "it is about text, files or settings, not about numbers of an array"
_PYTHON = "it looks at Python objects or memory, which a traced array has not"
_COMPLEX = "complex numbers are not supported"
_OUTSIDE = "call it outside the traced function"

#: name in numpy -> why it is not traced
NUMPY: dict[str, Gap] = {
    **_each("unique_all unique_counts unique_inverse unique_values", _SIZE, "use difc.numpy.unique(x, size=n)"),
    **_each("union1d intersect1d setdiff1d setxor1d", _SIZE, "use masks: np.isin, or (x[:, None] == y).any(1)"),
    "trim_zeros": Gap(_SIZE, "use a slice with known bounds"),
    "mask_indices": Gap("it calls a function on an array to find positions", "use np.tril_indices or np.triu_indices"),
    **_each("roots", "roots of a polynomial are complex eigenvalues", "use Newton's method on np.polyval"),
    **_each("polydiv", _SIZE, "use np.convolve for products; divide polynomials outside the traced function"),
    "poly1d": Gap("it is an object with attributes of its own", "use np.polyval, np.polyadd, np.polymul, ..."),
    **_each("sort_complex", _COMPLEX, "use np.sort"),
    "emath": Gap(_COMPLEX, "use functions of real numbers, and np.where at the ends of their domains"),
    "fft": Gap(_COMPLEX, "use a product with the matrices of cosines and sines, or np.convolve"),
    "random": Gap("its state changes with every call", "draw the numbers outside, and pass them as an argument"),
    "row_stack": Gap("NumPy deprecates it", "use np.vstack"),
    **_each("copyto place putmask", "it writes in place", "use np.where(mask, value, x), or x.at[index].set(value)"),
    **_each("ma", "masked arrays are objects of their own", "use np.where with a mask"),
    **_each("matrix asmatrix bmat", "NumPy discourages matrix objects", "use arrays, np.block and the operator @"),
    **_each("polynomial", "its polynomials are objects of their own", "use np.polyval and np.convolve"),
    "frompyfunc": Gap("it makes a ufunc of Python objects", "use np.vectorize of difc.numpy, or difc.vmap"),
    "isnat": Gap("there are no dates", "use np.isnan for numbers"),
    **_each(
        "nested_iters nditer ndenumerate ndindex broadcast flatiter",
        _PYTHON,
        "use loops over known sizes, or difc.scan",
    ),
    **_each(
        "busday_count busday_offset busdaycalendar datetime64 timedelta64 datetime_as_string datetime_data is_busday",
        "there are no dates",
        "use numbers of days, made outside the traced function",
    ),
    **_each(
        "array2string array_repr array_str base_repr binary_repr format_float_positional format_float_scientific "
        "fromfile fromregex fromstring genfromtxt get_include get_printoptions info load loadtxt printoptions save "
        "savetxt savez savez_compressed set_printoptions show_config show_runtime test getbufsize geterr geterrcall "
        "setbufsize seterr seterrcall errstate fromiter frombuffer memmap ctypeslib f2py rec char strings testing "
        "core lib dtypes exceptions typing mintypecode typename asarray_chkfinite",
        _TEXT,
        _OUTSIDE,
    ),
    **_each("may_share_memory shares_memory isfortran from_dlpack", _PYTHON, _OUTSIDE),
    **_each(
        "bytes_ character flexible object_ str_ void recarray record",
        "elements are numbers",
        "use codes of integers, made outside the traced function",
    ),
    **_each(
        "cdouble clongdouble complex128 complex256 complex64 complexfloating csingle",
        _COMPLEX,
        "use real arithmetic on real and imaginary parts",
    ),
    **_each("longdouble float128", "no target has numbers of more than 64 bits", "use np.float64"),
}

#: name in numpy.linalg -> why it is not traced
LINALG: dict[str, Gap] = {
    **_each("eig eigvals", "eigenvalues of a general matrix are complex", "use np.linalg.eigh for a symmetric one"),
    "test": Gap(_TEXT, _OUTSIDE),
}
