"""Products of arrays that sum over shared axes: matmul, dot, tensordot, outer, kron and their kin.

Everything comes down to `contracted`: two operands with a label for each axis, and the labels of the result. It
builds one `dot_general`, after summing out labels that only one operand has, and before putting the axes in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import BOOL, I32, aval_of
from difc.dialects.mlir import ir
from difc.numpy.common import (
    as_operand,
    as_tracer,
    axes_of,
    dtype_from,
    expand,
    fill,
    integer,
    rank_of,
    reshaped,
    shape_error,
    shape_of,
    transposed,
)
from difc.numpy.reduction import summed
from difc.numpy.registry import implements
from difc.promotion import array_dtype, broadcast_shapes, common_dtype, to_dtype
from difc.tracer import lift, wrap

__all__ = ["contracted", "operands_of"]

Labels = Sequence[Any]


def operands_of(*arrays: Any) -> list[ir.Value]:
    """Return operands of a product as values of the dtype that they have as arrays."""
    given = [as_operand(a) for a in arrays]
    dtype = array_dtype(*given)
    return [to_dtype(lift(a), dtype) for a in given]


def contracted(lhs: ir.Value, lhs_labels: Labels, rhs: ir.Value, rhs_labels: Labels, out_labels: Labels) -> ir.Value:
    """Return the product of two values, summed over all labels that the result does not have.

    Args:
      lhs_labels, rhs_labels: a label for each axis; none occurs twice in one operand.
      out_labels: labels of the result, each in an operand. A label that both operands and the result have is a batch
      axis.
    """
    if aval_of(lhs).dtype == BOOL:  # a product of bool is "is there any pair of both"
        counts = contracted(to_dtype(lhs, I32), lhs_labels, to_dtype(rhs, I32), rhs_labels, out_labels)
        return dif.compare(counts, fill(counts, 0), direction="ne")
    lhs, lhs_labels = _summed_out(lhs, lhs_labels, {*rhs_labels, *out_labels})
    rhs, rhs_labels = _summed_out(rhs, rhs_labels, {*lhs_labels, *out_labels})
    shared = [label for label in lhs_labels if label in rhs_labels]
    batch = [label for label in out_labels if label in shared]
    contract = [label for label in shared if label not in out_labels]
    result = dif.dot_general(
        lhs,
        rhs,
        lhs_batch=[lhs_labels.index(b) for b in batch],
        rhs_batch=[rhs_labels.index(b) for b in batch],
        lhs_contract=[lhs_labels.index(c) for c in contract],
        rhs_contract=[rhs_labels.index(c) for c in contract],
    )
    free = [label for labels in (lhs_labels, rhs_labels) for label in labels if label not in shared]
    order = [*batch, *free]
    return transposed(result, [order.index(label) for label in out_labels])


def _summed_out(x: ir.Value, labels: Labels, needed: set[Any]) -> tuple[ir.Value, list[Any]]:
    alone = tuple(i for i, label in enumerate(labels) if label not in needed)
    return summed(x, alone), [label for label in labels if label in needed]


# ---- matmul and its kin --------------------------------------------------------------------------


def _core_product(name: str, x: Any, x_core: str, y: Any, y_core: str, out_core: str, dtype: Any = None) -> Any:
    """Return a product over the core axes, which are the last ones, with all leading axes broadcast."""
    operands = [as_operand(x), as_operand(y)]
    kind = dtype_from(dtype) if dtype is not None else common_dtype(*operands)
    lhs, rhs = (to_dtype(lift(v), kind) for v in operands)
    shapes = shape_of(lhs), shape_of(rhs)
    if len(shapes[0]) < len(x_core) or len(shapes[1]) < len(y_core):
        raise shape_error(
            f"{name}: operands of shapes {list(shapes[0])} and {list(shapes[1])} have too few dimensions",
            "use * for scalars" if name == "matmul" else "",
        )
    _check_core(name, shapes, (x_core, y_core))
    leads = [shape[: len(shape) - len(core)] for shape, core in zip(shapes, (x_core, y_core), strict=True)]
    lead = broadcast_shapes(*leads)
    parts = [
        _without_repeats(v, own, lead, core) for v, own, core in zip((lhs, rhs), leads, (x_core, y_core), strict=True)
    ]
    return wrap(contracted(*parts[0], *parts[1], [*range(len(lead)), *out_core]))


def _check_core(name: str, shapes: Sequence[Any], cores: Sequence[str]) -> None:
    sizes: dict[str, Any] = {}
    for shape, core in zip(shapes, cores, strict=True):
        for label, size in zip(core, shape[len(shape) - len(core) :], strict=True):
            if sizes.setdefault(label, size) != size:
                raise shape_error(
                    f"{name}: shapes {list(shapes[0])} and {list(shapes[1])} do not fit: the axes that are summed over "
                    f"have sizes {sizes[label]} and {size}",
                    "make these sizes equal, for example by transposing an operand with .T",
                )


def _without_repeats(x: ir.Value, own: Sequence[Any], lead: Sequence[Any], core: str) -> tuple[ir.Value, list[Any]]:
    """Return a value without the leading axes of size 1 that are to be repeated, and labels for the axes it keeps."""
    shift = len(lead) - len(own)
    kept = [i for i, size in enumerate(own) if size == lead[i + shift]]
    shape = [own[i] for i in kept] + list(shape_of(x)[len(own) :])
    return reshaped(x, shape), [*(i + shift for i in kept), *core]


@implements(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any, /, *, dtype: Any = None) -> Any:
    """Return the matrix product of the last two axes; a vector is a row (left) or a column (right). (numpy.matmul)

    Raises:
      ShapeError: if the inner sizes differ, or an operand is a scalar.
    """
    left, right = rank_of(as_operand(x1)), rank_of(as_operand(x2))
    x_core, y_core = ("k" if left == 1 else "nk"), ("k" if right == 1 else "km")
    return _core_product("matmul", x1, x_core, x2, y_core, "n" * (left != 1) + "m" * (right != 1), dtype)


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, dtype: Any = None) -> Any:
    """Return the products of vectors along an axis. (numpy.vecdot)"""
    x1, x2 = (np.moveaxis(as_tracer(x), axis, -1) for x in (x1, x2))
    return _core_product("vecdot", x1, "k", x2, "k", "", dtype)


@implements(np.matvec)
def matvec(x1: Any, x2: Any, /, *, dtype: Any = None) -> Any:
    """Return the products of matrices and vectors. (numpy.matvec)"""
    return _core_product("matvec", x1, "nk", x2, "k", "n", dtype)


@implements(np.vecmat)
def vecmat(x1: Any, x2: Any, /, *, dtype: Any = None) -> Any:
    """Return the products of vectors and matrices. (numpy.vecmat)"""
    return _core_product("vecmat", x1, "k", x2, "km", "m", dtype)


# ---- products without broadcasting ---------------------------------------------------------------


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Return the sum of products over the last axis of a and the second-to-last of b. (numpy.dot)"""
    x, y = operands_of(a, b)
    left, right = aval_of(x).ndim, aval_of(y).ndim
    if not left or not right:
        return np.multiply(wrap(x), wrap(y))
    return _tensordot("dot", x, y, (left - 1,), (max(right - 2, 0),))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """Return the sum of products over the last axes. (numpy.inner)"""
    x, y = operands_of(a, b)
    left, right = aval_of(x).ndim, aval_of(y).ndim
    if not left or not right:
        return np.multiply(wrap(x), wrap(y))
    return _tensordot("inner", x, y, (left - 1,), (right - 1,))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """Return the sum of products of all elements. (numpy.vdot)"""
    x, y = operands_of(*(np.ravel(as_tracer(v)) for v in (a, b)))
    return _tensordot("vdot", x, y, (0,), (0,))


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, /, axes: Any = 2) -> Any:
    """Return the sum of products over pairs of axes, or over the last n of a and first n of b. (numpy.tensordot)"""
    x, y = operands_of(a, b)
    left, right = aval_of(x).ndim, aval_of(y).ndim
    if isinstance(axes, (tuple, list)):
        first, second = axes
    else:
        count = integer(axes, "axes")
        first, second = tuple(range(-count, 0)), tuple(range(count))
    return _tensordot("tensordot", x, y, axes_of(first, left, "axes"), axes_of(second, right, "axes"))


def _tensordot(name: str, x: ir.Value, y: ir.Value, x_axes: Sequence[int], y_axes: Sequence[int]) -> Any:
    shapes = shape_of(x), shape_of(y)
    if len(x_axes) != len(y_axes):
        raise shape_error(f"{name}: {len(x_axes)} axes of one operand for {len(y_axes)} of the other")
    x_labels, y_labels = [("x", i) for i in range(len(shapes[0]))], [("y", i) for i in range(len(shapes[1]))]
    for i, j in zip(x_axes, y_axes, strict=True):
        if shapes[0][i] != shapes[1][j]:
            raise shape_error(
                f"{name}: shapes {list(shapes[0])} and {list(shapes[1])} do not fit: the axes that are summed over, "
                f"{i} and {j}, have sizes {shapes[0][i]} and {shapes[1][j]}",
                "make these sizes equal, for example by transposing an operand with .T",
            )
        y_labels[j] = x_labels[i]
    kept = [label for label in (*x_labels, *y_labels) if not (label in x_labels and label in y_labels)]
    return wrap(contracted(x, x_labels, y, y_labels, kept))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """Return the products of all pairs of elements. (numpy.outer)"""
    x, y = (np.ravel(as_tracer(v)) for v in (a, b))
    return np.multiply(np.expand_dims(x, 1), y)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """Return the products of all pairs of elements of two vectors. (numpy.linalg.outer)"""
    if rank_of(as_operand(x1)) != 1 or rank_of(as_operand(x2)) != 1:
        raise shape_error("linalg.outer needs two vectors", "use np.outer, which flattens its operands")
    return outer(x1, x2)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product: b, scaled by each element of a, in blocks. (numpy.kron)"""
    x, y = (lift(as_operand(v)) for v in (a, b))
    rank = max(aval_of(x).ndim, aval_of(y).ndim)
    x, y = (expand(v, range(rank - aval_of(v).ndim)) for v in (x, y))
    sizes = [p * q for p, q in zip(shape_of(x), shape_of(y), strict=True)]
    blocks = np.multiply(
        wrap(expand(x, [2 * d + 1 for d in range(rank)])), wrap(expand(y, [2 * d for d in range(rank)]))
    )
    return wrap(reshaped(lift(blocks), sizes))


@implements(np.cross, np.linalg.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """Return the cross products of vectors of three elements. (numpy.cross)"""
    if axis is not None:
        axisa = axisb = axisc = axis
    x = np.moveaxis(as_tracer(a), axisa, -1)
    y = np.moveaxis(as_tracer(b), axisb, -1)
    if x.aval.shape[-1] != 3 or y.aval.shape[-1] != 3:
        raise shape_error(
            f"cross: vectors have {x.aval.shape[-1]} and {y.aval.shape[-1]} elements, not 3",
            "of vectors of two elements, write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]",
        )
    (x0, x1, x2), (y0, y1, y2) = (np.unstack(v, axis=-1) for v in (x, y))
    return np.stack([x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0], axis=axisc)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """Return the product of several matrices, in the cheapest order. (numpy.linalg.multi_dot)"""
    ranks = [rank_of(a) for a in arrays]
    last = len(arrays) - 1
    if last < 1 or any(r != 2 for r in ranks[1:-1]) or any(r not in (1, 2) for r in (ranks[0], ranks[-1])):
        raise shape_error("multi_dot needs two or more matrices; the first and the last may be vectors")
    labels = [(i, i + 1) for i in range(last + 1)]
    first = labels[0] if ranks[0] == 2 else labels[0][1:]
    end = labels[last] if ranks[last] == 2 else labels[last][:1]
    out_labels = [0] * (ranks[0] == 2) + [last + 1] * (ranks[last] == 2)
    spread = [item for pair in zip(arrays, [first, *labels[1:last], end], strict=True) for item in pair]
    return np.einsum(*spread, out_labels)
