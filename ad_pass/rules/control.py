"""Derivatives of `cond`, each again a cond; and what the rules of ops with bodies share.

Notation above each rule: what the bodies take and give. `t` is a tangent, `ct` a cotangent, `r` residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.jvp import interleave, jvp_block, with_zeros
from difc.ad_pass.linearize import Linearized, linearize_block
from difc.ad_pass.registry import (
    JVP,
    LINEAR_SLOTS,
    LINEARIZE,
    NONZERO,
    TRANSPOSE,
    Node,
    nonzero_outputs,
)
from difc.ad_pass.sizes import SizeFinder, Sizes
from difc.ad_pass.transpose import transpose_block
from difc.ad_pass.zero import Linear, Tangent, Zero, instantiate, instantiate_in, shape_of, zeros_of
from difc.dialects import Builder, as_list, aval_of, build_body, inline_block, marked, new_block, yield_
from difc.dialects.mlir import ir

__all__ = ["inline_linear", "nonzero_mask", "take_sizes", "transpose_sorted"]


def nonzero_mask(tangents: Sequence[Tangent]) -> list[bool]:
    """Return which tangents or cotangents are not symbolic zeros."""
    return [not isinstance(t, Zero) for t in tangents]


# ---- cond ----------------------------------------------------------------------------------------


def _cond_nonzero(node: Node, nonzero: Sequence[bool]) -> list[bool]:
    first, second = (nonzero_outputs(body, nonzero[1:]) for body in node.bodies)
    return [a or b for a, b in zip(first, second, strict=True)]


def _cond_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    # branch: x -> y   =>   x, t[nz] -> y, t_y[nz_y]
    args, ts = primals[1:], tangents[1:]
    nz, nz_out = nonzero_mask(ts), _cond_nonzero(node, nonzero_mask(tangents))

    def branch(body: ir.Block) -> Callable[[list[ir.Value]], list[ir.Value]]:
        def fill(arguments: list[ir.Value]) -> list[ir.Value]:
            xs = arguments[: len(args)]
            outs, dots = jvp_block(body, xs, with_zeros(xs, arguments[len(args) :], nz))
            return [*outs, *(instantiate(t, y) for y, t in marked(zip(outs, dots, strict=True), nz_out))]

        return fill

    given = [*args, *marked(ts, nz)]
    bodies = [build_body([v.type for v in given], branch(body)) for body in node.bodies]
    results = as_list(dif.cond(primals[0], *given, linear=(), regions=bodies))
    outs, dots = results[: len(nz_out)], results[len(nz_out) :]
    return outs, with_zeros(outs, dots, nz_out)


def _cond_linearize(
    node: Node, primals: list[ir.Value], tangents: list[Tangent]
) -> tuple[list[ir.Value], list[Tangent]]:
    # branch i: x -> y   =>   forward branch i: x -> y, r_0, r_1 (zeros for those of the other branch)
    #                         linear branch i:  t[nz], r_0, r_1 -> t_y[nz_y]
    pred, args, ts = primals[0], primals[1:], tangents[1:]
    nz, nz_out = nonzero_mask(ts), _cond_nonzero(node, nonzero_mask(tangents))
    parts = [linearize_block(body, nz, out_mask=nz_out) for body in node.bodies]

    # a residual that is an argument of the branch is the operand itself, and a size is computed outside
    known = [_known_outside(part, args) for part in parts]
    computed = [
        [r for r, there in zip(p.residuals, k, strict=True) if there is None] for p, k in zip(parts, known, strict=True)
    ]
    for i, part in enumerate(parts):
        with dif.use_builder(Builder(part.primal, node.operation.location)):
            mine, others = computed[i], _placeholders(computed[1 - i], parts[1 - i].primal, part.primal)
            yield_(*part.outs, *(mine if i == 0 else others), *(others if i == 0 else mine))
    results = as_list(dif.cond(pred, *args, linear=(), regions=[p.primal for p in parts]))
    outs = results[: len(nz_out)]
    first, second = results[len(nz_out) : len(nz_out) + len(computed[0])], results[len(nz_out) + len(computed[0]) :]
    given: list[list[Any]] = [marked(ts, nz), [], []]
    for i, values in enumerate((first, second)):
        fresh = iter(values)
        given[i + 1] = [next(fresh) if there is None else there for there in known[i]]
    operands = [*given[0], *given[1], *given[2]]

    def branch(i: int) -> Callable[[list[ir.Value]], list[ir.Value]]:
        def fill(arguments: list[ir.Value]) -> list[ir.Value]:
            dots, residuals = arguments[: sum(nz)], arguments[sum(nz) :]
            mine = residuals[: len(given[1])] if i == 0 else residuals[len(given[1]) :]
            return inline_linear(parts[i], [*dots, *mine], nz_out)

        return fill

    bodies = [build_body([v.type for v in operands], branch(i)) for i in range(2)]
    linear = [True] * sum(nz) + [False] * (len(operands) - sum(nz))
    dots = as_list(dif.cond(pred, *operands, linear=linear, regions=bodies))
    return outs, with_zeros(outs, dots, nz_out)


def _known_outside(part: Linearized, args: Sequence[ir.Value]) -> list[ir.Value | None]:
    """Return, for each residual of a branch, its value where it exists outside or is a size, which costs nothing."""
    operands = dict(zip(part.primal.arguments, args, strict=True))
    finder = SizeFinder(lambda argument: shape_of(operands[argument]), operands.get)
    return [operands[r] if r in operands else finder.value(r) if finder.is_size(r) else None for r in part.residuals]


def _placeholders(values: Sequence[ir.Value], there: ir.Block, here: ir.Block) -> list[ir.Value]:
    """Return zeros, in one branch, for residuals that only the other branch makes, in the sizes they would have."""
    own = dict(zip(there.arguments, here.arguments, strict=True))
    finder = SizeFinder(lambda argument: shape_of(own[argument]), own.get)
    return [zeros_of(finder.sizes(v), aval_of(v).dtype) for v in values]


def inline_linear(part: Linearized, arguments: Sequence[ir.Value], mask: Sequence[bool]) -> list[ir.Value]:
    """Re-emit a linear block on other arguments; return the tangents that `mask` keeps."""
    with dif.use_builder(Builder(part.linear)):
        yield_(*marked(part.out_tangents, mask))
    return inline_block(part.linear, arguments)


def _cond_transpose(node: Node, cts: list[Tangent], operands: list[Any]) -> list[Any]:
    # branch: t, r -> t_y   =>   r, ct_y[nz] -> ct of each t
    pred, args = operands[0], operands[1:]
    linear = [isinstance(a, Linear) for a in args]
    residuals, nz = [a for a in args if not isinstance(a, Linear)], nonzero_mask(cts)
    slots = [a for a in args if isinstance(a, Linear)]
    sizes = [shape_of(a) for a in slots]
    size_values = [d for s in sizes for d in s if isinstance(d, ir.Value)]
    given = [*residuals, *size_values, *marked(cts, nz)]

    def branch(body: ir.Block) -> Callable[[list[ir.Value]], list[ir.Value]]:
        def fill(arguments: list[ir.Value]) -> list[ir.Value]:
            rest = arguments[len(residuals) :]
            inner = take_sizes(sizes, rest)
            zeros = [ct for ct in cts if isinstance(ct, Zero)]
            found = transpose_sorted(
                body,
                linear,
                arguments[: len(residuals)],
                interleave(nz, rest[len(size_values) :], zeros),
                inner.__getitem__,
            )
            return list(map(instantiate_in, found, inner))

        return fill

    bodies = [build_body([v.type for v in given], branch(body)) for body in node.bodies]
    found = iter(as_list(dif.cond(pred, *given, linear=(), regions=bodies)))
    return [None, *(next(found) if mark else None for mark in linear)]


def take_sizes(sizes: Sequence[Sizes], values: Sequence[ir.Value]) -> list[Sizes]:
    """Return sizes with their run-time entries replaced, in order, by `values`."""
    fresh = iter(values)
    return [[d if isinstance(d, int) else next(fresh) for d in s] for s in sizes]


def transpose_sorted(
    body: ir.Block,
    linear: Sequence[bool],
    residuals: Sequence[ir.Value],
    cts: Sequence[Tangent],
    sizes: Callable[[int], Sizes],
) -> list[Tangent]:
    """Transpose a body whose linear arguments are those that `linear` marks, wherever they stand."""
    arguments = list(body.arguments)
    order = [*marked(arguments, linear), *marked(arguments, [not m for m in linear])]
    sorted_body = new_block([a.type for a in order])
    place = {a: i for i, a in enumerate(order)}
    with dif.use_builder(Builder(sorted_body)):
        yield_(*inline_block(body, [sorted_body.arguments[place[a]] for a in arguments]))
    return transpose_block(sorted_body, sum(linear), residuals, cts, sizes)


JVP["fun.cond"], LINEARIZE["fun.cond"], TRANSPOSE["fun.cond"] = _cond_jvp, _cond_linearize, _cond_transpose
NONZERO["fun.cond"] = _cond_nonzero
LINEAR_SLOTS["fun.cond"] = lambda node, marks: not marks[0]
