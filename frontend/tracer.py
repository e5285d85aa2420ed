"""`Tracer`: what stands for an array while a function is traced.

It has the surface of an ndarray. Its operators and NumPy's own functions arrive through `__array_ufunc__` and
`__array_function__`, so that unmodified NumPy code is traced. Asking it for numbers is an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from difc import dialects as dif
from difc.array_methods import ArrayMethods
from difc.dialects import Aval, aval_of
from difc.dialects.mlir import ir
from difc.dialects.types import short_name
from difc.dims import Dim
from difc.errors import (
    ConcretizationError,
    DifcError,
    DtypeError,
    MutationError,
    ShapeError,
    SourceLocation,
    UnsupportedError,
)
from difc.runtime.array import refuse_subclass
from difc.source import called_function, shortened, user_frame_location, user_instruction
from difc.tracing import Frame, constant, current_frame

__all__ = ["DimTracer", "Tracer", "as_array", "holds_tracer", "lift", "stored_in_array", "wrap"]


class Tracer(ArrayMethods):
    """A traced array: a type, and a value of the program under construction.

    Attributes:
      weak: whether it counts as a Python number in promotion (NEP 50): arguments given as Python numbers, sizes, and
        what operators make of these.
    """

    __slots__ = ("_frame", "_value", "dtype", "weak")
    __array_priority__ = 1000

    def __init__(self, value: ir.Value, frame: Frame, weak: bool = False) -> None:
        self._value, self._frame, self.weak = value, frame, weak
        self.dtype = aval_of(value).dtype

    # ---- what an array says of itself -------------------------------------------------------

    @property
    def aval(self) -> Aval:
        """Its type, with named run-time sizes."""
        return self._frame.builder.aval(self._value)

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(d if isinstance(d, int) else DimTracer.of(self, i) for i, d in enumerate(self.aval.shape))

    @shape.setter
    def shape(self, shape: Any) -> NoReturn:
        raise MutationError(
            f"the shape of a traced array ({self.aval}) cannot be changed in place",
            where=user_frame_location(),
            remedy="use x = x.reshape(shape)",
        )

    @property
    def ndim(self) -> int:
        return aval_of(self._value).ndim

    @property
    def size(self) -> Any:
        total: Any = 1
        for d in self.shape:
            total = d * total
        return total

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a traced scalar")
        if not isinstance(self.aval.shape[0], int):
            raise _concretization(self, "len(x)", "use x.shape[0], which may be a run-time size")
        return self.aval.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a traced scalar")
        if not isinstance(self.aval.shape[0], int):
            raise _concretization(self, "iteration over an axis of run-time size", "use difc.scan or difc.map")
        return iter([self[i] for i in range(len(self))])

    def __repr__(self) -> str:
        return f"Tracer<{self.aval}>"

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        return self

    # ---- what it cannot tell -----------------------------------------------------------------

    def __bool__(self) -> bool:
        raise _concretization(
            self,
            "a truth value",
            "use difc.cond (or np.where, elementwise) instead of `if`, `and`, `or`, `not`, `while`, "
            "and NumPy's functions instead of max, min, any, all, sorted, in; for an argument that is a setting, "
            "difc.jit(static_argnums=...)",
        )

    def __hash__(self) -> int:
        raise _concretization(
            self,
            "a hash (for a key of a dict, a set, or functools.cache)",
            "use lists, or keys that are known while the function is traced",
        )

    def __float__(self) -> float:
        raise _concretization(
            self,
            "float(x)",
            "keep it as an array: use NumPy's functions instead of those of math, and x.astype(np.float64)",
        )

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        raise _concretization(self, f"its text in the format {spec!r}", "return it, and print the result of the call")

    def __int__(self) -> int:
        raise _concretization(self, "int(x)", "keep it as an array: use x.astype(np.int64)")

    def __complex__(self) -> complex:
        raise _concretization(self, "complex(x)", "keep it as an array")

    def __index__(self) -> int:
        raise _concretization(
            self,
            "a Python index or range",
            "use difc.scan or difc.fori_loop for loops, x[i] or x.at[i] to index arrays; for an argument that is a "
            "setting, difc.jit(static_argnums=...)",
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        instruction = user_instruction()
        if instruction == "BINARY_SUBSCR":
            raise _concretization(
                self,
                "an index of a NumPy array",
                "use difc.numpy.asarray(a)[index], and r_ and c_ of difc.numpy",
            )
        if instruction == "STORE_SUBSCR":
            raise stored_in_array(user_frame_location())
        raise _concretization(
            self,
            "a NumPy array (as in np.array([x]) or np.asarray(x))",
            _instead_of_scipy()
            or "use np.stack([...]) to join traced values, x.astype(np.float32) instead of np.float32(x), and "
            "difc.numpy or difc.scipy for what NumPy does not dispatch",
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise _concretization(self, "a pickle", "return it, and pickle the result of the call")

    def item(self, *args: Any) -> NoReturn:
        raise _concretization(self, "x.item()", "keep it as an array")

    def tolist(self) -> NoReturn:
        raise _concretization(self, "x.tolist()", "keep it as an array")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise MutationError(
            f"a traced array ({self.aval}) cannot be assigned to in place",
            where=user_frame_location(),
            remedy="use x = x.at[index].set(value) (or .add, .mul, ...)",
        )

    # ---- NumPy's protocols -------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from difc.numpy.registry import call_ufunc

        try:
            return call_ufunc(ufunc, method, inputs, kwargs)
        except DifcError as error:  # here, because no transformation does it for a tracer used after its trace
            raise shortened(error)  # noqa: B904 - it is the same error

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from difc.numpy.registry import call_function

        try:
            return call_function(func, args, kwargs)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def __getitem__(self, index: Any) -> Any:
        from difc.numpy.indexing import getitem

        try:
            return getitem(self, index)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    @property
    def at(self) -> Any:
        """Functional updates: `x.at[index].set(y)` is a copy of `x` with `x[index] = y` done. (JAX ndarray.at)"""
        from difc.numpy.updates import At

        return At(self)


class DimTracer(Tracer):
    """A run-time size: an i64 scalar that compares equal to an equal size at trace time."""

    __slots__ = ("dim",)
    dim: Any

    @staticmethod
    def of(x: Tracer, axis: int) -> DimTracer:
        value = dif.dim(lift(x), dimension=axis)
        tracer = DimTracer(value, current_frame(), weak=True)
        tracer.dim = x.aval.shape[axis]
        return tracer

    def __eq__(self, other: Any) -> Any:
        if isinstance(other, DimTracer):
            return self.dim == other.dim
        return False if isinstance(other, int) else np.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return not self == other if isinstance(other, (DimTracer, int)) else np.not_equal(self, other)

    def __index__(self) -> int:
        # A ShapeError, because NumPy replaces a TypeError of __index__ by its own message.
        raise ShapeError(
            f"the size {self.dim} is known only at run time, and a number was asked for",
            where=user_frame_location(),
            remedy="use difc.numpy to make arrays (its zeros, arange, ... take run-time sizes), difc.scan for loops",
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise _concretization(
            self,
            f"an array of the run-time size {self.dim} (as in np.arange(n))",
            "use difc.numpy.arange(n), or np.arange(n, like=x) with a traced array x",
        )

    def __hash__(self) -> int:
        return hash(self.dim)

    def __repr__(self) -> str:
        return str(self.dim)


def _instead_of_scipy() -> str:
    """Return the remedy where a function of SciPy asked for numbers, else nothing."""
    package, name = called_function()
    if package != "scipy":
        return ""
    from difc.scipy import instead_of

    return instead_of(name)


def _concretization(x: Tracer, wanted: str, remedy: str) -> ConcretizationError:
    return ConcretizationError(
        f"a traced array ({x.aval}) has no numbers yet: {wanted} was asked for while its function is traced",
        where=user_frame_location(),
        remedy=remedy,
    )


def stored_in_array(where: SourceLocation | None) -> MutationError:
    """Return the error for `y[i] = x` of a NumPy array `y`, where `i` or `x` is traced."""
    return MutationError(
        "a traced array cannot be stored in a NumPy array, which holds numbers",
        where=where,
        remedy="make the array with difc.numpy, and write y = y.at[index].set(value) for y[index] = value",
    )


def wrap(value: ir.Value, weak: bool = False) -> Any:
    """Return the tracer of a value of the current frame; sizes keep their name."""
    frame = current_frame()
    known = frame.builder.scalars.get(value)
    if weak and isinstance(known, Dim):
        tracer = DimTracer(value, frame, weak=True)
        tracer.dim = known
        return tracer
    return Tracer(value, frame, weak)


def lift(x: Any, dtype: np.dtype | None = None, name: str = "a value") -> ir.Value:
    """Return the value of a tracer, array or number in the current frame.

    Args:
      x: a tracer of this or an enclosing frame, or anything that NumPy makes an array of.
      dtype: the dtype for Python numbers (default: NumPy's).
      name: what messages call it.
    """
    if isinstance(x, Tracer):
        return current_frame().local(x._value, x._frame)
    if isinstance(x, (list, tuple)) and holds_tracer(x):
        return lift(np.stack([wrap(lift(e)) for e in x]))
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
        refuse_subclass(x, where=user_frame_location())
    array = as_array(x, dtype, name)
    return constant(x if isinstance(x, np.ndarray) and dtype in (None, x.dtype) else array)


def as_array(x: Any, dtype: np.dtype | None = None, name: str = "a value") -> np.ndarray:
    """Return what NumPy makes an array of; see `lift`.

    Raises:
      UnsupportedError: for what is no array of numbers.
      DtypeError: for a number that the dtype cannot hold.
    """
    why = ""
    try:
        array = np.asarray(x, dtype=dtype)
        if array.dtype != object and not isinstance(x, (str, bytes)):
            return array
    except (OverflowError, ValueError) as error:
        if isinstance(error, OverflowError) or isinstance(x, float):  # NaN as an integer is a ValueError
            raise DtypeError(
                f"{x} is no number of dtype {short_name(np.dtype(dtype))}",
                where=user_frame_location(),
                remedy="convert the array to a wider dtype with .astype(...)",
            ) from None
        why = ": its parts differ in length"
    why = ": it has more than 64 bits" if isinstance(x, int) else why
    raise UnsupportedError(
        f"{name} is not an array but of type {type(x).__name__}{why}",
        where=user_frame_location(),
        remedy="use arrays and numbers, in tuples, lists and dicts",
    )


def holds_tracer(x: Any) -> bool:
    """Say whether a list or tuple has a tracer in it, at any depth."""
    return any(isinstance(e, Tracer) or (isinstance(e, (list, tuple)) and holds_tracer(e)) for e in x)


def _binary(ufunc: np.ufunc, swap: bool) -> Callable[[Any, Any], Any]:
    def apply(self: Tracer, other: Any) -> Any:
        result = ufunc(other, self) if swap else ufunc(self, other)
        is_number = other.weak if isinstance(other, Tracer) else type(other) in (bool, int, float)
        return _as_number(result) if self.weak and is_number else result

    return apply


def _in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    operator = _binary(ufunc, False)

    def apply(self: Tracer, other: Any) -> Any:
        result = operator(self, other)
        return _kept(self, result) if self.ndim else result  # as NumPy's numbers, a scalar is replaced

    return apply


def _kept(x: Tracer, result: Tracer) -> Tracer:
    """Return what `x += y` makes of `x`, which is a new array of the shape and dtype of `x`, as in NumPy.

    Raises:
      ShapeError: if `y` is larger than `x`.
      DtypeError: if `x` would lose more than digits, as integers plus floats would.
    """
    same_shape = result.aval.shape == x.aval.shape
    if same_shape and np.can_cast(result.dtype, x.dtype, "same_kind"):
        return result if result.dtype == x.dtype else result.astype(x.dtype)
    raise (DtypeError if same_shape else ShapeError)(
        f"an operator in place, as in `x += y`, keeps shape and dtype of x ({x.aval}), and would give {result.aval}",
        where=user_frame_location(),
        remedy="write x = x + y",
    )


def _unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    return lambda self: _as_number(ufunc(self)) if self.weak else ufunc(self)


def _as_number(result: Any) -> Any:
    """Return what an operator makes of Python numbers: it is one again, where a function of NumPy gives an array."""
    if isinstance(result, tuple):
        return tuple(map(_as_number, result))
    return wrap(result._value, weak=True) if isinstance(result, Tracer) else result


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift, "divmod": np.divmod,
}.items():  # fmt: skip
    setattr(Tracer, f"__{_name}__", _binary(_ufunc, False))
    setattr(Tracer, f"__r{_name}__", _binary(_ufunc, True))
    if _ufunc.nout == 1:
        setattr(Tracer, f"__i{_name}__", _in_place(_ufunc))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Tracer, f"__{_name}__", _binary(_ufunc, False))
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Tracer, f"__{_name}__", _unary(_ufunc))
