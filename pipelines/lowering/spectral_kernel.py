"""One-sided Jacobi as a kernel for the CPU: all sweeps over one matrix in one workgroup, with vectors along the rows.

The same method as `spectral_jacobi.py`, with the pairs of rows one after the other (cyclic by rows). A module has it
once for each element type, whatever the sizes. Sizes are known at run time only; columns beyond the last are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
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
    columns = 2 * unit.bytes // _DTYPES[element].itemsize
    vector, matrix = f"vector<{columns}x{element}>", f"tensor<?x?x{element}>"
    given, made = (
        [Array(f"{letter}{i}", access, element, ("batch", "n", f"m{i}")) for i in range(count)]
        for letter, access in (("x", "read"), ("y", "write"))
    )
    matrices = ", ".join([matrix] * count)
    state = f"{matrices}, {element}"

    def carried(new: str, old: str, worst: str) -> str:
        return _each(count, f"%{new}@ = {old}", ", ") + f", %{new}w = {worst}"

    def total(result: str, x: str, y: str, into: str) -> str:
        if unit.fma:
            return f"{result} = vector.fma {x}, {y}, {into} : {vector}"
        return f"{result}p = arith.mulf {x}, {y} : {vector}\n{result} = arith.addf {into}, {result}p : {vector}"

    rotations = _each(count, _ROTATION).format(vector=vector, matrix=matrix)
    body = _BODY.format(
        element=element,
        vector=vector,
        matrix=matrix,
        state=state,
        columns=columns,
        sweeps=SWEEPS,
        large=LARGE,
        epsilon=float(info.eps),
        tiny=float(info.tiny),
        loads="\n".join(array.load(f"%given{i}") for i, array in enumerate(given)),
        copies=_each(count, _COPY).format(vector=vector, matrix=matrix),
        stores="\n".join(array.store(f"%done#{i}") for i, array in enumerate(made)),
        rotations=rotations,
        results=count + 1,
        last=count,
        products="\n".join(
            (total("%pp_", "%u", "%u", "%pp"), total("%qq_", "%v", "%v", "%qq"), total("%pq_", "%u", "%v", "%pq"))
        ),
        by_sweep=carried("a", "%all@", "%infinity"),
        by_row=carried("b", "%a@", "%least"),
        by_pair=carried("d", "%b@", "%bw"),
        turned=_each(count, "%turned@", ", "),
        pairs=_each(count, "%pairs#@", ", "),
        rows=_each(count, "%rows#@", ", "),
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
            %tu = arith.mulf %tv, %u : {vector}
            %tw = arith.mulf %tv, %v : {vector}
            %us = arith.addf %v, %tu : {vector}
            %vs = arith.subf %u, %tw : {vector}
            %ud = arith.mulf %sv, %us : {vector}
            %vd = arith.mulf %sv, %vs : {vector}
            %u1 = arith.subf %u, %ud : {vector}
            %v1 = arith.addf %v, %vd : {vector}
            %half = vector.transfer_write %u1, %y[%p, %k] {{in_bounds = [false]}} : {vector}, {matrix}
            %both = vector.transfer_write %v1, %half[%q, %k] {{in_bounds = [false]}} : {vector}, {matrix}
            scf.yield %both : {matrix}
          }}"""

_BODY = """
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
      {loads}
      {copies}
      %done:{results} = scf.for %sweep = %c0 to %sweeps step %c1 iter_args({by_sweep}) -> ({state}) {{
        %goes_on = arith.cmpf ogt, %aw, %enough : {element}
        %last = arith.select %goes_on, %n, %c0 : index
        %least = arith.select %goes_on, %zero, %aw : {element}
        %rows:{results} = scf.for %p = %c0 to %last step %c1 iter_args({by_row}) -> ({state}) {{
          %first = arith.addi %p, %c1 : index
          %pairs:{results} = scf.for %q = %first to %n step %c1 iter_args({by_pair}) -> ({state}) {{
          %sums:3 = scf.for %k = %c0 to %m0 step %columns iter_args(%pp = %none, %qq = %none, %pq = %none)
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
        scf.yield {rows}, %rows#{last} : {state}
      }}
      {stores}"""
