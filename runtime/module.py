"""Loading an artifact: from a file or bytes to a `Module` with callable entries.

Owns `load` and `Module`. Imports no compiler. Invariant: whatever is wrong with an artifact is an `ArtifactError`, and
whatever is wrong with the machine a `DeviceError`, before any code of the artifact runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import iree.runtime as rt

from difc.errors import ArtifactError, DifcError, EntryError, InputError, suggestion
from difc.runtime.archive import Archive, read, write
from difc.runtime.device import DRIVERS, INSTANCE, Device, brief, preferred
from difc.runtime.device import device as open_device
from difc.runtime.invoke import Entry
from difc.runtime.processor import check_processor
from difc.runtime.signature import REFLECTION_KEY, Signature
from difc.source import shortened

__all__ = ["Module", "load", "load_traced", "read_signatures"]

_DRIVERS_OF_TARGET = {
    "cpu": ("local-task", "local-sync"),
    "cpu-generic": ("local-task", "local-sync"),
    "vulkan": ("vulkan",),
    "cuda": ("cuda",),
}


def load(source: str | os.PathLike[str] | bytes | bytearray | memoryview, device: str | Device | None = None) -> Module:
    """Load an artifact. This makes native code of the artifact callable: load only files that you trust.

    Results come in the containers that the function returned. A named tuple is of your own class where the module that
    defines the class is imported already; else it is of a class with the same name and fields. Loading imports nothing.

    Args:
      source: the path of a .vmfb file made by `difc compile`, or its bytes.
      device: where it runs. `None` takes the setting `device` (`DIFC_DEVICE`), else the artifact's recommendation.

    Raises:
      ArtifactError: for a file that is missing, truncated, corrupted, not made by difc, made by another version, or
        compiled for another kind of device or a processor with other instructions.
      DeviceError: for a device that is not present.

    Example:
      >>> module = load("model.vmfb")  # doctest: +SKIP
      >>> module.loss(params, x)  # doctest: +SKIP
    """
    try:
        return load_traced(source, {}, device)
    except DifcError as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def load_traced(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    traced: Mapping[str, Signature],
    device: str | Device | None = None,
) -> Module:
    """Load an artifact as `load` does, with the containers of signatures of this process instead of its own.

    Args:
      traced: the signatures, by entry, whose pytrees have the classes of the function that was traced.
    """
    archive, name = read(source)
    vm_module = _module_of(archive, name)
    functions, signatures = _entries(vm_module, name)
    for entry, known in traced.items():
        signatures[entry] = replace(signatures[entry], in_tree=known.in_tree, out_tree=known.out_tree)
    target, recommended = _requirements(signatures)
    opened = open_device(device or preferred(recommended))
    drivers = _DRIVERS_OF_TARGET.get(target.partition(":")[0], tuple(DRIVERS))
    if opened.driver not in drivers:
        raise ArtifactError(
            f"{name} is compiled for `{target}` and cannot run on `{opened.name}`",
            remedy=f'load it with device="{drivers[0]}", or compile it with target="{_target_of(opened.driver)}"'
            + ("" if device else "; for transformed functions, set DIFC_DEVICE or DIFC_TARGET so"),
        )
    if opened.driver.startswith("local-"):
        check_processor(next(iter(signatures.values())).meta.get("processor", {}), name)
    try:
        context = rt.VmContext(INSTANCE, [opened.hal_module, vm_module])
    except Exception as error:
        raise ArtifactError(
            f"{name} (compiled for `{target}`) cannot run on `{opened.name}`: {brief(error)}",
            remedy="compile the model for this device",
        ) from error
    lock = threading.Lock()
    entries = {
        entry: Entry(signature, opened, context, functions[entry], lock) for entry, signature in signatures.items()
    }
    return Module(entries, opened, archive, name, target)


def _target_of(driver: str) -> str:
    return next(target for target, drivers in _DRIVERS_OF_TARGET.items() if driver in drivers)


def read_signatures(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> dict[str, Signature]:
    """Return the signatures of an artifact by entry, without running code of it; its device need not be present.

    Raises:
      ArtifactError: as `load` does.

    Example:
      >>> read_signatures("model.vmfb")["loss"].meta["target"]  # doctest: +SKIP
      'cuda:sm_80'
    """
    archive, name = read(source)
    return _entries(_module_of(archive, name), name)[1]


def _module_of(archive: Archive, name: str) -> Any:
    try:
        return rt.VmModule.wrap_buffer(INSTANCE, archive)
    except Exception as error:
        raise ArtifactError(
            f"{name} does not fit the installed IREE {version('iree-base-runtime')}: {brief(error)}",
            remedy="compile the model again with the difc that runs it",
        ) from error


def _entries(vm_module: Any, name: str) -> tuple[dict[str, Any], dict[str, Signature]]:
    """Return the exported functions and their signatures, by name."""
    functions, signatures = {}, {}
    for export in vm_module.function_names:
        if export.startswith("__") or "$" in export:  # IREE's own: initialisers, variants of another calling convention
            continue
        function = vm_module.lookup_function(export)
        text = function.reflection.get(REFLECTION_KEY)
        if text is None:
            raise ArtifactError(
                f"{name} is an IREE module, but difc did not make it: `{export}` has no signature",
                remedy="compile the model with `difc compile`, or run this module with iree-run-module",
            )
        functions[export], signatures[export] = function, Signature.from_json(text)
    if not signatures:
        raise ArtifactError(f"{name} has no entries", remedy="mark a function with @difc.export and compile again")
    return functions, signatures


def _requirements(signatures: dict[str, Signature]) -> tuple[str, str]:
    """Return the target and the recommended driver, which the first entry has for the whole module."""
    meta = next(iter(signatures.values())).meta
    target = meta.get("target", "cpu")
    drivers = _DRIVERS_OF_TARGET.get(target.partition(":")[0], ("local-task",))
    return target, meta.get("driver") or drivers[0]


class Module:
    """A loaded artifact. `module.entry(...)` calls an entry; with one entry, so does `module(...)`.

    An entry that is named like an attribute of this class is reached through `entries[name]`.

    Example:
      >>> module = load("model.vmfb")  # doctest: +SKIP
      >>> module.loss(params, x), module.signature("loss").inputs, module.device  # doctest: +SKIP
    """

    def __init__(self, entries: dict[str, Entry], device: Device, archive: Archive, name: str, target: str) -> None:
        self._entries, self._device, self._archive, self._name, self._target = entries, device, archive, name, target

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The callable entries by name."""
        return MappingProxyType(self._entries)

    @property
    def device(self) -> Device:
        """The device that the module runs on."""
        return self._device

    @property
    def target(self) -> str:
        """The target that the module is compiled for."""
        return self._target

    def signature(self, entry: str | None = None) -> Signature:
        """Return the signature of an entry; of the only one, if none is named.

        Raises:
          EntryError: for an unknown name.
          InputError: without a name, if there are several entries.
        """
        return (self._only() if entry is None else self._lookup(entry)).signature

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the artifact to a file, which is whole at every moment.

        Raises:
          OSError: where the file cannot be written.
        """
        write(path, self._archive)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._only()(*args, **kwargs)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def __getattr__(self, name: str) -> Entry:
        if name.startswith("_"):  # never an entry; copy and pickle ask for such names before __init__ ran
            raise AttributeError(name)
        try:
            return self._lookup(name)
        except DifcError as error:
            raise shortened(error)  # noqa: B904 - it is the same error

    def __copy__(self) -> Module:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Module:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (bytes(self._archive), self._device)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._entries})

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("entry", "arguments", "results")]
        for entry, signature in ((name, found.signature) for name, found in self._entries.items()):
            takes, gives = ([spec.described for spec in specs] for specs in (signature.inputs, signature.outputs))
            for index in range(max(len(takes), len(gives), 1)):
                cells = (items[index] if index < len(items) else "" for items in (takes, gives))
                rows.append((entry if index == 0 else "", *cells))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        file = f"{self._name} " if self._name.startswith("`") else ""
        head = f"difc module {file}for {self._target} on {self._device.name}"
        return "\n".join([head, *(f"  {line}".rstrip() for line in lines)])

    def _lookup(self, name: str) -> Entry:
        if name not in self._entries:
            raise EntryError(
                f"{self._name} has no entry `{name}`{suggestion(name, self._entries)}",
                remedy=f"call one of: {', '.join(self._entries)}",
            )
        return self._entries[name]

    def _only(self) -> Entry:
        if len(self._entries) != 1:
            names = ", ".join(self._entries)
            raise InputError(
                f"{self._name} has {len(self._entries)} entries: {names}",
                remedy=f"name one: `module.{next(iter(self._entries))}(...)`",
            )
        return next(iter(self._entries.values()))
