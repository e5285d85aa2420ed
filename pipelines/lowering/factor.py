"""Factorisations and triangular solves: kernels on the CPU, elsewhere programs of the dialect (`factor_columns.py`).

Programs end in small matrices, for which there are kernels (`factor_small.py`).

A kernel works on one matrix with one core. Large matrices are cut in halves, so that most of the work is in matmuls and
in solves with many right-hand sides, which all cores share.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from difc import dialects as dif
from difc.dialects import matrices
from difc.dialects.mlir import ir
from difc.pipelines.lowering import factor_columns, factor_lu
from difc.pipelines.lowering.composition import composed
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.emitter import Size
from difc.pipelines.lowering.factor_calls import call_cholesky, call_lu, call_solve
from difc.pipelines.lowering.factor_kernels import Form
from difc.pipelines.lowering.factor_parts import PANEL
from difc.pipelines.lowering.factor_small import small_cholesky, small_solve
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.values import Value

__all__ = ["CHOLESKY", "COTANGENT", "LU"]

#: The largest sizes that are one call of a kernel, where sizes are known.
CHOLESKY, LU = 512, 512
#: The largest size for which the cotangent of a Cholesky factor is not cut in halves.
COTANGENT = 128


def _stack(c: Context, x: Value) -> tuple[ir.Value, list[Size]]:
    """Return a stack of matrices as a tensor with one batch dim, and its sizes."""
    sizes = c.sizes(x)
    flat = [c.product(sizes[:-2]), *sizes[-2:]]
    return regroup(c, c.tensor(x), sizes, flat), flat


def _is_large(size: Size, limit: int) -> bool:
    return isinstance(size, int) and size > limit


def _is_small(size: Size) -> bool:
    return isinstance(size, int) and size <= PANEL


@lowering(dif.cholesky)
def _cholesky(c: Context, out: Out, x: Value) -> Value:
    size = out.sizes[-1]
    if 0 in out.sizes:
        return x
    if c.vectors is None:
        if not _is_small(size):
            return composed(c, factor_columns.cholesky, x)[0]
        tensor, flat = _stack(c, x)
        return out.value(regroup(c, small_cholesky(c, out.dtype, tensor, flat[0]), flat, out.sizes))
    if _is_large(size, CHOLESKY):
        return composed(c, partial(factor_columns.cholesky_by_halves, limit=CHOLESKY), x)[0]
    tensor, flat = _stack(c, x)
    return out.value(regroup(c, call_cholesky(c, tensor, flat[:2], c.vectors), flat, out.sizes))


@lowering(dif.cholesky_tangent)
def _cholesky_tangent(c: Context, out: Out, factor: Value, t: Value) -> Value:
    return composed(c, matrices.cholesky_tangent, factor, t)[0]


@lowering(dif.cholesky_cotangent)
def _cholesky_cotangent(c: Context, out: Out, factor: Value, ct: Value) -> Value:
    program = matrices.cholesky_cotangent
    if c.vectors is not None:
        program = partial(factor_columns.cholesky_cotangent, limit=COTANGENT)
    return composed(c, program, factor, ct)[0]


@lowering(dif.triangular_solve)
def _triangular_solve(
    c: Context,
    out: Out,
    a: Value,
    b: Value,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    unit_diagonal: bool,
) -> Value:
    if 0 in out.sizes:
        return b
    if c.vectors is None:
        if left_side and not transpose_a and _is_small(c.sizes(a)[-1]):
            right, flat = _stack(c, b)
            solved = small_solve(c, out.dtype, _stack(c, a)[0], right, flat, lower=lower, unit=unit_diagonal)
            return out.value(regroup(c, solved, flat, out.sizes))
        form = {"left_side": left_side, "lower": lower, "transpose_a": transpose_a, "unit_diagonal": unit_diagonal}
        return composed(c, partial(factor_columns.triangular_solve, **form), a, b)[0]
    if not left_side:
        (b,) = composed(c, matrices.matrix_transpose, b)
        transpose_a = not transpose_a
    matrix, _ = _stack(c, a)
    right, sizes = _stack(c, b)
    kernel = Form(forward=lower != transpose_a, transposed=transpose_a, unit=unit_diagonal)
    solved = call_solve(c, matrix, right, sizes, kernel, c.vectors)
    found = Value(b.aval, base=regroup(c, solved, sizes, c.sizes(b)), sizes=c.sizes(b))
    return found if left_side else composed(c, matrices.matrix_transpose, found)[0]


@lowering(dif.lu)
def _lu(c: Context, outs: list[Out], x: Value) -> list[Value]:
    if c.vectors is None or 0 in outs[0].sizes:
        return composed(c, factor_lu.lu, x)
    if _is_large(outs[0].sizes[-1], LU):
        return composed(c, partial(factor_lu.lu_by_halves, limit=LU), x)
    tensor, flat = _stack(c, x)
    batch, rows, columns = flat
    found = call_lu(c, tensor, flat, c.vectors)
    shapes = [flat, [batch, columns], [batch, rows]]
    return [out.value(regroup(c, y, shape, out.sizes)) for out, y, shape in zip(outs, found, shapes, strict=True)]


@lowering(dif.det)
def _det(c: Context, out: Out, x: Value) -> Value:
    return composed(c, factor_lu.det, x)[0]


@lowering(dif.lu_solve)
def _lu_solve(c: Context, out: Out, *operands: Value, **form: Any) -> Value:
    return composed(c, partial(factor_lu.lu_solve, **form), *operands)[0]


@lowering(dif.log_det)
def _log_det(c: Context, out: Out, *operands: Value) -> Value:
    return composed(c, factor_lu.log_det, *operands)[0]
