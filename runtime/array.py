"""Arrays that live on a device and behave as NumPy arrays.

Owns `DeviceArray` and the interned `Kind` (shape, dtype, device) that makes the check of an argument one comparison of
identities. Imports no compiler. Invariant: a device array never changes, and the host array that it gives is read-only
and stays valid after the device array, its module and its device are gone.
"""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, overload

import iree.runtime as rt
import numpy as np
import optree
from numpy.lib.mixins import NDArrayOperatorsMixin

from difc.errors import ConcretizationError, DifcError, InputError, MutationError, SourceLocation
from difc.runtime.device import Device, device
from difc.runtime.tree import NAMESPACE
from difc.source import shortened

__all__ = ["DeviceArray", "Kind", "kind", "refuse_subclass", "to_device"]

Shape = tuple[int, ...]


class Kind:
    """Shape, dtype and device of an array. Use `kind(...)`: equal kinds are one object while they are in use."""

    __slots__ = ("__weakref__", "device", "dtype", "shape")

    def __init__(self, shape: Shape, dtype: np.dtype[Any], device: Device) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device


_kinds: weakref.WeakValueDictionary[tuple[Shape, np.dtype[Any], Device], Kind] = weakref.WeakValueDictionary()
_kinds_lock = threading.Lock()


def kind(shape: Shape, dtype: np.dtype[Any], device: Device) -> Kind:
    """Return the one `Kind` of a shape, dtype and device."""
    key = shape, dtype, device
    found = _kinds.get(key)
    if found is None:
        with _kinds_lock:
            found = _kinds.get(key)
            if found is None:
                found = _kinds[key] = Kind(shape, dtype, device)
    return found


def refuse_subclass(value: Any, what: str = "", where: SourceLocation | None = None) -> None:
    """Raise for an array whose class gives its elements a meaning that `np.asarray` would drop without a word.

    Args:
      what: how the message begins.
      where: the user's place.

    Raises:
      InputError: for a masked array, or a matrix, whose `*` is a matrix product.
    """
    if type(value) is np.ndarray or not isinstance(value, np.ndarray):
        return
    if isinstance(value, np.ma.MaskedArray):
        remedy = "pass x.filled(number), and the mask beside it"
        raise InputError(f"{what}a masked array would lose its mask", where=where, remedy=remedy)
    if isinstance(value, np.matrix):
        remedy = "pass np.asarray(x), and write @ for matrix products"
        raise InputError(f"{what}a np.matrix would lose its meaning of *", where=where, remedy=remedy)


@overload
def to_device(
    value: DeviceArray | np.ndarray[Any, Any] | np.generic | float, where: str | Device | None = None
) -> DeviceArray: ...
@overload
def to_device(value: Any, where: str | Device | None = None) -> Any: ...


def to_device(value: Any, where: str | Device | None = None) -> Any:
    """Copy arrays to a device; a `DeviceArray` that is there already is returned as it is. (jax.device_put)

    Args:
      value: an array or number of a dtype in `difc.runtime.signature.DTYPES`, or a pytree of such: a dict of
        parameters, a list of batches, ... A list of numbers is a container of scalars, too: write `np.array([1, 2])`.
      where: a device or its name; see `difc.runtime.device.device`.

    Returns:
      The array on the device; or the containers of `value` with such arrays.

    Raises:
      DeviceError: for a device that is not present.
      InputError: for what is no array, a masked array or a matrix.
      UnsupportedError: for another dtype.

    Example:
      >>> to_device({"w": np.arange(3), "b": 0.5}, "local-sync")["w"]
      DeviceArray([0, 1, 2], dtype=int64, device='local-sync')
    """
    try:
        target = device(where)
        if isinstance(value, DeviceArray | np.ndarray):
            return _copied(value, target, "value")
        paths, leaves, structure = optree.tree_flatten_with_accessor(value, none_is_leaf=False, namespace=NAMESPACE)
        moved = [_copied(leaf, target, path.codify("value")) for path, leaf in zip(paths, leaves, strict=True)]
        return optree.tree_unflatten(structure, moved)
    except DifcError as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def _copied(value: Any, target: Device, name: str) -> DeviceArray:
    if type(value) is DeviceArray:
        if value.device is target:
            return value
        value = value.numpy()
    what = "" if name == "value" else f"{name}: "
    refuse_subclass(value, what)
    try:
        array = np.asarray(value)
    except ConcretizationError as error:
        raise ConcretizationError(
            "a traced array cannot be copied to a device: the target is chosen when the program is compiled",
            where=error.where,
            remedy="leave it out, and use difc.to_device on the arguments of the compiled function",
        ) from None
    if array.dtype == object or isinstance(value, str | bytes):
        got = "an integer of more than 64 bits" if isinstance(value, int) else f"a value of type {type(value).__name__}"
        raise InputError(f"{what}{got} is no array", remedy="pass arrays and numbers, in tuples, lists and dicts")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return DeviceArray(kind(array.shape, array.dtype, target), target.to_device(array).ref)


class DeviceArray(NDArrayOperatorsMixin):
    """An immutable array on a device: what entries return and take without a copy.

    `np.asarray(x)` gives a read-only NumPy array (copied at most once, and not at all where it is large and on a local
    device), `np.array(x)` a writable copy. Arithmetic, indexing, NumPy functions and NumPy's array methods (`x.sum()`,
    `x.T`) work on the host and return NumPy arrays. Passing the array to an entry on the same device copies nothing.

    Example:
      >>> x = to_device(np.float32([1, 2]), "local-sync")
      >>> x * 2
      array([2., 4.], dtype=float32)
    """

    # IREE's device must stay for as long as its buffers: Python clears slots in the order of their names, `_ref` before
    # `_within`, also where the garbage collector takes a cycle apart.
    __slots__ = ("__weakref__", "_host", "_kind", "_ref", "_within")

    def __init__(self, kind: Kind, ref: Any) -> None:
        """Wrap the `VmRef` of a buffer view; made by `to_device` and by calls, not by users."""
        self._kind = kind
        self._ref = ref
        self._within = kind.device.hal
        self._host: np.ndarray[Any, Any] | None = None

    @property
    def shape(self) -> Shape:
        """The dimensions."""
        return self._kind.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        return self._kind.dtype

    @property
    def device(self) -> Device:
        """The device that holds the data."""
        return self._kind.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._kind.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self._kind.shape, dtype=np.int64))

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a read-only NumPy array; the same one each time."""
        host = self._host
        if host is None:
            kind = self._kind
            host = kind.device.to_host(self._ref.deref(rt.HalBufferView), kind.shape, kind.dtype)
            self._host = host
        return host

    def to_device(self, device: str | Device, /, *, stream: Any = None) -> DeviceArray:
        """Return the array on a device, copied where it is not there already. (Array API standard)"""
        return to_device(self, device)

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        """Return NumPy, whose functions take this array and compute on the host. (Array API standard)"""
        return np.empty(0).__array_namespace__(api_version=api_version)

    def block_until_ready(self) -> DeviceArray:
        """Return the array itself: calls return when their results are complete."""
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(type(out) is DeviceArray for out in kwargs.get("out", ())):
            raise _immutable()
        return getattr(ufunc, method)(*map(_to_host, inputs), **{key: _to_host(v) for key, v in kwargs.items()})

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None, **options: Any) -> Any:
        host = self.numpy()
        if max_version is None or max_version[0] < 1:
            return host.copy().__dlpack__(**options)  # the old protocol cannot say "read-only"
        return host.__dlpack__(max_version=max_version, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.numpy().__dlpack_device__()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __getitem__(self, index: Any) -> Any:
        return self.numpy()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise _immutable()

    def __len__(self) -> int:
        return len(self.numpy())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.numpy())

    def __contains__(self, value: Any) -> bool:
        return value in self.numpy()

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __complex__(self) -> complex:
        return complex(self.numpy())

    def __index__(self) -> int:
        return operator.index(self.numpy())

    def __format__(self, spec: str) -> str:
        return format(self.numpy()[()] if self.ndim == 0 else self.numpy(), spec)

    def __str__(self) -> str:
        return str(self.numpy())

    def __repr__(self) -> str:
        prefix = "DeviceArray("
        values = np.array2string(self.numpy(), separator=", ", prefix=prefix)
        return f"{prefix}{values}, dtype={self.dtype.name}, device={self.device.name!r})"

    def __copy__(self) -> DeviceArray:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> DeviceArray:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return to_device, (np.array(self.numpy()), self.device)


def _complete() -> None:
    """Add what follows from NumPy's own lists: in-place operators that rebind, and the methods of `ndarray`."""
    # x += y computes x = x + y, as for every immutable value.
    arithmetic = ["add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"]
    for name in [*arithmetic, "and", "or", "xor", "lshift", "rshift"]:
        setattr(DeviceArray, f"__i{name}__", getattr(NDArrayOperatorsMixin, f"__{name}__"))
    # Properties, not __getattr__: np.asarray asks for two absent attributes first, which would cost a microsecond.
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(DeviceArray, name):
            setattr(DeviceArray, name, property(_of_host(name), doc=f"See `numpy.ndarray.{name}`."))


def _of_host(name: str) -> Callable[[DeviceArray], Any]:
    return lambda array: getattr(array.numpy(), name)


_complete()


def _to_host(value: Any) -> Any:
    return value.numpy() if type(value) is DeviceArray else value


def _immutable() -> MutationError:
    return MutationError(
        "a device array cannot be assigned to in place", remedy="change a copy: `y = np.array(x)`, and pass that on"
    )
