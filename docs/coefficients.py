"""Computes the constants of the expansions: `python docs/coefficients.py` writes
`pipelines/lowering/expansions/coefficients.py`. A test compares the two.

Polynomials interpolate at Chebyshev nodes, in 80 digits; that is within two bits of the best polynomial of the degree.
Each is fitted to what remains of a function when the leading terms, which the expansions add exactly, are taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf

__all__ = ["OUTPUT", "generated"]

OUTPUT = Path(__file__).resolve().parent.parent / "pipelines" / "lowering" / "expansions" / "coefficients.py"
DIGITS = 80
F32, F64 = np.float32, np.float64
#: Fraction bits of a number that is multiplied by a quotient of up to 12 (f64) or 9 bits (f32) without rounding.
SHORT = {F32: 15, F64: 41}

Function = Callable[[Any], Any]


def _interpolated(function: Function, low: float, high: float, degree: int) -> list[Any]:
    """Return the coefficients of the polynomial that meets a function at the Chebyshev nodes of an interval."""
    middle, reach = (mpf(high) + low) / 2, (mpf(high) - low) / 2
    nodes = [middle + reach * mp.cos(mp.pi * (2 * i + 1) / (2 * degree + 2)) for i in range(degree + 1)]
    # Newton's divided differences, then expanded from the innermost product outwards.
    differences = [function(x) for x in nodes]
    for step in range(1, degree + 1):
        for i in range(degree, step - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - step])
    coefficients = [mpf(0)] * (degree + 1)
    for i in range(degree, -1, -1):
        shifted = [mpf(0), *coefficients[:-1]]
        coefficients = [a - nodes[i] * b for a, b in zip(shifted, coefficients, strict=True)]
        coefficients[0] += differences[i]
    return coefficients


def _by_root(function: Function, power: int) -> Function:
    """Return (f(x) - x) / x^power as a function of z = x^2."""
    return lambda z: (function(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** power


def _erfc_scaled(t: Any) -> Any:
    """Return (1 + 2 x) exp(x^2) erfc(x), which is near 1 for all x >= 0, with t = (x - 4) / (x + 4)."""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _erfc_place(x: float) -> float:
    return (x - 4) / (x + 4)


#: Name -> function, interval, degrees (f32, f64), meaning.
POLYNOMIALS: dict[str, tuple[Function, float, float, tuple[int, int], str]] = {
    "EXP": (lambda r: (mp.expm1(r) - r) / r**2, -0.3467, 0.3468, (5, 9), "(e^r - 1 - r) / r^2"),
    "LOG": (
        lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        1e-30, 0.02945, (3, 6), "(2 atanh(s) / s - 2) / s^2, z = s^2",
    ),
    "LOG_TAIL": (
        lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2 - 2 * z / 3) / z**2,
        1e-30, 0.02945, (3, 7), "(2 atanh(s) / s - 2 - 2/3 s^2) / s^4, z = s^2",
    ),
    "SIN": (_by_root(mp.sin, 3), 1e-30, 0.6170, (3, 5), "(sin r - r) / r^3, z = r^2"),
    "COS": (lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, 1e-30, 0.6170, (2, 5), "(cos r - 1 + r^2/2) / r^4"),
    "SINH": (_by_root(mp.sinh, 3), 1e-30, 1.0, (3, 6), "(sinh x - x) / x^3, z = x^2"),
    "TANH": (_by_root(mp.tanh, 3), 1e-30, 0.3601, (4, 10), "(tanh x - x) / x^3, z = x^2"),
    "ATAN": (_by_root(mp.atan, 3), 1e-30, 0.1915, (4, 11), "(atan t - t) / t^3, z = t^2"),
    "ASIN": (_by_root(mp.asin, 3), 1e-30, 0.25, (5, 12), "(asin s - s) / s^3, z = s^2"),
    "ERF": (lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, 1e-30, 0.2501, (5, 9), "erf(x) / x - 1, z = x^2"),
    "ERFC": (
        _erfc_scaled, _erfc_place(0.49), _erfc_place(28), (11, 22),
        "(1 + 2 x) exp(x^2) erfc(x), t = (x - 4) / (x + 4)",
    ),
    "CBRT": (lambda r: r ** (-mpf(1) / 3), 0.89, 1.11, (4, 5), "r^(-1/3)"),
}  # fmt: skip

#: Name -> number; kept as the sum of a short number, which a small integer multiplies exactly, and the rest.
PAIRS: dict[str, tuple[Function, str]] = {
    "LN2": (lambda: mp.log(2), "log 2"),
}
#: Name -> number; kept as the sum of two numbers of the dtype.
SUMS: dict[str, tuple[Function, str]] = {
    "HALF_PI": (lambda: mp.pi / 2, "pi / 2"),
    "PI": (lambda: mp.pi, "pi"),
    "INVERSE_LN2": (lambda: 1 / mp.log(2), "1 / log 2"),
    "INVERSE_LN10": (lambda: 1 / mp.log(10), "1 / log 10"),
    "LN2_SUM": (lambda: mp.log(2), "log 2"),
    "TWO_THIRDS": (lambda: mpf(2) / 3, "2 / 3"),
    "ATAN_HALF": (lambda: mp.atan(mpf(1) / 2), "atan(1/2)"),
    "ATAN_ONE": (lambda: mp.pi / 4, "atan(1)"),
    "ATAN_THREE_HALVES": (lambda: mp.atan(mpf(3) / 2), "atan(3/2)"),
}
TWO_OVER_PI_WORDS = 38


def _text(dtype: type, number: Any) -> str:
    return repr(float(dtype(float(number)))) if dtype is F64 else str(np.float32(float(number)))


def _shortened(dtype: type, number: Any) -> tuple[Any, Any]:
    scale = mpf(2) ** (SHORT[dtype] - mp.floor(mp.log(number, 2)))
    short = mp.floor(number * scale) / scale
    return short, number - short


def _rounded(dtype: type, number: Any) -> tuple[Any, Any]:
    first = mpf(float(dtype(float(number))))
    return first, number - first


def _two_over_pi() -> list[int]:
    """Return 2/pi as words of 32 bits after the binary point."""
    with mp.workdps(2000):
        digits = int(mp.floor(2 / mp.pi * mpf(2) ** (32 * TWO_OVER_PI_WORDS)))
    return [digits >> (32 * (TWO_OVER_PI_WORDS - 1 - i)) & 0xFFFFFFFF for i in range(TWO_OVER_PI_WORDS)]


def _table(name: str, meaning: str, rows: dict[str, Sequence[str]]) -> str:
    body = ""
    for dtype, numbers in rows.items():
        line = f"    {dtype}: ({', '.join(numbers)}),\n"
        if len(line) > 120:
            line = f"    {dtype}: (\n" + "".join(f"        {number},\n" for number in numbers) + "    ),\n"
        body += line
    return f"#: {meaning}\n{name}: Table = {{\n{body}}}\n"


def generated() -> str:
    """Return the text of `coefficients.py`."""
    mp.dps = DIGITS
    parts = []
    for name, (function, low, high, degrees, meaning) in POLYNOMIALS.items():
        rows = {
            key: [_text(dtype, c) for c in _interpolated(function, low, high, degree)]
            for key, dtype, degree in zip(("F32", "F64"), (F32, F64), degrees, strict=True)
        }
        parts.append(_table(name, f"{meaning}, from {low:.4g} to {high:.4g}.", rows))
    for table, split, note in ((PAIRS, _shortened, "the first number is short"), (SUMS, _rounded, "as two numbers")):
        for name, (value, meaning) in table.items():
            rows = {
                key: [_text(dtype, part) for part in split(dtype, value())]
                for key, dtype in (("F32", F32), ("F64", F64))
            }
            parts.append(_table(name, f"{meaning}; {note}.", rows))
    words = [f"0x{word:08X}" for word in _two_over_pi()]
    lines = "".join(f"    {', '.join(words[i : i + 8])},\n" for i in range(0, len(words), 8))
    parts.append(f"#: The bits of 2/pi after the point, in words.\nTWO_OVER_PI = (\n{lines})  # fmt: skip\n")
    head = (
        '"""Constants of the expansions, by dtype. Written by `docs/coefficients.py`, which says how; do not edit.\n\n'
        'Polynomials begin with the constant term.\n"""\n\nfrom __future__ import annotations\n\n'
        "import numpy as np\n\nfrom difc.dialects.types import F32, F64\n\nTable = dict[np.dtype, tuple[float, ...]]\n"
    )
    return head + "\n" + "\n".join(parts)


if __name__ == "__main__":
    OUTPUT.write_text(generated())
