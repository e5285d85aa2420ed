"""Kernels that diagonalise by sweeps, as far as they are the same whatever a sweep is.

A sweep over the diagonal is a chain of rotations, one long dependence of roots and quotients. What it does to the
vectors is put off: after some sweeps, their rotations are applied together to one strip of columns after the other,
each of which stays in the cache. The vectors are rows, so that a rotation turns two of them; one stays in registers for
the next rotation. There are at most `SWEEPS` sweeps for each value, as in LAPACK; it takes about 1.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_reflections import product_of_reflections
from difc.pipelines.lowering.spectral_rotations import as_rows, block, logged_block, rotated
from difc.pipelines.lowering.spectral_text import constants, copied, dtype_of, loop, numbers, room
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["Method", "call_sweeps"]

#: The most sweeps for each value, and how many are applied to the vectors together.
SWEEPS, TOGETHER = 30, 32
#: The run-time sizes of the kernels.
SIZES = ("batch", "n", "width", "together")


@dataclass(frozen=True)
class Method:
    """What one kernel has of its own. Lines are made from the tile, some also from whether there are vectors.

    Attributes:
      sides: those of the matrix that have vectors: how far behind the diagonal the 1 of their reflections is.
      down: whether the rotations of a sweep go from the top down; they go up if not.
      constants: lines for what the others use.
      shift: lines for what the first rotation of a sweep is made of.
      chain: lines for %d4 and %e4, which are %d2 and %e2 after one sweep from %low4 to %high. From #6 on, %chain has
        for each side %cosines_`side`2 and %sines_`side`2 with the rotations in row %sweep.
      order: lines for %sorted: the values of %done#0 in order, in %values_room, then for each side its rows of %done,
        which come last there, in %`side`_room.
      beside: what is in the memory of what is beside the diagonal then.
    """

    sides: Mapping[str, int]
    down: bool
    constants: Callable[[Tile], str]
    shift: Callable[[Tile], str]
    chain: Callable[[Tile, bool], str]
    order: Callable[[Tile, bool], str]
    beside: str


def call_sweeps(
    c: TensorEmitter,
    kernel: str,
    method: Method,
    reduced: Sequence[ir.Value],
    sizes: Sequence[Size],
    unit: VectorUnit,
    *,
    vectors: bool,
) -> list[ir.Value]:
    """Append a call of the kernel of this name.

    Args:
      reduced: for each side the vectors of its reflections, then the numbers tau of each side, the diagonal, and what
        is beside it.
      sizes: batch, n, and the width of the rows that the vectors are in.
      vectors: whether they are wanted too.

    Returns:
      The values [batch, n], then for each side its vectors [batch, n, n].
    """
    kind, known = element_of(reduced[0]), dict(zip(SIZES, [*sizes, TOGETHER], strict=True))
    sides = method.sides if vectors else {}
    given, made = _arrays(str(kind), sides)

    def shape(array: Array) -> list[Size]:
        return [known[str(s)] for s in array.sizes]

    arguments = [(x, shape(a)) for x, a in zip(reduced[-len(given) :], given, strict=True)]
    results = [(shape(a), ir.Type.parse(a.element)) for a in made]
    text = partial(_kernel, unit=unit, method=method, sides=sides)
    values, _, _, *rest = call_kernel(c, kernel, text, kind, arguments, list(known.values()), results)
    return [values, *rest[: len(sides)]]


def _log_names(sides: Mapping[str, int]) -> list[str]:
    """Return the names of what is kept of rotations until they are applied: a row for each sweep."""
    return [f"{v}_{side}" for side in sides for v in ("cosines", "sines")]


def _arrays(kind: str, sides: Mapping[str, int]) -> tuple[list[Array], list[Array]]:
    """Return what is given and what is made: the values, room for the diagonal and what is beside it; if there are
    sides also the vectors, room for their product and for them as rows, and for what is put off."""
    line, square = ("batch", "n"), ("batch", "n", "width")
    given = [Array(f"{side}_vectors", "read", kind, square) for side in sides]
    given += [Array(f"{side}_taus", "read", kind, line) for side in sides]
    given += [Array(v, "read", kind, line) for v in ("diagonal", "beside")]
    made = [Array(v, "write", kind, line) for v in ("values", "d_work", "e_work")]
    if sides:
        made += [Array(side, "write", kind, ("batch", "n", "n")) for side in sides]
        made += [Array(f"{v}_work", "write", kind, square) for v in ("q", *sides)]
        made += [Array(v, "write", kind, ("batch", "together", "n")) for v in _log_names(sides)]
        made += [Array(v, "write", "i32", ("batch", "together")) for v in ("lows", "highs")]
    return given, made


def _kernel(name: str, kind: str, unit: VectorUnit, method: Method, sides: Mapping[str, int]) -> str:
    t, (given, made) = Tile.of(kind, unit), _arrays(kind, sides)
    rows, product = "", "%q_work_room"
    for side, offset in sides.items():
        reflections = f"%{side}_vectors_given", f"%{side}_taus_given"
        rows += product_of_reflections(t, f"%product_{side}", product, *reflections, f"%c{offset}")
        product = f"%product_{side}"
        rows += as_rows(t, f"%{side}0", product, f"%{side}_work_room")
    turned = 5 + 2 * len(sides)  # where %done has the rows of the first side: after all that is put off
    stored = ["%sorted#0", "%done#0", method.beside]
    if sides:
        stored += [*(f"%sorted#{i + 1}" for i in range(len(sides))), product]
        stored += [f"%done#{i}" for i in (*range(turned, turned + len(sides)), *range(3, turned))]
    body = f"""
      {constants(t)}
      %floor = arith.constant {float(np.finfo(dtype_of(t.element)).eps) ** 2:.17e} : {t.element}
      %most = arith.constant {SWEEPS} : index
      {method.constants(t)}
      %last = arith.subi %n, %c1 : index
      {chr(10).join(array.load(f"%{array.name}_given") for array in given)}
      {"".join(room(f"%{a.name}_room", a.element, *(f"%{s}" for s in a.sizes[1:])) for a in made)}
      {copied(t, "%d0", "%diagonal_given", "%d_work_room", None, "%n")}
      {copied(t, "%e0", "%beside_given", "%e_work_room", None, "%n")}
      {rows}
      {_sweeps(t, method, sides)}
      {method.order(t, bool(sides))}
      {chr(10).join(array.store(value) for array, value in zip(made, stored, strict=True))}"""
    return executable(name, [*given, *made], SIZES, "%across = arith.minui %n, %one : index", body)


def _sweeps(t: Tile, method: Method, sides: Mapping[str, int]) -> str:
    """Return lines for %done: the diagonal, what is beside it, and where the first block begins; then the memory of
    what was put off, and the rows of each side."""
    logs = _log_names(sides)
    blocks = [(v, "tensor<?xi32>") for v in ("lows", "highs")] if sides else []
    kept = [*((v, t.matrix) for v in logs), *blocks]
    state = [("d", numbers(t)), ("e", numbers(t)), ("low", "index"), *kept]
    sweep = loop(
        "%swept",
        "%sweep",
        "%c0 to %count",
        [(f"%{v}2", f"%{v}1", kind) for v, kind in state],
        block(t) + method.shift(t) + method.chain(t, bool(sides)) + (logged_block() if sides else ""),
        ["%d4", "%e4", "%low4", *(f"%chain#{6 + i}" for i in range(len(logs))), *(f"%{v}4" for v, _ in blocks)],
    )
    ends = f"%swept#{3 + len(logs)}", f"%swept#{4 + len(logs)}"
    turned = "".join(
        rotated(t, f"%turned_{side}", f"%{side}1", (f"%swept#{at}", f"%swept#{at + 1}"), ends, down=method.down)
        for side, at in zip(sides, range(3, 3 + len(logs), 2), strict=True)
    )
    some = f"""
        %is_open = arith.cmpi slt, %low1, %last : index
        %count = arith.select %is_open, %together, %c0 : index
        {sweep}
        {turned}"""
    start = [("%d1", "%d0", numbers(t)), ("%e1", "%e0", numbers(t)), ("%low1", "%c0", "index")]
    start += [(f"%{v}1", f"%{v}_room", kind) for v, kind in kept]
    start += [(f"%{side}1", f"%{side}0", t.matrix) for side in sides]
    after = [f"%swept#{i}" for i in range(len(state))] + [f"%turned_{side}" for side in sides]
    return f"""
      %all_sweeps = arith.muli %n, %most : index
      %rounds = arith.ceildivui %all_sweeps, %together : index
      {loop("%done", "%round", "%c0 to %rounds", start, some, after)}"""
