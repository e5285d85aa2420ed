"""Sums with a product of matrices: the matmul kernel adds to an array what it would have written for others to add.

A step of gradient descent, `w - rate * (x.T @ g)`, and gradients that reach a value in two ways, `a + g @ w.T`, read
the product, as large as the weights, once more than needed, in a kernel of their own.

Works on the modules that `lower.py` makes, in place; of other modules it knows nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from difc.dialects.mlir import ir
from difc.pipelines.lowering.emitter import identity_map
from difc.pipelines.lowering.kernel_calls import is_call
from difc.pipelines.lowering.matmul import KERNEL, Update, multiply
from difc.pipelines.lowering.matmul_kernel import SIZES
from difc.pipelines.lowering.regroup import regroup
from difc.pipelines.lowering.tensors import RESHAPES, TensorEmitter
from difc.pipelines.target import VectorUnit
from difc.pipelines.upstream import is_array, is_made_by, number_of, on_arrays

__all__ = ["join_updates"]

_GENERIC, _CONSTANT, _DISPATCH = "linalg.generic", "arith.constant", "flow.dispatch"
#: What makes arrays that lie in memory; those of other operations may never do.
_MAKERS = (_DISPATCH, "scf.for", "scf.if", "scf.while", "iree_tensor_ext.compute_barrier.start")
_DROPPED = (_DISPATCH, _GENERIC, "tensor.empty", *RESHAPES)
_PRODUCT_SIZES = len(SIZES) - 3  # those that are not of an update


def join_updates(block: ir.Block, unit: VectorUnit) -> None:
    """Let the matmul kernel do sums of its products and arrays, in a function's block and in those of loops.

    Before and after:

        %p = flow.dispatch @difc_matmul_f32(%x, %y, ...)
        %u = linalg.generic { mulf } ins(%rate, %p)
        %v = linalg.generic { subf } ins(%w, %u)

        %v = flow.dispatch @difc_matmul_f32(%x, %y, %w, %rate, ...)

    Args:
      block: of the function.
      unit: what the processor has.
    """
    e, function = TensorEmitter(block, block.owner.location), block.owner.operation
    for call in [op for op in on_arrays(function) if is_call(op, KERNEL)]:
        _join(e, call, unit)


class _Arithmetic(NamedTuple):
    """The only use of an array: an operation of each of its elements and another number.

    Attributes:
      generic: the operation on arrays.
      name: that on numbers.
      is_first: whether the array is the first operand of it.
      other: the other operand: an array of the same shape, one of rank 0, or a constant.
    """

    generic: ir.Operation
    name: str
    is_first: bool
    other: ir.Value

    @property
    def result(self) -> ir.Value:
        return self.generic.results[0]

    @property
    def is_scaling(self) -> bool:
        return self.name == "arith.mulf" and not (is_array(self.other) and self.other.type.rank)

    @property
    def is_sum(self) -> bool:
        """Whether it adds to an array that lies in memory, or subtracts from one."""
        if self.name != "arith.addf" and (self.name != "arith.subf" or self.is_first):
            return False
        return self.other.type == self.result.type and _lies_in_memory(self.other)


def _join(e: TensorEmitter, call: ir.Operation, unit: VectorUnit) -> None:
    """Make a call of the kernel do what its product is used for, if that is a sum."""
    operands = list(call.operands)
    sizes = [_size(v) for v in operands[:_PRODUCT_SIZES]]
    use, scale = _use_of(call.results[0]), None
    if use is not None and use.is_scaling:
        scale, use = use.other, _use_of(use.result)
    if use is None or not use.is_sum or sizes[0] != 1:
        return
    e.location = use.generic.location
    with e.within(use.generic):
        base, result = use.other, use.result
        shape = e.sizes_of(base)
        flat = regroup(e, base, shape, [1, e.product(shape)])
        update = Update(flat, _as_factor(e, scale, result), use.name == "arith.subf")
        x, y = operands[len(SIZES) : len(SIZES) + 2]
        made = regroup(e, multiply(e, x, y, sizes, unit, update), sizes[:3], shape)
        result.replace_all_uses_with(e.cast(made, result.type))
    _drop(use.generic)


def _drop(op: ir.Operation) -> None:
    """Erase an operation, and those whose results nothing uses then."""
    makers = {v.owner for v in op.operands if not isinstance(v.owner, ir.Block)}
    op.erase()
    for maker in makers:
        if maker.name in _DROPPED and not any(list(result.uses) for result in maker.results):
            _drop(maker)


def _use_of(value: ir.Value) -> _Arithmetic | None:
    """Return the only use of an array, behind changes of its shape, if that is arithmetic of its elements."""
    user = _only_user(value)
    while user is not None and user.name in RESHAPES:
        value = user.results[0]
        user = _only_user(value)
    if user is None or user.name != _GENERIC or len(user.results) != 1:
        return None
    *inputs, _ = user.operands
    same = ir.AffineMapAttr.get(identity_map(value.type.rank))
    *maps, made = user.attributes["indexing_maps"]
    code = [op.operation for op in user.regions[0].blocks[0].operations]
    if made != same or len(code) != 2 or len(code[0].operands) != 2 or code[1].operands[0] != code[0].results[0]:
        return None
    elements = dict(zip(user.regions[0].blocks[0].arguments, zip(inputs, maps, strict=True), strict=False))
    first, second = (elements.get(v, (v, None)) for v in code[0].operands)
    if (second[0] == value) == (first[0] == value):
        return None
    (_, found), (other, at) = (first, second) if first[0] == value else (second, first)
    is_known = is_made_by(other, _CONSTANT) if at is None else at == same or other.type.rank == 0
    if found != same or not is_known:
        return None
    return _Arithmetic(user, code[0].name, first[0] == value, other)


def _only_user(value: ir.Value) -> ir.Operation | None:
    users = [use.owner.operation for use in value.uses]
    return users[0] if len(users) == 1 else None


def _as_factor(e: TensorEmitter, scale: ir.Value | None, like: ir.Value) -> ir.Value:
    """Return a factor as a tensor of one element: a scalar tensor, a constant, or one where there is none."""
    if scale is not None and is_array(scale):
        return e.expand(scale, [], [1, 1])
    element = like.type.element_type
    number = ir.FloatAttr.get(element, 1.0) if scale is None else scale.owner.attributes["value"]
    return e.function_constant(ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get([1, 1], element), number))


def _size(value: ir.Value) -> int | ir.Value:
    number = number_of(value)
    return value if number is None else number


def _lies_in_memory(value: ir.Value) -> bool:
    while is_made_by(value, *RESHAPES):
        value = value.owner.operands[0]
    return isinstance(value.owner, ir.Block) or is_made_by(value, *_MAKERS)
