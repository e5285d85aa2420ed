"""How precise the functions of one element are, measured in units in the last place against long doubles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from tests.pipelines.lowered import build, call, compiled

RNG = np.random.default_rng(0)
EXACT: dict[str, Callable[..., np.ndarray]] = {
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": lambda x: special.erf(x.astype(np.float64)),
    "pow": np.power,
    "rem": np.fmod,
}
#: Function -> worst error in ULP where neither operand nor result is subnormal (f32, f64); None: no f64.
WORST: dict[str, tuple[float, float | None]] = {
    "exp": (1, 1),
    "expm1": (2, 2),
    "log": (1, 1),
    "log1p": (2, 2),
    "sqrt": (1, 1),
    "rsqrt": (1, 1),
    "tanh": (5, 3),
    "logistic": (2, 2),
    "erf": (3, None),
    "pow": (1, 800),
    "rem": (0, 0),
}


def _arguments(name: str, dtype: np.dtype) -> list[np.ndarray]:
    """Return numbers of every size: near 0, ordinary, and over all exponents."""
    reach = float(np.log(np.finfo(dtype).max)) - 1
    wide = RNG.choice([-1.0, 1.0], 4000) * np.exp(RNG.uniform(-reach, reach, 4000))
    x = np.concatenate([RNG.uniform(-30, 30, 10000), RNG.uniform(-1e-2, 1e-2, 4000), wide]).astype(dtype)
    if name == "pow":
        return [np.abs(x), np.clip(RNG.permutation(x), -200, 200)]
    return [x, RNG.permutation(x)] if name == "rem" else [x]


@pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
def test_precision(dtype: np.dtype) -> None:
    column = 0 if dtype == F32 else 1
    names = [name for name, worst in WORST.items() if worst[column] is not None]
    arity = {name: 2 if name in ("pow", "rem") else 1 for name in names}
    module = build({name: (dif.OPS[f"dif.{name}"], [Aval((DYN,), dtype)] * arity[name]) for name in names})
    entries = compiled(module)
    tiny = 2 * np.finfo(dtype).tiny
    for name in names:
        arguments = _arguments(name, dtype)
        with np.errstate(all="ignore"):
            exact = EXACT.get(name) or getattr(np, name)
            precise = exact(*(a.astype(np.longdouble) for a in arguments))
            want = precise.astype(dtype)
            (got,) = call(getattr(entries, name), arguments)
            usable = np.isfinite(want) & np.all([np.abs(a) >= tiny for a in (*arguments, want)], axis=0)
            errors = np.abs(got - precise)[usable] / np.spacing(np.abs(want[usable]))
        assert np.isfinite(got[usable]).all(), name
        assert errors.max() <= WORST[name][column] + 0.5, f"{name}: {errors.max()} ULP"


def test_remainder_is_exact_at_the_ends() -> None:
    """Quotients up to 2^2000, subnormal operands and results, and the cases of C."""
    least, small, large = 5e-324, 2.0**-1022, 1.7e308
    ends = np.array(
        [0.0, -0.0, 1, -1, 3, 0.1, least, -least, 3 * least, small, 1.5 * small, large, -large, np.inf, -np.inf, np.nan]
    )
    x, y = (a.ravel() for a in np.meshgrid(ends, ends))
    (got,) = call(compiled(build({"f": (dif.rem, [Aval((DYN,), F64)] * 2)})).f, [x, y])
    with np.errstate(all="ignore"):
        want = np.fmod(x, y)
    usable = (np.abs(x) >= small) | (x == 0)  # the processor may take subnormal operands as zero
    usable &= ((np.abs(y) >= small) | (y == 0)) & ((np.abs(want) >= small) | (want == 0) | np.isnan(want))
    np.testing.assert_array_equal(got[usable], want[usable])
    signed = usable & ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(want[signed]))


def test_powers_of_integers() -> None:
    bases, exponents = (a.ravel() for a in np.meshgrid(np.arange(-5, 6), np.arange(-4, 64)))
    aval = Aval((DYN,), np.dtype(np.int64))
    (got,) = call(compiled(build({"f": (dif.pow, [aval] * 2)})).f, [bases, exponents])
    want = [_power(int(b), int(e)) for b, e in zip(bases, exponents, strict=True)]
    np.testing.assert_array_equal(got, want)


def _power(base: int, exponent: int) -> int:
    """Return a power wrapped to 64 bits; a negative one of anything but 1 and -1 is 0."""
    whole = base**exponent if exponent >= 0 else base ** (-exponent % 2 + 2) if abs(base) == 1 else 0
    return (whole + 2**63) % 2**64 - 2**63
