"""The walk that lowers a block, the table of lowering rules, and what a rule may ask about its operands.

A rule is registered with `@lowering(dif.transpose)` and called `rule(c, out, *operands, **attributes)` with the
`Context`, the `Out` that describes the op's result, and lowered operands; it returns the lowered result. The rule of an
op with several results gets a list of `Out`s and returns a list; that of an op with regions gets the operation instead
of `out` and the attributes, and returns a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from difc.dialects import OPS, Aval, OpDef, aval_of, dtype_to_mlir, is_terminator
from difc.dialects.locations import user_location
from difc.dialects.mlir import ir
from difc.dialects.types import I64
from difc.errors import UnsupportedError
from difc.pipelines.lowering.emitter import Size, identity_map, projection, scalar_attribute, tensor_type_of
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.sizes import LazyAval, infer_sizes
from difc.pipelines.lowering.tensors import TensorEmitter, maker_of
from difc.pipelines.lowering.values import Value
from difc.pipelines.target import VectorUnit

__all__ = ["LOWERINGS", "Context", "Out", "declared_type", "element_type", "is_computed", "lowering"]

#: How many elementwise ops, one on the other, may become one kernel, and how many arrays these may read: devices take
#: 32, with the results and what else is fused.
_DEEPEST, _WIDEST = 32, 24

#: Op name -> rule.
LOWERINGS: dict[str, Callable[..., Any]] = {}


def lowering(*opdefs: OpDef) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the rule that lowers the given ops."""

    def register(rule: Callable[..., Any]) -> Callable[..., Any]:
        for opdef in opdefs:
            LOWERINGS[opdef.name] = rule
        return rule

    return register


_ELEMENT_TYPES: dict[np.dtype, ir.Type] = {}


def element_type(dtype: np.dtype) -> ir.Type:
    """Return the element type that lowered code uses for a dtype: unsigned integers lose their sign."""
    if dtype not in _ELEMENT_TYPES:
        signless = dtype.kind == "u"
        type_ = ir.IntegerType.get_signless(8 * dtype.itemsize) if signless else dtype_to_mlir(dtype)
        _ELEMENT_TYPES[dtype] = type_
    return _ELEMENT_TYPES[dtype]


class Out:
    """What a rule needs to know of the op it lowers: `aval`, `dtype`, `element` type, run-time `sizes`, `operation`."""

    def __init__(self, context: Context, operation: ir.Operation, operands: Sequence[Value], result: int = 0) -> None:
        self.context, self.operation, self.operands, self.result = context, operation, operands, result
        self.aval = aval_of(operation.results[result])
        self.dtype = self.aval.dtype
        self.element = element_type(self.dtype)
        self._sizes: list[Size] | None = list(self.aval.shape) if self.aval.is_static else None

    @property
    def sizes(self) -> list[Size]:
        """The sizes of the result, computed by the op's type rule from those of the operands."""
        if self._sizes is None:
            self._sizes = self.context.result_sizes(self.operation, self.operands, self.result)
        return self._sizes

    def value(self, base: ir.Value) -> Value:
        """Wrap the tensor that holds the result."""
        return Value(self.aval, base=base, sizes=self.sizes)


class Context(TensorEmitter):
    """Lowers one function. `target_kind` is "cpu", "vulkan" or "cuda"; `vectors` is for kernels of our own, if any."""

    def __init__(
        self, entry: ir.Block, location: ir.Location, target_kind: str, vectors: VectorUnit | None = None
    ) -> None:
        super().__init__(entry, location)
        self.target_kind, self.vectors = target_kind, vectors
        # of what `elementwise` made: how many such ops, one on the other, and the arrays that they read
        self._chains: dict[ir.Value, tuple[int, frozenset[ir.Value]]] = {}

    # ---- the walk --------------------------------------------------------------------------------

    def lower_block(self, block: ir.Block, arguments: Sequence[Value]) -> list[Value]:
        """Lower a block's ops on the given arguments; return what its terminator gives."""
        environment: dict[ir.Value, Value] = dict(zip(block.arguments, arguments, strict=True))
        outer = self.location
        for operation in block.operations:
            operation = operation.operation
            operands = [environment[v] for v in operation.operands]
            if is_terminator(operation):
                self.location = outer
                return operands
            self.location = operation.location
            environment.update(zip(operation.results, self.lower_operation(operation, operands), strict=True))
        raise AssertionError("a block without a terminator")

    def lower_operation(self, operation: ir.Operation, operands: list[Value]) -> Sequence[Value]:
        """Lower one op on the given operands."""
        rule = LOWERINGS.get(operation.name)
        if rule is None:
            raise UnsupportedError(
                f"'{operation.name}' has no lowering",
                where=user_location(operation.location),
                remedy=_remedy(operation),
            )
        if len(operation.regions):
            return rule(self, operation, *operands)
        attributes = {} if operation.name == "dif.constant" else OPS[operation.name].decode(operation)
        outs = [Out(self, operation, operands, i) for i in range(len(operation.results))]
        return (
            [rule(self, outs[0], *operands, **attributes)]
            if len(outs) == 1
            else rule(self, outs, *operands, **attributes)
        )

    # ---- sizes -----------------------------------------------------------------------------------

    def size(self, x: Value, dimension: int) -> Size:
        """Return the run-time size of a dim: an int, or an `index` value on the host."""
        found = x.sizes[dimension]
        if found is None:
            assert x.base is not None
            walked = x.dims[dimension]
            assert walked is not None, "a repeated dim without a size"
            found = x.sizes[dimension] = self.size_of(x.base, walked)
        return found

    def sizes(self, x: Value) -> list[Size]:
        """Return all run-time sizes."""
        return [self.size(x, d) for d in range(x.aval.ndim)]

    def result_sizes(self, operation: ir.Operation, operands: Sequence[Value], result: int) -> list[Size]:
        """Compute the sizes of one of an op's results from its operands, by its type rule."""
        avals = [LazyAval(self, x.aval, self.sizes(x), partial(self.host_index, x)) for x in operands]
        return infer_sizes(operation, avals, result)

    # ---- scalars ---------------------------------------------------------------------------------

    def host_scalar(self, x: Value) -> ir.Value:
        """Return a rank-0 value as a scalar on the host; reads it back from the device if need be."""
        return self.extract(self.tensor(x)) if x.scalar is None else x.scalar

    def host_index(self, x: Value) -> Size:
        """Return a rank-0 integer as a size on the host."""
        scalar = self.host_scalar(x)
        number = self.number(scalar)
        return self.index_cast(scalar, self.index_type) if number is None else int(number)

    def read_size(self, x: Value) -> Size:
        """Return an i64 as a size; it is on the host from now on, so that a loop need not read it back in each step."""
        if x.scalar is None:
            x.scalar, x.base = self.host_scalar(x), None
        return self.host_index(x)

    def host_value(self, size: Size) -> Value:
        """Return a size as a scalar i64 of the dialect."""
        scalar = self.constant(size, self.i64) if isinstance(size, int) else self.index_cast(size, self.i64)
        return Value(Aval((), I64), scalar=scalar)

    def known(self, x: Value) -> int | float | None:
        """Return the number that all elements equal, where that is known now."""
        return None if x.scalar is None else self.number(x.scalar)

    def splat(self, aval: Aval, number: float, sizes: Sequence[Size] | None = None) -> Value:
        """Return an array of one repeated number."""
        return Value(aval, scalar=self.constant(number, element_type(aval.dtype)), sizes=sizes)

    # ---- tensors ---------------------------------------------------------------------------------

    def tensor(self, x: Value) -> ir.Value:
        """Return a value as a tensor of its own shape, made on first use."""
        if x.base is None or x.dims != tuple(range(x.aval.ndim)):
            x.base = self._materialise(x)
            x.dims = tuple(range(x.aval.ndim))
        return self._settle(x, self.sizes(x))

    def _materialise(self, x: Value) -> ir.Value:
        sizes = self.sizes(x)
        element = element_type(x.aval.dtype)
        type_ = tensor_type_of(sizes, element)
        if x.pieces is not None:
            dimension, pieces = x.pieces
            return self.concatenated([self.tensor(p) for p in pieces], dimension, sizes)
        if x.scalar is not None:
            number = self.number(x.scalar)
            if number is not None and type_.has_static_shape:
                return self.function_constant(ir.DenseElementsAttr.get_splat(type_, scalar_attribute(number, element)))
            return self.filled(x.scalar, sizes) if sizes else self.value("tensor.from_elements", [x.scalar], type_)
        base, from_base = self.view(x)
        if len(x.dims) == base.type.rank:  # none is repeated: only their order differs
            return self.transposed(base, [d for d in x.dims if d is not None], sizes)
        return self.pointwise(sizes, element, lambda a: a, [(base, from_base)])

    def view(self, x: Value) -> tuple[ir.Value, ir.AffineMap]:
        """Return the tensor under a value, and the map from the value's dims to the tensor's."""
        if x.base is None:
            self.tensor(x)
        walkers = {d: i for i, d in enumerate(x.dims) if d is not None}
        base = self._settle(x, x.sizes)
        order = tuple(walkers[j] for j in range(base.type.rank))
        if list(order) != sorted(order):
            base = x.base = self.unfused(base)
        return base, projection(x.aval.ndim, order)

    def _views(self, xs: Sequence[Value]) -> list[tuple[ir.Value, ir.AffineMap]]:
        """Return the views that one kernel reads.

        IREE (3.13) fuses a kernel with what computes its operands as if it read each by its leading dims, in order,
        which gives wrong numbers for `s[:, None] + s` or `x + x.T`. What is read otherwise is not fused, nor is
        whatever else comes from the same place.
        """
        views = [self.view(x) for x in xs]
        leading = [
            from_base == projection(x.aval.ndim, tuple(range(base.type.rank)))
            for x, (base, from_base) in zip(xs, views, strict=True)
        ]
        makers = [maker_of(base, _OTHER_PLACES) for base, _ in views]
        apart = [m for m, straight in zip(makers, leading, strict=True) if _is_generic(m) and not straight]
        for i, (base, from_base) in enumerate(views):
            if _is_generic(makers[i]) and makers[i] in apart:
                xs[i].base = self.fence(base)
                views[i] = xs[i].base, from_base
        return views

    def view_to_repeat(self, x: Value) -> tuple[ir.Value, ir.AffineMap]:
        """Return the view of a value that is about to be repeated along new dims."""
        base, from_base = self.view(x)
        base = x.base = self.unfused(base)
        return base, from_base

    def unfused(self, tensor: ir.Value) -> ir.Value:
        """Return a tensor that is read by other threads than those that compute it, safe from fusion with them.

        IREE (3.13) forgets the barrier between what it fuses on Vulkan, also between a producer and a contraction.
        """
        return self.fence(tensor) if self.target_kind == "vulkan" and is_computed(tensor) else tensor

    def readable(self, x: Value) -> ir.Value:
        """Return a value as a tensor whose elements a kernel may read by position.

        Of a part of an array of run-time size IREE (3.13) forgets the strides, or cannot compile the kernel; nor can it
        for a column, or every other element, of any array. An array of one number and of run-time size it would put on
        the stack.
        """
        tensor = self.tensor(x)
        maker = maker_of(tensor)
        if x.scalar is not None:
            is_apart = not tensor.type.has_static_shape
        else:
            is_apart = maker is not None and maker.name == "tensor.extract_slice" and _is_scattered(maker)
        return self.fence(tensor) if is_apart else tensor

    def _settle(self, x: Value, sizes: Sequence[Size | None]) -> ir.Value:
        """Give the tensor under a value the static sizes that are known by now, and return it."""
        assert x.base is not None
        type_ = x.base.type
        if not type_.has_static_shape:
            walked = {d: size for d, size in zip(x.dims, sizes, strict=True) if d is not None}
            found = [walked[d] if type_.is_dynamic_dim(d) else type_.get_dim_size(d) for d in range(type_.rank)]
            x.base = self.cast(x.base, tensor_type_of(found, type_.element_type))
        return x.base

    def elementwise(self, out: Out, xs: Sequence[Value], body: Callable[..., ir.Value]) -> Value:
        """Apply a scalar function to each element of arrays of equal sizes; repeated scalars are read directly."""
        sizes = out.sizes
        for x in xs:
            x.sizes = [s if isinstance(s, int) else known for s, known in zip(sizes, x.sizes, strict=True)]
        read = [x for x in xs if x.scalar is None]
        depth, sources = self._cut([x for x in read if x.base is not None])
        arrays = self._views(read)

        def inner(*elements: ir.Value) -> ir.Value:
            remaining = iter(elements)
            return body(*(next(remaining) if x.scalar is None else x.scalar for x in xs))

        if is_one := all(base.type.rank == 0 for base, _ in arrays):  # one number, computed once
            arrays = [(base, identity_map(0)) for base, _ in arrays]
        result = self.pointwise([] if is_one else sizes, out.element, inner, arrays)
        self._chains[result] = depth + 1, sources
        return Value(out.aval, base=result, dims=(None,) * len(sizes) if is_one else None, sizes=sizes)

    def _cut(self, xs: Sequence[Value]) -> tuple[int, frozenset[ir.Value]]:
        """Return how deep the operands are, and the arrays that they are computed from; fence what is too deep or wide.

        IREE fuses ops one by one, and copies the body each time: without end, that takes quadratic time, and the kernel
        reads more arrays than a device takes.
        """

        def chains() -> list[tuple[int, frozenset[ir.Value]]]:
            return [self._chains.get(x.base, (0, frozenset([x.base]))) for x in xs]

        for x, (depth, _) in zip(xs, chains(), strict=True):
            if depth >= _DEEPEST:
                x.base = self.fence(x.base)
        while len(sources := frozenset().union(*(found for _, found in chains()))) > _WIDEST:
            widest, _ = max(zip(xs, chains(), strict=True), key=lambda pair: len(pair[1][1]))
            widest.base = self.fence(widest.base)
        return max((depth for depth, _ in chains()), default=0), sources

    def without_dims(self, x: Value, dimensions: Sequence[int]) -> Value:
        """Drop dims of size 1."""
        kept = [d for d in range(x.aval.ndim) if d not in dimensions]
        aval = Aval(tuple(x.aval.shape[d] for d in kept), x.aval.dtype)
        sizes = self.sizes(x)
        after = [sizes[d] for d in kept]
        return Value(aval, base=regroup(self, self.tensor(x), sizes, after), sizes=after)

    def as_declared(self, x: Value, aval: Aval) -> ir.Value:
        """Return a value as a tensor of exactly the type that a boundary (function, branch, loop) declares."""
        return self.cast(self.tensor(x), declared_type(aval))


def declared_type(aval: Aval) -> ir.RankedTensorType:
    """Return the lowered tensor type of an aval."""
    return tensor_type_of(aval.shape, element_type(aval.dtype))


_OTHER_PLACES = ("linalg.transpose", "tensor.extract_slice")


def is_computed(tensor: ir.Value) -> bool:
    """Say whether a tensor is the result of a `linalg.generic`, perhaps in another shape or order, or a part of it."""
    return _is_generic(maker_of(tensor, through=_OTHER_PLACES))


def _is_generic(maker: Any) -> bool:
    return maker is not None and maker.name == "linalg.generic"


def _is_scattered(part: Any) -> bool:
    """Say whether neighbours in a part of an array may be no neighbours in the array."""
    whole = part.operands[0].type
    if not whole.has_static_shape:
        return True
    sizes, strides = part.attributes["static_sizes"], part.attributes["static_strides"]
    return bool(strides[len(strides) - 1] != 1 or sizes[len(sizes) - 1] == 1 < whole.shape[-1])


def _remedy(operation: ir.Operation) -> str:
    if operation.name.startswith("fun."):
        return "expand requests and inline calls before lowering: run the pass `expand-ad`"
    return "remove the op, or lower it by hand into ops that have a lowering"
