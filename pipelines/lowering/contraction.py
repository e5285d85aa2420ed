"""`dot_general` as one contraction with at most one batch, two free and one contracting dim.

That is the form which IREE tiles best: groups of dims are collapsed (with a transpose only where a group is not one run
of neighbours in order), transposed operands are read through indexing maps, and the body is a bare multiply-add.

On Vulkan IREE does not tile what has a run-time size: there, a loop in one kernel takes a fifth of the time (Mesa's
software driver, 300x300x300 in f32: 76 ms instead of 384 ms). Long sums are cut into parts, each of few steps; sums of
a few products have no loop, and IREE fuses them with what follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from difc import dialects as dif
from difc.dialects import Aval, free_dims
from difc.dialects.mlir import ir
from difc.dialects.types import BF16, DYN, F16, F32
from difc.pipelines.lowering import scalars
from difc.pipelines.lowering.context import Context, Out, element_type, lowering
from difc.pipelines.lowering.emitter import PARALLEL, REDUCTION, Size, identity_map, projection
from difc.pipelines.lowering.kernel_loops import MOST_STEPS, counted
from difc.pipelines.lowering.matmul import Operand, is_worth_swapping, is_worth_the_kernel, is_worth_turning, matmul
from difc.pipelines.lowering.points import blocks_of
from difc.pipelines.lowering.reduction import combine
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.scalars import convert, number
from difc.pipelines.lowering.values import Value
from difc.pipelines.lowering.vector_product import is_a_vector_product, vector_product

__all__: list[str] = []

_FEW = 16  # products that are added without a loop

BATCH, LEFT, RIGHT, SUM = "batch", "left", "right", "sum"


@dataclass
class _Operand:
    """An operand with each group of dims made one: the tensor and, for each of its dims, the group."""

    tensor: ir.Value
    groups: list[str]


def _reads_in_runs(order: Sequence[int], groups: Sequence[Sequence[int]]) -> bool:
    """Say whether, with dims lying in memory in this order, every group is one run of neighbours in its own order."""
    position = {d: i for i, d in enumerate(order)}
    return all(position[b] == position[a] + 1 for group in groups for a, b in itertools.pairwise(group))


def _operand(c: Context, x: Value, groups: dict[str, tuple[int, ...]]) -> _Operand:
    """Collapse the groups of dims of an operand, permuting dims only where that is needed."""
    sizes = c.sizes(x)
    present = {name: dims for name, dims in groups.items() if dims}
    base_order = [d for d, _ in sorted(((d, j) for d, j in enumerate(x.dims)), key=lambda pair: pair[1] or 0)]
    is_permutation = x.scalar is None and x.base is not None and None not in x.dims
    if is_permutation and _reads_in_runs(base_order, list(present.values())):
        tensor, order = c.view(x)[0], base_order  # read the tensor under a transpose as it lies
    else:
        tensor, order = c.tensor(x), list(range(x.aval.ndim))
        if not _reads_in_runs(order, list(present.values())):
            order = [d for dims in present.values() for d in dims]
            tensor = c.transposed(tensor, order, [sizes[d] for d in order])
    names = sorted(present, key=lambda name: order.index(present[name][0]))
    after = [c.product([sizes[d] for d in present[name]]) for name in names]
    return _Operand(regroup(c, tensor, [sizes[d] for d in order], after), names)


@lowering(dif.dot_general)
def _(
    c: Context,
    out: Out,
    lhs: Value,
    rhs: Value,
    *,
    lhs_batch: tuple[int, ...],
    rhs_batch: tuple[int, ...],
    lhs_contract: tuple[int, ...],
    rhs_contract: tuple[int, ...],
) -> Value:
    if 0 in out.sizes or any(lhs.sizes[d] == 0 for d in lhs_contract):
        return c.splat(out.aval, 0, out.sizes)
    left = free_dims(lhs.aval.ndim, lhs_batch, lhs_contract)
    right = free_dims(rhs.aval.ndim, rhs_batch, rhs_contract)
    if not lhs_contract:
        return _outer(c, out, lhs, rhs, lhs_batch, rhs_batch, left, right)
    x = _operand(c, lhs, {BATCH: lhs_batch, LEFT: left, SUM: lhs_contract})
    y = _operand(c, rhs, {BATCH: rhs_batch, RIGHT: right, SUM: rhs_contract})
    counts = {BATCH: len(lhs_batch), LEFT: len(left), RIGHT: len(right)}
    names = [name for name in (BATCH, LEFT, RIGHT) if counts[name]]
    sizes: list[Size] = []
    start = 0
    for name in names:
        sizes.append(c.product(out.sizes[start : start + counts[name]]))
        start += counts[name]
    sums = _Sums(out.dtype, (x, y), names, sizes, c.size_of(x.tensor, x.groups.index(SUM)))
    return out.value(regroup(c, _contract(c, sums), sizes, out.sizes))


class _Sums(NamedTuple):
    """What a contraction makes: for each element a sum of `count` products.

    Attributes:
      dtype: of the operands and of the result; half floats accumulate in f32.
      operands: left and right.
      names: the groups that the dims of the result are.
      sizes: of the result.
      count: how many products each sum has.
    """

    dtype: np.dtype
    operands: tuple[_Operand, _Operand]
    names: list[str]
    sizes: list[Size]
    count: Size

    @property
    def accumulator(self) -> np.dtype:
        return F32 if self.dtype in (F16, BF16) else self.dtype

    def add_product(self, c: Context, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
        a, b = (convert(c, self.dtype, v, self.accumulator) for v in (a, b))
        return scalars.add(c, self.accumulator, total, scalars.mul(c, self.accumulator, a, b))


def _contract(c: Context, sums: _Sums) -> ir.Value:
    """Append the contraction."""
    dtype, (x, y), names, sizes, count = sums
    if c.vectors is not None:
        known = dict(zip(names, sizes, strict=True))
        matrices = [*(known.get(name, 1) for name in (BATCH, LEFT, RIGHT)), count]
        if is_a_vector_product(matrices, element_type(dtype)):
            return regroup(c, _by_a_vector(c, x, y, matrices), matrices[:3], sizes)
        if is_worth_the_kernel(matrices, element_type(dtype)):
            return regroup(c, _in_kernel(c, x, y, matrices), matrices[:3], sizes)
    if c.target_kind == "vulkan" and not (isinstance(count, int) and count <= MOST_STEPS and _is_static(sizes)):
        total = _unrolled(c, sums, count) if isinstance(count, int) and count <= _FEW else _in_parts(c, sums)
    else:
        total = _at_once(c, sums)
    if sums.accumulator == dtype:
        return total
    source = (total, identity_map(len(names)))
    return c.pointwise(sizes, element_type(dtype), lambda a: convert(c, F32, a, dtype), [source])


def _is_static(sizes: Sequence[Size]) -> bool:
    return all(isinstance(size, int) for size in sizes)


def _at_once(c: Context, sums: _Sums) -> ir.Value:
    """Append one contraction, which IREE may tile."""
    loops = [*sums.names, SUM]

    def to(groups: list[str]) -> ir.AffineMap:
        return projection(len(loops), tuple(loops.index(name) for name in groups))

    init = c.filled(number(c, sums.accumulator, 0), sums.sizes)
    iterators = [*[PARALLEL] * len(sums.names), REDUCTION]
    inputs = [(c.unfused(operand.tensor), to(operand.groups)) for operand in sums.operands]
    return c.generic(inputs, [(init, to(sums.names))], iterators, lambda *elements: [sums.add_product(c, *elements)])[0]


def _unrolled(c: Context, sums: _Sums, count: int) -> ir.Value:
    """Append a sum of few products for each element."""
    read = [(c.unfused(operand.tensor), operand.groups) for operand in sums.operands]

    def body() -> ir.Value:
        place = dict(zip(sums.names, c.position(len(sums.names)), strict=True))
        total = number(c, sums.accumulator, 0)
        for i in range(count):
            a, b = (c.extract(t, [c.index(i) if g == SUM else place[g] for g in groups]) for t, groups in read)
            total = sums.add_product(c, a, b, total)
        return total

    return c.pointwise(sums.sizes, element_type(sums.accumulator), body)


def _in_parts(c: Context, sums: _Sums) -> ir.Value:
    """Append a loop for each element and each of the parts of its sum, and the sum of the parts."""
    parts = blocks_of(c, sums.count, MOST_STEPS)
    read = [(c.unfused(operand.tensor), operand.groups) for operand in sums.operands]
    shape = [parts, *sums.sizes]

    def body() -> ir.Value:
        part, *position = c.position(len(shape))
        place = dict(zip(sums.names, position, strict=True))
        start = c.arith("muli", part, MOST_STEPS)
        end = c.arith("addi", start, MOST_STEPS)
        stop = c.arith("minsi", end, sums.count)

        def step(i: ir.Value, total: ir.Value) -> list[ir.Value]:
            a, b = (c.extract(tensor, [i if g == SUM else place[g] for g in groups]) for tensor, groups in read)
            return [sums.add_product(c, a, b, total)]

        return counted(c, start, stop, [number(c, sums.accumulator, 0)], step)[0]

    partial_sums = c.fence(c.pointwise(shape, element_type(sums.accumulator), body))
    aval = Aval(tuple(s if isinstance(s, int) else DYN for s in shape), sums.accumulator)
    return combine(c, Value(aval, base=partial_sums, sizes=shape), [0], sums.accumulator, scalars.add, 0)


def _in_kernel(c: Context, x: _Operand, y: _Operand, sizes: Sequence[Size]) -> ir.Value:
    """Append the contraction, of sizes batch, m, n, k, as a call of the matmul kernel."""
    assert c.vectors is not None
    batch, m, n, k = sizes
    if is_worth_swapping(m, n):
        swap = {BATCH: BATCH, SUM: SUM, LEFT: RIGHT, RIGHT: LEFT}
        first, second = (_Operand(each.tensor, [swap[g] for g in each.groups]) for each in (y, x))
        return c.transposed(_in_kernel(c, first, second, [batch, n, m, k]), [0, 2, 1], [batch, m, n])
    known = {BATCH: batch, LEFT: m, RIGHT: n, SUM: k}
    left = _laid_out(c, x, [LEFT, SUM], known, as_it_lies=not is_worth_turning(m, k))
    return matmul(c, left, _laid_out(c, y, [SUM, RIGHT], known, as_it_lies=True), sizes, c.vectors)


def _by_a_vector(c: Context, x: _Operand, y: _Operand, sizes: Sequence[Size]) -> ir.Value:
    """Append the contraction, of sizes batch, m, n, k with m or n being 1, as a product of a matrix and a vector."""
    assert c.vectors is not None
    batch, m, n, k = sizes
    known = {BATCH: batch, LEFT: m, RIGHT: n, SUM: k}
    (vector, side), (matrix, long) = ((x, LEFT), (y, RIGHT)) if m == 1 else ((y, RIGHT), (x, LEFT))
    flat = regroup(c, _laid_out(c, vector, [side, SUM], known, as_it_lies=True).tensor, [batch, 1, k], [batch, k])
    read = _laid_out(c, matrix, [SUM, long], known, as_it_lies=True)
    product = vector_product(c, flat, read.tensor, [batch, known[long], k], down=not read.turned, unit=c.vectors)
    return regroup(c, product, [batch, known[long]], [batch, m, n])


def _laid_out(c: Context, operand: _Operand, wanted: list[str], known: dict[str, Size], *, as_it_lies: bool) -> Operand:
    """Return an operand as a batch of matrices of two groups, turned where it lies so and is wanted as it lies."""
    heads, matrix = ([operand.groups.index(g) for g in gs if g in operand.groups] for gs in ([BATCH], wanted))
    read = [*heads, *(sorted(matrix) if as_it_lies else matrix)]
    turned = read != [*heads, *matrix]
    tensor, shape = operand.tensor, [c.size_of(operand.tensor, d) for d in read]
    if read != sorted(read):
        # A transpose fused into a producer that is used elsewhere too would run element by element.
        tensor = c.transposed(c.fence(tensor), read, shape)
    lying = [known[g] for g in (reversed(wanted) if turned else wanted)]
    return Operand(regroup(c, tensor, shape, [known[BATCH], *lying]), turned)


def _outer(
    c: Context,
    out: Out,
    lhs: Value,
    rhs: Value,
    lhs_batch: tuple[int, ...],
    rhs_batch: tuple[int, ...],
    left: tuple[int, ...],
    right: tuple[int, ...],
) -> Value:
    """Nothing is summed: multiply elements of both operands broadcast to the result."""

    def broadcast(x: Value, dims: Sequence[int], places: Sequence[int]) -> Value:
        if x.scalar is not None:
            return Value(out.aval, scalar=x.scalar, sizes=out.sizes)
        c.view_to_repeat(x)
        walked = {place: x.dims[d] for d, place in zip(dims, places, strict=True)}
        return Value(out.aval, base=x.base, dims=tuple(walked.get(i) for i in range(out.aval.ndim)), sizes=out.sizes)

    batch = range(len(lhs_batch))
    first = range(len(batch), len(batch) + len(left))
    second = range(len(batch) + len(left), out.aval.ndim)
    x = broadcast(lhs, [*lhs_batch, *left], [*batch, *first])
    y = broadcast(rhs, [*rhs_batch, *right], [*batch, *second])
    return c.elementwise(out, [x, y], lambda a, b: scalars.mul(c, out.dtype, a, b))
