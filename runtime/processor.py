"""The instructions of this machine's processor: what artifacts record of it, and the check of a recorded one.

An artifact for `cpu` holds code for the processor it was compiled on; on a lesser one, the process would die of an
illegal instruction in the middle of a call. Owns the names of what matters. Imports no compiler and no IREE.
"""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from difc.errors import ArtifactError

__all__ = ["check_processor", "this_processor"]

_CPUINFO = Path("/proc/cpuinfo")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# Linux's names of the instructions that code for arrays is made of; others (cryptography, virtualization) never are.
_INSTRUCTIONS = re.compile(
    r"pni|ssse3|sse4_1|sse4_2|sse4a|popcnt|abm|movbe|gfni|bmi[12]|tbm|f16c|fma4?|xop|avx\w*|amx\w*"  # x86
    r"|asimd\w*|fphp|fcma|jscvt|atomics|i8mm|bf16|sve\w*|sme\w*"  # Arm
)


def this_processor(generic: bool = False) -> dict[str, Any]:
    """Return the architecture, and the instructions beyond its least ones where the system says (else None).

    Args:
      generic: describe any processor of this architecture.

    Example:
      >>> this_processor(generic=True)  # doctest: +SKIP
      {'architecture': 'x86_64', 'instructions': []}
    """
    machine = platform.machine().lower()
    instructions = _instructions()
    found = [] if generic else None if instructions is None else sorted(instructions)
    return {"architecture": _ARCHITECTURES.get(machine, machine), "instructions": found}


def check_processor(needed: Mapping[str, Any], name: str) -> None:
    """Check that code for the processor that `this_processor` described runs here; what is not known is allowed.

    Raises:
      ArtifactError: names what is missing.
    """
    architecture = needed.get("architecture")
    here = this_processor()["architecture"]
    if architecture and architecture != here:
        raise ArtifactError(
            f"{name} is compiled for `{architecture}` processors, and this machine is `{here}`",
            remedy="compile the model on a machine like this one",
        )
    instructions = _instructions()
    if instructions is None:
        return
    missing = [instruction for instruction in needed.get("instructions") or () if instruction not in instructions]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise ArtifactError(
            f"{name} is compiled for another processor, with instructions that this one does not have: {shown}",
            remedy='compile it with target="cpu-generic" for any processor, or on this machine',
        )


@functools.cache
def _instructions() -> frozenset[str] | None:
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return None  # not Linux
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    if not lines:
        return None
    common = frozenset.intersection(*(frozenset(line.split()) for line in lines))
    return frozenset(filter(_INSTRUCTIONS.fullmatch, common))
