"""Elementwise ops: one row each.

Operands have equal shapes and dtypes; broadcasting and promotion end in the frontend.
"""

from __future__ import annotations

from difc.dialects.base import Dtype, OpDef, Str, op
from difc.dialects.types import BOOL, Aval, check_dtype, check_same_dtype, same_shape
from difc.errors import DtypeError

__all__ = [
    "BINARY",
    "COMPARISONS",
    "UNARY",
    "abs",
    "acos",
    "acosh",
    "add",
    "and_",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitcast",
    "cbrt",
    "ceil",
    "compare",
    "convert",
    "cos",
    "cosh",
    "div",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "gcd",
    "hypot",
    "log",
    "log10",
    "log1p",
    "log2",
    "logistic",
    "max",
    "min",
    "mul",
    "neg",
    "not_",
    "or_",
    "pow",
    "rem",
    "round",
    "rsqrt",
    "select",
    "shift_left",
    "shift_right",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "stop_gradient",
    "sub",
    "tan",
    "tanh",
    "xor",
]

UNARY: list[OpDef] = []
BINARY: list[OpDef] = []


def _unary(name: str, kinds: str, doc: str) -> OpDef:
    def infer(x: Aval) -> Aval:
        check_dtype(name, x.dtype, kinds)
        return Aval(x.shape, x.dtype)

    infer.__doc__ = doc
    UNARY.append(op(infer, name=name))
    return UNARY[-1]


def _binary(name: str, kinds: str, doc: str) -> OpDef:
    def infer(x: Aval, y: Aval) -> Aval:
        check_same_dtype(name, x, y)
        check_dtype(name, x.dtype, kinds)
        return Aval(same_shape(name, x, y), x.dtype)

    infer.__doc__ = doc
    BINARY.append(op(infer, name=name))
    return BINARY[-1]


neg = _unary("neg", "float|integer", "-x.")
abs = _unary("abs", "float|integer", "|x|.")
sign = _unary("sign", "float|integer", "-1, 0 or 1; NaN stays NaN.")
floor = _unary("floor", "float", "Largest integer not above x.")
ceil = _unary("ceil", "float", "Smallest integer not below x.")
round = _unary("round", "float", "Nearest integer, ties to even.")
exp = _unary("exp", "float", "e^x.")
exp2 = _unary("exp2", "float", "2^x.")
expm1 = _unary("expm1", "float", "e^x - 1, precise near 0.")
log = _unary("log", "float", "Natural logarithm.")
log1p = _unary("log1p", "float", "log(1 + x), precise near 0.")
log2 = _unary("log2", "float", "Logarithm to base 2; exact for powers of 2.")
log10 = _unary("log10", "float", "Logarithm to base 10.")
sqrt = _unary("sqrt", "float", "Square root.")
rsqrt = _unary("rsqrt", "float", "1 / sqrt(x).")
cbrt = _unary("cbrt", "float", "Cube root, also of negative numbers.")
sin = _unary("sin", "float", "Sine of x radians.")
cos = _unary("cos", "float", "Cosine of x radians.")
tan = _unary("tan", "float", "Tangent of x radians.")
asin = _unary("asin", "float", "The angle from -pi/2 to pi/2 whose sine is x.")
acos = _unary("acos", "float", "The angle from 0 to pi whose cosine is x.")
atan = _unary("atan", "float", "The angle from -pi/2 to pi/2 whose tangent is x.")
sinh = _unary("sinh", "float", "Hyperbolic sine.")
cosh = _unary("cosh", "float", "Hyperbolic cosine.")
tanh = _unary("tanh", "float", "Hyperbolic tangent.")
asinh = _unary("asinh", "float", "Inverse of the hyperbolic sine.")
acosh = _unary("acosh", "float", "Inverse of the hyperbolic cosine, not negative.")
atanh = _unary("atanh", "float", "Inverse of the hyperbolic tangent.")
logistic = _unary("logistic", "float", "1 / (1 + e^-x).")
erf = _unary("erf", "float", "Error function, 2/sqrt(pi) times the integral of e^-t^2 from 0 to x.")
erfc = _unary("erfc", "float", "1 - erf(x), precise where that is small.")
not_ = _unary("not", "bool|integer", "Logical (bool) or bitwise (integer) complement.")
stop_gradient = _unary("stop_gradient", "float|integer|bool", "x, with a derivative of zero.")

add = _binary("add", "float|integer", "x + y; integers wrap around.")
sub = _binary("sub", "float|integer", "x - y; integers wrap around.")
mul = _binary("mul", "float|integer", "x * y; integers wrap around.")
div = _binary("div", "float|integer", "x / y; integers round towards zero, and division by zero gives 0.")
rem = _binary("rem", "float|integer", "Remainder of x / y with the sign of x; an integer y of zero gives 0.")
pow = _binary("pow", "float|integer", "x to the power y; integers wrap around, and a negative y gives 0 or +-1.")
atan2 = _binary("atan2", "float", "The angle from -pi to pi of the point (y, x): the ordinate is the first operand.")
hypot = _binary("hypot", "float", "sqrt(x^2 + y^2), without overflow; infinite if either is.")
max = _binary("max", "float|integer|bool", "The larger of x and y; NaN if either is NaN.")
min = _binary("min", "float|integer|bool", "The smaller of x and y; NaN if either is NaN.")
and_ = _binary("and", "bool|integer", "Logical (bool) or bitwise (integer) and.")
or_ = _binary("or", "bool|integer", "Logical (bool) or bitwise (integer) or.")
xor = _binary("xor", "bool|integer", "Logical (bool) or bitwise (integer) exclusive or.")
shift_left = _binary("shift_left", "integer", "x times 2^y; a y that is not a bit's number leaves 0.")
shift_right = _binary(
    "shift_right", "integer", "x / 2^y rounded down; a y that is not a bit's number leaves 0, or -1 of a negative x."
)
gcd = _binary("gcd", "integer", "The greatest common divisor of |x| and |y|, which is |x| where y is 0.")

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


@op
def compare(x: Aval, y: Aval, *, direction: Str) -> Aval:
    """Compare elementwise; `direction` is one of eq ne lt le gt ge. Any comparison with NaN but `ne` is false."""
    if direction not in COMPARISONS:
        raise DtypeError(f"compare: unknown direction {direction!r}, not one of {', '.join(COMPARISONS)}")
    check_same_dtype("compare", x, y)
    return Aval(same_shape("compare", x, y), BOOL)


@op
def select(pred: Aval, on_true: Aval, on_false: Aval) -> Aval:
    """Take each element from `on_true` where `pred` holds, else from `on_false`; all three have equal shapes."""
    if pred.dtype != BOOL:
        raise DtypeError(f"select: the predicate is {pred}, not bool")
    if on_true.dtype != on_false.dtype:
        raise DtypeError(f"select: the cases have different dtypes: {on_true} and {on_false}")
    return Aval(same_shape("select", pred, on_true, on_false), on_true.dtype)


@op
def convert(x: Aval, *, dtype: Dtype) -> Aval:
    """Convert elements. Floats to integers round towards zero, saturate where out of range, and turn NaN to 0; integers
    to narrower ones wrap around; numbers to bool compare with zero (NaN is not zero).
    """
    return Aval(x.shape, dtype)


@op
def bitcast(x: Aval, *, dtype: Dtype) -> Aval:
    """Take the bits of each element as a number of another dtype of the same width."""
    if BOOL in (x.dtype, dtype) or x.dtype.itemsize != dtype.itemsize:
        raise DtypeError(f"bitcast: the bits of {x} are not those of elements of {dtype}")
    return Aval(x.shape, dtype)
