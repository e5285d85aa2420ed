"""Rows for random programs: functions of an array of any rank and of the integers `k`, and the shape of the result.

Sizes are names, numbers, or a rule on a size, as ("times", "n", 2): equal sizes have equal rules.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import difc
import difc.numpy as dnp
from difc import nn
from difc.scipy import special
from tests.e2e.random_programs import Function, Shape

__all__ = ["KERNEL", "SPECIAL", "Row", "along", "every_nth", "of_any", "plus", "times"]

Row = tuple[Function, Shape]

KERNEL = np.array([0.5, -0.3, 0.2], np.float32)


def plus(size: Any, more: int) -> Any:
    """Return the rule of a size and some more."""
    return size + more if isinstance(size, int) else ("plus", size, more)


def times(size: Any, by: int) -> Any:
    """Return the rule of a multiple of a size."""
    return size * by if isinstance(size, int) else ("times", size, by)


def every_nth(size: Any, step: int) -> Any:
    """Return the rule of the size of a slice with a step."""
    return -(-size // abs(step)) if isinstance(size, int) else ("every", size, abs(step))


def put(shape: Shape, axis: int, size: Any) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def along(axis: int, mode: str, by: int) -> list[Function]:
    """Functions along an axis that keep the shape."""

    def over(f: Any, **options: Any) -> Function:
        return lambda a, k: a - f(a, axis=axis, keepdims=True, **options)

    def fraction(a: Any, k: Any) -> Any:
        at = np.argsort(a, axis=axis)
        return np.take_along_axis(a, at, axis) * np.take_along_axis(a, np.flip(at, axis), axis)

    def padded(a: Any, k: Any) -> Any:
        widths = [(2, 1) if d == axis else (0, 0) for d in range(a.ndim)]
        wide = np.pad(np.moveaxis(a, axis, -1), [*widths[:axis], *widths[axis + 1 :], (by, 1)], mode)
        return np.moveaxis(wide[..., 1:-1] if by == 1 else wide[..., : -1 - by], -1, axis)

    def put(a: Any, k: Any) -> Any:
        at = np.argmax(a, axis=axis, keepdims=True)
        return dnp.put_along_axis(a, at, np.take_along_axis(a, at - at, axis) * 0.5, axis, inplace=False)

    return [
        lambda a, k: np.cumsum(a, axis) * 0.2,
        lambda a, k: np.cumprod(1.0 + 0.1 * np.tanh(a), axis),
        lambda a, k: np.maximum.accumulate(a, axis),
        lambda a, k: np.minimum.accumulate(a * 2.0, axis) + a,
        lambda a, k: np.sort(a, axis),
        lambda a, k: -np.sort(-a, axis) * a,
        fraction,
        padded,
        put,
        lambda a, k: np.flip(a, axis) + a * 0.5,
        lambda a, k: np.roll(a, by, axis) - np.roll(a, -1, axis),
        lambda a, k: nn.softmax(a, axis) * 3.0,
        lambda a, k: nn.log_softmax(a, axis) * 0.2,
        lambda a, k: nn.standardize(a, axis, 0.1),
        lambda a, k: nn.rms_norm(a, axis=axis, epsilon=0.1),
        lambda a, k: special.logsumexp(a, axis=axis, keepdims=True) - a,
        over(np.median),
        over(np.quantile, q=0.3),
        over(np.mean, dtype=np.float64),
        lambda a, k: over(np.sum, where=a > -0.2)(a * 0.1, k),
        lambda a, k: a / (1.0 + np.var(a, axis=axis, keepdims=True)),
        lambda a, k: a * np.count_nonzero(a > 0.1, axis=axis, keepdims=True) * 0.1,
        lambda a, k: a * np.any(a > 1.3, axis=axis, keepdims=True) + np.all(a < 2, axis=axis, keepdims=True),
        lambda a, k: np.where(np.cumsum(a > 0, axis) % 2 == 0, a, -0.5 * a),
        lambda a, k: np.diff(a, axis=axis, prepend=0.5),
        lambda a, k: a * np.expand_dims(np.trapezoid(a, axis=axis), axis) * 0.1,
        lambda a, k: np.partition(a, 0, axis) * np.min(a, axis, keepdims=True),
        lambda a, k: (
            np.take(a, np.flip(np.argsort(np.argsort(a, axis=axis), axis=axis), axis), axis) if a.ndim == 1 else a
        ),
        lambda a, k: a * np.linalg.norm(a + 2.0, 3, axis=axis, keepdims=True) * 0.1,
        lambda a, k: a + np.nanmax(np.where(a > 1.0, np.nan, a), axis=axis, keepdims=True, initial=-1.0),
    ]


def of_any(shape: Shape, axis: int, step: int) -> list[Row]:
    """Return functions of an array of one dim or more that change a size, or read and write places."""
    rest, size = shape[:axis] + shape[axis + 1 :], shape[axis]
    every = tuple(slice(None, None, step) if d == axis else slice(None) for d in range(len(shape)))
    tail = shape[1:]
    front = lambda a: np.moveaxis(a, axis, 0)  # noqa: E731
    rows: list[Row] = [
        (lambda a, k: a[every], put(shape, axis, every_nth(size, step))),
        (lambda a, k: np.repeat(a, 2, axis), put(shape, axis, times(size, 2))),
        (lambda a, k: np.concatenate([a, np.flip(a, axis)], axis), put(shape, axis, times(size, 2))),
        (lambda a, k: np.tile(a, (3,) + (1,) * (a.ndim - 1)), (times(shape[0], 3), *tail)),
        (lambda a, k: np.insert(a, 1, 0.3, axis), put(shape, axis, plus(size, 1))),
        (lambda a, k: np.append(a, np.take(a, [-1], axis), axis), put(shape, axis, plus(size, 1))),
        (lambda a, k: np.pad(a, 1, constant_values=0.2), tuple(plus(d, 2) for d in shape)),
        (lambda a, k: np.median(a, axis), rest),
        (lambda a, k: np.ptp(a, axis), rest),
        (lambda a, k: np.std(np.insert(a, 0, k[0], axis), axis, ddof=0.5), rest),
        (lambda a, k: np.prod(1.0 + 0.1 * np.tanh(a), axis), rest),
        (lambda a, k: np.sum(np.quantile(a, [0.1, 0.5], axis), 0), rest),
        (lambda a, k: np.average(a, axis, weights=np.exp(-a * a) + 0.1), rest),
        (lambda a, k: np.take(a, k[0] % a.shape[axis], axis), rest),
        (lambda a, k: np.argmax(a, axis) % 7 * np.max(a, axis), rest),
        (lambda a, k: np.linalg.norm(a + 0.1, axis=axis), rest),
        (lambda a, k: np.searchsorted(np.sort(a.ravel()), a) % 5 * a, shape),
        (lambda a, k: np.interp(a, dnp.linspace(-2.0, 2.0, 9), np.sin(np.arange(9.0))).astype(a.dtype), shape),
        (lambda a, k: np.interp(a, np.sort(a.ravel()) * 1.5, np.cos(a.ravel())), shape),
        (lambda a, k: a.at[every].add(0.3), shape),
        (lambda a, k: a.at[every].set(np.take(a, 0, axis, mode="clip").mean()), shape),
        (lambda a, k: a.at[k % a.shape[0]].multiply(0.7), shape),
        (lambda a, k: a.at[k % a.shape[0]].min(0.1), shape),
        (lambda a, k: a.at[k % a.shape[0]].max(a[0] * 0.5), shape),
        (lambda a, k: a.at[..., -1].divide(2.0) + a.at[::-2].set(a[::2]), shape),
        (lambda a, k: a[np.sort(k) % a.shape[0]][::-1], ("n", *tail)),
        (lambda a, k: a[np.argsort(k, stable=True) % a.shape[0]], ("n", *tail)),
        (lambda a, k: nn.one_hot(k % 5, 5, dtype=a.dtype) * np.mean(a), ("n", 5)),
        (lambda a, k: (a.astype(np.float64) * 0.3 + k[0]).astype(a.dtype) * np.int8(3), shape),
        (lambda a, k: (np.sign(a).astype(np.float16) + np.float16(1)).astype(a.dtype) * a, shape),
        (lambda a, k: np.cumsum(k.astype(np.int8) * 3, dtype=np.int8).astype(a.dtype) * np.mean(a) * 0.02, ("n",)),
        (lambda a, k: (np.uint8(200) + k.astype(np.uint8) * 20 >> 2) % 5 * np.max(a), ("n",)),
        (lambda a, k: dnp.bincount(k, length=7)[k] % 4 * np.sum(a) * 0.1, ("n",)),
        (lambda a, k: (k // -3 + k % -4 - (k ^ 5) + np.where(k > 3, k << 1, ~k)) * np.min(a) * 0.1, ("n",)),
        (lambda a, k: np.logical_xor(k > 2, k % 2 == 0) * np.mean(a), ("n",)),
        (lambda a, k: np.digitize(a, [-1.0, 0.0, 1.0]) * a, shape),
        (lambda a, k: np.histogram(a, bins=5, range=(-2.0, 2.0))[0] * np.mean(a), (5,)),
        (lambda a, k: np.unwrap(a * 3.0, axis=axis), shape),
        (lambda a, k: np.percentile(a, 40, axis, method="lower") + np.percentile(a, 70, axis, method="hazen"), rest),
        (lambda a, k: np.quantile(a, 0.2, axis, method="nearest", keepdims=True) * a, shape),
        (lambda a, k: np.nanmedian(np.where(a > 1.5, np.nan, a), axis), rest),
        (lambda a, k: np.apply_along_axis(lambda v: np.sort(v) * v[0], axis, a), shape),
        (lambda a, k: np.roll(a, k[0], axis), shape),
        (lambda a, k: np.take(a, k % a.shape[axis], axis), put(shape, axis, "n")),
        (lambda a, k: np.moveaxis(front(a)[k % a.shape[axis], ...], 0, axis), put(shape, axis, "n")),
        (lambda a, k: np.take(a, np.array([[0, -1], [2, 1]]) % a.shape[axis], axis)[..., 0].sum(), ()),
        (lambda a, k: a.at[k[0] % a.shape[0]].set(0.5), shape),
        (lambda a, k: a.at[k % a.shape[0]].set(a[k % a.shape[0]] * 0.5), shape),
        (lambda a, k: a.at[a > 0.3].set(0.1), shape),
        (lambda a, k: a.at[a > 0.3].multiply(0.5) + a.at[1:].add(0.25), shape),
        (lambda a, k: np.moveaxis(front(a).at[k % a.shape[axis]].add(0.3), 0, axis), shape),
        (lambda a, k: difc.map(lambda r: np.sort(r, None)[0] + r, a), shape),
        (
            lambda a, k: difc.vmap(lambda r, s: difc.cond(s > 2, np.sin, np.cos, r), in_axes=(axis, None))(a, k[0]).sum(
                0
            ),
            rest,
        ),
        (lambda a, k: difc.vmap(difc.grad(lambda r: np.sum(np.sort(r, None) ** 2) * np.max(r)))(a), shape),
        (lambda a, k: difc.jvp(lambda b: np.cumsum(np.sin(b), axis), (a,), (a * 0.5,))[1], shape),
        (lambda a, k: difc.jvp(lambda b: np.sort(b, axis) * b, (a,), (np.ones_like(a),))[1], shape),
        (
            lambda a, k: difc.scan(
                lambda c, r: (c * 0.9 + np.sort(r, None).sum(), np.flip(r, -1) if r.ndim else r * c), a[0].sum(), a
            )[1],
            shape,
        ),
        (lambda a, k: difc.scan(lambda c, r: (np.maximum(c, r), c - r), a[0], a, reverse=True)[1], shape),
        (lambda a, k: difc.fori_loop(0, 3, lambda i, c: c.at[i % c.shape[0]].add(np.sin(c[0])), a), shape),
        (lambda a, k: difc.fori_loop(0, k[0] % 3, lambda i, c: np.cumsum(c, axis) * 0.5, a), shape),
        (lambda a, k: (a * 3).astype(np.int32) * a * 0.1, shape),
        (lambda a, k: np.sum((a > 0).astype(np.int8) * np.int8(100), axis) * 0.001 * np.mean(a, axis), rest),
        (lambda a, k: np.cumsum(a > 0, axis) * 0.01 * a, shape),
        (lambda a, k: np.sort((a * 9).astype(np.int16), axis) * 0.1 * a, shape),
        (lambda a, k: np.max(np.abs(a * 9).astype(np.uint8) & 15, axis) * 0.1 * np.min(a, axis), rest),
        (lambda a, k: np.sort(a > 0, axis) * a, shape),
        (lambda a, k: np.argmax(a > 0.5, axis=axis) % 5 * np.mean(a, axis), rest),
        (lambda a, k: np.argsort((a * 3).astype(np.int8), axis, stable=True) % 5 * a, shape),
        (lambda a, k: np.clip((a * 50).astype(np.int64), -20, 30) % 7 * a, shape),
        (lambda a, k: np.mean((a * 5).astype(np.int32), axis) * np.mean(a, axis), rest),
        (lambda a, k: np.prod((a > -2).astype(np.int32) + (a > 3), axis) * np.mean(a, axis), rest),
        (lambda a, k: np.bitwise_xor.reduce((a * 9).astype(np.int32), axis) % 5 * np.mean(a, axis), rest),
        (lambda a, k: np.sum(np.round(a * 4).astype(np.float16), axis, dtype=np.float32) * np.mean(a, axis), rest),
        (lambda a, k: np.round(a * 4).astype(ml_dtypes.bfloat16).astype(np.float32) * a, shape),
        (lambda a, k: np.where(np.isfinite(1.0 / np.floor(a)), a, 0.5), shape),
        (lambda a, k: np.maximum.accumulate((a * 9).astype(np.int16), axis) * 0.1 * a, shape),
        (lambda a, k: np.expand_dims(np.add.reduce(a, axis), axis) * np.float32(0.2) + np.int16(1) * a, shape),
        (lambda a, k: special.logsumexp(a, axis), rest),
        (lambda a, k: np.ediff1d(a, to_begin=0.2)[:1].sum(), ()),
        (lambda a, k: np.sum(np.fmax(a, np.where(a > 1, np.nan, 0.2)), axis), rest),
        (
            lambda a, k: np.moveaxis(np.stack([a, a + 1, a * 2], -1) @ np.array([[1.0], [2], [3]], a.dtype), -1, 0)[0],
            shape,
        ),
        (lambda a, k: np.cross(np.stack([a, a + 1, a * 2], -1), np.array([1.0, -2, 0.5], a.dtype))[..., 1], shape),
        (lambda a, k: np.piecewise(a, [a < -0.5, a > 0.5], [np.sin, lambda v: v**3, 0.2]), shape),
        (lambda a, k: np.choose((a > 0).astype(np.int64), [a, a * a]), shape),
        (lambda a, k: a.reshape(a.shape[::-1]), shape[::-1]),
        (lambda a, k: np.resize(a, a.shape[::-1]), shape[::-1]),
        (lambda a, k: a.T.reshape(a.shape) * a, shape),
        (lambda a, k: np.ravel(a.T)[0] + np.ravel(np.flip(a, axis))[-1] * a, shape),
        (lambda a, k: np.isin(k, [1, 3, 5]) * np.mean(a), ("n",)),
        (lambda a, k: np.gcd(k + 1, 6) * np.lcm(k + 1, 4) % 11 * np.mean(a) * 0.1, ("n",)),
        (lambda a, k: (k.astype(np.uint32) * np.uint32(3000000000) >> np.uint32(28)) * np.mean(a) * 0.1, ("n",)),
        (lambda a, k: (k.astype(np.int8) + k.astype(np.uint8)) ** 2 % 9 * np.mean(a), ("n",)),
        (lambda a, k: np.sort(k[::-1])[::-1] / 7 * np.mean(a), ("n",)),
        (lambda a, k: np.searchsorted(np.sort(k), k, side="right") % 5 * np.mean(a), ("n",)),
        (lambda a, k: np.median(k) * np.std(k) * 0.1 * a, shape),
        (lambda a, k: np.cumprod(k % 3 + 1) % 11 * np.mean(a), ("n",)),
        (lambda a, k: np.diff(k, append=3) * np.sum(a) * 0.01, ("n",)),
    ]
    if len(shape) < 3:
        rows.append((lambda a, k: np.stack([a, a * a], axis), (*shape[:axis], 2, *shape[axis:])))
    return rows


SPECIAL: list[Function] = [
    special.erf,
    lambda a: special.gammaln(a * a + 0.5) * 0.1,
    lambda a: special.digamma(np.abs(a) + 0.3),
    lambda a: special.erfinv(np.tanh(a) * 0.9),
    special.i0e,
    special.log_ndtr,
    lambda a: special.gammainc(1.5, a * a + 0.1),
    special.expit,
    lambda a: special.xlogy(a * a, a * a + 0.1),
    nn.gelu,
    nn.softplus,
    nn.elu,
    lambda a: np.arctan2(a, 1.0 + a * a),
    lambda a: np.logaddexp(a, 0.3),
    lambda a: np.hypot(a, 1.0),
    lambda a: np.log1p(a * a),
    lambda a: np.power(np.abs(a) + 0.1, 1.3),
    lambda a: np.sinc(a),
    lambda a: np.arcsin(np.tanh(a) * 0.9) + np.arccosh(1.5 + a * a),
    lambda a: np.sign(a) * np.floor(a * 1.7) * a,
    lambda a: np.remainder(a, 0.7) + np.fmod(a, 1.1),
    lambda a: np.select([a > 0.5, a < -0.5], [a * a, a - 1.0], 0.25),
    lambda a: np.nan_to_num(np.where(a > 1.0, np.nan, a), nan=0.5),
    lambda a: np.cbrt(a + 3.0) + np.exp2(-a * a) + np.sinh(np.tanh(a)),
]
