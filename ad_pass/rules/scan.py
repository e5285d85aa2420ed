"""Derivatives of `scan`: each is again a scan.

Notation above each rule: what the body takes and gives. `t` is a tangent, `ct` a cotangent, `r` residuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from difc import dialects as dif
from difc.ad_pass.jvp import interleave, jvp_block, with_zeros
from difc.ad_pass.linearize import LinearizeBuilder, linearize_block
from difc.ad_pass.registry import JVP, LINEAR_SLOTS, LINEARIZE, NONZERO, TRANSPOSE, Node, nonzero_outputs
from difc.ad_pass.residual import Recomputation
from difc.ad_pass.rules.control import (
    inline_linear,
    nonzero_mask,
    take_sizes,
    transpose_sorted,
)
from difc.ad_pass.sizes import SizeFinder, Sizes
from difc.ad_pass.zero import Linear, Tangent, Zero, add_tangents, instantiate, instantiate_in, shape_of, zeros_like
from difc.dialects import Aval, Builder, ScanParts, as_list, aval_of, build_body, marked, needed_first, yield_
from difc.dialects.mlir import ir

__all__: list[str] = []


def _scan_fixpoint(node: Node, nonzero: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Return which carries and which ys may have a nonzero tangent: carries feed back until nothing changes."""
    parts = ScanParts.grouped(nonzero, node.attributes)
    carry, (body,) = list(parts.carry), node.bodies
    while True:
        outs = nonzero_outputs(body, [*carry, *parts.xs, *parts.consts])
        grown = [a or b for a, b in zip(carry, outs[: len(carry)], strict=True)]
        if grown == carry:
            return carry, outs[len(carry) :]
        carry = grown


def _scan_nonzero(node: Node, nonzero: Sequence[bool]) -> list[bool]:
    carry, ys = _scan_fixpoint(node, nonzero)
    return [*carry, *ys]


def _scan(
    like: Node,
    carry: Sequence[Any],
    xs: Sequence[Any],
    consts: Sequence[Any],
    length: Sequence[Any],
    body: ir.Block,
    *,
    flip: bool = False,
    linear: Sequence[bool] = (),
) -> list[ir.Value]:
    """Build a scan of the same length as `like`."""
    results = dif.scan(
        *carry,
        *xs,
        *consts,
        *length,
        num_carry=len(carry),
        num_xs=len(xs),
        length=like.attributes["length"],
        reverse=like.attributes["reverse"] != flip,
        linear=linear,
        regions=[body],
    )
    return as_list(results)


def _slice_aval(x: Any) -> Aval:
    """Return the type of one step's slice of a scanned-over array, which may be `Linear` or `Zero`."""
    aval = aval_of(x) if isinstance(x, ir.Value) else x.aval
    return Aval(aval.shape[1:], aval.dtype)


def _split(values: Sequence[Any], *counts: int) -> list[list[Any]]:
    """Cut a list into pieces of the given lengths, and the rest."""
    pieces, at = [], 0
    for count in counts:
        pieces.append(list(values[at : at + count]))
        at += count
    return [*pieces, list(values[at:])]


def _scan_jvp(node: Node, primals: list[ir.Value], tangents: list[Tangent]) -> tuple[list[ir.Value], list[Tangent]]:
    # body: c, x, k -> c', y   =>   c, tc[nz], x, tx[nz], k, tk[nz] -> c', tc'[nz], y, ty[nz]
    parts, ts = (ScanParts.grouped(each, node.attributes) for each in (primals, tangents))
    nz_carry, nz_ys = _scan_fixpoint(node, nonzero_mask(tangents))
    nz_xs, nz_consts = nonzero_mask(ts.xs), nonzero_mask(ts.consts)
    (body,) = node.bodies
    carry_ts = [instantiate(t, c) for t, c in marked(zip(ts.carry, parts.carry, strict=True), nz_carry)]
    carry = [*parts.carry, *carry_ts]
    xs = [*parts.xs, *marked(ts.xs, nz_xs)]
    consts = [*parts.consts, *marked(ts.consts, nz_consts)]
    counts = [len(parts.carry), len(carry_ts), len(parts.xs), sum(nz_xs), len(parts.consts)]
    mask = [*nz_carry, *nz_xs, *nz_consts]

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        c, tc, x, tx, k, tk = _split(arguments, *counts)
        ins = [*c, *x, *k]
        outs, dots = jvp_block(body, ins, with_zeros(ins, [*tc, *tx, *tk], mask))
        pairs = list(zip(outs, dots, strict=True))
        n = len(parts.carry)
        return [
            *outs[:n],
            *(instantiate(t, y) for y, t in marked(pairs[:n], nz_carry)),
            *outs[n:],
            *(instantiate(t, y) for y, t in marked(pairs[n:], nz_ys)),
        ]

    types = [*_carry_types(node, nz_carry), *map(_slice_aval, xs), *(aval_of(k) for k in consts)]
    results = _scan(node, carry, xs, consts, parts.length, build_body(types, fill))
    c, tc, y, ty = _split(results, len(parts.carry), len(carry_ts), len(nz_ys))
    return [*c, *y], with_zeros([*c, *y], [*tc, *ty], [*nz_carry, *nz_ys])


def _carry_types(node: Node, mask: Sequence[bool]) -> list[Aval]:
    """Return the types that a body declares for its carry, then again for the tangents of the marked ones."""
    declared = [aval_of(a) for a in list(node.bodies[0].arguments)[: node.attributes["num_carry"]]]
    return [*declared, *marked(declared, mask)]


def _scan_linearize(
    node: Node, primals: list[ir.Value], tangents: list[Tangent]
) -> tuple[list[ir.Value], list[Tangent]]:
    # body: c, x, k -> c', y   =>   forward: c, x, k -> c', y, r          (r stacked)
    #                               linear:  tc, tx, x_r, r, tk, k_r -> tc', ty
    # A residual that is a slice x or does not change from step to step is not stacked but passed as it is; one that
    # cheap ops give is computed again.
    builder = dif.current_builder()
    assert isinstance(builder, LinearizeBuilder)
    parts, ts = (ScanParts.grouped(each, node.attributes) for each in (primals, tangents))
    nz_carry, nz_ys = _scan_fixpoint(node, nonzero_mask(tangents))
    nz_xs, nz_consts = nonzero_mask(ts.xs), nonzero_mask(ts.consts)
    split = linearize_block(node.bodies[0], [*nz_carry, *nz_xs, *nz_consts], out_mask=[*nz_carry, *nz_ys])

    outer = _Invariant(split.primal, parts)
    again = Recomputation(split.residuals, lambda v: outer.scanned(v) is not None or outer.is_invariant(v))
    stacked = [v for v in again.leaves if outer.scanned(v) is None and not outer.is_invariant(v)]
    with dif.use_builder(Builder(split.primal, builder.location)):
        yield_(*split.outs, *stacked)
    results = _scan(node, parts.carry, parts.xs, parts.consts, parts.length, split.primal)
    outs, rows = _split(results, len(split.outs))

    # where each leaf comes from: "xs" (a row per step) or "consts" (the same for all steps)
    fresh, sources = iter(rows), []
    for v in again.leaves:
        if (x := outer.scanned(v)) is not None:
            sources.append(("xs", x))
        elif outer.is_invariant(v):
            sources.append(("consts", outer.value(v)))
        else:
            sources.append(("xs", next(fresh)))
    res_xs = [v for kind, v in sources if kind == "xs"]
    res_consts = [v for kind, v in sources if kind == "consts"]
    carry = [
        builder.zero_tangent(c) if isinstance(t, Zero) else t
        for c, t in marked(zip(parts.carry, ts.carry, strict=True), nz_carry)
    ]
    tx, tk = marked(ts.xs, nz_xs), marked(ts.consts, nz_consts)
    counts = [len(carry), len(tx), len(res_xs), len(tk)]

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        c, x, rx, k, rk = _split(arguments, *counts)
        next_x, next_k = iter(rx), iter(rk)
        leaves = [next(next_x) if kind == "xs" else next(next_k) for kind, _ in sources]
        residuals = again.rebuild(dict(zip(again.leaves, leaves, strict=True)), split.residuals)
        return inline_linear(split, [*c, *x, *k, *residuals], [*nz_carry, *nz_ys])

    xs, consts = [*tx, *res_xs], [*tk, *res_consts]
    declared = _carry_types(node, nz_carry)[len(parts.carry) :]
    types = [*declared, *map(_slice_aval, xs), *(aval_of(k) for k in consts)]
    linear = [True] * (len(carry) + len(tx)) + [False] * len(res_xs) + [True] * len(tk) + [False] * len(res_consts)
    dots = _scan(node, carry, xs, consts, parts.length, build_body(types, fill), linear=linear)
    return outs, with_zeros(outs, dots, [*nz_carry, *nz_ys])


class _Invariant:
    """Finds values of a scan body that are the same in every step, and computes them outside."""

    def __init__(self, body: ir.Block, parts: ScanParts) -> None:
        arguments = list(body.arguments)
        nc, nx = len(parts.carry), len(parts.xs)
        self._carry = dict(zip(arguments[:nc], parts.carry, strict=True))
        self._xs = dict(zip(arguments[nc : nc + nx], parts.xs, strict=True))
        self._values = dict(zip(arguments[nc + nx :], parts.consts, strict=True))
        self._known: dict[ir.Value, bool] = {}
        self._finder = SizeFinder(self._argument_sizes, self._values.get)

    def scanned(self, value: ir.Value) -> ir.Value | None:
        """Return the array whose slice `value` is, if it is one."""
        return self._xs.get(value)

    def is_invariant(self, value: ir.Value) -> bool:
        for v in needed_first(value, lambda v: [] if v in self._known else self._operands(v)):
            if v not in self._known:
                is_computed = self._is_plain(v) and all(self._known[u] for u in self._operands(v))
                self._known[v] = v in self._values or self._size(v) or is_computed
        return self._known[value]

    def _operands(self, value: ir.Value) -> list[ir.Value]:
        return list(value.owner.operation.operands) if self._is_plain(value) else []

    @staticmethod
    def _is_plain(value: ir.Value) -> bool:
        """Say whether a value is computed in the body, by an op without bodies."""
        return not isinstance(value.owner, ir.Block) and not len(value.owner.operation.regions)

    def _size(self, value: ir.Value) -> bool:
        """Say whether a value is a size that follows from those of the arguments: shapes do not change."""
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.operation.name != "dif.dim":
            return False
        return self._finder.knows(owner.operation.operands[0])

    def _argument_sizes(self, argument: ir.Value) -> Sizes:
        return shape_of(self._carry[argument]) if argument in self._carry else shape_of(self._xs[argument])[1:]

    def value(self, value: ir.Value) -> ir.Value:
        """Return an invariant value, computed outside through the current builder."""
        for v in needed_first(value, lambda v: [] if v in self._values or self._size(v) else self._operands(v)):
            if v not in self._values:
                operation = v.owner.operation
                self._values.update(zip(operation.results, self._computed(operation, self._size(v)), strict=True))
        return self._values[value]

    def _computed(self, operation: ir.Operation, is_size: bool) -> list[ir.Value]:
        if not is_size:
            return dif.clone_op(operation, [self._values[v] for v in operation.operands])
        size = self._finder.sizes(operation.operands[0])[Node.of(operation).attributes["dimension"]]
        return [size if isinstance(size, ir.Value) else dif.constant(value=dif.I64.type(size))]


def _scan_transpose(node: Node, cts: list[Tangent], operands: list[Any]) -> list[Any]:
    # body: tc, tx, rx, tk, rk -> tc', ty   =>   reversed: ct_c, ct_k, ct_y[nz], rx, rk -> ct_c', ct_k', ct_x
    linear = [isinstance(v, Linear) for v in operands]
    parts, marks = (ScanParts.grouped(each, node.attributes) for each in (operands, linear))
    nc = len(parts.carry)
    ct_carry, nz_ys = cts[:nc], nonzero_mask(cts[nc:])
    linear_xs, linear_consts = marked(parts.xs, marks.xs), marked(parts.consts, marks.consts)
    res_xs = marked(parts.xs, [not m for m in marks.xs])
    res_consts = marked(parts.consts, [not m for m in marks.consts])
    carry_sizes = [shape_of(c) for c in parts.carry]
    slice_sizes, const_sizes = [shape_of(x)[1:] for x in linear_xs], [shape_of(k) for k in linear_consts]
    sizes = [*carry_sizes, *slice_sizes, *const_sizes]
    size_values = [d for s in sizes for d in s if isinstance(d, ir.Value)]

    carry = [
        *(instantiate(ct, c) for ct, c in zip(ct_carry, parts.carry, strict=True)),
        *(zeros_like(k) for k in linear_consts),
    ]
    xs = [*marked(cts[nc:], nz_ys), *res_xs]
    consts = [*res_consts, *size_values]
    counts = [nc, len(linear_consts), sum(nz_ys), len(res_xs), len(res_consts)]
    order = [True] * nc + list(marks.xs) + list(marks.consts)

    def fill(arguments: list[ir.Value]) -> list[ir.Value]:
        ct_c, ct_k, ct_y, rx, rk, rest = _split(arguments, *counts)
        inner = take_sizes(sizes, rest)
        zeros = [Zero(_slice_aval(ct)) for ct in cts[nc:] if isinstance(ct, Zero)]
        found = transpose_sorted(
            node.bodies[0], order, [*rx, *rk], [*ct_c, *interleave(nz_ys, ct_y, zeros)], inner.__getitem__
        )
        new_c, new_x, new_k = _split(found, nc, len(linear_xs))
        return [
            *map(instantiate_in, new_c, inner),
            *(add_tangents(total, ct) for total, ct in zip(ct_k, new_k, strict=True)),
            *map(instantiate_in, new_x, inner[nc:]),
        ]

    declared = [aval_of(a) for a in list(node.bodies[0].arguments)[:nc]]
    types = [*declared, *(k.aval for k in linear_consts), *map(_slice_aval, xs), *(aval_of(k) for k in consts)]
    results = _scan(node, carry, xs, consts, parts.length, build_body(types, fill), flip=True)
    new_c, new_k, new_x = _split(results, nc, len(linear_consts))
    by_x, by_k = iter(new_x), iter(new_k)
    return [
        *new_c,
        *(next(by_x) if m else None for m in marks.xs),
        *(next(by_k) if m else None for m in marks.consts),
        *(None for _ in parts.length),
    ]


JVP["fun.scan"], LINEARIZE["fun.scan"], TRANSPOSE["fun.scan"] = _scan_jvp, _scan_linearize, _scan_transpose
NONZERO["fun.scan"] = _scan_nonzero
LINEAR_SLOTS["fun.scan"] = lambda node, marks: True
