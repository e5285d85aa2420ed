"""Devices by name: opening them once per process, and copying arrays in and out.

Owns the table of drivers and every allocation and mapping of device memory. Imports nothing of the runtime but element
types. Invariant: a host array that `Device.to_host` returns owns, through NumPy's base chain, all that its memory
needs, so no slice or reshape of it can outlive the memory (views made by IREE's own binding can).

A GPU is closed when nothing is on it any more, which takes 10 ms; to open it again takes 50. While Mesa's software
driver of Vulkan is open, two threads of IREE (3.13) spin in it, idle or not; and it keeps memory of each module.
"""

from __future__ import annotations

import functools
import math
import os
import re
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import iree.runtime as rt
import numpy as np

from difc import config
from difc.errors import ArtifactError, DeviceError, UnsupportedError, suggestion
from difc.runtime.signature import DTYPES

__all__ = ["DRIVERS", "INSTANCE", "Device", "available", "brief", "device", "preferred"]

INSTANCE = rt.VmInstance()
# What a sleeping thread or a debugger holds when Python ends is no leak of the program: nanobind would list all of it.
rt._binding.disable_leak_checker()


@dataclass(frozen=True)
class Driver:
    """One kind of device: where its memory is, and what is missing when it cannot be opened."""

    local: bool
    memory: int
    usage: int
    remedy: str


_VISIBLE = int(rt.MemoryType.DEVICE_LOCAL | rt.MemoryType.HOST_VISIBLE)
_MAPPED = int(rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING)
_LOCAL_REMEDY = "reinstall the runtime: pip install --force-reinstall iree-base-runtime"

# Freed buffers serve the next call; a new one would be cleared first, 60 us for each MB. The fields are the largest
# buffer to keep, the bytes in use up to which any is kept, and how many are.
_CACHING = ["caching:*=*;1gib;64"]

DRIVERS = {
    "local-sync": Driver(True, _VISIBLE, _MAPPED, _LOCAL_REMEDY),
    "local-task": Driver(True, _VISIBLE, _MAPPED, _LOCAL_REMEDY),
    # Mapped memory, because Mesa's drivers cannot import NumPy's host pointers.
    "vulkan": Driver(
        False,
        _VISIBLE,
        _MAPPED,
        "install a Vulkan driver (without a GPU: Mesa's software driver, package mesa-vulkan-drivers), "
        'or pass device="local-task" with an artifact compiled for "cpu"',
    ),
    "cuda": Driver(
        False,
        int(rt.MemoryType.DEVICE_LOCAL),
        int(rt.BufferUsage.DEFAULT),
        "install the NVIDIA driver (libcuda.so) on a machine with an NVIDIA GPU, "
        'or pass device="local-task" with an artifact compiled for "cpu"',
    ),
}

# Integers are signless on the device; signatures say how to read them.
_ELEMENT_TYPES = {
    "bool": rt.HalElementType.BOOL_8,
    "int8": rt.HalElementType.INT_8,
    "int16": rt.HalElementType.INT_16,
    "int32": rt.HalElementType.INT_32,
    "int64": rt.HalElementType.INT_64,
    "uint8": rt.HalElementType.INT_8,
    "uint16": rt.HalElementType.INT_16,
    "uint32": rt.HalElementType.INT_32,
    "uint64": rt.HalElementType.INT_64,
    "float16": rt.HalElementType.FLOAT_16,
    "bfloat16": rt.HalElementType.BFLOAT_16,
    "float32": rt.HalElementType.FLOAT_32,
    "float64": rt.HalElementType.FLOAT_64,
}
_HAL_TYPES = {dtype: _ELEMENT_TYPES[name] for name, dtype in DTYPES.items()}
_UINT16 = np.dtype(np.uint16)
_LEAST = 64  # bytes; the buffer of an array of size 0
_COPY_BELOW = 1 << 14  # bytes; a copy of so few is faster than an array that owns the mapping
_NONE_LISTED = "its driver lists no device"


class _Mapping:
    """Memory of a mapped buffer, as the base of the NumPy array that reads it."""

    __slots__ = ("__array_interface__", "_owners")

    def __init__(self, mapped: Any, view: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        interface = dict(mapped.asarray(shape, dtype).__array_interface__)
        interface["data"] = (interface["data"][0], True)  # read-only
        self.__array_interface__ = interface
        self._owners = mapped, view


class Device:
    """An opened device. Use `device(name)`: there is one object per name and process, while it is in use."""

    def __init__(self, name: str, hal: Any) -> None:
        self.name = name
        self.driver = name.partition(":")[0]
        driver = DRIVERS[self.driver]
        self.is_local, self._memory, self._usage = driver.local, driver.memory, driver.usage
        self.hal = hal
        self._process = os.getpid()
        self.hal_module = rt.create_hal_module(INSTANCE, hal)
        self._allocator = hal.allocator
        self._upload = self._allocator.allocate_buffer_copy

    def __repr__(self) -> str:
        return f"device({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.name,)

    @property
    def is_here(self) -> bool:
        """Whether it runs anything in this process: a fork copies a device without its threads, which would hang."""
        return self.driver == "local-sync" or self._process == os.getpid()

    def shares_memory_with(self, other: Device) -> bool:
        """Whether arrays on either are arguments of calls on the other as they are: on one, or on the processor."""
        return self is other or (self.is_local and other.is_local)

    def to_device(self, array: np.ndarray[Any, Any]) -> Any:
        """Copy a host array of a dtype in `DTYPES` to the device; return its `HalBufferView`.

        Raises:
          DeviceError: where the device has no room.
          UnsupportedError: for another dtype.
        """
        element_type = _HAL_TYPES.get(array.dtype)
        if element_type is None:
            raise UnsupportedError(f"a device has no arrays of `{array.dtype}`", remedy=f"use {', '.join(DTYPES)}")
        raw = array if array.flags.c_contiguous else np.asarray(array, order="C")
        if raw.dtype.kind == "V":  # bfloat16 is unknown to the buffer protocol
            raw = raw.view(_UINT16)
        try:
            if raw.size == 0 and not self.is_local:
                return self._empty(raw.shape, element_type)
            return self._upload(self._memory, self._usage, self.hal, raw, element_type)
        except Exception as error:
            raise DeviceError(
                f"an array of {array.nbytes} bytes cannot be copied to `{self.name}`: {brief(error)}"
            ) from error

    def _empty(self, shape: tuple[int, ...], element_type: Any) -> Any:
        """Return a view of size 0 on a buffer that is not empty: kernels of GPUs cannot be given empty ones."""
        buffer = self._allocator.allocate_buffer(
            memory_type=self._memory, allowed_usage=self._usage, allocation_size=_LEAST
        )
        return rt.HalBufferView(buffer, shape, int(element_type))

    def to_host(self, view: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """Return a buffer view as a read-only NumPy array that stays valid.

        Of a large array on a local device it is the memory itself, else a copy.

        Raises:
          ArtifactError: where the buffer has another size, because the signature is wrong.
          DeviceError: where the copy fails.
        """
        raw = dtype if dtype.kind != "V" else _UINT16
        size = view.byte_length
        if size != math.prod(shape) * raw.itemsize:  # reading on would leave the buffer
            raise ArtifactError(
                f"a result has {size} bytes where the signature has {dtype.name}{list(shape)}",
                remedy="compile the model again",
            )
        if size == 0:
            host = np.empty(shape, raw)
        elif not self.is_local:
            host = self._download(view, shape, raw)
        elif size <= _COPY_BELOW:
            host = np.array(view.map().asarray(shape, raw))
        else:
            host = np.asarray(_Mapping(view.map(), view, shape, raw))
        if raw is not dtype:
            host = host.view(dtype)
        host.flags.writeable = False
        return host

    def _download(self, view: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        source = view.get_buffer()
        try:
            staging = self._allocator.allocate_buffer(
                memory_type=int(rt.MemoryType.HOST_LOCAL | rt.MemoryType.DEVICE_VISIBLE),
                allowed_usage=int(rt.BufferUsage.TRANSFER_TARGET | rt.BufferUsage.MAPPING_SCOPED),
                allocation_size=source.byte_length(),
            )
            semaphore = self.hal.create_semaphore(0)
            done = rt.HalFence.create_at(semaphore, 1)
            self.hal.queue_copy(source, staging, rt.HalFence.create_at(semaphore, 0), done)
            done.wait()
            mapped = staging.map()
            return np.array(mapped.asarray(shape, dtype))
        except Exception as error:
            raise DeviceError(f"a result cannot be copied from `{self.name}`: {brief(error)}") from error


_devices: weakref.WeakValueDictionary[str, Device] = weakref.WeakValueDictionary()
_kept: list[Device] = []  # those of the processor, which keep memory for the next call
_lock = threading.Lock()
_LOADED_IN = os.getpid()


def device(name: str | Device | None = None) -> Device:
    """Open a device; while it is in use, return the one that is open.

    Args:
      name: `local-sync`, `local-task`, `vulkan` or `cuda`, the last two with an optional `:index`. `None` takes the
        setting `device` (`DIFC_DEVICE`), else `local-task`, or `local-sync` where the process has one core.

    Raises:
      DeviceError: for an unknown name, or a device that is not present here.

    Example:
      >>> device("local-sync").name
      'local-sync'
    """
    if isinstance(name, Device):
        return name
    if not isinstance(name, str | None):
        raise DeviceError(f"{name!r} is no device", remedy=f"pass one of {', '.join(DRIVERS)}, or None")
    name = name or preferred("local-task")
    opened = _devices.get(name)
    if opened is not None and opened.is_here:
        return opened
    driver, index = _parse(name)
    canonical = driver if index == 0 else f"{driver}:{index}"
    with _lock:
        opened = _devices.get(canonical)
        if opened is None or not opened.is_here:
            opened = _devices[canonical] = Device(canonical, _open(driver, index))
            if opened.is_local:
                _kept.append(opened)
        _devices[name] = opened
        return opened


def preferred(recommended: str) -> str:
    """Return the setting `device` (`DIFC_DEVICE`), else what is recommended for this process.

    On its only core, `local-task` would take twice the time of `local-sync`: the thread that calls and the one that
    computes are in each other's way.
    """
    chosen = config.get("device")
    if chosen:
        return chosen
    return "local-sync" if recommended == "local-task" and _cores() == 1 else recommended


@functools.cache
def _cores() -> int:
    """Return how many cores the process may use; containers and `taskset` lend some of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available() -> dict[str, str | None]:
    """Return, for each kind of device, `None` if one is present here, else the reason why not."""
    reasons: dict[str, str | None] = {}
    for driver in DRIVERS:
        try:
            found = _driver(driver).query_available_devices()
            reasons[driver] = None if found else _NONE_LISTED
        except Exception as error:
            reasons[driver] = brief(error)
    return reasons


def brief(error: Exception) -> str:
    """Return the first cause in an IREE status, without C source locations, status codes and calls within IREE."""
    if "RESOURCE_EXHAUSTED" in str(error):
        return "out of memory"
    causes = re.split(r"\S+\.(?:c|h|cc|inl):\d+: ", str(error))
    cause = next((cause for cause in causes[1:] if cause.strip()), causes[0])
    cause = re.sub(r"^[A-Z_]+; |; while (?:invoking|calling) .*", "", " ".join(cause.split()))
    return cause[:300].rstrip("; ")


def _parse(name: str) -> tuple[str, int]:
    driver, colon, index = name.partition(":")
    if driver not in DRIVERS or (colon and not index.isdecimal()):
        if driver.startswith("cpu"):
            cpus = "pass local-sync, the calling thread, or local-task, all cores"
            raise DeviceError(f"unknown device `{name}`: `{driver}` is a target", remedy=cpus)
        raise DeviceError(
            f"unknown device `{name}`{suggestion(driver, DRIVERS)}",
            remedy=f"pass one of {', '.join(DRIVERS)} (a GPU may have an index: `vulkan:1`)",
        )
    return driver, int(index or 0)


def _driver(name: str) -> Any:
    """Return IREE's driver; IREE keeps them, and one from before a fork has lost its threads."""
    return rt.get_driver(name) if os.getpid() == _LOADED_IN else rt._binding.create_hal_driver(name)


def _open(driver: str, index: int) -> Any:
    try:
        hal_driver = _driver(driver)
        infos = hal_driver.query_available_devices()
        if index < len(infos):
            return hal_driver.create_device(infos[index], allocators=_CACHING if DRIVERS[driver].local else None)
    except Exception as error:
        reason = f"the device `{driver}` is not available: {brief(error)}"
        raise DeviceError(reason, remedy=DRIVERS[driver].remedy) from error
    if not infos:
        raise DeviceError(f"the device `{driver}` is not available: {_NONE_LISTED}", remedy=DRIVERS[driver].remedy)
    raise DeviceError(
        f"the device `{driver}:{index}` is not available: there are {len(infos)}",
        remedy=f"pass an index below {len(infos)}",
    )
