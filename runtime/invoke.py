"""Calling an entry of a loaded module.

Owns the path from Python arguments to `VmContext.invoke` and back. Imports no compiler. Invariants: lists of arguments
and results belong to one call and invocations of one module exclude each other, so calls from several threads are
right; a call whose arguments are device arrays of the kinds of the last checked call does no other check.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import numpy as np
from iree.runtime import HalBufferView, VmVariantList

from difc.errors import DeviceError, DifcError, InputError, UnsupportedError
from difc.runtime.arguments import Dims, as_argument
from difc.runtime.array import DeviceArray, Kind, kind
from difc.runtime.device import Device, brief
from difc.runtime.signature import ArraySpec, Signature
from difc.runtime.tree import flatten_arguments, tree_structure
from difc.runtime.waiting import patient
from difc.source import shortened

__all__ = ["Entry"]

_LOST = "start the process again: its driver gave the device up; if that repeats, update the driver"


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
        self._invoke = patient(context.invoke) if device.driver == "local-task" else context.invoke
        self._function, self._lock = function, lock
        self._can_be_lost = device.driver != "local-sync"
        self._takes = len(signature.inputs)
        self._gives = len(signature.outputs)
        self._takes_leaves = signature.in_tree == tree_structure(((0,) * self._takes, {}))
        self._gives_leaves = signature.out_tree == tree_structure((0,) * self._gives)
        self._out_kinds = [_static_kind(spec, device) for spec in signature.outputs]
        lone = self._out_kinds[0] if signature.out_tree == tree_structure(0) else None
        self._only_kind = None if lone is None or 0 in lone.shape else lone
        self._in_kinds = tuple(_static_kind(spec, device) for spec in signature.inputs)
        # The kinds of the last arguments that were checked, as a whole: dynamic dims must agree with each other.
        self._checked = self._in_kinds

    def __repr__(self) -> str:
        return f"<entry {self.signature} on {self.device.name}>"

    def __copy__(self) -> Entry:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Entry:
        return self

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(f"the entry `{self.name}` cannot be pickled alone", remedy="pickle its module")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; the arguments have the signature's structure, shapes and dtypes.

        Raises:
          InputError: for arguments that do not fit; it names the argument.
          DeviceError: where the device fails.
        """
        leaves: Sequence[Any] = args
        try:
            if kwargs or not self._takes_leaves or len(args) != self._takes:
                signature = self.signature
                leaves = flatten_arguments(self.name, signature.in_tree, args, kwargs, signature.arg_names)
            outputs = self._run(leaves)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error
        if self._only_kind is not None:
            return DeviceArray(self._only_kind, outputs.get_as_ref(0))
        results = self._wrap(outputs)
        return tuple(results) if self._gives_leaves else self.signature.out_tree.unflatten(results)

    def call_leaves(self, leaves: Sequence[Any]) -> list[DeviceArray]:
        """Call the function with the flat list of its inputs; return the flat list of its outputs.

        For callers that flatten by themselves. Checks and conversions are those of a call.
        """
        if len(leaves) != self._takes:
            raise InputError(f"`{self.name}` takes {self._takes} arrays, got {len(leaves)}")
        return self._wrap(self._run(leaves))

    def _run(self, leaves: Sequence[Any]) -> Any:
        """Invoke the function; return IREE's list of results."""
        if self._can_be_lost and not self.device.is_here:
            raise DeviceError(
                f"`{self.name}` cannot run here: this process was forked after `{self.device.name}` was opened",
                remedy='load the module in this process, or start it with multiprocessing.get_context("spawn")',
            )
        inputs = VmVariantList(self._takes)
        push = inputs.push_ref
        for leaf, checked in zip(leaves, self._checked):  # noqa: B905 - lengths are equal, and this is the hot loop
            if type(leaf) is not DeviceArray or leaf._kind is not checked:
                inputs = self._check(leaves)
                break
            push(leaf._ref)
        outputs = VmVariantList(self._gives)
        try:
            with self._lock:
                self._invoke(self._function, inputs, outputs)
        except Exception as error:
            lost = "DEVICE_LOST" in str(error)  # of Vulkan: nothing more runs on it in this process
            remedy = _LOST if lost else "check the sizes of dynamic dimensions and the free memory of the device"
            raise DeviceError(f"`{self.name}` failed on `{self.device.name}`: {brief(error)}", remedy=remedy) from error
        return outputs

    def _wrap(self, outputs: Any) -> list[DeviceArray]:
        results = []
        for index, known in enumerate(self._out_kinds):
            ref = outputs.get_as_ref(index)
            if known is None:
                shape = tuple(ref.deref(HalBufferView).shape)
                known = kind(shape, self.signature.outputs[index].dtype, self.device)
            if not self.device.is_local and 0 in known.shape:  # on a buffer that other kernels can be given
                ref = self.device.to_device(np.empty(known.shape, known.dtype)).ref
            results.append(DeviceArray(known, ref))
        return results

    def _check(self, leaves: Sequence[Any]) -> Any:
        """Check and convert all arguments; return the list for the call."""
        dims: Dims = {}
        specs = self.signature.inputs
        arrays = [
            # The common case of an array that fits exactly, without the general checks.
            DeviceArray(known, self.device.to_device(leaf).ref)
            if type(leaf) is np.ndarray
            and known is not None
            and leaf.dtype is known.dtype
            and leaf.shape == known.shape
            else as_argument(leaf, spec, self.device, dims, self.name)
            for leaf, spec, known in zip(leaves, specs, self._in_kinds, strict=True)
        ]
        self._checked = tuple(array._kind for array in arrays)
        inputs = VmVariantList(len(arrays))
        for array in arrays:
            inputs.push_ref(array._ref)
        return inputs


def _static_kind(spec: ArraySpec, device: Device) -> Kind | None:
    return kind(cast(tuple[int, ...], spec.shape), spec.dtype, device) if spec.is_static else None
