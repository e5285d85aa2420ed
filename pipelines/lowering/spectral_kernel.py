"""One-sided Jacobi as a kernel for the CPU: all sweeps over one matrix in one workgroup, with vectors along the rows.

The same method as `spectral_jacobi.py`. As the pairs of a round share no rows, a processor works on the next while the
numbers of a rotation, one long chain of roots and quotients, come out. A module has it once for each element type,
whatever the sizes, which are known at run time only; columns beyond the last are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_jacobi import LARGE, SWEEPS
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_jacobi"]

_DTYPES: dict[str, Any] = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}


def call_jacobi(
    c: TensorEmitter, arrays: Sequence[ir.Value], sizes: Sequence[Size], unit: VectorUnit
) -> list[ir.Value]:
    """Append a call of the kernel.

    Args:
      arrays: the rows that become orthogonal, [batch, n, m], and perhaps what is rotated with them, [batch, n, l].
      sizes: batch, n, m, and perhaps l.
      unit: what the processor has.

    Returns:
      The rotated arrays.
    """
    element = element_of(arrays[0])
    shapes = [[*sizes[:2], width] for width in sizes[2:]]
    return call_kernel(
        c,
        "jacobi" + "_with" * (len(arrays) - 1),
        lambda name, kind: _kernel(name, kind, len(arrays), unit),
        element,
        list(zip(arrays, shapes, strict=True)),
        sizes,
        [(shape, element) for shape in shapes],
    )


def _each(count: int, template: str, separator: str = "\n") -> str:
    return separator.join(template.replace("@", str(i)) for i in range(count))


def _kernel(name: str, element: str, count: int, unit: VectorUnit) -> str:
    """Return the executable: arrays x0 and perhaps x1; sizes batch, n, and the width of each; y0, y1 are written."""
    info = np.finfo(_DTYPES[element])
    t = Tile.of(element, unit)
    vector, matrix = t.vector, t.matrix
    given, made = (
        [Array(f"{letter}{i}", access, element, ("batch", "n", f"m{i}")) for i in range(count)]
        for letter, access in (("x", "read"), ("y", "write"))
    )
    matrices = ", ".join([matrix] * count)
    state = f"{matrices}, {element}"

    def carried(new: str, old: str, worst: str) -> str:
        return _each(count, f"%{new}@ = {old}", ", ") + f", %{new}w = {worst}"

    rotations = _each(count, _ROTATION).format(
        vector=vector,
        matrix=matrix,
        turned="\n".join(
            (
                t.plus("%us", "%v", "%tv", "%u"),
                t.minus("%vs", "%u", "%tv", "%v"),
                t.minus("%u1", "%u", "%sv", "%us"),
                t.plus("%v1", "%v", "%sv", "%vs"),
            )
        ),
    )
    body = _BODY.format(
        element=element,
        vector=vector,
        matrix=matrix,
        state=state,
        columns=t.columns,
        sweeps=SWEEPS,
        large=LARGE,
        epsilon=float(info.eps),
        tiny=float(info.tiny),
        loads="\n".join(array.load(f"%given{i}") for i, array in enumerate(given)),
        copies=_each(count, _COPY).format(vector=vector, matrix=matrix),
        stores="\n".join(array.store(f"%done#{i}") for i, array in enumerate(made)),
        meeting=_MEETING,
        rotations=rotations,
        results=count + 1,
        last=count,
        products="\n".join(
            (t.plus("%pp_", "%pp", "%u", "%u"), t.plus("%qq_", "%qq", "%v", "%v"), t.plus("%pq_", "%pq", "%u", "%v"))
        ),
        by_sweep=carried("a", "%all@", "%infinity"),
        by_round=carried("b", "%a@", "%least"),
        by_pair=carried("d", "%b@", "%bw"),
        turned=_each(count, "%turned@", ", "),
        pairs=_each(count, "%pairs#@", ", "),
        rounds=_each(count, "%rounds#@", ", "),
    )
    sizes = ["batch", "n", *(f"m{i}" for i in range(count))]
    return executable(name, [*given, *made], sizes, "%across = arith.constant 1 : index", body)


#: Array @, copied into the memory of the result.
_COPY = """
      %room@ = tensor.empty(%n, %m@) : {matrix}
      %all@ = scf.for %p = %c0 to %n step %c1 iter_args(%filled = %room@) -> {matrix} {{
        %row = scf.for %k = %c0 to %m@ step %columns iter_args(%into = %filled) -> {matrix} {{
          %u = vector.transfer_read %given@[%p, %k], %zero {{in_bounds = [false]}} : {matrix}, {vector}
          %w = vector.transfer_write %u, %into[%p, %k] {{in_bounds = [false]}} : {vector}, {matrix}
          scf.yield %w : {matrix}
        }}
        scf.yield %row : {matrix}
      }}"""

#: Rows p and q of array @: x_p <- x_p - s (x_q + t x_p), x_q <- x_q + s (x_p - t x_q), if they are to be rotated.
_ROTATION = """
          %width@ = arith.select %rotates, %m@, %c0 : index
          %turned@ = scf.for %k = %c0 to %width@ step %columns iter_args(%y = %d@) -> ({matrix}) {{
            %u = vector.transfer_read %y[%p, %k], %zero {{in_bounds = [false]}} : {matrix}, {vector}
            %v = vector.transfer_read %y[%q, %k], %zero {{in_bounds = [false]}} : {matrix}, {vector}
            {turned}
            %half = vector.transfer_write %u1, %y[%p, %k] {{in_bounds = [false]}} : {vector}, {matrix}
            %both = vector.transfer_write %v1, %half[%q, %k] {{in_bounds = [false]}} : {vector}, {matrix}
            scf.yield %both : {matrix}
          }}"""

#: Rows p < q of a pair in a round of the tournament of `spectral_jacobi.py`; none of a row without a partner.
_MEETING = """
          %sum_ = arith.addi %round, %pair : index
          %one_more = arith.addi %round, %cycle : index
          %difference = arith.subi %one_more, %pair : index
          %i = arith.remui %sum_, %cycle : index
          %is_lead = arith.cmpi eq, %pair, %c0 : index
          %opposite = arith.remui %difference, %cycle : index
          %j = arith.select %is_lead, %cycle, %opposite : index
          %p = arith.minui %i, %j : index
          %larger = arith.maxui %i, %j : index
          %is_there = arith.cmpi ult, %larger, %n : index
          %q = arith.select %is_there, %larger, %p : index
          %m_here = arith.select %is_there, %m0, %c0 : index"""

_BODY = """
      %c2 = arith.constant 2 : index
      %sweeps = arith.constant {sweeps} : index
      %columns = arith.constant {columns} : index
      %zero = arith.constant 0.0 : {element}
      %one_ = arith.constant 1.0 : {element}
      %infinity = arith.constant 1.0e30 : {element}
      %large = arith.constant {large:e} : {element}
      %epsilon = arith.constant {epsilon:.17e} : {element}
      %tiny = arith.constant {tiny:.17e} : {element}
      %none = arith.constant dense<0.0> : {vector}
      %four = arith.constant 4.0 : {element}
      %m_int = arith.index_cast %m0 : index to i64
      %m_float = arith.uitofp %m_int : i64 to {element}
      %m_root = math.sqrt %m_float : {element}
      %few = arith.mulf %four, %epsilon : {element}
      %enough = arith.mulf %few, %m_root : {element}
      %more_rows = arith.addi %n, %c1 : index
      %couples = arith.divui %more_rows, %c2 : index
      %players = arith.muli %couples, %c2 : index
      %cycle = arith.subi %players, %c1 : index
      {loads}
      {copies}
      %done:{results} = scf.for %sweep = %c0 to %sweeps step %c1 iter_args({by_sweep}) -> ({state}) {{
        %goes_on = arith.cmpf ogt, %aw, %enough : {element}
        %last = arith.select %goes_on, %cycle, %c0 : index
        %least = arith.select %goes_on, %zero, %aw : {element}
        %rounds:{results} = scf.for %round = %c0 to %last step %c1 iter_args({by_round}) -> ({state}) {{
          %pairs:{results} = scf.for %pair = %c0 to %couples step %c1 iter_args({by_pair}) -> ({state}) {{
          {meeting}
          %sums:3 = scf.for %k = %c0 to %m_here step %columns iter_args(%pp = %none, %qq = %none, %pq = %none)
              -> ({vector}, {vector}, {vector}) {{
            %u = vector.transfer_read %d0[%p, %k], %zero {{in_bounds = [false]}} : {matrix}, {vector}
            %v = vector.transfer_read %d0[%q, %k], %zero {{in_bounds = [false]}} : {matrix}, {vector}
            {products}
            scf.yield %pp_, %qq_, %pq_ : {vector}, {vector}, {vector}
          }}
          %p_norm = vector.reduction <add>, %sums#0 : {vector} into {element}
          %q_norm = vector.reduction <add>, %sums#1 : {vector} into {element}
          %product = vector.reduction <add>, %sums#2 : {vector} into {element}
          %p_safe = arith.maximumf %p_norm, %tiny : {element}
          %q_safe = arith.maximumf %q_norm, %tiny : {element}
          %p_length = math.sqrt %p_safe : {element}
          %q_length = math.sqrt %q_safe : {element}
          %lengths = arith.mulf %p_length, %q_length : {element}
          %size = math.absf %product : {element}
          %cosine = arith.divf %size, %lengths : {element}
          %rotates = arith.cmpf ogt, %cosine, %epsilon : {element}
          %twice = arith.addf %product, %product : {element}
          %divisor = arith.select %rotates, %twice, %one_ : {element}
          %gap = arith.subf %q_norm, %p_norm : {element}
          %zeta = arith.divf %gap, %divisor : {element}
          %zeta_size = math.absf %zeta : {element}
          %clipped = arith.minimumf %zeta_size, %large : {element}
          %square = arith.mulf %clipped, %clipped : {element}
          %square_1 = arith.addf %square, %one_ : {element}
          %root = math.sqrt %square_1 : {element}
          %is_large = arith.cmpf ogt, %zeta_size, %large : {element}
          %reach = arith.select %is_large, %zeta_size, %root : {element}
          %below = arith.addf %zeta_size, %reach : {element}
          %tangent_size = arith.divf %one_, %below : {element}
          %is_negative = arith.cmpf olt, %zeta, %zero : {element}
          %minus = arith.negf %tangent_size : {element}
          %tangent = arith.select %is_negative, %minus, %tangent_size : {element}
          %tangent_2 = arith.mulf %tangent, %tangent : {element}
          %secant_2 = arith.addf %tangent_2, %one_ : {element}
          %secant = math.sqrt %secant_2 : {element}
          %s = arith.divf %tangent, %secant : {element}
          %secant_1 = arith.addf %secant, %one_ : {element}
          %t = arith.divf %tangent, %secant_1 : {element}
          %sv = vector.broadcast %s : {element} to {vector}
          %tv = vector.broadcast %t : {element} to {vector}
          {rotations}
          %worst = arith.maximumf %dw, %cosine : {element}
          scf.yield {turned}, %worst : {state}
          }}
          scf.yield {pairs}, %pairs#{last} : {state}
        }}
        scf.yield {rounds}, %rounds#{last} : {state}
      }}
      {stores}"""
