"""QR by Householder reflections as a kernel for the CPU: one workgroup for each matrix, with vectors along the rows.

The same method and the same signs as `spectral_householder.py`, one column after the other. A reflection I - tau v v^T
takes two passes over the rows: one sums up tau v^T x, the other takes its multiples off. The vectors v stay in the
columns that they reduce, without their leading 1. Sizes are known at run time only; columns beyond the last are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import Size, element_of
from difc.pipelines.lowering.factor_tiles import Tile
from difc.pipelines.lowering.kernel_calls import call_kernel
from difc.pipelines.lowering.kernel_text import Array, executable
from difc.pipelines.lowering.spectral_text import constants
from difc.pipelines.lowering.tensors import TensorEmitter
from difc.pipelines.target import VectorUnit

__all__ = ["call_qr"]


def call_qr(c: TensorEmitter, x: ir.Value, sizes: Sequence[Size], unit: VectorUnit) -> list[ir.Value]:
    """Append a call of the kernel on `x`, [batch, m, n]; `sizes` are batch, m, n, and how many columns of Q to make.

    Returns:
      R above what is left of the reflections, [batch, m, n]; the scales of its columns, [batch, n]; the numbers tau,
      [batch, n]; and Q, [batch, m, columns].
    """
    batch, m, n, columns = sizes
    element = element_of(x)
    shapes: list[list[Size]] = [[batch, m, n], [batch, n], [batch, n], [batch, m, columns]]
    text = lambda name, kind: _kernel(name, kind, unit)  # noqa: E731
    return call_kernel(c, "qr", text, element, [(x, shapes[0])], sizes, [(shape, element) for shape in shapes])


def _kernel(name: str, element: str, unit: VectorUnit) -> str:
    """Return the executable: array x; sizes batch, m, n, l; then r, scales, taus and q, as in `call_qr`."""
    t = Tile.of(element, unit, vectors=4)
    x = Array("x", "read", element, ("batch", "m", "n"))
    r, q = (Array(name, "write", element, ("batch", "m", width)) for name, width in (("r", "n"), ("q", "l")))
    scales, taus = (Array(name, "write", element, ("batch", "n")) for name in ("scales", "taus"))
    numbers = f"tensor<?x{element}>"
    body = f"""
      {constants(t)}
      %ones = arith.constant dense<1.0> : {t.vector}
      %k = arith.minui %m, %n : index
      %last = arith.subi %k, %c1 : index
      {x.load("%given")}
      {_scaled(t, numbers)}
      %tau_room = tensor.empty(%n) : {numbers}
      %reduced:2 = scf.for %j = %c0 to %k step %c1
          iter_args(%a = %start#0, %p = %tau_room) -> ({t.matrix}, {numbers}) {{
        %below = arith.addi %j, %c1 : index
        {_reflector(t, numbers)}
        {_reflected(t, "%v2", "%v2", "%below", "%n")}
        scf.yield %applied, %tau_kept : {t.matrix}, {numbers}
      }}
      {_identity(t)}
      %product = scf.for %back = %c0 to %k step %c1 iter_args(%b_ = %identity) -> {t.matrix} {{
        %j = arith.subi %last, %back : index
        %below = arith.addi %j, %c1 : index
        %tau = tensor.extract %reduced#1[%j] : {numbers}
        {_reflected(t, "%reduced#0", "%b_", "%j", "%l")}
        scf.yield %applied : {t.matrix}
      }}
      {r.store("%reduced#0")}
      {scales.store("%start#1")}
      {taus.store("%reduced#1")}
      {q.store("%product")}"""
    across = "%across = arith.constant 1 : index"
    return executable(name, [x, r, scales, taus, q], ["batch", "m", "n", "l"], across, body)


def _scaled(t: Tile, numbers: str) -> str:
    """Return lines for %start: x with every column divided by its largest element, and these."""
    return f"""
      %room = tensor.empty(%m, %n) : {t.matrix}
      %scale_room = tensor.empty(%n) : {numbers}
      %start:2 = scf.for %at = %c0 to %n step %columns iter_args(%into = %room, %p = %scale_room)
          -> ({t.matrix}, {numbers}) {{
        %most = scf.for %i = %c0 to %m step %c1 iter_args(%so_far = %none) -> {t.vector} {{
          %u = vector.transfer_read %given[%i, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
          %size = math.absf %u : {t.vector}
          %more = arith.maximumf %so_far, %size : {t.vector}
          scf.yield %more : {t.vector}
        }}
        %is_usual = arith.cmpf ogt, %most, %none : {t.vector}
        %scale = arith.select %is_usual, %most, %ones : vector<{t.columns}xi1>, {t.vector}
        %kept = vector.transfer_write %scale, %p[%at] {{in_bounds = [false]}} : {t.vector}, {numbers}
        %scaled = scf.for %i = %c0 to %m step %c1 iter_args(%to = %into) -> {t.matrix} {{
          %u = vector.transfer_read %given[%i, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
          %v = arith.divf %u, %scale : {t.vector}
          %w = vector.transfer_write %v, %to[%i, %at] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
          scf.yield %w : {t.matrix}
        }}
        scf.yield %scaled, %kept : {t.matrix}, {numbers}
      }}"""


def _reflector(t: Tile, numbers: str) -> str:
    """Return lines for %v2, %tau and %tau_kept: %a with column %j reduced and v below it, and %p with tau."""
    one = f"vector<1x{t.element}>"
    return f"""
        %head = tensor.extract %a[%j, %j] : {t.matrix}
        %tail = scf.for %i = %below to %m step %c1 iter_args(%sum = %zero) -> {t.element} {{
          %e = tensor.extract %a[%i, %j] : {t.matrix}
          %square = arith.mulf %e, %e : {t.element}
          %sums = arith.addf %sum, %square : {t.element}
          scf.yield %sums : {t.element}
        }}
        %head_2 = arith.mulf %head, %head : {t.element}
        %norm_2 = arith.addf %head_2, %tail : {t.element}
        %norm = math.sqrt %norm_2 : {t.element}
        %minus = arith.negf %norm : {t.element}
        %is_positive = arith.cmpf oge, %head, %zero : {t.element}
        %beta = arith.select %is_positive, %minus, %norm : {t.element}
        %is_done = arith.cmpf olt, %tail, %negligible : {t.element}
        %difference = arith.subf %head, %beta : {t.element}
        %lead = arith.select %is_done, %one_, %difference : {t.element}
        %diagonal = arith.select %is_done, %head, %beta : {t.element}
        %top = arith.select %is_done, %zero, %difference : {t.element}
        %minus_beta = arith.negf %beta : {t.element}
        %divisor = arith.select %is_done, %one_, %minus_beta : {t.element}
        %tau = arith.divf %top, %divisor : {t.element}
        %tau_v = vector.broadcast %tau : {t.element} to {one}
        %tau_kept = vector.transfer_write %tau_v, %p[%j] {{in_bounds = [true]}} : {one}, {numbers}
        %diagonal_v = vector.broadcast %diagonal : {t.element} to {one}
        %v1 = vector.transfer_write %diagonal_v, %a[%j, %j] {{in_bounds = [true]}} : {one}, {t.matrix}
        %v2 = scf.for %i = %below to %m step %c1 iter_args(%to = %v1) -> {t.matrix} {{
          %e = tensor.extract %to[%i, %j] : {t.matrix}
          %f = arith.divf %e, %lead : {t.element}
          %fv = vector.broadcast %f : {t.element} to {one}
          %w = vector.transfer_write %fv, %to[%i, %j] {{in_bounds = [true]}} : {one}, {t.matrix}
          scf.yield %w : {t.matrix}
        }}"""


def _reflected(t: Tile, source: str, into: str, first: str, last: str) -> str:
    """Return lines for %applied: `into` with columns from `first` on reflected by the vector in column %j of `source`.

    If that is `into` itself, what is written must not be read again by its old name.
    """
    own = source == into
    return f"""
        %tv = vector.broadcast %tau : {t.element} to {t.vector}
        %applied = scf.for %at = {first} to {last} step %columns iter_args(%y = {into}) -> {t.matrix} {{
          %y_top = vector.transfer_read %y[%j, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
          %total = scf.for %i = %below to %m step %c1 iter_args(%sum = %y_top) -> {t.vector} {{
            %e = tensor.extract {"%y" if own else source}[%i, %j] : {t.matrix}
            %ev = vector.broadcast %e : {t.element} to {t.vector}
            %u = vector.transfer_read %y[%i, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
            {t.plus("%sums", "%sum", "%ev", "%u")}
            scf.yield %sums : {t.vector}
          }}
          %off = arith.mulf %tv, %total : {t.vector}
          %new_top = arith.subf %y_top, %off : {t.vector}
          %y1 = vector.transfer_write %new_top, %y[%j, %at] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
          %y2 = scf.for %i = %below to %m step %c1 iter_args(%to = %y1) -> {t.matrix} {{
            %e = tensor.extract {"%to" if own else source}[%i, %j] : {t.matrix}
            %ev = vector.broadcast %e : {t.element} to {t.vector}
            %u = vector.transfer_read %to[%i, %at], %zero {{in_bounds = [false]}} : {t.matrix}, {t.vector}
            {t.minus("%less", "%u", "%ev", "%off")}
            %w = vector.transfer_write %less, %to[%i, %at] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
            scf.yield %w : {t.matrix}
          }}
          scf.yield %y2 : {t.matrix}
        }}"""


def _identity(t: Tile) -> str:
    """Return lines for %identity, [m, l]."""
    one = f"vector<1x{t.element}>"
    return f"""
      %one_v = arith.constant dense<1.0> : {one}
      %q_room = tensor.empty(%m, %l) : {t.matrix}
      %zeros = scf.for %i = %c0 to %m step %c1 iter_args(%filled = %q_room) -> {t.matrix} {{
        %row = scf.for %at = %c0 to %l step %columns iter_args(%to = %filled) -> {t.matrix} {{
          %w = vector.transfer_write %none, %to[%i, %at] {{in_bounds = [false]}} : {t.vector}, {t.matrix}
          scf.yield %w : {t.matrix}
        }}
        scf.yield %row : {t.matrix}
      }}
      %identity = scf.for %i = %c0 to %l step %c1 iter_args(%to = %zeros) -> {t.matrix} {{
        %w = vector.transfer_write %one_v, %to[%i, %i] {{in_bounds = [true]}} : {one}, {t.matrix}
        scf.yield %w : {t.matrix}
      }}"""
