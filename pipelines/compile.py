"""Upstream MLIR in, an artifact out: the text of a lowered module becomes the bytes of a `.vmfb`.

Imports no MLIR; `invocation.py` holds IREE. Invariants: the same text, target and options give the same code, and
every failure of IREE is a `CompileError`.

Choices, measured on IREE 3.13 (MLP training step 128x784x512x512x10 in f32, two cores):

- Matmuls. `linalg.matmul` with explicit transposes, with transposed indexing maps, and `linalg.generic` contractions
  are equally fast (2.6 ms on local-task, 4.7 ms on local-sync), and data tiling gains 10 to 15 % (2.35 ms, 4.0 ms) for
  0.7 s more compile time. It is on if the lowering left hints, and then IREE tiles nothing else: within a loop small
  operands would be laid out anew in every step (an LSTM takes 3.1 ms instead of 1.9 ms). Shapes that IREE cannot tile
  fail with "large vector sizes"; the module is then compiled again without.
- Fusion. Reductions of run-time size, fused with their producers, can fail with "exceeded stack allocation limit" or
  "exceeded the limit" of shared memory (a mean over a gather, a softmax loss over a run-time batch). The module is then
  compiled again with less fusion.
- Loops. Modules with control flow on the host go through `staged.py`, which makes loops update in place, and rightly:
  an LSTM forward (T=64, B=16, D=64, H=128) takes 1.9 ms instead of 7.9 ms on local-sync.
- Sessions are not reused: one costs 0.3 ms to open, and keeps all types and constants it has seen.
"""

from __future__ import annotations

import contextlib
import re

from difc import config
from difc.pipelines import cache
from difc.pipelines.diagnostics import compile_error
from difc.pipelines.invocation import Invocation, StageFailure, quiet
from difc.pipelines.lowering.tiling import HINT
from difc.pipelines.staged import compile_staged, has_host_control_flow
from difc.pipelines.target import DATA_TILING, LESS_FUSION, Target
from difc.pipelines.versions import check_versions, installed_versions, source_digest

__all__ = ["compile_module"]

_TILING_FROM_LEVEL = 2
_FUSION_FROM_LEVEL = 2  # below it, IREE fuses little anyway

# Locations, as MLIR prints them: they do not change the code, so moving a line in a file should not compile again.
_LOCATIONS = re.compile(r"^#loc\w* = loc\(.*\)\n?|\s*\bloc\((?:#loc\w*|unknown)\)", re.MULTILINE)


def compile_module(text: str, target: Target, *, opt_level: int = 3, staged: bool | None = None) -> bytes:
    """Return the artifact of a module of upstream dialects.

    The result is taken from the disk cache if the same text was compiled with the same flags by the same version.

    >>> text = "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }"
    >>> isinstance(compile_module(text, Target.parse("cpu")), bytes)
    True

    Args:
      text: func, linalg, tensor, arith, math, scf, and operations of IREE's dialects in their generic form.
      target: what to compile for.
      opt_level: 0 to 3.
      staged: whether to take the way for host control flow; found out by default. Without it IREE 3.13 can give wrong
        numbers for loops.

    Raises:
      CompileError: if IREE fails.
      VersionError: if the installed compiler is not the pinned one.
    """
    check_versions(["iree-base-compiler"])
    tiling = target.data_tiling and opt_level >= _TILING_FROM_LEVEL and HINT in text
    key = [
        _LOCATIONS.sub("", text),
        *target.flags(opt_level),
        f"staged={staged} tiling={tiling}",
        target.fingerprint(),
        *installed_versions(["iree-base-compiler"]),
        source_digest(),
    ]
    return cache.load_or_compile(key, lambda: _compile(text, target, opt_level, staged, tiling))


def _compile(text: str, target: Target, opt_level: int, staged: bool | None, tiling: bool) -> bytes:
    plain = target.flags(opt_level)
    attempts = [(*plain, DATA_TILING)] if tiling else []
    attempts.append(plain)
    if opt_level >= _FUSION_FROM_LEVEL and LESS_FUSION not in plain:
        attempts.append((*plain, LESS_FUSION))
    # If none of this was the reason, the last attempt explains the failure: its kernels are the smallest.
    *attempts, flags = attempts
    for others in attempts:
        with contextlib.suppress(StageFailure):
            return _run(text, others, staged)
    try:
        return _run(text, flags, staged)
    except StageFailure as failure:
        full = config.get("traceback") == "full"
        raise compile_error(failure, text, target, flags) from (failure if full else None)


def _run(text: str, flags: tuple[str, ...], staged: bool | None) -> bytes:
    with quiet(config.get("traceback") != "full"), Invocation(text, flags) as run:
        if has_host_control_flow(run.module) if staged is None else staged:
            return compile_staged(run)
        return run.to_bytecode()
