"""Cases of functions about shapes, positions, polynomials and padding; part of `numpy_cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import difc.numpy as dnp

__all__ = ["SHAPE_CASES", "SHAPE_CREATION_CASES"]

_RNG = np.random.default_rng(8)


def _r(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape)


_A, _V, _S = _r(3, 4), _r(5), _r(4, 4)
_BYTES = _RNG.integers(0, 256, (2, 3)).astype(np.uint8)
_INT = np.arange(12).reshape(3, 4) - 5
_WIDE = ((2, 3), (1, 5))
_STATISTICS = ("maximum", "mean", "median", "minimum")


def _both(x: Any) -> Any:
    return np.min(x) + np.max(x)


Case = tuple[Callable[..., Any], tuple[Any, ...]]

SHAPE_CASES: dict[str, list[Case]] = {
    "angle": [(np.angle, (np.array([1.0, -2.0, 0.0, -0.0, np.nan]),)), (lambda x: np.angle(x, deg=True), (_INT,))],
    "apply_along_axis": [
        (lambda x: np.apply_along_axis(_both, 0, x), (_A,)),
        (lambda x: np.apply_along_axis(lambda v: v[::-1] * 2, 1, x), (_A,)),
        (lambda x: np.apply_along_axis(lambda v, k: np.outer(v, v) + k, 1, x, 1.0), (_r(2, 3, 2),)),
        (lambda x: np.apply_along_axis(np.sum, 0, x), (_V,)),
    ],
    "apply_over_axes": [(lambda x: np.apply_over_axes(np.sum, x, [0, -1]), (_r(2, 3, 4),))],
    "astype": [(lambda x: np.astype(x, np.float32), (_A,)), (lambda x: np.astype(x, bool), (_INT,))],
    "can_cast": [(lambda x: x + np.can_cast(x, np.float32), (_A,)), (lambda x: x + np.can_cast(x, float), (_INT,))],
    "choose": [
        (lambda i, x: np.choose(i, [x, 2 * x, 0]), (_INT % 3, _A)),
        (lambda i, m="wrap": np.choose(i, [1, 2.5, 3], mode=m), (_INT,)),
        (lambda i: np.choose(i, [np.int8([1, 2, 3, 4]), np.int8(7)], mode="clip"), (_INT,)),
    ],
    "common_type": [(lambda x: x.astype(np.common_type(x)), (_INT,))],
    "diag_indices_from": [(lambda x: x[np.diag_indices_from(x)], (_S,))],
    "einsum_path": [(lambda x: x + len(np.einsum_path("ij,kj->ik", x, x)[0]), (_A,))],
    "geomspace": [
        (lambda x: np.geomspace(x[0], x[1], 5), (np.array([0.5, 8.0]),)),
        (lambda x: np.geomspace(x, 9, 3, endpoint=False, axis=-1), (np.array([1, 2]),)),
        (lambda x: np.geomspace(-x, -100 * x, 1), (np.array([1.0, 2.0]),)),
    ],
    "i0": [(np.i0, (3 * _A,)), (np.i0, (_INT,))],
    "isscalar": [(lambda x: x + dnp.isscalar(x), (_A,))],
    "iterable": [(lambda x: x + dnp.iterable(x), (_A,))],
    "min_scalar_type": [(lambda x: x.astype(np.min_scalar_type(x)), (_A,))],
    "pad": [
        *[(lambda x, m=m: np.pad(x, _WIDE, m), (_A,)) for m in ("edge", "reflect", "symmetric", "wrap", *_STATISTICS)],
        *[(lambda x, m=m: np.pad(x, _WIDE, m), (_INT,)) for m in ("linear_ramp", *_STATISTICS)],
        *[(lambda x, m=m: np.pad(x, 2, m, stat_length=((1, 2), (3, 3))), (_A,)) for m in _STATISTICS],
        *[(lambda x, m=m: np.pad(x, _WIDE, m, reflect_type="odd"), (_A,)) for m in ("reflect", "symmetric")],
        (lambda x: np.pad(x, _WIDE, "linear_ramp", end_values=((1, 2), (3.5, -1))), (_A,)),
        (lambda x: np.pad(x, 1), (_INT,)), (lambda x: np.pad(x, (1, 0), constant_values=(5, 6)), (_A,)),
        (lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=((1, 2), (3, 4))), (_A,)),
        (lambda x: np.pad(x, {-1: (1, 2)}, "edge"), (_A,)),
        (lambda x: np.pad(x, 1, "empty")[1:-1, 1:-1], (_A,)),
    ],
    "packbits": [(lambda x: np.packbits(x), (_INT,)), (lambda x: np.packbits(x > 0, 0, "little"), (_INT,))],
    "piecewise": [
        (lambda x: np.piecewise(x, [x < 0, x >= 1], [lambda v: -v, lambda v: v**2, 0.5]), (_A,)),
        (lambda x: np.piecewise(x, [x < 0], [lambda v, k: v * k], 3.0), (_A,)),
        (lambda x: np.piecewise(x, x > 0, [1, -1]), (_INT[1],)),
    ],
    "poly": [(np.poly, (_V,)), (np.poly, (np.array([1, 2]),))],
    "polyadd": [(np.polyadd, (_V, _r(2))), (lambda x: np.polyadd(x, 3), (_INT[0],))],
    "polyder": [(np.polyder, (_V,)), (lambda x: np.polyder(x, 2), (_INT[0],)), (lambda x: np.polyder(x, 0), (_V,))],
    "polyfit": [
        (lambda x, y: np.polyfit(x, y, 2), (_V, _r(5))),
        (lambda x, y: np.polyfit(x, y, 1, w=np.array([1.0, 2, 3, 4, 5])), (_V, _r(5, 2))),
    ],
    "polyint": [(np.polyint, (_V,)), (lambda x: np.polyint(x, 2, [1.0, 2.0]), (_V,)),
                (lambda x: np.polyint(x, 2, 3), (_INT[0],))],
    "polymul": [(np.polymul, (_V, _r(2)))],
    "polysub": [(np.polysub, (_V, _r(7)))],
    "ravel_multi_index": [
        (lambda i, j: np.ravel_multi_index((i, j), (4, 5)), (np.array([0, 3]), np.array([4, 1]))),
        (lambda i: np.ravel_multi_index((i, i), (4, 5), mode=("wrap", "clip"), order="F"), (_INT,)),
    ],
    "reshape": [(lambda x, o=o: np.reshape(x, (2, -1), order=o), (_A,)) for o in ("C", "F")],
    "ravel": [(lambda x: np.ravel(x, "F"), (_A,))],
    "roll": [(lambda x, s: np.roll(x, 1, 1) * s, (_A, np.float64(2))), (lambda x: np.roll(x, [1, 2], 1), (_A,)),
             (lambda x: np.roll(x, np.array([1, -2]), (0, 1)), (_A,)),
             *[(lambda x, s, a=a: np.roll(x, s, a), (_A, np.array([1, -2]))) for a in (None, 0, 1, (0, 1))]],
    "round": [(lambda x: np.round(x, -1), (3 * _INT,)), (lambda x: np.round(x, 1), (_INT,))],
    "tril_indices_from": [(lambda x: x[np.tril_indices_from(x, 1)], (_A,))],
    "triu_indices_from": [(lambda x: x[np.triu_indices_from(x)], (_A,))],
    "unpackbits": [
        (lambda x: np.unpackbits(x), (_BYTES,)), (lambda x: np.unpackbits(x, 0, bitorder="little"), (_BYTES,)),
        *[(lambda x, c=c: np.unpackbits(x, 1, c), (_BYTES,)) for c in (5, 30, -3)],
    ],
    "unravel_index": [
        (lambda i: np.unravel_index(i, (4, 5, 2)), (np.array([0, 39, 17]),)),
        (lambda i: np.unravel_index(i, (4, 5), order="F"), (np.int32([3, 19]),)),
        (lambda i: np.unravel_index(i, 7), (np.array([3]),)),
    ],
}  # fmt: skip

SHAPE_CREATION_CASES: dict[str, list[Callable[[Any], Any]]] = {
    "asfortranarray": [lambda m: m.asfortranarray(3), lambda m: m.asfortranarray([[1, 2]], float)],
    "bartlett": [lambda m: m.bartlett(5), lambda m: m.bartlett(1)],
    "blackman": [lambda m: m.blackman(6), lambda m: m.blackman(0)],
    "fromfunction": [
        lambda m: m.fromfunction(lambda i, j: i - j, (2, 3)),
        lambda m: m.fromfunction(lambda i: i**2, (4,), dtype=int),
    ],
    "geomspace": [lambda m: m.geomspace(1, 1000, 4), lambda m: m.geomspace(-2, -32, 5)],
    "hamming": [lambda m: m.hamming(7)],
    "hanning": [lambda m: m.hanning(7)],
    "kaiser": [lambda m: m.kaiser(5, 14.0), lambda m: m.kaiser(M=4, beta=2.0)],
    "require": [lambda m: m.require([1, 2], float, ["C"])],
}
