"""The named passes of `difc opt`: thin adapters, each a frozen dataclass whose fields are its options.

Owns the table `PASSES`. The work is done by `ad_pass`, `pipelines` and `dialects`; nothing here looks inside a
function. Invariant: a pass returns a module that verifies, and leaves the one it is given as it was. Functions that a
pass adds because it is asked to are public, so that later passes keep them; helpers that it adds besides are private.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from difc import dialects as dif
from difc.ad_pass.functions import Derivatives, expand_requests, linear_arguments
from difc.ad_pass.linearize import check_linear
from difc.dialects import copy_functions, copy_module, functions_of, inline_block
from difc.dialects.mlir import ir, passmanager
from difc.pass_options import axes_of, float_mask, function_named
from difc.pipelines.lower import lower
from difc.pipelines.prune import prune_dead
from difc.pipelines.simplify import simplify
from difc.pipelines.target import Target

__all__ = ["PASSES", "Pass"]

PASSES: dict[str, type[Pass]] = {}


@dataclass(frozen=True)
class Pass:
    """A pass over a module.

    Attributes:
      name: what pipelines call it.
      on_dialect: whether it takes functions of the dialect only, one block each.
    """

    name: ClassVar[str]
    on_dialect: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        PASSES[cls.name] = cls

    def run(self, module: ir.Module) -> ir.Module:
        """Return the module after the pass, inside the MLIR context of difc."""
        raise NotImplementedError


# ---- calls and requests --------------------------------------------------------------------------


@dataclass(frozen=True)
class Inline(Pass):
    """Replace calls by the code of the functions called; requests for derivatives stay.

    Before: %1 = "fun.call"(%0) {callee = @g}
    After:  %1 = "dif.sin"(%0)
    """

    name = "inline"

    def run(self, module: ir.Module) -> ir.Module:
        functions = functions_of(module)

        def visit(operation: Any, operands: list[ir.Value]) -> Sequence[ir.Value] | None:
            if operation.name != "fun.call":
                return None
            callee = functions[dif.OPS["fun.call"].decode(operation)["callee"]]
            return inline_block(callee.entry_block, operands, visit)

        return copy_functions(module, lambda block, arguments: inline_block(block, arguments, visit))


@dataclass(frozen=True)
class ExpandAd(Pass):
    """Replace calls and requests by the code that they stand for, innermost first; only public functions stay.

    Before: %1:2 = "fun.jvp"(%x, %t) {callee = @f, mask = array<i1: true>}
    After:  %1 = "dif.sin"(%x), %2 = "dif.cos"(%x), %3 = "dif.mul"(%t, %2)
    """

    name = "expand-ad"

    def run(self, module: ir.Module) -> ir.Module:
        return expand_requests(module)


# ---- derivatives of one function -----------------------------------------------------------------


@dataclass(frozen=True)
class Jvp(Pass):
    """Add `f_jvp`, forward mode; `mask` has 1 for each argument to differentiate in (default: all floats).

    Before: func @f(%x: T) -> U
    After:  func @f_jvp(%x: T, %x_dot: T) -> (U, U)
    """

    name = "jvp"
    fn: str
    mask: tuple[bool, ...] | None = None

    def run(self, module: ir.Module) -> ir.Module:
        mask = float_mask(self.name, "mask", self.mask, function_named(module, self.fn).type.inputs)
        return _derived(module, lambda derivatives: [derivatives.jvp(self.fn, mask)])


@dataclass(frozen=True)
class Linearize(Pass):
    """Split `f` into `f_fwd`, which also returns residuals, and `f_lin`, linear in its first arguments.

    Before: func @f(%x: T) -> U
    After:  func @f_fwd(%x: T) -> (U, R), func @f_lin(%x_dot: T, %res: R) -> U attributes {dif.linear_args = 1}
    """

    name = "linearize"
    fn: str
    mask: tuple[bool, ...] | None = None

    def run(self, module: ir.Module) -> ir.Module:
        mask = float_mask(self.name, "mask", self.mask, function_named(module, self.fn).type.inputs)

        def derive(derivatives: Derivatives) -> list[str]:
            forward = derivatives.linearize(self.fn, mask)
            return [forward.fwd, forward.lin]

        return _derived(module, derive)


@dataclass(frozen=True)
class CheckLinear(Pass):
    """Check that `f_lin` is linear in the arguments that `dif.linear_args` counts, op by op; changes nothing.

    Before: func @f_lin(%t: T, %r: T) -> T attributes {dif.linear_args = 1} { "dif.mul"(%t, %r) }
    After:  the same; "dif.sin"(%t) or "dif.mul"(%t, %t) is an error at that op
    """

    name = "check-linear"
    fn: str

    def run(self, module: ir.Module) -> ir.Module:
        count = linear_arguments(function_named(module, self.fn))
        derivatives = Derivatives(copy_module(module))  # owns the block
        check_linear(derivatives.body(self.fn), count)
        return module


@dataclass(frozen=True)
class Transpose(Pass):
    """Add `f_bwd`, the transpose of the linear function `f_lin`; `mask` has 1 for each result with a cotangent.

    Before: func @f_lin(%x_dot: T, %res: R) -> U attributes {dif.linear_args = 1}
    After:  func @f_bwd(%res: R, %y_ct: U) -> T
    """

    name = "transpose"
    fn: str
    mask: tuple[bool, ...] | None = None

    def run(self, module: ir.Module) -> ir.Module:
        mask = float_mask(self.name, "mask", self.mask, function_named(module, self.fn).type.results)
        return _derived(module, lambda derivatives: [derivatives.transpose(self.fn, mask)])


@dataclass(frozen=True)
class Vjp(Pass):
    """Add `f_vjp`, reverse mode: linearize, transpose, and both halves joined.

    Before: func @f(%x: T) -> U
    After:  func @f_vjp(%x: T, %y_ct: U) -> (U, T)
    """

    name = "vjp"
    fn: str
    mask: tuple[bool, ...] | None = None
    out_mask: tuple[bool, ...] | None = None

    def run(self, module: ir.Module) -> ir.Module:
        type_ = function_named(module, self.fn).type
        mask = float_mask(self.name, "mask", self.mask, type_.inputs)
        out_mask = float_mask(self.name, "out_mask", self.out_mask, type_.results)
        return _derived(module, lambda derivatives: [derivatives.vjp(self.fn, mask, out_mask)])


@dataclass(frozen=True)
class Vmap(Pass):
    """Add `f_vmap`, mapped over an axis of each argument (-1: shared by all); the default axis is 0, the size dynamic.

    Before: func @f(%x: tensor<3xf32>) -> tensor<f32>
    After:  func @f_vmap(%x: tensor<?x3xf32>) -> tensor<?xf32>
    """

    name = "vmap"
    fn: str
    in_axes: tuple[int, ...] | None = None
    out_axes: tuple[int, ...] | None = None
    size: int | None = None

    def run(self, module: ir.Module) -> ir.Module:
        type_ = function_named(module, self.fn).type
        in_axes = axes_of(self.name, "in_axes", self.in_axes, type_.inputs)
        out_axes = axes_of(self.name, "out_axes", self.out_axes, type_.results)
        size = dif.DYN if self.size is None else self.size
        return _derived(module, lambda derivatives: [derivatives.vmap(self.fn, in_axes, out_axes, size)])


# ---- clean-up and lowering -----------------------------------------------------------------------


@dataclass(frozen=True)
class Simplify(Pass):
    """Compute the same with fewer ops: dead code, folds, canonicalize and cse, until nothing changes.

    Before: %1 = "dif.zeros"(), %2 = "dif.add"(%x, %1)
    After:  %x
    """

    name = "simplify"

    def run(self, module: ir.Module) -> ir.Module:
        return simplify(module)


@dataclass(frozen=True)
class Dce(Pass):
    """Remove what no result depends on, also inside bodies: ops, carries, operands and results of loops and branches.

    Before: %c, %ys = "fun.scan"(...), with %ys unused
    After:  %c = "fun.scan"(...), which no longer stacks %ys
    """

    name = "dce"

    def run(self, module: ir.Module) -> ir.Module:
        return copy_functions(module, prune_dead)


class _Upstream(Pass):
    """A pass of MLIR's own, by the name that it has there."""

    name = ""
    on_dialect = False

    def run(self, module: ir.Module) -> ir.Module:
        copy = copy_module(module)
        passmanager.PassManager.parse(f"builtin.module({self.name})").run(copy.operation)
        return copy


del PASSES[""]


@dataclass(frozen=True)
class Canonicalize(_Upstream):
    """MLIR's canonicalize: removes unused ops and folds upstream ones.

    Before: %1 = "dif.sin"(%x), unused
    After:  nothing
    """

    name = "canonicalize"


@dataclass(frozen=True)
class Cse(_Upstream):
    """MLIR's cse: equal ops become one.

    Before: %1 = "dif.sin"(%x), %2 = "dif.sin"(%x)
    After:  %1 = "dif.sin"(%x)
    """

    name = "cse"


@dataclass(frozen=True)
class Lower(Pass):
    """Go from the dialect to linalg, tensor, scf, arith and math for a target; private functions are left out.

    Before: %1 = "dif.sin"(%x)
    After:  %1 = linalg.generic ins(%x) { math.sin }
    """

    name = "lower"
    target: str = "cpu"

    def run(self, module: ir.Module) -> ir.Module:
        target = Target.parse(self.target)
        return lower(module, target_kind=target.kind, vectors=target.vectors)


@dataclass(frozen=True)
class Verify(Pass):
    """Check the types and structure of the module, which is done after every pass as well; changes nothing."""

    name = "verify"
    on_dialect = False

    def run(self, module: ir.Module) -> ir.Module:
        dif.verify(module)
        return module


# ---- parts ---------------------------------------------------------------------------------------


def _derived(module: ir.Module, derive: Callable[[Derivatives], Sequence[str]]) -> ir.Module:
    """Return a copy of a module with the functions that `derive` adds and names."""
    derivatives = Derivatives(copy_module(module))
    names = derive(derivatives)
    functions = functions_of(derivatives.module)
    for name in names:
        if dif.is_private(functions[name]):
            del functions[name].attributes["sym_visibility"]
    return derivatives.module
