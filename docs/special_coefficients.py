"""Computes the constants of the special functions: `python docs/special_coefficients.py` writes
`pipelines/lowering/expansions/special_coefficients.py`. A test compares the two.

Each polynomial is what mpmath's Chebyshev fit gives in 60 digits, for the part of a function that is left when its
zeros, poles and growth are taken out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf

__all__ = ["OUTPUT", "generated"]

OUTPUT = Path(__file__).resolve().parent.parent / "pipelines" / "lowering" / "expansions" / "special_coefficients.py"
DIGITS = 60

Function = Callable[[Any], Any]


def _without(z: Any, zeros: tuple[Any, ...], function: Function) -> Any:
    """Return function(z) divided by its factors, also at its zeros (by the limit)."""
    for zero in zeros:
        if abs(z - zero) < mpf(10) ** -20:
            z = zero + mpf(10) ** -20
    value = function(z)
    for zero in zeros:
        value /= z - zero
    return value


def _stirling(z: Any) -> Any:
    """Return x (lgamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2)) with z = 1 / x^2."""
    if z < mpf(10) ** -12:
        return mpf(1) / 12 - z / 360 + z * z / 1260
    x = 1 / mp.sqrt(z)
    with mp.extradps(30):
        return x * (mp.loggamma(x) - ((x - mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2))


def _digamma_far(z: Any) -> Any:
    """Return x^2 (log x - 1 / (2 x) - digamma(x)) with z = 1 / x^2."""
    if z < mpf(10) ** -12:
        return mpf(1) / 12 - z / 120 + z * z / 252
    x = 1 / mp.sqrt(z)
    with mp.extradps(30):
        return x * x * (mp.log(x) - 1 / (2 * x) - mp.digamma(x))


def _erfcx(t: Any) -> Any:
    """Return (1 + 2 x) exp(x^2) erfc(x) with t = (x - 3.75) / (x + 3.75); its limit at infinity is 2 / sqrt(pi)."""
    if t > 1 - mpf(10) ** -6:
        u = (1 - t) / (7.5 * (1 + t) / 2)  # 1 / x
        return (2 + u) * (1 - u * u / 2 + 3 * u**4 / 4) / mp.sqrt(mp.pi)
    x = mpf("3.75") * (1 + t) / (1 - t)
    with mp.extradps(30):
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _inverse_erfc(w: Any) -> Any:
    """Return y / w with erfc(y) = exp(-w^2)."""
    y = w - mp.log(w * mp.sqrt(mp.pi) + 1) / (2 * w)
    for _ in range(60):  # Newton's, on the logarithm
        value = mp.erfc(y)
        step = (mp.log(value) + w * w) * value * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step
        if abs(step) < mpf(10) ** (10 - DIGITS):
            break
    return y / w


def _bessel_far(order: int) -> Function:
    def scaled(t: Any) -> Any:
        if t < -1 + mpf(10) ** -8:
            u = (t + 1) / 16
            return (1 + (1 - 4 * mpf(order)) * u / 8) / mp.sqrt(2 * mp.pi)
        x = 16 / (t + 1)
        return mp.sqrt(x) * mp.exp(-x) * mp.besseli(order, x)

    return scaled


def _root_of_digamma() -> Any:
    return mp.findroot(mp.digamma, mpf("1.4616321449683623"))


#: Name -> function, interval, degrees (f32, f64), meaning.
POLYNOMIALS: dict[str, tuple[Function, Any, Any, tuple[int, int], str]] = {
    "LGAMMA": (
        lambda x: _without(x, (mpf(1), mpf(2)), mp.loggamma),
        1, 2.5, (11, 24), "lgamma(x) / ((x - 1) (x - 2)), in x - 1.75",
    ),
    "STIRLING": (_stirling, 0, 0.015625, (2, 7), "x (lgamma(x) - (x - 1/2) log x + x - log(2 pi) / 2), in 1 / x^2"),
    "GAMMA": (mp.gamma, 1.5, 2.5, (8, 18), "gamma(x), in x - 2"),
    "DIGAMMA": (
        lambda x: _without(x, (_root_of_digamma(),), mp.digamma),
        1, 2, (9, 21), "digamma(x) / (x - its zero), in x - 1.5",
    ),
    "DIGAMMA_FAR": (_digamma_far, 0, 0.015625, (2, 8), "x^2 (log x - 1 / (2 x) - digamma(x)), in 1 / x^2"),
    "SIN_PI": (lambda z: mp.pi * mp.sincpi(mp.sqrt(z)), 0, 0.25, (5, 9), "sin(pi r) / r, in r^2"),
    "COS_PI": (lambda z: mp.cospi(mp.sqrt(z)), 0, 0.0625, (4, 7), "cos(pi r), in r^2"),
    "ERFCX": (_erfcx, -1, 1, (12, 24), "(1 + 2 x) exp(x^2) erfc(x), in (x - 3.75) / (x + 3.75)"),
    "ERFINV": (
        lambda z: mp.erfinv(mp.sqrt(z)) / mp.sqrt(z) if z else mp.sqrt(mp.pi) / 2,
        0, 0.25, (6, 15), "erfinv(x) / x, in x^2",
    ),
    "ERFCINV_1": (_inverse_erfc, 0.8325, 2.0, (9, 20), "y / w with erfc(y) = exp(-w^2), in w - 1.41625"),
    "ERFCINV_2": (_inverse_erfc, 2.0, 5.0, (9, 23), "the same, in w - 3.5"),
    "ERFCINV_3": (_inverse_erfc, 5.0, 12.0, (9, 23), "the same, in w - 8.5"),
    "ERFCINV_4": (_inverse_erfc, 12.0, 28.0, (9, 22), "the same, in w - 20"),
    "BESSEL_I0": (lambda z: mp.besseli(0, mp.sqrt(z)), 0, 64, (10, 19), "i0(x), in x^2"),
    "BESSEL_I1": (lambda z: mp.besseli(1, mp.sqrt(z)) / mp.sqrt(z), 1e-40, 64, (10, 19), "i1(x) / x, in x^2"),
    "BESSEL_I0_FAR": (_bessel_far(0), -1, 1, (6, 22), "sqrt(x) e^-x i0(x), in 16 / x - 1"),
    "BESSEL_I1_FAR": (_bessel_far(1), -1, 1, (6, 22), "sqrt(x) e^-x i1(x), in 16 / x - 1"),
}  # fmt: skip
#: Names of polynomials whose variable is moved, and by how much.
CENTERS = {
    "LGAMMA": 1.75, "GAMMA": 2.0, "DIGAMMA": 1.5,
    "ERFCINV_1": 1.41625, "ERFCINV_2": 3.5, "ERFCINV_3": 8.5, "ERFCINV_4": 20.0,
}  # fmt: skip


def _fitted(name: str, degree: int) -> list[Any]:
    """Return coefficients, the constant term first."""
    function, low, high, _, _ = POLYNOMIALS[name]
    center = mpf(CENTERS.get(name, 0))
    moved = lambda t: function(t + center)  # noqa: E731
    return list(reversed(mp.chebyfit(moved, [mpf(low) - center, mpf(high) - center], degree + 1)))


def _text(dtype: Any, number: Any) -> str:
    return repr(float(number)) if dtype is np.float64 else str(np.float32(float(number)))


def _table(name: str, meaning: str, rows: dict[str, list[str]]) -> str:
    body = ""
    for dtype, numbers in rows.items():
        lines = textwrap.wrap(f"{', '.join(numbers)},", 112)
        body += f"    {dtype}: (\n" + "".join(f"        {line}\n" for line in lines) + "    ),\n"
    return f"#: {meaning}\n{name}: Table = {{\n{body}}}\n"


def _split(dtype: Any, number: Any) -> list[str]:
    first = mpf(float(dtype(float(number))))
    return [_text(dtype, first), _text(dtype, number - first)]


def generated() -> str:
    """Return the text of `special_coefficients.py`."""
    mp.dps = DIGITS
    parts = []
    kinds = {"F32": np.float32, "F64": np.float64}
    for name, (_, low, high, degrees, meaning) in POLYNOMIALS.items():
        rows = {
            key: [_text(dtype, c) for c in _fitted(name, degree)]
            for (key, dtype), degree in zip(kinds.items(), degrees, strict=True)
        }
        parts.append(_table(name, f"{meaning}; from {float(low):.4g} to {float(high):.4g}.", rows))
    for name, number, meaning in (("DIGAMMA_ZERO", _root_of_digamma(), "The zero of digamma"),):
        rows = {key: _split(dtype, number) for key, dtype in kinds.items()}
        parts.append(_table(name, f"{meaning}, as two numbers.", rows))
    head = (
        '"""Constants of the special functions, by dtype. Written by `docs/special_coefficients.py`; do not edit.\n\n'
        'Polynomials begin with the constant term.\n"""\n\n# fmt: off\nfrom __future__ import annotations\n\n'
        "import numpy as np\n\nfrom difc.dialects.types import F32, F64\n\nTable = dict[np.dtype, tuple[float, ...]]\n"
    )
    return head + "\n" + "\n".join(parts)


if __name__ == "__main__":
    OUTPUT.write_text(generated())
