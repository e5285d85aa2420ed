"""Upstream MLIR in, an artifact out: the text of a lowered module becomes the bytes of a `.vmfb`.

Imports no MLIR; `invocation.py` holds IREE. Invariants: the same text, target and options give the same bytes, and
every failure of IREE is a `CompileError`.

Choices, measured on IREE 3.13 (MLP training step 128x784x512x512x10 in f32, two cores):

- Matmuls. Those that are worth it come with a kernel of our own (`lowering/matmul.py`). With IREE's data tiling, which
  lays operands out in tiles, the step takes as long as with the kernel, and three times as long to compile.
- Fusion. Modules with run-time sizes are compiled with less of it (see `_RUN_TIME_SIZES`); a training step is as fast.
  Reductions fused with their producers can fail with "exceeded stack allocation limit" or "exceeded the limit" of
  shared memory. The module is then compiled again with less fusion.
- Tiles. Those of reductions are set anew where vectors do not fit the sizes (`tiles.py`): a softmax of [1000, 1000] in
  f32 takes 0.65 ms instead of 1.2 ms, one of [997, 101] along its columns 0.08 ms instead of 0.68 ms.
- Updates in place. Modules with control flow on the host, or that update an array which they use again, go through
  `staged.py`, where IREE updates in place, and rightly: an LSTM forward (T=64, B=16, D=64, H=128) takes 1.9 ms instead
  of 7.9 ms on local-sync.
- Verifying. For processors the module is verified after each phase, not after each of IREE's passes. That saves a sixth
  of the work, and kernels are translated in parallel: a thread of IREE that waits for a verification takes up the next
  kernel before it goes on, and in the end one thread has them all. Elsewhere the verifier is part of code generation:
  it rejects operations that a device lacks.
- Sessions are not reused: one costs 0.3 ms to open, and keeps all types and constants it has seen.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from difc import config
from difc.errors import CompileError
from difc.pipelines import cache
from difc.pipelines.bindings import check_bindings, fit_bindings
from difc.pipelines.branches import separate_values
from difc.pipelines.diagnostics import compile_error
from difc.pipelines.invocation import Invocation, StageFailure, is_forked, quiet
from difc.pipelines.ownership import has_shared_updates
from difc.pipelines.reduced_numbers import spread_numbers
from difc.pipelines.staged import has_host_control_flow, to_commands
from difc.pipelines.target import LESS_FUSION, PLAIN_LOOPS, PLAIN_LOOPS_FLAGS, Target
from difc.pipelines.tiles import fit_tiles
from difc.pipelines.versions import check_versions, installed_versions, source_digest
from difc.pipelines.vulkan import fit_commands, fit_numbers

__all__ = ["compile_module"]

_FUSION_FROM_LEVEL = 2  # below it, IREE fuses little anyway

# Tensors with run-time sizes. What IREE 3.13 fuses with a reduction of such a size can be silently wrong: a sum that a
# second one uses is several times too large where it is a result, too; two such sizes are taken for one another.
_RUN_TIME_SIZES = re.compile(r"tensor<(?:\d+x)*\?x")

# Locations, as MLIR prints them: they do not change the code, so moving a line in a file should not compile again.
_LOCATIONS = re.compile(r"^#loc\w* = loc\(.*\)\n?| loc\((?:#loc\w*|unknown)\)", re.MULTILINE)


def compile_module(text: str, target: Target, *, opt_level: int = 3, instead: Callable[[], str] | None = None) -> bytes:
    """Return the artifact of a module of upstream dialects.

    The result is taken from the disk cache if the same text was compiled with the same flags by the same version.

    >>> text = "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }"
    >>> isinstance(compile_module(text, Target.parse("cpu")), bytes)
    True

    Args:
      text: func, linalg, tensor, arith, math, scf, and operations of IREE's dialects in their generic form.
      target: what to compile for.
      opt_level: 0 to 3.
      instead: makes a module that computes the same, to compile where IREE fails.

    Raises:
      CompileError: if IREE fails, or the process was forked after it was loaded.
      VersionError: if the installed compiler is not the pinned one.
    """
    check_versions(["iree-base-compiler"])
    key = [
        _LOCATIONS.sub("", text),
        *target.flags(opt_level),
        target.fingerprint(),
        *installed_versions(["iree-base-compiler"]),
        source_digest(),
    ]
    return cache.load_or_compile(key, lambda: _compile(text, target, opt_level, instead))


def _compile(text: str, target: Target, opt_level: int, instead: Callable[[], str] | None = None) -> bytes:
    if is_forked():
        raise CompileError(
            "IREE's compiler cannot run here: this process was forked after it was loaded",
            remedy='compile before the fork, or start the process with multiprocessing.get_context("spawn")',
        )
    flags = target.flags(opt_level)
    if PLAIN_LOOPS in text:
        flags = (*flags, *PLAIN_LOOPS_FLAGS)
    if opt_level >= _FUSION_FROM_LEVEL and LESS_FUSION not in flags:
        if not _RUN_TIME_SIZES.search(_functions_of(text)):
            with contextlib.suppress(StageFailure):
                return _run(text, target, flags)
        # If fusion was not the reason, this attempt explains the failure: its kernels are the smallest.
        flags = (*flags, LESS_FUSION)
    try:
        return _run(text, target, flags)
    except StageFailure as failure:
        if instead is not None:
            return _compile(instead(), target, opt_level)
        full = config.get("traceback") == "full"
        raise compile_error(failure, text, target, flags) from (failure if full else None)


def _functions_of(text: str) -> str:
    """Return the text of a module without the kernels before its functions: all their sizes are run-time sizes."""
    return text.rpartition('"flow.executable_end"')[2]


def _run(text: str, target: Target, flags: tuple[str, ...]) -> bytes:
    on_vulkan = target.family == "vulkan"
    on_processor = target.backend == "llvm-cpu"
    with quiet(config.get("traceback") != "full"), Invocation(text, flags, verify_each=not on_processor) as run:
        if on_vulkan:
            with run.context:
                fit_numbers(run.module)
        in_stages = has_host_control_flow(run.module)  # first: IREE may make a select of it
        fit_bindings(run)
        with run.context:
            in_stages = in_stages or has_shared_updates(run.module)
        if in_stages:
            to_commands(run)
        else:
            run.to_phase("stream", after="dispatch-creation")
        with run.context:
            if on_vulkan:
                fit_commands(run.module)
            check_bindings(run.module)
        run.to_phase("executable-configurations", after="stream")
        with run.context:
            spread_numbers(run.module)
            if target.vectors is not None:
                fit_tiles(run.module, target.vectors.bytes)
        run.to_phase("executable-targets", after="executable-configurations")
        run.to_phase("vm", after="executable-targets")
        with run.context:
            separate_values(run.module)
        return run.to_bytecode(after="vm")
