"""What the Bessel functions mean, computed in NumPy in another way than the lowering does: by integrals, sums over
orders and asymptotic series, in extended precision where the machine has it.

f32 is computed in f64 and rounded. Imports nothing but NumPy and the dialect.
"""

from __future__ import annotations

import math

import numpy as np

from difc import dialects as dif
from difc.dialects.semantics import Meaning, in_f64, meaning
from difc.dialects.semantics_special import LONG, PI

__all__: list[str] = []

EULER = LONG("0.577215664901532860606512090082402431")
#: From here on the asymptotic series is exact, of J and Y, and of I and K.
FAR, FAR_OF_I = 40.0, 500.0


def _inside(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the numbers from low to high in extended precision, and low in place of others."""
    return np.where((x >= low) & (x < high), x, low).astype(LONG)


def _hankel(order: int, x: np.ndarray, alternate: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the even and the odd terms of the series of Bessel functions in 1 / x, with signs that change or not."""
    parts = [np.ones_like(x), np.zeros_like(x)]
    term = np.ones_like(x)
    for k in range(1, count):
        term = term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * x)
        parts[k % 2] = parts[k % 2] + term * alternate ** (k // 2)
    return parts[0], parts[1]


# ---- of the first modified kind ------------------------------------------------------------------


def _scaled_i(order: int) -> Meaning:
    def scaled(x: np.ndarray) -> np.ndarray:
        size = np.abs(np.where(np.isfinite(x), x, 0))
        near = np.where(size < FAR_OF_I, size, 0)
        angles = PI * (np.arange(400) + LONG(0.5)) / 400  # of a periodic function: the error vanishes exponentially
        fall = -2 * np.sin(angles / 2) ** 2  # cos - 1
        small = (np.exp(near[..., None] * fall) * np.cos(order * angles)).sum(-1) / 400
        far = np.where(size < FAR_OF_I, FAR_OF_I, size)
        even, odd = _hankel(order, far, 1, 12)
        large = (even - odd) / np.sqrt(2 * np.pi * far)
        result = np.where(size < FAR_OF_I, small, large)
        result = np.where(np.isinf(x), 0.0, result)
        if order == 1:
            tiny = size < 0.01  # where the sum would cancel
            result = np.where(tiny, size / 2 * np.exp(-size) * (1 + size**2 / 8 + size**4 / 192), result) * np.sign(x)
        return np.where(np.isnan(x), x, result)

    return in_f64(scaled)


# ---- of the first and the second kind ------------------------------------------------------------


def _orders(x: np.ndarray) -> list[np.ndarray]:
    """Return J0, J1, ... of numbers from 1 to 40, by their recurrence from where they vanish (Miller)."""
    count = 120
    found = [np.zeros_like(x)] * (count + 1)
    found[count - 1] = np.full_like(x, 1e-300)
    for n in range(count - 1, 0, -1):
        found[n - 1] = 2 * n / x * found[n] - found[n + 1]
        grown = np.abs(found[n - 1]) > 1e30
        if grown.any():
            scale = np.where(grown, LONG(1e-30), LONG(1))
            found = [v * scale for v in found]
    total = found[0] + 2 * np.sum(found[2::2], axis=0)
    return [v / total for v in found]


def _series(order: int, x: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Jn and the sum in Yn (sign -1), or In and that in Kn (sign 1), of numbers up to 1."""
    quarter, function, harmonic = sign * x * x / 4, np.zeros_like(x), np.zeros_like(x)
    for k in range(20):
        term = quarter**k / (math.factorial(k) * math.factorial(k + order)) * (x / 2) ** order
        steps = sum(LONG(1) / j for j in range(1, k + 1)) + sum(LONG(1) / j for j in range(1, k + order + 1))
        function, harmonic = function + term, harmonic + term * (steps - 2 * EULER)
    return function, harmonic


def _wave(order: int, kind: str) -> Meaning:
    def compute(x: np.ndarray) -> np.ndarray:
        size = np.abs(x)
        tiny, near, far = _inside(size, 1e-300, 1), _inside(size, 1, FAR), _inside(size, FAR, np.inf)
        j, sums = _series(order, tiny, -1)
        orders = _orders(near)
        even, odd = _hankel(order, far, -1, 40)
        turn = (2 * order + 1) * PI / 4
        sine = np.sin(far) * np.cos(turn) - np.cos(far) * np.sin(turn)  # of the difference, which would be rounded
        cosine = np.cos(far) * np.cos(turn) + np.sin(far) * np.sin(turn)
        root = np.sqrt(2 / (PI * far))
        if kind == "j":
            small, middle = j, orders[order]
            large = root * (even * cosine - odd * sine)
        else:
            logarithm = np.log(near / 2) + EULER
            if order == 0:
                small = (2 * np.log(tiny / 2) * j - sums) / PI
                rest = sum((-1) ** k * orders[2 * k] / k for k in range(1, 59))
                middle = 2 / PI * (logarithm * orders[0] - 2 * rest)
            else:
                small = (2 * np.log(tiny / 2) * j - sums - 2 / tiny) / PI
                rest = sum((-1) ** k * (orders[2 * k - 1] - orders[2 * k + 1]) / k for k in range(1, 59))
                middle = 2 / PI * (logarithm * orders[1] - orders[0] / near + rest)
            large = root * (even * sine + odd * cosine)
        result = np.where(size < 1, small, np.where(size < FAR, middle, large))
        result = np.where(np.isinf(size), 0.0, result)
        if kind == "y":
            result = np.where(x > 0, result, np.where(x == 0, -np.inf, np.nan))
        else:
            result = np.where(size == 0, 1.0 - order, result)
            result = np.copysign(np.abs(result), x) * np.sign(result) if order else result
        return np.where(np.isnan(x), x, result)

    return in_f64(compute)


# ---- of the second modified kind -----------------------------------------------------------------


def _scaled_k(order: int) -> Meaning:
    def scaled(x: np.ndarray) -> np.ndarray:
        tiny, large = _inside(x, 1e-300, 1), _inside(x, 1, np.inf)
        i, sums = _series(order, tiny, 1)
        sums = (-1) ** order * (sums / 2 - np.log(tiny / 2) * i)
        small = np.exp(tiny) * (sums + (1 / tiny if order else 0))
        # the integral of exp(-x (cosh t - 1)) cosh(n t), whose integrand vanishes doubly exponentially
        reach, places = 2 * np.arcsinh(np.sqrt(30 / large)), np.arange(400) / LONG(400)
        t = places * reach[..., None]
        values = np.exp(-2 * large[..., None] * np.sinh(t / 2) ** 2) * np.cosh(order * t)
        integral = (values.sum(-1) - values[..., 0] / 2) * reach / 400
        result = np.where(x < 1, small, np.where(np.isinf(x), 0.0, integral))
        return np.where(x > 0, result, np.where(x == 0, np.inf, np.nan))

    return in_f64(scaled)


for _order in (0, 1):
    meaning(dif.OPS[f"dif.bessel_i{_order}e"])(_scaled_i(_order))
    meaning(dif.OPS[f"dif.bessel_j{_order}"])(_wave(_order, "j"))
    meaning(dif.OPS[f"dif.bessel_y{_order}"])(_wave(_order, "y"))
    meaning(dif.OPS[f"dif.bessel_k{_order}e"])(_scaled_k(_order))
