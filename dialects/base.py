"""How an op of the `dif` dialect is defined, built, verified and read back.

An op *is* its type rule: `@op` turns a function from operand avals and attributes to result avals into an `OpDef`,
which registers the op with MLIR, checks it in the verifier and, called with SSA values, builds it. Nothing here touches
an insertion point: building goes through `emit`, which asks the current `Builder`; the tracer, the AD passes and the
lowering each install their own. Imports only the bindings, `difc.errors` and this package's types and attributes.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from difc.dialects.attributes import (
    Array,
    AttributeKind,
    Bool,
    Bools,
    Dtype,
    Int,
    Ints,
    Results,
    Shape,
    Str,
    Symbol,
)
from difc.dialects.mlir import ext, ir
from difc.dialects.types import DYN, Aval, aval_of, tensor_type
from difc.errors import DifcError, SourceLocation

__all__ = [
    "Array",
    "Bool",
    "Bools",
    "Builder",
    "Dtype",
    "Int",
    "Ints",
    "OPS",
    "OpDef",
    "Results",
    "Shape",
    "Str",
    "Symbol",
    "attributes_of",
    "context",
    "current_builder",
    "emit",
    "op",
    "use_builder",
]

# ---- the dialect ---------------------------------------------------------------------------------


class Dif(ext.Dialect, name="dif"):  # type: ignore[call-arg]
    """The array dialect that differentiation happens on, declared to MLIR through IRDL.

    Ops on functions and bodies (`fun.call`, `fun.scan`, `fun.vjp`, ...) take operands of mixed types, which IRDL cannot
    declare (a variadic group has one type). MLIR knows them as unregistered ops; `verify` checks them just the same.
    """


OPS: dict[str, OpDef] = {}
_lock = threading.Lock()
_context: ir.Context | None = None


def context() -> ir.Context:
    """Return the process's MLIR context, with the dialect loaded into it."""
    global _context
    with _lock:
        if _context is None:
            new = ir.Context()
            new.enable_multithreading(False)  # modules are small: threads only add start-up cost
            new.allow_unregistered_dialects = True  # IREE's own ops pass through the lowered text
            with new, ir.Location.unknown():
                Dif.load()
            _context = new
    return _context


class OpDef:
    """One op: its name, operands, attributes, regions and type rule. Called with values, it builds the op.

    Attributes:
      name: full name in the IR, such as `dif.transpose`.
      operands: operand names; a last one that starts with `*` is variadic.
      attributes: attribute name -> `AttributeKind`.
      regions: number of regions.
      results: number of results of a `dif` op.
      infer: the type rule, from avals and attributes to one aval or a list of avals.
    """

    def __init__(self, infer: Callable[..., Any], name: str, dialect: str, regions: int, results: int) -> None:
        self.infer, self.regions, self.results, self.name = infer, regions, results, f"{dialect}.{name}"
        self.__name__, self.__doc__ = name, infer.__doc__
        self.operands: list[str] = []
        self.attributes: dict[str, AttributeKind] = {}
        self._defaults: dict[str, Any] = {}
        self._shape_attribute: str | None = None
        for parameter in inspect.signature(infer, eval_str=True).parameters.values():
            if parameter.name == "regions":
                continue
            if parameter.kind is parameter.KEYWORD_ONLY:
                self.attributes[parameter.name] = parameter.annotation
                if parameter.default is not parameter.empty:
                    self._defaults[parameter.name] = parameter.default
                if parameter.annotation is Shape:
                    self._shape_attribute = parameter.name
            else:
                self.operands.append("*" * (parameter.kind is parameter.VAR_POSITIONAL) + parameter.name)
        if dialect == Dif.name:
            self._register(name)

    def _register(self, name: str) -> None:
        """Declare a `dif` op to MLIR: its operands (a last variadic group shares one type), results, attributes."""
        fields: dict[str, Any] = {}
        for operand in self.operands:
            variadic = operand.startswith("*")
            fields[operand.lstrip("*")] = Sequence[ext.Operand[Any]] if variadic else ext.Operand[Any]
        fields |= {"result" if self.results == 1 else f"result_{i}": ext.Result[Any] for i in range(self.results)}
        fields |= dict.fromkeys(self.attributes, Any)  # last, because they are keyword-only
        body: dict[str, Any] = {
            "__annotations__": fields,
            "__doc__": self.__doc__,
            "verify_invariants": staticmethod(lambda operation: _report(operation, self.problem(operation))),
        }
        for attribute in self.attributes:
            body[attribute] = ext.attribute(kw_only=True)
        type(name, (Dif.Operation,), body, name=name, traits=[ext.Pure])

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __call__(self, *operands: ir.Value, regions: Sequence[ir.Block] = (), **attributes: Any) -> Any:
        """Build the op; return its result, or a tuple where the op has not exactly one."""
        if self._shape_attribute is not None:
            sizes = [d for d in attributes[self._shape_attribute] if isinstance(d, ir.Value)]
            operands = (*operands, *sizes)
        results = emit(self, operands, {**self._defaults, **attributes}, regions)
        return results[0] if len(results) == 1 else tuple(results)

    def result_avals(
        self, avals: Sequence[Aval], attributes: dict[str, Any], regions: Sequence[ir.Block]
    ) -> list[Aval]:
        """Run the type rule."""
        if self._shape_attribute is not None:
            shape = attributes[self._shape_attribute]
            attributes = {**attributes, self._shape_attribute: tuple(d if isinstance(d, int) else DYN for d in shape)}
        found = self.infer(*avals, regions=regions, **attributes) if self.regions else self.infer(*avals, **attributes)
        return [found] if isinstance(found, Aval) else list(found)

    def problem(self, operation: Any) -> str | None:
        """Return what is wrong with an operation of this kind, by running the type rule again, or None."""
        operation = operation.operation
        if malformed := self._malformed(operation):
            return malformed
        try:
            blocks = [region.blocks[0] for region in operation.regions]
            wanted = self.result_avals([aval_of(v) for v in operation.operands], self.decode(operation), blocks)
            found = [aval_of(result) for result in operation.results]
        except DifcError as error:
            return error.message
        if found != wanted:
            return f"has results ({', '.join(map(str, found))}) where its operands give ({', '.join(map(str, wanted))})"
        return None

    def _malformed(self, operation: Any) -> str | None:
        """Return what keeps the type rule from being run at all, or None."""
        count, least = len(operation.operands), len(self.operands)
        if self.operands and self.operands[-1].startswith("*"):
            if count < least - 1:
                return f"has {count} operands where it takes at least {least - 1}: {', '.join(self.operands)}"
        elif count != least:
            return f"has {count} operands where it takes {least}: {', '.join(self.operands) or 'none'}"
        stored = operation.attributes
        for name, kind in self.attributes.items():
            if kind is Results:
                continue
            if name not in stored:
                return f"lacks the {kind.name} attribute '{name}'"
            if not isinstance(stored[name], kind.mlir):
                return f"has an attribute '{name}' that is not a {kind.name}: {stored[name]}"
        for name in stored:
            if name not in self.attributes and "." not in name:
                return f"has an attribute '{name}' that it does not take"
        if len(operation.regions) != self.regions:
            return f"has {len(operation.regions)} bodies where it needs {self.regions}"
        for region in operation.regions:
            if len(region.blocks) != 1 or [o.operation.name for o in region.blocks[0].operations][-1:] != ["fun.yield"]:
                return "has a body that is not one block ended by 'fun.yield'"
        return None

    def decode(self, operation: Any) -> dict[str, Any]:
        """Return the op's attributes as Python values."""
        stored = operation.attributes
        return {
            name: tuple(aval_of(r) for r in operation.results) if kind is Results else kind.decode(stored[name])
            for name, kind in self.attributes.items()
        }


def op(
    infer: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    dialect: str = "dif",
    regions: int = 0,
    results: int = 1,
) -> Any:
    """Define an op from its type rule; see the module docstring.

    Positional parameters of the rule are the operands (`*rest` is variadic), keyword-only ones the attributes,
    annotated with their `AttributeKind`; the rule's docstring documents the op. A rule of an op with regions also takes
    `regions`. A `dif` op with several `results` has a rule that gives a list of avals.
    """

    def define(rule: Callable[..., Any]) -> OpDef:
        made = OpDef(rule, name or rule.__name__.rstrip("_"), dialect, regions, results)
        OPS[made.name] = made
        return made

    return define if infer is None else define(infer)


def attributes_of(operation: Any) -> dict[str, Any]:
    """Return the attributes of a `dif` operation as Python values."""
    return OPS[operation.operation.name].decode(operation)


def _report(operation: Any, problem: str | None) -> bool:
    """Report a verifier error at the op's location; return whether there was none."""
    if problem is not None:
        operation.location.emit_error(f"'{operation.operation.name}' op {problem}")
    return problem is None


# ---- building ------------------------------------------------------------------------------------


class Builder:
    """Appends ops to the end of a block. Subclasses decide otherwise (placement, tracing)."""

    def __init__(self, block: ir.Block, location: ir.Location | None = None) -> None:
        self.block = block
        self.location = location or ir.Location.unknown()
        self._point = ir.InsertionPoint(block)

    def where(self) -> SourceLocation | None:
        """Return the user's place for errors, where the builder knows it."""
        return None

    def emit(
        self, opdef: OpDef, operands: Sequence[ir.Value], attributes: dict[str, Any], regions: Sequence[ir.Block]
    ) -> list[ir.Value]:
        """Type-check and append one op; move the given blocks into its regions."""
        avals = opdef.result_avals([aval_of(v) for v in operands], attributes, regions)
        operation = ir.Operation.create(
            opdef.name,
            results=[tensor_type(aval) for aval in avals],
            operands=list(operands),
            attributes={
                key: kind.encode(attributes[key]) for key, kind in opdef.attributes.items() if kind is not Results
            },
            regions=len(regions),
            loc=self.location,
            ip=self._point,
        )
        for region, block in zip(operation.regions, regions, strict=True):
            block.append_to(region)
        return list(operation.results)

    def insert_clone(self, operation: Any, operands: Sequence[ir.Value]) -> list[ir.Value]:
        """Append a copy of an op (of any dialect, with its regions) on other operands."""
        copy = operation.operation.clone(ip=self._point)
        for i, value in enumerate(operands):
            copy.operands[i] = value
        return list(copy.results)


_builder: ContextVar[Builder] = ContextVar("difc_builder")


def current_builder() -> Builder:
    """Return the builder that `emit` uses here."""
    return _builder.get()


@contextmanager
def use_builder(builder: Builder) -> Iterator[Builder]:
    """Install a builder for a `with` block."""
    token = _builder.set(builder)
    try:
        yield builder
    finally:
        _builder.reset(token)


def emit(
    opdef: OpDef, operands: Sequence[ir.Value], attributes: dict[str, Any], regions: Sequence[ir.Block] = ()
) -> list[ir.Value]:
    """Build an op through the current builder; errors of its type rule get the builder's place in the user's code."""
    builder = _builder.get()
    try:
        return builder.emit(opdef, operands, attributes, regions)
    except DifcError as error:
        error.where = error.where or builder.where()
        raise
