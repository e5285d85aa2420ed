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


def _zeros_of_j(order: int) -> tuple[Any, ...]:
    """Return the zeros of the Bessel function of an order between 0 and 8."""
    return mp.besseljzero(order, 1), mp.besseljzero(order, 2)


def _bessel_j(order: int) -> Function:
    """Return x^-n Jn(x), without its zeros, by x^2."""

    def smooth(z: Any) -> Any:
        x = mp.sqrt(max(z, mpf(10) ** -40))
        return mp.besselj(order, x) / x**order

    return lambda z: _without(z, tuple(zero**2 for zero in _zeros_of_j(order)), smooth)


def _bessel_y(order: int) -> Function:
    """Return what Yn(x) is beside 2 / pi (log(x) Jn(x) - n / x), over x^n, by x^2."""

    def smooth(z: Any) -> Any:
        x = mp.sqrt(max(z, mpf(10) ** -12))
        rest = mp.log(x) * mp.besselj(order, x) - order / x
        return (mp.bessely(order, x) - 2 / mp.pi * rest) / x**order

    return smooth


def _bessel_k(order: int) -> Function:
    """Return what Kn(x) is beside n / x - (-1)^n log(x / 2) In(x), over x^n, by x^2."""

    def smooth(z: Any) -> Any:
        x = mp.sqrt(max(z, mpf(10) ** -12))
        rest = order / x - (-1) ** order * mp.log(x / 2) * mp.besseli(order, x)
        return (mp.besselk(order, x) - rest) / x**order

    return smooth


def _bessel_wave(order: int, along: bool) -> Function:
    """Return P (or x Q) by 1 / x^2, with Jn + i Yn = sqrt(2 / (pi x)) (P + i Q) exp(i (x - (2 n + 1) pi / 4))."""

    def part(w: Any) -> Any:
        square = mpf(4 * order**2)
        if w < mpf(10) ** -14:
            return 1 - (square - 1) * (square - 9) / 128 * w if along else (square - 1) / 8
        x = 1 / mp.sqrt(w)
        wave = (mp.besselj(order, x) + 1j * mp.bessely(order, x)) * mp.sqrt(mp.pi * x / 2)
        turned = wave * mp.expj((2 * order + 1) * mp.pi / 4 - x)
        return turned.real if along else x * turned.imag

    return part


def _bessel_k_far(order: int) -> Function:
    def scaled(t: Any) -> Any:
        if t < -1 + mpf(10) ** -8:
            return mp.sqrt(mp.pi / 2) * (1 + (4 * mpf(order) - 1) * (t + 1) / 32)
        x = 4 / (t + 1)
        return mp.sqrt(x) * mp.exp(x) * mp.besselk(order, x)

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
    "BESSEL_J0": (_bessel_j(0), 0, 64, (9, 15), "j0(x) over x^2 less the squares of its zeros, in x^2 - 64"),
    "BESSEL_J1": (_bessel_j(1), 0, 64, (9, 15), "the same of j1(x) / x"),
    "BESSEL_Y0": (_bessel_y(0), 0, 64, (11, 18), "y0(x) - 2 / pi log(x) j0(x), in x^2 - 32"),
    "BESSEL_Y1": (_bessel_y(1), 0, 64, (11, 18), "(y1(x) - 2 / pi (log(x) j1(x) - 1 / x)) / x, in x^2 - 32"),
    **{
        f"BESSEL_{name}{order}": (_bessel_wave(order, name == "P"), 0, 0.015625, (4, 13), text)
        for order in (0, 1)
        for name, text in (("P", "P with j + i y = sqrt(2 / (pi x)) (P + i Q) exp(i ...), in 1 / x^2"), ("Q", "x Q"))
    },
    "BESSEL_K0": (_bessel_k(0), 0, 4, (6, 10), "k0(x) + log(x / 2) i0(x), in x^2"),
    "BESSEL_K1": (_bessel_k(1), 0, 4, (6, 10), "(k1(x) - log(x / 2) i1(x) - 1 / x) / x, in x^2"),
    "BESSEL_K0_FAR": (_bessel_k_far(0), -1, 1, (9, 25), "sqrt(x) e^x k0(x), in 4 / x - 1"),
    "BESSEL_K1_FAR": (_bessel_k_far(1), -1, 1, (9, 25), "sqrt(x) e^x k1(x), in 4 / x - 1"),
}  # fmt: skip
#: Names of polynomials whose variable is moved, and by how much.
CENTERS = {
    "LGAMMA": 1.75, "GAMMA": 2.0, "DIGAMMA": 1.5,
    "ERFCINV_1": 1.41625, "ERFCINV_2": 3.5, "ERFCINV_3": 8.5, "ERFCINV_4": 20.0,
    "BESSEL_J0": 64.0, "BESSEL_J1": 64.0, "BESSEL_Y0": 32.0, "BESSEL_Y1": 32.0,
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
    for name, numbers, meaning in (
        ("DIGAMMA_ZERO", [_root_of_digamma()], "The zero of digamma, as two numbers"),
        ("BESSEL_J0_ZEROS", _zeros_of_j(0), "The zeros of j0 below 8, as two numbers each"),
        ("BESSEL_J1_ZEROS", _zeros_of_j(1), "The zeros of j1 between 0 and 8, as two numbers each"),
    ):
        rows = {key: [text for n in numbers for text in _split(dtype, n)] for key, dtype in kinds.items()}
        parts.append(_table(name, f"{meaning}.", rows))
    head = (
        '"""Constants of the special functions, by dtype. Written by `docs/special_coefficients.py`; do not edit.\n\n'
        'Polynomials begin with the constant term.\n"""\n\n# fmt: off\nfrom __future__ import annotations\n\n'
        "import numpy as np\n\nfrom difc.dialects.types import F32, F64\n\nTable = dict[np.dtype, tuple[float, ...]]\n"
    )
    return head + "\n" + "\n".join(parts)


if __name__ == "__main__":
    OUTPUT.write_text(generated())
