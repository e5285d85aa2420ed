"""Loading compiled modules and calling them: `load`, `available`, `to_device`.

This package needs NumPy, optree and IREE's runtime, and imports no compiler; of difc only `difc.errors`,
`difc.config` and `difc.source`. Invariant: what is wrong with a file, an argument or a device is an error of
`difc.errors`.
"""

from __future__ import annotations

from difc.runtime.array import DeviceArray, to_device
from difc.runtime.device import Device, available
from difc.runtime.invoke import Entry
from difc.runtime.module import Module, load
from difc.runtime.signature import ArraySpec, Signature

__all__ = [
    "ArraySpec",
    "Device",
    "DeviceArray",
    "Entry",
    "Module",
    "Signature",
    "available",
    "load",
    "to_device",
]
