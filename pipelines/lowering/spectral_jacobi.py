"""One-sided Jacobi: rotating pairs of rows until all rows are orthogonal, in ops of the dialect.

Every step of a sweep rotates disjoint pairs that cover all rows, so it is a gather of each row's partner and some
elementwise arithmetic on the whole array, which suits any device. A sweep is a round-robin tournament: after it each
row has met each other row once. Sweeps end when none finds rows that are not orthogonal to working precision, which
takes 5 to 12 of them (convergence is quadratic), and after `SWEEPS` in any case; those not needed have no steps.
"""

from __future__ import annotations

import math

import numpy as np

from difc import dialects as dif
from difc.dialects import I64, aval_of
from difc.dialects.matrices import sizes_of, splat
from difc.dialects.mlir import ir
from difc.dialects.sizes import Size, size_value
from difc.dialects.types import I32
from difc.pipelines.lowering.composition import Values, loop
from difc.pipelines.lowering.spectral_householder import repeated

__all__ = ["orthogonal_rows"]

SWEEPS = 30
#: Beyond this, t = 1 / (2 zeta) to working precision, and zeta squared could overflow.
LARGE = 1e8


def orthogonal_rows(*arrays: ir.Value) -> Values:
    """Return stacks [b, n, m] with the rows of each matrix rotated, so that those of the first stack are orthogonal.

    Args:
      arrays: the rows that become orthogonal, with m >= n and elements that are finite and at most 1; and what is
        rotated with them, perhaps: from the identity it becomes the rotation.
    """
    given = [_rows_first(x) for x in arrays]
    dtype, width = aval_of(given[0]).dtype, aval_of(given[0]).shape[2]
    enough = 4 * float(np.finfo(dtype).eps) * math.sqrt(width if isinstance(width, int) else 16)
    partners = _partners(sizes_of(given[0])[0])

    def sweep(carry: Values, _: Values, consts: Values) -> tuple[Values, Values]:
        *rows, rounds = carry
        norms = dif.reduce_sum(dif.mul(rows[0], rows[0]), axes=(2,))
        start = [*rows, norms, splat(0, norms)]
        numbers = dif.iota(shape=(rounds,), dtype=I64, dimension=0)
        *rows, _, worst = loop(_rotate, start, rounds, xs=[numbers], consts=consts)
        largest = dif.reduce_max(worst, axes=(0, 1))
        goes_on = dif.compare(largest, splat(enough, largest), direction="gt")
        return [*rows, dif.select(goes_on, rounds, size_value(0))], []

    rounds = sizes_of(partners)[0]
    start = [*given, size_value(rounds)]
    return [_rows_first(x) for x in loop(sweep, start, SWEEPS, consts=[partners])[:-1]]


def _rows_first(x: ir.Value) -> ir.Value:
    """Exchange the first two dims: a gather of rows then needs no transpose."""
    return dif.transpose(x, permutation=(1, 0, 2))


def _rotate(carry: Values, xs: Values, consts: Values) -> tuple[Values, Values]:
    """Rotate every row with its partner, so that they are orthogonal.

    A row i and its partner j compute the same rotation: with zeta = (d_j - d_i) / (2 g) it is x_i <- c x_i - s x_j for
    either of them, as zeta has the opposite sign for the other.
    """
    (x, *together, norms, worst), (number,), (partners,) = carry, xs, consts
    partner = _rows(partners, dif.reshape(number, shape=(1,)))
    rows, batch, _ = sizes_of(x)
    shape = [rows, batch]
    own = dif.iota(shape=(rows,), dtype=I32, dimension=0)
    other = dif.reshape(partner, shape=(rows,))
    is_first = repeated(dif.compare(own, other, direction="lt"), shape, (0,))
    is_paired = repeated(dif.compare(own, other, direction="ne"), shape, (0,))

    theirs, their_norms = _rows(x, partner), _rows(norms, partner)
    product = dif.reduce_sum(dif.mul(x, theirs), axes=(2,))
    zero, one = splat(0, norms), splat(1, norms)
    tiny = splat(float(np.finfo(aval_of(x).dtype).tiny), norms)
    lengths = dif.mul(dif.sqrt(dif.max(norms, tiny)), dif.sqrt(dif.max(their_norms, tiny)))
    cosine = dif.select(is_paired, dif.div(dif.abs(product), lengths), zero)
    rotates = dif.compare(cosine, splat(float(np.finfo(aval_of(x).dtype).eps), cosine), direction="gt")

    double = dif.select(rotates, dif.add(product, product), one)
    zeta = dif.div(dif.sub(their_norms, norms), double)
    tie = dif.select(is_first, one, dif.neg(one))
    sign = dif.select(dif.compare(zeta, zero, direction="eq"), tie, dif.sign(zeta))
    size = dif.abs(zeta)
    large = splat(LARGE, size)
    clipped = dif.min(size, large)
    root = dif.sqrt(dif.add(one, dif.mul(clipped, clipped)))
    root = dif.select(dif.compare(size, large, direction="gt"), size, root)
    tangent = dif.select(rotates, dif.div(sign, dif.add(size, root)), zero)
    root = dif.sqrt(dif.add(one, dif.mul(tangent, tangent)))
    s, t = dif.div(tangent, root), dif.div(tangent, dif.add(one, root))
    norms = dif.sub(norms, dif.mul(tangent, product))
    moving = [(x, theirs), *((y, _rows(y, partner)) for y in together)]
    rotated = [_turned(y, others, s, t) for y, others in moving]
    return [*rotated, norms, dif.max(worst, cosine)], []


def _turned(x: ir.Value, theirs: ir.Value, s: ir.Value, t: ir.Value) -> ir.Value:
    """Return c x - s y with t = s / (1 + c), so written that a small rotation makes a small error (Rutishauser)."""
    shape = sizes_of(x)
    s, t = repeated(s, shape, (0, 1)), repeated(t, shape, (0, 1))
    return dif.sub(x, dif.mul(s, dif.add(theirs, dif.mul(t, x))))


def _rows(x: ir.Value, indices: ir.Value) -> ir.Value:
    return dif.gather(x, indices, axes=(0,), batch=0, mode="clip")


# ---- the tournament ------------------------------------------------------------------------------


def _partners(rows: Size) -> ir.Value:
    """Return, for each round of a tournament and each row, its partner, as indices [rounds, rows, 1].

    With an even number N of players (for odd `rows` one is missing, and its partner waits) in round r the players i and
    j < N - 1 meet if i + j = r modulo N - 1. The i that would meet itself, r N / 2, meets player N - 1.
    """
    if isinstance(rows, int):
        return _table(max(rows + rows % 2, 2), rows)
    two = size_value(2)
    return _table(dif.max(dif.add(rows, dif.rem(rows, two)), two), rows)


def _table(players: Size, rows: Size) -> ir.Value:
    last: Size = players - 1 if isinstance(players, int) else dif.sub(players, size_value(1))
    shape = (last, rows)
    number = dif.iota(shape=shape, dtype=I32, dimension=0)
    own = dif.iota(shape=shape, dtype=I32, dimension=1)
    cycle = _filled(last, shape)
    two = _filled(2, shape)
    half = dif.div(_filled(players, shape), two)
    other = dif.rem(dif.add(dif.sub(number, own), cycle), cycle)
    other = dif.select(dif.compare(other, own, direction="eq"), cycle, other)
    other = dif.select(dif.compare(own, cycle, direction="eq"), dif.rem(dif.mul(number, half), cycle), other)
    other = dif.select(dif.compare(other, _filled(rows, shape), direction="lt"), other, own)
    return dif.reshape(other, shape=(last, rows, 1))


def _filled(size: Size, shape: tuple[Size, ...]) -> ir.Value:
    value = dif.constant(value=np.array(size, I32)) if isinstance(size, int) else dif.convert(size, dtype=I32)
    return dif.broadcast_in_dim(value, shape=shape, dimensions=())
