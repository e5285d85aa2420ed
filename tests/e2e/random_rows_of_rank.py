"""Rows for random programs, as `random_rows`: functions of vectors, matrices and stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

import difc
import difc.numpy as dnp
from difc import nn
from difc.scipy import linalg
from tests.e2e.random_programs import Shape
from tests.e2e.random_rows import KERNEL, Row, plus, times

__all__ = ["of_matrix", "of_stack", "of_vector"]

NUMBERS = np.linspace(-0.5, 0.6, 36).astype(np.float32)
BANK = NUMBERS[::3].reshape(3, 1, 4)


def definite(a: Any) -> Any:
    """Return a definite matrix that is well conditioned, of a matrix."""
    return a @ np.swapaxes(a, -1, -2) * (0.3 / (a.shape[-1] + 1)) + dnp.eye(a.shape[-2], dtype=a.dtype)


def apart(a: Any) -> Any:
    """Return a symmetric matrix of eigenvalues that are far apart."""
    return definite(np.tanh(a)) * 0.1 + np.diag(dnp.arange(a.shape[0], dtype=a.dtype))


def of_vector(shape: Shape, more: int) -> list[Row]:
    """Return functions of a vector; `more` is 1, 2 or 3."""
    (size,) = shape
    return [
        (lambda a, k: np.convolve(a, KERNEL.astype(a.dtype)), (plus(size, 2),)),
        (lambda a, k: np.correlate(a, KERNEL.astype(a.dtype), "full")[1:-1] * a, shape),
        (lambda a, k: np.diag(a), (size, size)),
        (lambda a, k: np.diag(a, 1), (plus(size, 1),) * 2),
        (lambda a, k: np.outer(a, np.sin(a)), (size, size)),
        (lambda a, k: np.vander(np.tanh(a), 4), (size, 4)),
        (lambda a, k: np.polyval(KERNEL.astype(a.dtype), a), shape),
        (lambda a, k: nn.conv(a[None, :, None], BANK.astype(a.dtype), dilation=more)[0], (size, 4)),
        (lambda a, k: np.tri(a.shape[0], like=a).astype(a.dtype) @ a * 0.1, shape),
        (lambda a, k: np.where(k[0] > 2, a, a[::-1]), shape),
        (lambda a, k: np.sum(nn.top_k(a, 1)[0] * a), ()),
        (lambda a, k: difc.fori_loop(0, k[0] % 4, lambda i, c: np.sort(c) * 0.9 + np.roll(c, i), a), shape),
        (lambda a, k: np.lexsort((a, np.sign(a))) % 5 * a, shape),
        (lambda a, k: np.meshgrid(a, a * 2)[0] - np.meshgrid(a, a * 2)[1], (size, size)),
        (lambda a, k: np.sort(np.meshgrid(a, np.sin(a), indexing="ij")[1] * a, 1), (size, size)),
        (lambda a, k: a[:, None, None] * np.sin(a)[None, :, None] + a[0] * KERNEL[:2].astype(a.dtype), (size, size, 2)),
        (
            lambda a, k: nn.conv(a[None, :, None], NUMBERS[:6].reshape(3, 1, 2).astype(a.dtype), strides=2)[
                0, :1
            ].sum(),
            (),
        ),
        (
            lambda a, k: nn.conv_transpose(a[None, :, None], NUMBERS[:6].reshape(3, 1, 2).astype(a.dtype), 1)[0],
            (size, 2),
        ),
        (lambda a, k: np.gradient(np.append(a, 0.2), 0.5)[1:], shape),
        (
            lambda a, k: linalg.solve_triangular(
                np.tril(np.outer(a, a)) * 0.1 + dnp.eye(a.shape[0], dtype=a.dtype), a, lower=True
            ),
            shape,
        ),
        (lambda a, k: difc.vmap(lambda s: np.convolve(a, np.stack([s, s * 2, s]))[1:-1])(a), (size, size)),
        (
            lambda a, k: np.polyfit(
                np.linspace(0.0, 1.0, 5), np.stack([a[0], a[-1], a.sum(), a.max(), a.min()]), 2
            ).sum(),
            (),
        ),
        (lambda a, k: np.trapezoid(a, dx=0.1) * np.einsum("i,i,i", a, a, a) * 0.1, ()),
    ]


def of_matrix(shape: Shape, more: int) -> list[Row]:
    """Return functions of a matrix; `more` is 1, 2 or 3."""
    p, q = shape
    rows: list[Row] = [
        (lambda a, k: np.tril(a, more - 2), shape),
        (lambda a, k: np.triu(a, more - 1) + np.tril(a, -1).at[0].add(0.1), shape),
        (lambda a, k: np.rot90(a), (q, p)),
        (lambda a, k: np.einsum("ij,kj,k->ik", a, a, a[:, 0]) * 0.1, (p, p)),
        (lambda a, k: np.einsum("ij,ij,j->j", a, np.tanh(a), a[0]) * 0.1, (q,)),
        (lambda a, k: np.tanh(np.einsum("ij,ik,il->jkl", a[:2], a[:2, :3], a[:2]))[:, 0], (q, q)),
        (lambda a, k: np.block([[a, -a], [a * a, np.ones_like(a)]]), (times(p, 2), times(q, 2))),
        (lambda a, k: np.kron(a, np.array([[1.0, -0.5]], a.dtype)), (p, times(q, 2))),
        (lambda a, k: np.stack([a, a[::-1]]) @ (a.T * 0.1), (2, p, p)),
        (lambda a, k: difc.vmap(lambda r: np.sort(r) * r)(a), shape),
        (lambda a, k: difc.vmap(lambda c: np.cumsum(c) * 0.1, in_axes=1, out_axes=1)(a), shape),
        (lambda a, k: nn.conv(a[None, :, :, None], BANK.astype(a.dtype).reshape(3, 2, 1, 2))[0, ..., 1], shape),
        (lambda a, k: np.sum(np.cov(a + 0.1, bias=True)) * 0.1, ()),
        (lambda a, k: np.linalg.norm(a + 0.1), ()),
        (lambda a, k: np.linalg.norm(a, 1) + np.linalg.norm(a, np.inf) * 0.1, ()),
        (lambda a, k: np.sort(a, None)[::-more][0] + np.cumsum(a)[-1] * 0.1, ()),
        (lambda a, k: a.ravel()[::more][0] + a.reshape(-1)[-1], ()),
        (lambda a, k: np.linalg.cholesky(definite(a)), (p, p)),
        (lambda a, k: np.linalg.solve(definite(a), a), shape),
        (lambda a, k: np.linalg.solve(definite(a) + np.triu(a @ a.T, 1) * 0.1 / (a.shape[1] + 1), a[:, 0]), (p,)),
        (lambda a, k: linalg.solve_triangular(np.linalg.cholesky(definite(a)), a, lower=True), shape),
        (lambda a, k: linalg.solve_triangular(definite(a), a[:, -1], trans=1), (p,)),
        (lambda a, k: linalg.cho_solve(linalg.cho_factor(definite(a)), a), shape),
        (lambda a, k: np.linalg.inv(definite(a)), (p, p)),
        (lambda a, k: np.linalg.slogdet(definite(a))[1] / a.shape[0], ()),
        (lambda a, k: np.log(np.linalg.det(definite(a * 0.3))), ()),
        (lambda a, k: np.linalg.qr(definite(a))[more % 2], (p, p)),
        (lambda a, k: np.linalg.eigvalsh(apart(a)), (p,)),
        (lambda a, k: np.linalg.eigh(apart(a))[1] ** 2, (p, p)),
        (lambda a, k: np.linalg.svd(apart(a), compute_uv=False), (p,)),
        (lambda a, k: np.linalg.matrix_power(definite(a) * 0.5, 3), (p, p)),
        (lambda a, k: linalg.expm(a @ a.T * (-0.1 / (a.shape[1] + 1))), (p, p)),
        (lambda a, k: a[k % a.shape[0], k[::-1] % a.shape[1]], ("n",)),
        (lambda a, k: a[(k % a.shape[0])[:, None], np.sort(k) % a.shape[1]], ("n", "n")),
        (lambda a, k: a[:, k % a.shape[1]], (p, "n")),
        (lambda a, k: a.at[k % a.shape[0], k % a.shape[1]].add(1.0), shape),
        (lambda a, k: a.at[:, k % a.shape[1]].set(a[:, :1]), shape),
        (lambda a, k: a.at[k[0] % a.shape[0], :].set(a[0]), shape),
        (lambda a, k: a.at[:, k[0] % a.shape[1]].multiply(a[:, 0]), shape),
        (lambda a, k: a.at[k % a.shape[0], 0].max(0.2), shape),
        (lambda a, k: np.take_along_axis(a, (k[:1] % a.shape[1])[None], 1) * a, shape),
        (lambda a, k: np.cumsum(a.T, 0)[::-1].T * 0.1, shape),
        (lambda a, k: np.cumsum(np.cumsum(a, 0), 1) * 0.02, shape),
        (lambda a, k: np.sort(np.sort(a, 0), 1), shape),
        (lambda a, k: np.cumsum(a[::-1], 0)[::-1] * nn.softmax(a, 0), shape),
        (lambda a, k: np.einsum("ij,kj,lj,l->i", a, a, a, a[:, 0]) * 0.01, (p,)),
        (lambda a, k: np.einsum("ij,kj->ijk", a, a)[:, :, -1], shape),
        (lambda a, k: np.einsum("ij->", a) * np.einsum("ij->ji", a) * 0.01, (q, p)),
        (lambda a, k: np.tril(a) @ np.triu(a).T * 0.1, (p, p)),
        (lambda a, k: np.max(a[:, None] + np.sin(a)[None], 2), (p, p)),
        (lambda a, k: np.min(np.abs(a[:, :, None] - a[:, None]), 2), shape),
        (lambda a, k: np.sqrt(np.sum((a[:, None] - a[None]) ** 2, -1) + 0.1), (p, p)),
        (lambda a, k: np.argmin(np.sum((a[:, None] - a[None, :1] * 0.3) ** 2, -1), 0)[0] % 3 * a, shape),
        (lambda a, k: nn.softmax(a @ a.T * 0.2, -1) @ a, shape),
        (lambda a, k: nn.softmax(np.where(dnp.tri(a.shape[0], dtype=bool), a @ a.T * 0.2, -np.inf), -1) @ a, shape),
        (lambda a, k: nn.layer_norm(a, np.sin(a[0]), a[-1], epsilon=0.1), shape),
        (lambda a, k: nn.batch_norm(a, epsilon=0.1)[0], shape),
        (
            lambda a, k: (
                nn.conv(a[None], np.ones((3, 1, 1), a.dtype) * a[:1, 0].mean(), groups=a.shape[1])[0]
                if isinstance(a.shape[1], int) and False
                else a
            ),
            shape,
        ),
        (
            lambda a, k: nn.conv(a[None, :, :, None], NUMBERS[:18].reshape(3, 3, 1, 2).astype(a.dtype), dilation=2)[
                0, :, :, 1
            ],
            shape,
        ),
        (
            lambda a, k: nn.conv(
                np.stack([a, a * a], -1)[None], NUMBERS[:18].reshape(3, 3, 1, 2).astype(a.dtype), groups=2
            )[0, :, :, 1],
            shape,
        ),
        (
            lambda a, k: nn.conv(
                a[None, :, :, None], NUMBERS[:8].reshape(2, 2, 1, 2).astype(a.dtype), lhs_dilation=2, padding=1
            )[0, :1, :1].sum(),
            (),
        ),
        (
            lambda a, k: nn.conv_transpose(a[None, :, :, None], NUMBERS[:8].reshape(2, 2, 1, 2).astype(a.dtype), 2)[
                0, ::2, ::2, 0
            ],
            shape,
        ),
        (lambda a, k: nn.max_pool(a[None, :, :, None], 3, 1, "SAME")[0, ..., 0], shape),
        (lambda a, k: nn.avg_pool(a[None, :, :, None], 2, 1, "SAME")[0, ..., 0], shape),
        (lambda a, k: nn.min_pool(a[None], 3, 1, "SAME")[0], shape),
        (lambda a, k: difc.vmap(lambda r: np.interp(r, np.sort(r), np.cumsum(r)))(a) * 0.1, shape),
        (lambda a, k: difc.vmap(lambda r: r.at[np.argmax(r)].set(0.2))(a), shape),
        (lambda a, k: difc.vmap(lambda r, i: r.at[i % r.shape[0]].add(0.2), in_axes=(0, None))(a, k[0]), shape),
        (lambda a, k: difc.vmap(lambda r: np.sum(nn.top_k(r, 1)[0]) * r)(a), shape),
        (lambda a, k: difc.vmap(lambda r: np.outer(r, r)[0] + np.median(r))(a), shape),
        (lambda a, k: difc.vmap(lambda r: linalg.solve_triangular(definite(a.T), r, lower=True))(a), shape),
        (lambda a, k: difc.vmap(lambda r: np.linalg.solve(definite(a.T) + np.diag(r * r), r))(a), shape),
        (
            lambda a, k: difc.vmap(lambda r: np.linalg.slogdet(np.outer(r, r) + dnp.eye(r.shape[0], dtype=r.dtype))[1])(
                a
            ),
            (p,),
        ),
        (lambda a, k: difc.vmap(lambda r: np.roll(r, np.argmax(r)))(a), shape),
        (lambda a, k: difc.vmap(lambda r: difc.fori_loop(0, 2, lambda i, c: np.sort(c) * 0.7 + r, r))(a), shape),
        (lambda a, k: difc.vmap(lambda r: difc.scan(lambda c, v: (c * 0.5 + v, c), r[0], r)[1])(a), shape),
        (
            lambda a, k: difc.vmap(
                lambda r: nn.conv(r[None, :, None], NUMBERS[:3].reshape(3, 1, 1).astype(r.dtype))[0, :, 0]
            )(a),
            shape,
        ),
        (lambda a, k: difc.vmap(lambda r: np.searchsorted(np.sort(r), r * 0.5) % 5 * r)(a), shape),
        (lambda a, k: difc.vmap(lambda r: np.quantile(r, 0.3) + np.cumprod(np.tanh(r)))(a), shape),
        (
            lambda a, k: difc.scan(
                lambda c, r: (np.linalg.solve(c, np.outer(r, r)) * 0.1 + dnp.eye(r.shape[0], dtype=r.dtype), c[0]),
                dnp.eye(a.shape[1], dtype=a.dtype),
                a,
            )[1],
            shape,
        ),
        (lambda a, k: difc.scan(lambda c, r: (np.tanh(a.T @ (a @ c) * 0.1 + r), c), a[0], a)[1], shape),
        (lambda a, k: difc.scan(lambda c, r: (c.at[np.argmax(r)].add(r[0]), np.sum(c * r)), a[0] * 0, a)[1], (p,)),
        (
            lambda a, k: difc.scan(
                lambda c, r: (
                    np.linalg.cholesky(c @ c.T * 0.1 + dnp.eye(c.shape[0], dtype=c.dtype)),
                    np.sum(c) * 0.1 * r,
                ),
                definite(a),
                a,
            )[1],
            shape,
        ),
        (
            lambda a, k: difc.cond(a[0, 0] > 0, lambda b: np.linalg.solve(definite(b), b), lambda b: np.sort(b, 0), a),
            shape,
        ),
        (lambda a, k: difc.cond(k[0] > 2, lambda b: np.cumsum(b, 1) * 0.1, lambda b: b.at[0].set(b[-1]), a), shape),
        (lambda a, k: np.linalg.pinv(definite(a)) @ a, shape),
        (
            lambda a, k: linalg.lu_solve(
                linalg.lu_factor(definite(a) + np.tril(a @ a.T) * (0.1 / (a.shape[1] + 1))), a
            ),
            shape,
        ),
        (lambda a, k: np.sum(linalg.lu(definite(a))[2], 0), (p,)),
        (lambda a, k: np.linalg.norm(definite(a), "nuc") * 0.1, ()),
        (lambda a, k: np.linalg.norm(definite(a) + np.diag(dnp.arange(a.shape[0], dtype=a.dtype)), 2), ()),
        (lambda a, k: np.linalg.qr(np.concatenate([definite(a), a @ a.T * 0.1]))[1], (p, p)),
        (lambda a, k: np.linalg.cholesky(definite(a), upper=True) @ a, shape),
        (lambda a, k: difc.grad(lambda b: np.linalg.slogdet(definite(b))[1])(a), shape),
        (lambda a, k: difc.grad(lambda b: np.sum(np.linalg.inv(definite(b)) ** 2))(a), shape),
        (
            lambda a, k: (
                np.corrcoef(
                    np.concatenate([a, a + np.sin(a)], 1)
                    + dnp.arange(a.shape[0], dtype=a.dtype)[:, None] * np.concatenate([a, a * a], 1)
                )
                * 0.1
            ),
            (p, p),
        ),
        (lambda a, k: np.vecdot(a, np.sin(a)) * 0.1, (p,)),
        (lambda a, k: np.matvec(np.stack([a, a * 2]), a[0])[1] * 0.1, (p,)),
        (lambda a, k: np.stack([a, a * 2, a + 1])[k % 3].mean(0), shape),
        (lambda a, k: np.stack([a, a * 2, a + 1], 1), (p, 3, q)),
        (lambda a, k: np.stack([a, a[::-1]], 2).reshape(a.shape[0], -1), (p, times(q, 2))),
        (lambda a, k: np.concatenate([a, a], 1).reshape(-1, a.shape[1]), (times(p, 2), q)),
        (
            lambda a, k: np.linalg.lstsq(np.concatenate([definite(a), definite(a)]), np.concatenate([a, a * 2]))[0],
            shape,
        ),
    ]
    if p == q:
        rows += [
            (lambda a, k: dnp.fill_diagonal(a, 0.3, inplace=False), shape),
            (lambda a, k: np.trace(a) * np.diagonal(a), (p,)),
        ]
    return rows


def of_stack(shape: Shape) -> list[Row]:
    """Return functions of a stack of matrices."""
    b, p, q = shape
    return [
        (lambda a, k: np.einsum("bij,bkj->bik", a, a) * 0.1, (b, p, p)),
        (lambda a, k: np.transpose(a, (1, 2, 0)), (p, q, b)),
        (lambda a, k: a.reshape(a.shape[0], -1)[:, : a.shape[1]], (b, p)),
        (lambda a, k: np.tensordot(a, a, ([0, 2], [0, 2])) * 0.1, (p, p)),
        (lambda a, k: np.linalg.cholesky(definite(a)), (b, p, p)),
        (lambda a, k: difc.vmap(lambda m: np.linalg.slogdet(definite(m))[1])(a), (b,)),
        (lambda a, k: np.sort(np.sum(a, 1), -1), (b, q)),
        (lambda a, k: np.max(a, (0, 2)), (p,)),
        (lambda a, k: np.linalg.solve(definite(a), a), shape),
        (
            lambda a, k: linalg.solve_triangular(
                np.tril(a @ np.swapaxes(a, 1, 2)) * 0.1 + dnp.eye(a.shape[1], dtype=a.dtype), a, lower=True
            ),
            shape,
        ),
        (lambda a, k: np.linalg.inv(definite(a)), (b, p, p)),
        (lambda a, k: np.linalg.slogdet(definite(a))[1] * 0.1, (b,)),
        (lambda a, k: nn.max_pool(a, 2, 1, "SAME"), shape),
        (lambda a, k: nn.softmax(np.einsum("bij,bkj->bik", a, a) * 0.1) @ a, shape),
        (lambda a, k: nn.layer_norm(np.swapaxes(a, 0, 1), epsilon=0.1), (p, b, q)),
        (lambda a, k: difc.vmap(difc.vmap(lambda r: np.sort(r)[::-1]))(a), shape),
        (lambda a, k: difc.vmap(lambda m: m.at[0].set(m[-1]) + np.cumsum(m, 0))(a) * 0.1, shape),
        (lambda a, k: np.einsum("bij,cij->bc", a, a) * 0.01, (b, b)),
        (lambda a, k: np.einsum("bij,jk,bk->bi", a, a[0].T @ a[0], a[:, 0]) * 0.01, (b, p)),
        (lambda a, k: a[:, k % a.shape[1]], (b, "n", q)),
        (lambda a, k: a[:, k % a.shape[1], k % a.shape[2]], (b, "n")),
        (lambda a, k: a[k % a.shape[0], :, k % a.shape[2]], ("n", p)),
        (lambda a, k: a.at[:, k % a.shape[1], 0].add(0.3), shape),
        (lambda a, k: np.flip(a, (0, 2)) * np.roll(a, (1, -1), (0, 1)), shape),
        (lambda a, k: np.pad(a, ((0, 0), (1, 1), (2, 0)))[:, 1:-1, 2:], shape),
        (lambda a, k: np.var(a, (0, 2), ddof=0), (p,)),
        (lambda a, k: np.median(a, (0, 1)), (q,)),
        (lambda a, k: np.sort(a.reshape(a.shape[0], -1), 1)[:, 0], (b,)),
    ]
