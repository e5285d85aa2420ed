"""Tests of the package `difc.runtime`: what importing it brings in, and how a process with loaded modules ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def _run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_importing_brings_in_no_compiler() -> None:
    code = "import sys, difc.runtime; print(*sorted(name for name in sys.modules if name.count('.') < 2))"
    loaded = set(_run(code).split())
    assert not loaded & {
        "iree.compiler",
        "torch_mlir",
        "typer",
        "jax",
        "difc.dialects",
        "difc.pipelines",
        "difc.ad_pass",
    }


@pytest.mark.parametrize("device", ["local-sync", "local-task"])
def test_a_process_ends_cleanly_with_everything_alive(tmp_path: Path, add_bytes: bytes, device: str) -> None:
    path = tmp_path / "add.vmfb"
    path.write_bytes(add_bytes)
    code = f"""
import numpy as np, difc.runtime
module = difc.runtime.load({str(path)!r}, {device!r})
x = np.arange(16, dtype=np.float32)
results = [module(x, x) for _ in range(20)]
views = [np.asarray(result)[1:] for result in results]
large = np.asarray(difc.runtime.to_device(np.ones(100_000), {device!r}))[5:]
print(views[3][0])
"""
    assert _run(code).strip() == "2.0"


def test_a_process_ends_silently_while_a_sleeping_thread_holds_a_module(tmp_path: Path, add_bytes: bytes) -> None:
    path = tmp_path / "add.vmfb"
    path.write_bytes(add_bytes)
    code = f"""
import threading, difc.runtime
module = difc.runtime.load({str(path)!r})
threading.Thread(target=lambda held: threading.Event().wait(), args=(module,), daemon=True).start()
"""
    assert _run(code) == ""
