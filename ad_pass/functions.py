"""Derivatives of whole functions: `f_jvp`, `f_fwd`, `f_lin`, `f_bwd`, `f_vjp`, `f_vmap`, and the expansion of requests.

`Derivatives` adds functions to a module and remembers them, so that equal requests share one function. A function is
made flat (calls inlined, requests expanded) before it is differentiated or mapped, innermost request first: nesting
takes no more than that. Only where flat code cannot be mapped are the requests in it (`rules/call.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from difc import dialects as dif
from difc.ad_pass import rules  # noqa: F401 - fills the rule tables
from difc.ad_pass.batch import batch_block, mapped_size
from difc.ad_pass.jvp import jvp_block, with_zeros
from difc.ad_pass.linearize import check_linear, linearize_block
from difc.ad_pass.registry import Node
from difc.ad_pass.transpose import transpose_block
from difc.ad_pass.zero import Zero, instantiate, instantiate_in
from difc.dialects import DYN, Builder, aval_of, functions_of, inline_block, is_float, is_private, marked, new_block
from difc.dialects.body import add_function, block_locations, copy_function, copy_module, return_, unique_name
from difc.dialects.call import REQUESTS
from difc.dialects.locations import user_location
from difc.dialects.mlir import func, ir
from difc.errors import NotDifferentiableError, UnsupportedError

__all__ = ["Derivatives", "Forward", "expand_requests", "linear_arguments"]

LINEAR_ARGS = "dif.linear_args"


@dataclass(frozen=True)
class Forward:
    """The two halves of a linearized function.

    Attributes:
      fwd: symbol of `f_fwd`: primals -> results, then residuals.
      lin: symbol of `f_lin`: a tangent for each marked primal, then residuals -> one for each result in `out_mask`.
      out_mask: the results that depend (differentiably) on a marked primal.
      num_residuals: how many residuals there are.
    """

    fwd: str
    lin: str
    out_mask: tuple[bool, ...]
    num_residuals: int


class Derivatives:
    """Makes derivative functions within one module."""

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self._made: dict[tuple[Any, ...], Any] = {}

    # ---- flat functions ---------------------------------------------------------------------

    def body(self, name: str) -> ir.Block:
        """Return the body of a function with its requests expanded and its calls inlined."""
        functions = functions_of(self.module)
        if name not in functions:
            raise KeyError(f"no function @{name} in the module")
        function = functions[name]
        if not _has_calls(function):
            return function.entry_block
        made: func.FuncOp = self._once(
            ("flat", name), lambda: self._add_flat(f"{name}_flat", function.entry_block, function.location)
        )
        return made.entry_block

    def _add_flat(self, name: str, body: ir.Block, location: ir.Location) -> func.FuncOp:
        block = new_block([a.type for a in body.arguments], block_locations(body))
        with dif.use_builder(Builder(block, location)):
            return_(block, inline_block(body, list(block.arguments), self._expand), location)
        return self._add(name, block, location)

    def _expand(self, operation: Any, operands: list[ir.Value]) -> list[ir.Value] | None:
        """Replace a call or request by the code it stands for."""
        if operation.name != "fun.call" and operation.name not in REQUESTS:
            return None
        node = Node.of(operation)
        attributes = node.attributes
        callee = attributes["callee"]
        match operation.name:
            case "fun.call":
                target = callee
            case "fun.jvp":
                target = self.jvp(callee, attributes["mask"])
            case "fun.vjp":
                target = self.vjp(callee, attributes["mask"], attributes["out_mask"])
            case _:
                in_axes = attributes["in_axes"]
                target = self.vmap(callee, in_axes, attributes["out_axes"], mapped_size(operands, in_axes))
        return inline_block(self.body(target), operands)

    def _once(self, key: tuple[Any, ...], make: Any) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _add(self, name: str, block: ir.Block, location: ir.Location, **attributes: ir.Attribute) -> func.FuncOp:
        return add_function(
            self.module, unique_name(self.module, name), block, attributes=attributes, location=location
        )

    # ---- forward mode -----------------------------------------------------------------------

    def jvp(self, name: str, mask: Sequence[bool]) -> str:
        """Add `f_jvp`: primals, tangents of the marked ones -> results, a tangent for each float result."""
        return self._once(("jvp", name, tuple(mask)), lambda: self._jvp(name, tuple(mask)))

    def _jvp(self, name: str, mask: tuple[bool, ...]) -> str:
        body, location = self.body(name), functions_of(self.module)[name].location
        block = new_block([a.type for a in (*body.arguments, *marked(body.arguments, mask))])
        count = len(mask)
        primals = list(block.arguments)[:count]
        with dif.use_builder(Builder(block, location)):
            outs, ts = jvp_block(body, primals, with_zeros(primals, list(block.arguments)[count:], mask))
            dots = [instantiate(t, y) for y, t in zip(outs, ts, strict=True) if is_float(aval_of(y).dtype)]
            return_(block, [*outs, *dots], location)
        return self._add(f"{name}_jvp", block, location).name.value

    # ---- reverse mode -----------------------------------------------------------------------

    def linearize(self, name: str, mask: Sequence[bool]) -> Forward:
        """Add `f_fwd` and `f_lin`."""
        return self._once(("linearize", name, tuple(mask)), lambda: self._linearize(name, tuple(mask)))

    def _linearize(self, name: str, mask: tuple[bool, ...]) -> Forward:
        body, location = self.body(name), functions_of(self.module)[name].location
        parts = linearize_block(body, mask, with_sizes=True)
        return_(parts.primal, [*parts.outs, *parts.residuals], location)
        out_mask = tuple(not isinstance(t, Zero) for t in parts.out_tangents)
        return_(parts.linear, [t for t in parts.out_tangents if not isinstance(t, Zero)], location)
        check_linear(parts.linear, sum(mask))
        fwd = self._add(f"{name}_fwd", parts.primal, location)
        lin = self._add(f"{name}_lin", parts.linear, location, **{LINEAR_ARGS: _count(sum(mask))})
        return Forward(fwd.name.value, lin.name.value, out_mask, len(parts.residuals))

    def transpose(self, name: str, ct_mask: Sequence[bool] | None = None) -> str:
        """Add `f_bwd` for a linear function `f_lin`: residuals, cotangents of its marked results -> one for each linear
        argument. Without a mask all results have a cotangent.
        """
        functions = functions_of(self.module)
        results = len(functions[name].type.results)
        mask = tuple(ct_mask) if ct_mask is not None else (True,) * results
        return self._once(("transpose", name, mask), lambda: self._transpose(name, mask))

    def _transpose(self, name: str, mask: tuple[bool, ...]) -> str:
        function = functions_of(self.module)[name]
        count, body, location = linear_arguments(function), self.body(name), function.location
        check_linear(body, count)
        residual_types = [a.type for a in list(body.arguments)[count:]]
        result_types = list(function.type.results)
        block = new_block([*residual_types, *marked(result_types, mask)])
        arguments = list(block.arguments)
        residuals, given = arguments[: len(residual_types)], arguments[len(residual_types) :]
        sizes = _leading_sizes([aval_of(a) for a in list(body.arguments)[:count]], residuals)
        with dif.use_builder(Builder(block, location)):
            cts = with_zeros(result_types, given, mask)
            found = transpose_block(body, count, residuals, cts, sizes.__getitem__)
            return_(block, list(map(instantiate_in, found, sizes)), location)
        return self._add(name.removesuffix("_lin") + "_bwd", block, location).name.value

    def vjp(self, name: str, mask: Sequence[bool], out_mask: Sequence[bool]) -> str:
        """Add `f_vjp`: primals, cotangents of results in `out_mask` -> results, a cotangent for each marked primal."""
        key = ("vjp", name, tuple(mask), tuple(out_mask))
        return self._once(key, lambda: self._vjp(name, tuple(mask), tuple(out_mask)))

    def _vjp(self, name: str, mask: tuple[bool, ...], out_mask: tuple[bool, ...]) -> str:
        forward = self.linearize(name, mask)
        bwd = self.transpose(forward.lin, marked(out_mask, forward.out_mask))
        functions = functions_of(self.module)
        fwd_function, location = functions[forward.fwd], functions[name].location
        fwd_type = fwd_function.type
        outs = len(out_mask)
        block = new_block([*fwd_type.inputs, *marked(list(fwd_type.results)[:outs], out_mask)])
        arguments = list(block.arguments)
        primals, cts = arguments[: len(mask)], arguments[len(mask) :]
        # a cotangent of a result that does not depend on the marked primals is dropped
        used = marked(cts, marked(forward.out_mask, out_mask))
        with dif.use_builder(Builder(block, location)):
            values = inline_block(fwd_function.entry_block, primals)
            found = inline_block(functions[bwd].entry_block, [*values[outs:], *used])
            return_(block, [*values[:outs], *found], location)
        return self._add(f"{name}_vjp", block, location).name.value

    # ---- batching ---------------------------------------------------------------------------

    def vmap(self, name: str, in_axes: Sequence[int], out_axes: Sequence[int], size: Any = DYN) -> str:
        """Add `f_vmap`, mapped over an axis of its arguments; -1 is an argument or result that is not mapped.

        Args:
          size: the size of the mapped axis, `DYN` where it is known only at run time.
        """
        key = ("vmap", name, tuple(in_axes), tuple(out_axes), size)
        return self._once(key, lambda: self._vmap(name, in_axes, out_axes, size))

    def _vmap(self, name: str, in_axes: Sequence[int], out_axes: Sequence[int], size: Any) -> str:
        body, function = self.body(name), functions_of(self.module)[name]
        location, made = function.location, f"{name}_vmap"
        try:
            return self._add(made, batch_block(body, in_axes, out_axes, location, size), location).name.value
        except UnsupportedError:
            if not _has_calls(function):
                raise
        # code of a derivative that cannot be mapped may be that of a function that can be: see rules/call.py
        block = batch_block(function.entry_block, in_axes, out_axes, location, size)
        return self._add_flat(made, block, location).name.value


def _count(number: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), number)


def _leading_sizes(avals: Sequence[dif.Aval], residuals: Sequence[ir.Value]) -> list[list[Any]]:
    """Return the sizes of linear arguments: their dynamic dims are the first residuals, in order."""
    remaining = iter(residuals)
    return [[d if isinstance(d, int) else next(remaining) for d in aval.shape] for aval in avals]


def linear_arguments(function: func.FuncOp) -> int:
    """Return how many leading arguments a function says it is linear in.

    Raises:
      NotDifferentiableError: where it does not say so.
    """
    given = function.attributes.get(LINEAR_ARGS)
    if not isinstance(given, ir.IntegerAttr) or not 0 <= given.value <= len(function.type.inputs):
        raise NotDifferentiableError(
            f"@{function.name.value} does not say which arguments it is linear in",
            where=user_location(function.location),
            remedy=f"give the function an attribute {LINEAR_ARGS} = <number of leading linear arguments> : i64",
        )
    return int(given.value)


def _has_calls(function: func.FuncOp) -> bool:
    found = False

    def look(operation: Any) -> ir.WalkResult:
        nonlocal found
        found = found or operation.name == "fun.call" or operation.name in REQUESTS
        return ir.WalkResult.INTERRUPT if found else ir.WalkResult.ADVANCE

    function.operation.walk(look)
    return found


def expand_requests(module: ir.Module) -> ir.Module:
    """Return a module with the public functions of `module`, in which no calls and no requests are left.

    Example: `func @g(%x, %ct) { "fun.vjp"(%x, %ct) {callee = @f, ...} }` becomes @g with the code of f and of its
    gradient.
    """
    derivatives = Derivatives(copy_module(module))
    expanded = ir.Module.create(loc=ir.Location.unknown())
    for name, function in functions_of(module).items():
        if not is_private(function):
            copy_function(function, name, derivatives.body(name), expanded)
    return expanded
