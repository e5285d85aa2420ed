"""The pen of the lowering: appends ops of upstream dialects at one insertion point, with one location.

It knows MLIR types and SSA values, nothing of the `dif` dialect. Constants are made once per function, at its start, so
they dominate every use and the text stays short. Invariant: `within` restores the insertion point.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from difc.dialects.mlir import ir

__all__ = [
    "PARALLEL",
    "REDUCTION",
    "SIGNED",
    "UNSIGNED",
    "Emitter",
    "Size",
    "dynamic_sizes",
    "element_of",
    "identity_map",
    "projection",
    "scalar_attribute",
    "tensor_type_of",
]

PARALLEL, REDUCTION = "parallel", "reduction"
#: Predicates of `arith.cmpi`.
SIGNED = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5}
UNSIGNED = {"eq": 0, "ne": 1, "lt": 6, "le": 7, "gt": 8, "ge": 9}
#: The size of a dim: an int, or a value of type `index`.
Size = Any


@functools.lru_cache(maxsize=256)
def projection(rank: int, dims: tuple[int, ...]) -> ir.AffineMap:
    """Return the map `(d0, ..., d{rank-1}) -> (d{dims[0]}, d{dims[1]}, ...)`."""
    return ir.AffineMap.get(rank, 0, [ir.AffineDimExpr.get(d) for d in dims])


def identity_map(rank: int) -> ir.AffineMap:
    """Return the identity map of a rank."""
    return projection(rank, tuple(range(rank)))


@functools.lru_cache(maxsize=256)
def _iterators(kinds: tuple[str, ...]) -> ir.Attribute:
    return ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{kind}>") for kind in kinds])


class Emitter:
    """Appends ops to a function. `location` and the insertion point are set by whoever walks the program."""

    def __init__(self, entry: ir.Block, location: ir.Location) -> None:
        self.location = location
        self._entry = entry
        self._point = ir.InsertionPoint(entry)
        self._constants: dict[tuple[Any, ...], ir.Value] = {}
        self._numbers: dict[ir.Value, int | float] = {}
        self._last_constant: ir.Operation | None = None
        self.index_type = ir.IndexType.get()
        self.i1, self.i64 = ir.IntegerType.get_signless(1), ir.IntegerType.get_signless(64)

    # ---- ops -------------------------------------------------------------------------------------

    def operation(
        self,
        name: str,
        operands: Sequence[ir.Value] = (),
        results: Sequence[ir.Type] = (),
        attributes: dict[str, ir.Attribute] | None = None,
        regions: int = 0,
    ) -> ir.Operation:
        """Append one op and return it."""
        return ir.Operation.create(
            name,
            results=list(results),
            operands=list(operands),
            attributes=attributes,
            regions=regions,
            loc=self.location,
            ip=self._point,
        )

    def value(self, name: str, operands: Sequence[ir.Value], type_: ir.Type, **attributes: ir.Attribute) -> ir.Value:
        """Append an op with one result and return that."""
        return self.operation(name, operands, [type_], attributes).results[0]

    def inlined(self, function: str, operands: Sequence[ir.Value]) -> list[ir.Value]:
        """Append what a function that is given as text does with operands, and return its results."""
        block = ir.Operation.parse(function).regions[0].blocks[0]
        for argument, operand in zip(block.arguments, operands, strict=True):
            argument.replace_all_uses_with(operand)
        *code, end = [op.operation for op in block.operations]
        for op in code:
            op.detach_from_parent()
            self._point.insert(op)
        return list(end.operands)

    @property
    def module_block(self) -> ir.Block:
        """The block of the module that the function is in, for what functions share."""
        return self._entry.owner.parent.regions[0].blocks[0]

    @contextmanager
    def within(self, place: ir.Block | ir.Operation) -> Iterator[None]:
        """Append to another block, or before an operation, for a `with` statement."""
        outer, self._point = self._point, ir.InsertionPoint(place)
        try:
            yield
        finally:
            self._point = outer

    def block(self, region: ir.Region, types: Sequence[ir.Type]) -> ir.Block:
        """Give a region its block."""
        return ir.Block.create_at_start(region, list(types), [self.location] * len(types))

    # ---- scalars ---------------------------------------------------------------------------------

    def constant(self, number: float, type_: ir.Type) -> ir.Value:
        """Return a scalar constant (`index`, integer or float type)."""
        is_float = isinstance(type_, ir.FloatType)
        number = float(number) if is_float else int(number)
        key = (number.hex() if isinstance(number, float) else number, type_)
        if key not in self._constants:
            self._constants[key] = self.function_constant(scalar_attribute(number, type_))
            self._numbers[self._constants[key]] = number
        return self._constants[key]

    def function_constant(self, attribute: ir.Attribute) -> ir.Value:
        """Append a constant (a scalar or a whole tensor) to those at the start of the function."""
        last = self._last_constant
        point = ir.InsertionPoint.at_block_begin(self._entry) if last is None else ir.InsertionPoint.after(last)
        self._last_constant = ir.Operation.create(
            "arith.constant", results=[attribute.type], attributes={"value": attribute}, loc=self.location, ip=point
        )
        return self._last_constant.results[0]

    def number(self, scalar: ir.Value) -> int | float | None:
        """Return the number that a scalar made by `constant` holds, else None."""
        return self._numbers.get(scalar)

    def index(self, size: Size) -> ir.Value:
        """Return a size as a value of type `index`."""
        return self.constant(size, self.index_type) if isinstance(size, int) else size

    def index_cast(self, scalar: ir.Value, type_: ir.Type) -> ir.Value:
        """Convert between `index` and an integer type."""
        if scalar.type == type_:
            return scalar
        if (number := self.number(scalar)) is not None:
            return self.constant(number, type_)
        if (producer := _producer(scalar)) is not None and producer.name == "arith.index_cast":
            source = producer.operands[0]
            if source.type == type_:
                return source
        return self.value("arith.index_cast", [scalar], type_)

    def arith(self, name: str, *operands: Size) -> ir.Value:
        """Append arithmetic on sizes and indices: the op of this name in `arith`."""
        return self.value(f"arith.{name}", [self.index(v) for v in operands], self.index_type)

    def product(self, sizes: Sequence[Size]) -> Size:
        """Return a product of sizes."""
        result: Size = math.prod(s for s in sizes if isinstance(s, int))
        for size in sizes:
            if not isinstance(size, int):
                is_one = isinstance(result, int) and result == 1
                result = size if is_one else self.arith("muli", result, size)
        return result

    def clamp(self, index: ir.Value, high: Size) -> ir.Value:
        """Move an `index` into 0 .. `high`."""
        low = self.arith("maxsi", index, 0)
        return self.arith("minsi", low, high)

    def compare(self, predicate: int, x: ir.Value, y: ir.Value) -> ir.Value:
        """Compare integers or indices with a predicate of `arith.cmpi`."""
        return self.value("arith.cmpi", [x, y], self.i1, predicate=ir.IntegerAttr.get(self.i64, predicate))

    def both(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """Say whether two conditions hold."""
        return self.value("arith.andi", [x, y], self.i1)

    def select(self, condition: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
        """Choose between two scalars."""
        return self.value("arith.select", [condition, x, y], x.type)

    # ---- tensors ---------------------------------------------------------------------------------

    def empty(self, sizes: Sequence[Size], element: ir.Type) -> ir.Value:
        """Return a tensor without defined contents."""
        return self.value("tensor.empty", dynamic_sizes(sizes), tensor_type_of(sizes, element))

    def fill(self, scalar: ir.Value, into: ir.Value) -> ir.Value:
        """Return `into` with every element set."""
        return self.structured("linalg.fill", [scalar], [into], {}, lambda new, old: [new])[0]

    def filled(self, scalar: ir.Value, sizes: Sequence[Size]) -> ir.Value:
        """Return a new tensor of one repeated element."""
        return self.fill(scalar, self.empty(sizes, scalar.type))

    def generic(
        self,
        inputs: Sequence[tuple[ir.Value, ir.AffineMap]],
        inits: Sequence[tuple[ir.Value, ir.AffineMap]],
        iterators: Sequence[str],
        body: Callable[..., Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """Append a `linalg.generic`; `body` gets the elements of inputs and inits and returns the new elements."""
        maps = [ir.AffineMapAttr.get(m) for _, m in (*inputs, *inits)]
        attributes = {"indexing_maps": ir.ArrayAttr.get(maps), "iterator_types": _iterators(tuple(iterators))}
        return self.structured("linalg.generic", [v for v, _ in inputs], [v for v, _ in inits], attributes, body)

    def pointwise(
        self,
        sizes: Sequence[Size],
        element: ir.Type,
        body: Callable[..., ir.Value],
        inputs: Sequence[tuple[ir.Value, ir.AffineMap]] = (),
    ) -> ir.Value:
        """Return a new tensor of which each element is on its own: what `body` makes of the elements of inputs."""
        rank = len(sizes)
        init = (self.empty(sizes, element), identity_map(rank))
        return self.generic(inputs, [init], [PARALLEL] * rank, lambda *elements: [body(*elements[:-1])])[0]

    def structured(
        self,
        name: str,
        inputs: Sequence[ir.Value],
        inits: Sequence[ir.Value],
        attributes: dict[str, ir.Attribute],
        body: Callable[..., Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """Append an op of linalg by its name; `body` gets the elements as in `generic`."""
        segments = ir.DenseI32ArrayAttr.get([len(inputs), len(inits)])
        made = self.operation(
            name, [*inputs, *inits], [v.type for v in inits], {**attributes, "operandSegmentSizes": segments}, regions=1
        )
        block = self.block(made.regions[0], [element_of(v) for v in (*inputs, *inits)])
        with self.within(block):
            self.operation("linalg.yield", body(*block.arguments))
        return list(made.results)

    def cast(self, x: ir.Value, type_: ir.Type) -> ir.Value:
        """Change which dims of a tensor are static."""
        return x if x.type == type_ else self.value("tensor.cast", [x], type_)

    def size_of(self, x: ir.Value, dimension: int) -> Size:
        """Return the size of a tensor's dim."""
        if not x.type.is_dynamic_dim(dimension):
            return x.type.get_dim_size(dimension)
        return self.value("tensor.dim", [x, self.index(dimension)], self.index_type)

    def sizes_of(self, x: ir.Value, first: int = 0) -> list[Size]:
        """Return the sizes of a tensor, from a dim on."""
        return [self.size_of(x, d) for d in range(first, x.type.rank)]

    def extract(self, x: ir.Value, indices: Sequence[ir.Value] = ()) -> ir.Value:
        """Read one element of a tensor."""
        return self.value("tensor.extract", [x, *indices], element_of(x))

    def position(self, rank: int) -> list[ir.Value]:
        """Inside the body of a generic: the indices along the first of its loops."""
        return [self.iteration_index(d) for d in range(rank)]

    def iteration_index(self, dimension: int) -> ir.Value:
        """Inside the body of a generic: the index along one of its loops."""
        return self.value("linalg.index", [], self.index_type, dim=ir.IntegerAttr.get(self.i64, dimension))


def tensor_type_of(sizes: Sequence[Size | None], element: ir.Type) -> ir.RankedTensorType:
    """Return the tensor type of sizes, dynamic where a size is not an int."""
    dynamic = ir.ShapedType.get_dynamic_size()
    return ir.RankedTensorType.get([s if isinstance(s, int) else dynamic for s in sizes], element)


def element_of(x: ir.Value) -> ir.Type:
    """Return the element type of a tensor, or the type of a scalar."""
    return x.type.element_type if isinstance(x.type, ir.RankedTensorType) else x.type


def dynamic_sizes(sizes: Sequence[Size]) -> list[ir.Value]:
    """Return the sizes that are values."""
    return [s for s in sizes if not isinstance(s, int)]


def _producer(scalar: ir.Value) -> ir.Operation | None:
    return None if isinstance(scalar.owner, ir.Block) else scalar.owner.operation


def scalar_attribute(number: float, type_: ir.Type) -> ir.Attribute:
    """Return the attribute of a scalar constant; integers may be given signed or unsigned."""
    if isinstance(type_, ir.FloatType):
        return ir.FloatAttr.get(type_, number)
    number = int(number)
    if isinstance(type_, ir.IntegerType) and type_.width > 1 and number >= 1 << (type_.width - 1):
        number -= 1 << type_.width  # the bindings take the bits as a signed number
    return ir.IntegerAttr.get(type_, number)
