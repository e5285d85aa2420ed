"""Calling an entry of a loaded module.

Owns the path from Python arguments to `VmContext.invoke` and back. Imports no compiler. Invariants: lists of arguments
and results belong to one call and invocations of one module exclude each other, so calls from several threads are
right; a call whose arguments are device arrays of the kinds of the last checked call does no other check.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import iree.runtime as rt

from difc.errors import DeviceError, InputError
from difc.runtime.arguments import Dims, as_argument
from difc.runtime.array import DeviceArray, Kind, kind
from difc.runtime.device import Device, brief
from difc.runtime.signature import ArraySpec, Signature
from difc.runtime.tree import flatten_arguments, tree_structure

__all__ = ["Entry"]

_LEAF = tree_structure(0)


class Entry:
    """A function of a loaded module: takes NumPy-like arrays in the pytrees of its signature, returns device arrays.

    Example:
      >>> loss = module.entries["loss"]  # doctest: +SKIP
      >>> float(loss(params, x))  # doctest: +SKIP
    """

    def __init__(self, signature: Signature, device: Device, context: Any, function: Any, lock: threading.Lock) -> None:
        self.signature = signature
        self.device = device
        self.name = signature.entry
        self.__doc__ = signature.meta.get("doc") or f"{signature}"
        self._invoke, self._function, self._lock = context.invoke, function, lock
        count = len(signature.inputs)
        self._takes_leaves = signature.in_tree == tree_structure(((0,) * count, {}))
        self._returns_leaf = signature.out_tree == _LEAF
        self._returns_leaves = signature.out_tree == tree_structure((0,) * len(signature.outputs))
        self._out_kinds = [_static_kind(spec, device) for spec in signature.outputs]
        # The kinds of the last arguments that were checked, as a whole: dynamic dims must agree with each other.
        static = all(spec.is_static for spec in signature.inputs)
        self._checked = [_static_kind(spec, device) if static else None for spec in signature.inputs]

    def __repr__(self) -> str:
        return f"<entry {self.signature} on {self.device.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; the arguments have the signature's structure, shapes and dtypes.

        Raises:
          InputError: for arguments that do not fit; it names the argument.
          DeviceError: where the device fails.
        """
        if kwargs or not self._takes_leaves or len(args) != len(self._checked):
            signature = self.signature
            leaves = flatten_arguments(self.name, signature.in_tree, args, kwargs, signature.arg_names)
            results = self.call_leaves(leaves)
        else:
            results = self.call_leaves(args)
        if self._returns_leaf:
            return results[0]
        if self._returns_leaves:
            return tuple(results)
        return self.signature.out_tree.unflatten(results)

    def call_leaves(self, leaves: Sequence[Any]) -> list[DeviceArray]:
        """Call the function with the flat list of its inputs; return the flat list of its outputs.

        For callers that flatten by themselves. Checks and conversions are those of a call.
        """
        checked = self._checked
        inputs = rt.VmVariantList(len(checked))
        push = inputs.push_ref
        if len(leaves) != len(checked):
            raise InputError(f"`{self.name}` takes {len(checked)} arrays, got {len(leaves)}")
        for leaf, expected in zip(leaves, checked):  # noqa: B905 - lengths are equal, and this is the hot loop
            if type(leaf) is not DeviceArray or leaf._kind is not expected:
                inputs = self._check(leaves)
                break
            push(leaf._ref)
        outputs = rt.VmVariantList(len(self._out_kinds))
        try:
            with self._lock:
                self._invoke(self._function, inputs, outputs)
        except Exception as error:
            raise DeviceError(
                f"`{self.name}` failed on `{self.device.name}`: {brief(error)}",
                remedy="check the sizes of dynamic dimensions and the free memory of the device",
            ) from error
        get = outputs.get_as_ref
        return [
            DeviceArray(known, get(index)) if known is not None else self._dynamic(index, get(index))
            for index, known in enumerate(self._out_kinds)
        ]

    def _check(self, leaves: Sequence[Any]) -> Any:
        """Check and convert all arguments; return the list for the call."""
        dims: Dims = {}
        specs = self.signature.inputs
        arrays = [
            as_argument(leaf, spec, self.device, dims, self.name) for leaf, spec in zip(leaves, specs, strict=True)
        ]
        self._checked = [array._kind for array in arrays]
        inputs = rt.VmVariantList(len(arrays))
        for array in arrays:
            inputs.push_ref(array._ref)
        return inputs

    def _dynamic(self, index: int, ref: Any) -> DeviceArray:
        shape = tuple(ref.deref(rt.HalBufferView).shape)
        return DeviceArray(kind(shape, self.signature.outputs[index].dtype, self.device), ref)


def _static_kind(spec: ArraySpec, device: Device) -> Kind | None:
    return kind(cast(tuple[int, ...], spec.shape), spec.dtype, device) if spec.is_static else None
