"""Compilation targets: their names, the flags that IREE takes for each, and what else depends on them.

One table holds everything that depends on the target. This file imports neither MLIR nor IREE. Invariant: a `Target`
that exists can be compiled for; whatever IREE would reject (some names crash it in process) is a `TargetError` here.

Why the entries are what they are, measured with IREE 3.13:

- Vulkan: the targets named after a GPU fix a subgroup size, and reductions are then silently wrong on a device with
  another one (Mesa's software driver has 8). The portable profile uses no subgroup operations; 64-, 16- and 8-bit types
  are declared as capabilities, which bind a device only where a kernel uses them. `vulkan:rdna3` opts into a GPU.
- Vulkan: kernels that IREE fuses aggressively are silently wrong where their loops differ, on the portable profile and
  on `rdna3`: `exp(x)` beside `sum(exp(x), axis=0)`; a column sum with a row maximum. With less fusion they are right.
- All: an elementwise operation that several use is not fused with those into one of several results. Two of these can
  turn out to be one value, as `where(m, x, 0)` and `where(m, where(m, x, 0), 0)`; IREE then gives a third for the
  second. Second derivatives of factorisations were silently wrong. Most kernels take as long; a softmax 12 % longer.
- CUDA: an artifact holds PTX, which a newer driver compiles for its own GPU: `sm_80` code runs on an H100 or H200.
  IREE does not know `sm_90` and newer, so those become `sm_89`.
"""

from __future__ import annotations

import ctypes
import difflib
import functools
import os
import platform
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from difc.errors import TargetError

__all__ = ["LESS_FUSION", "PLAIN_LOOPS", "PLAIN_LOOPS_FLAGS", "TARGETS", "TILE_REQUEST", "Target", "VectorUnit"]

LESS_FUSION = "--iree-dispatch-creation-enable-aggressive-fusion=false"
"""The flag for smaller kernels: right where larger ones do not compile; always on for Vulkan."""

PLAIN_LOOPS = "#iree_cpu.pipeline<Default>"
"""The way of IREE's on which linalg becomes loops over single numbers, which vectors are then made of by LLVM."""

PLAIN_LOOPS_FLAGS = ("--iree-llvmcpu-loop-vectorization=true", "--iree-llvmcpu-slp-vectorization=true")
"""The flags with which LLVM does: such loops then take a half to a quarter of the time."""

TILE_REQUEST = (158, 0x1023, 18)
"""The system call with which a process asks Linux on x86-64 for the registers of the tile unit: the number of
`arch_prctl`, its request for a permission, and that of tile data. It returns 0 if they are granted."""

# Of a profile without subgroup operations, widened to the element types that difc has.
_VULKAN_FEATURES = (
    "spirv:v1.3,cap:Shader,cap:Float64,cap:Int64,cap:Int16,cap:Int8,cap:Float16,cap:StorageBuffer8BitAccess,"
    "cap:StorageBuffer16BitAccess,ext:SPV_KHR_8bit_storage,ext:SPV_KHR_16bit_storage,"
    "ext:SPV_KHR_storage_buffer_storage_class"
)
_VULKAN_GPUS = (
    *("rdna1", "rdna2", "rdna3", "rdna4", "cdna1", "cdna2", "cdna3", "cdna4"),
    *("pascal", "volta", "turing", "ampere", "ada", "adreno", "valhall1", "valhall2", "valhall3", "valhall4"),
)
_CUDA_ARCHITECTURES = (60, 61, 62, 70, 72, 75, 80, 86, 87, 89)
_CUDA_DEFAULT = "sm_80"
_GPU_WORDS = ("amd", "gpu", "hip", "metal", "nvidia", "rocm")  # what other tools call them


@dataclass(frozen=True)
class _Row:
    """What all targets of one family share."""

    backend: str
    drivers: tuple[str, ...]
    options: tuple[str, ...]
    doc: str


_CPU_OPTIONS = (
    "--iree-llvmcpu-stack-allocation-limit=65536",
    # With symbols, but at debug level 0, the line of each kernel is read from memory that nothing was written to.
    "--iree-llvmcpu-debug-symbols=false",
)

TARGETS = {
    "cpu": _Row(
        "llvm-cpu",
        ("local-sync", "local-task"),
        ("--iree-llvmcpu-target-cpu=host", *_CPU_OPTIONS),
        "this machine's processor, with all its instructions",
    ),
    "cpu-generic": _Row(
        "llvm-cpu",
        ("local-sync", "local-task"),
        ("--iree-llvmcpu-target-cpu=generic", *_CPU_OPTIONS),
        "any processor of this machine's architecture",
    ),
    "vulkan": _Row(
        "vulkan-spirv",
        ("vulkan",),
        (
            "--iree-vulkan-target=vp_android_baseline_2022",
            f"--iree-vulkan-target-features={_VULKAN_FEATURES}",
            LESS_FUSION,
        ),
        "any Vulkan 1.1 device; vulkan:GPU (" + ", ".join(_VULKAN_GPUS) + ") for one kind",
    ),
    "cuda": _Row(
        "cuda",
        ("cuda",),
        (),
        f"NVIDIA GPUs; cuda:sm_60 to cuda:sm_89, {_CUDA_DEFAULT} by default",
    ),
}


@dataclass(frozen=True)
class VectorUnit:
    """What a processor has for vectors.

    Attributes:
      bytes: of a vector.
      registers: for vectors.
      fma: whether it multiplies and adds in one step.
      tiles: whether there is a unit that multiplies tiles of bfloat16 (AMX).
      threads: how many there are; for a processor that is not known, what is usual.
    """

    bytes: int
    registers: int
    fma: bool
    tiles: bool = False
    threads: int = 8


@dataclass(frozen=True)
class Target:
    """One thing to compile for.

    Attributes:
      name: the resolved name that artifacts record, such as `cuda:sm_80`.
      family: the row of `TARGETS`.
      options: IREE's flags for exactly this target.
      note: something that the user should know, or empty.
    """

    name: str
    family: str
    options: tuple[str, ...]
    note: str = ""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Return the target of a name.

        >>> Target.parse("cuda").name
        'cuda:sm_80'

        Raises:
          TargetError: for a name that is not known, with the closest one that is.
        """
        if not isinstance(text, str):
            raise TargetError(f"{text!r} is no target", remedy=f"name one of {', '.join(TARGETS)}")
        family, _, detail = text.strip().lower().partition(":")
        if family == "cuda":
            return _cuda(text, detail or _CUDA_DEFAULT)
        if family == "vulkan" and detail:
            if detail not in _VULKAN_GPUS:
                raise _unknown(text, [f"vulkan:{gpu}" for gpu in _VULKAN_GPUS])
            return cls(f"vulkan:{detail}", family, (f"--iree-vulkan-target={detail}", LESS_FUSION))
        if family not in TARGETS or detail:
            raise _unknown(text, [])
        return cls(family, family, TARGETS[family].options)

    @property
    def kind(self) -> str:
        """Return what lowering tells apart: "cpu", "vulkan" or "cuda"."""
        return self.family.partition("-")[0]

    @property
    def backend(self) -> str:
        """Return IREE's name of the code generator."""
        return TARGETS[self.family].backend

    @property
    def drivers(self) -> tuple[str, ...]:
        """Return the runtime drivers that can run the code; the first suits small modules best."""
        return TARGETS[self.family].drivers

    def flags(self, opt_level: int = 3) -> tuple[str, ...]:
        """Return the flags of one IREE session.

        >>> Target.parse("cuda:sm_75").flags(opt_level=2)[:2]
        ('--iree-hal-target-backends=cuda', '--iree-opt-level=O2')

        Args:
          opt_level: 0 to 3.

        Raises:
          TargetError: for another level.
        """
        if opt_level not in range(4):
            raise TargetError(f"there is no optimization level {opt_level!r}", remedy="use 0, 1, 2 or 3")
        return (
            f"--iree-hal-target-backends={self.backend}",
            f"--iree-opt-level=O{opt_level}",
            "--iree-input-type=none",  # with others' input dialects loaded, all of IREE's passes are a tenth slower
            "--iree-input-demote-f64-to-f32=false",
            # What it would compile to run at once goes past what `compile.py` does between phases; run when a module is
            # loaded, two numbers that one kernel computes become one (IREE 3.13).
            "--iree-opt-const-expr-hoisting=false",
            "--iree-dispatch-creation-fuse-multi-use=false",  # see the top
            # An artifact names no file of whoever compiled it, and is a fifth smaller. For processors see _CPU_OPTIONS.
            "--iree-vm-bytecode-module-strip-source-map=true",
            "--iree-hal-executable-debug-level=0",
            *self.options,
        )

    @property
    def vectors(self) -> VectorUnit | None:
        """Return the vector unit of a processor; for a GPU there is none to write kernels for."""
        if self.backend != "llvm-cpu":
            return None
        unit = self._unit(host_processor().split() if self.family == "cpu" else [])
        return replace(unit, threads=_threads()) if self.family == "cpu" else unit

    @staticmethod
    def _unit(features: list[str]) -> VectorUnit:
        if platform.machine() in ("aarch64", "arm64"):
            return VectorUnit(16, 32, fma=True)
        if "avx512f" in features:
            tiles = {"amx_tile", "amx_bf16"} <= set(features) and _grants_tiles()
            return VectorUnit(64, 32, fma=True, tiles=tiles)
        if {"avx2", "fma"} <= set(features):
            return VectorUnit(32, 16, fma=True)
        return VectorUnit(16, 16, fma=False)

    def fingerprint(self) -> str:
        """Return what, besides the flags, decides the machine code: for `cpu`, this machine's processor."""
        return f"{host_processor()}\n{self.vectors}" if self.family == "cpu" else ""


@functools.cache
def host_processor() -> str:
    """Return a text that differs between processors with different instructions."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return f"{platform.machine()} {platform.processor()}"
    wanted = re.compile(r"^(model name|flags|Features|CPU implementer|CPU part)\s*:.*$", re.MULTILINE)
    lines = {found.group(0) for found in wanted.finditer(info.read_text())}
    return "\n".join([platform.machine(), *sorted(lines)])


@functools.cache
def _grants_tiles() -> bool:
    """Ask Linux for the registers of the tile unit, as each process has to (kernels ask for themselves)."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return ctypes.CDLL(None).syscall(*TILE_REQUEST) == 0


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cuda(text: str, detail: str) -> Target:
    names = [f"sm_{number}" for number in _CUDA_ARCHITECTURES]
    note = ""
    digits = re.fullmatch(r"sm_(\d+)a?", detail)
    if digits and int(digits.group(1)) > _CUDA_ARCHITECTURES[-1]:
        note = f"IREE does not know {detail}; the driver compiles the {names[-1]} code for it when it is loaded"
        detail = names[-1]
    if detail not in names:
        raise _unknown(text, [f"cuda:{name}" for name in names])
    return Target(f"cuda:{detail}", "cuda", (f"--iree-cuda-target={detail}",), note)


def _unknown(text: str, details: list[str]) -> TargetError:
    known = [*TARGETS, *details]
    if text.strip().lower() in _GPU_WORDS:
        remedy = "use vulkan for a GPU of any kind, or cuda for one of NVIDIA"
        return TargetError(f"unknown target {text!r}; known: {', '.join(known)}", remedy=remedy)
    close = difflib.get_close_matches(text.strip().lower(), known, n=1, cutoff=0.5)
    remedy = f"did you mean {close[0]!r}?" if close else "pass one of these names"
    return TargetError(f"unknown target {text!r}; known: {', '.join(known)}", remedy=remedy)
