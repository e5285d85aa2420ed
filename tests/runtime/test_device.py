"""Tests of `difc.runtime.device`: names, absence, and copies in and out on every device."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest

from difc import config
from difc.errors import DeviceError, UnsupportedError
from difc.runtime import available, to_device
from difc.runtime.device import DRIVERS, brief, device, preferred
from difc.runtime.signature import DTYPES
from tests.pipelines.artifacts import needs_vulkan
from tests.runtime.artifacts import every_device


def test_a_device_is_opened_once() -> None:
    assert device("local-sync") is device("local-sync") is device("local-sync:0") is device(device("local-sync"))
    assert pickle.loads(pickle.dumps(device("local-sync"))) is device("local-sync")


@needs_vulkan
def test_a_gpu_is_open_while_something_is_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difc.runtime.device._devices", weakref.WeakValueDictionary())  # other tests may hold it
    opened = weakref.ref(device("vulkan"))
    assert opened() is None
    x = to_device(1.0, "vulkan")
    opened = weakref.ref(x.device)
    again = device("vulkan:0")
    assert again is opened()
    del again
    cycle = [x]
    cycle.append(cycle)
    del x, cycle
    gc.collect()
    assert opened() is None


def test_the_setting_names_the_default() -> None:
    assert device().name == preferred("local-task")
    with config.override(device="local-sync"):
        assert device().name == "local-sync"


def test_a_process_with_one_core_has_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difc.runtime.device._cores", lambda: 1)
    assert device().name == preferred("local-task") == "local-sync"
    assert preferred("vulkan") == "vulkan"
    with config.override(device="local-task"):
        assert device().name == "local-task"
    assert device("local-task").name == "local-task"


def test_available_has_a_reason_for_each_absence() -> None:
    found = available()
    assert list(found) == list(DRIVERS)
    assert found["local-sync"] is None
    assert all(reason is None or reason for reason in found.values())
    assert not any(".c:" in (reason or "") for reason in found.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("local-snyc", "unknown device `local-snyc`; did you mean `local-sync`"),
        ("gpu", "unknown device `gpu`\nRemedy: pass one of local-sync, local-task, vulkan, cuda"),
        ("cuda:x", "unknown device `cuda:x`"),
        ("cpu", "unknown device `cpu`: `cpu` is a target\nRemedy: pass local-sync, the calling thread, or local-task"),
        ("local-task:3", "`local-task:3` is not available: there are 1"),
    ],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        device(name)


def test_an_absent_device_names_reason_and_remedy() -> None:
    if available()["cuda"] is None:
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(
        DeviceError, match=r"the device `cuda` is not available: CUDA driver .*\nRemedy: install the NVIDIA"
    ):
        device("cuda")


def test_no_vulkan_device_is_a_device_error() -> None:
    code = (
        "from difc.runtime.device import device\n"
        "try: device('vulkan')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    env = {"VK_ICD_FILENAMES": "/nonexistent.json", "VK_DRIVER_FILES": "/nonexistent.json", "PATH": "/usr/bin"}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("DeviceError the device `vulkan` is not available: ")
    assert "Remedy: install a Vulkan driver" in result.stdout
    assert ".c:" not in result.stdout


def test_brief_drops_source_locations() -> None:
    text = "Error creating driver: c/runtime/src/x.c:66: UNAVAILABLE; no library; please\n  install; c/y.cc:1: more"
    assert brief(RuntimeError(text)) == "no library; please install"
    assert brief(RuntimeError("plain")) == "plain"
    text = "Error invoking function: c/x.c:57: INTERNAL; it broke; while invoking native function hal.f; while calling"
    assert brief(RuntimeError(text)) == "it broke"
    assert brief(RuntimeError("c/x.c:57: RESOURCE_EXHAUSTED; libc allocator failed the request")) == "out of memory"


@every_device
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (64, 129)], ids=str)
def test_arrays_survive_the_way_to_a_device_and_back(
    device_name: str, target: str, name: str, shape: tuple[int, ...]
) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(DTYPES[name])
    there = to_device(values, device_name)
    back = np.asarray(there)
    assert (back.dtype, back.shape, there.dtype, there.shape) == (values.dtype, shape, values.dtype, shape)
    np.testing.assert_array_equal(back, values)


def test_a_dtype_that_devices_have_not() -> None:
    with pytest.raises(UnsupportedError, match="a device has no arrays of `complex128`"):
        to_device(np.complex128(1))
