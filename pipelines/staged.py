"""Updates in place through IREE: in host loops, where every carried tensor owns its buffer, and of what is read too.

IREE 3.13 has faults in loops on the host. Carried tensors are copied whole in every step (1.7 ms for a
[1000, 4096] tape), because the copies at the head of a body have no source affinity. And where copies are elided they
are elided wrongly: two carries that start from one value, or that are yielded one value, share a buffer; a tensor from
outside that a body updates accumulates over the steps (this one without any of our doing). Equal buffers, made anew for
each of several updates, are merged into one when nothing copies them any more. After a loop of zero steps, results have
wrong offsets in a shared allocation, or memory that was given back. And a branch of the VM that passes one buffer twice
can lose it (`branches.py`).

It has two more without loops. What an array is updated with is computed into that array at once, though others have
still to read it. And kernels that may run together are sorted by what they need, an update before those who read.

So modules with either are compiled in steps: up to IREE's stream dialect; `own_carries` gives the copies their affinity
and puts a copy at each place where a carry would not own its buffer; then the same passes as IREE's, but the copies are
hidden from copy elision, kernels keep their order, scf becomes cf before memory is planned, and offsets are spelled out
for IREE's range analysis (`alignment.py`). A step of a loop then costs 3.4 us on local-sync for any tape.

What the lowering needs to know (all of it is tested with numbers):

- A tape may start from `tensor.empty`, or from `"flow.tensor.alloca"() : () -> tensor<100x8xf32>`, with one index
  operand for each dynamic dimension: `"flow.tensor.alloca"(%n) : (index) -> tensor<?x8xf32>`. Both cost nothing.
- Any other start (fill, constant, argument, a value used again) costs one copy for each loop, not for each step.
- Update a carry last: reading its old value after the update, yielding one value for two carries, or updating a tensor
  of the enclosing scope copies it in every step.
- `arith.fptosi` on the host rounds to nearest where it should truncate; do such conversions inside a linalg op.
- Only structured control flow (scf) is supported.
"""

from __future__ import annotations

from typing import Any

from difc.pipelines.alignment import spell_out_alignment
from difc.pipelines.invocation import Invocation
from difc.pipelines.operations import operations
from difc.pipelines.ownership import CONTROL, hide_copies, keep_apart, keep_order, own_carries, show_copies
from difc.pipelines.partitions import cut_at_control, repeat_between_cuts
from difc.pipelines.while_form import align_whiles

__all__ = ["has_host_control_flow", "to_commands"]

_FUNCTIONS = ("util.func", "util.initializer")


def _on_functions(*passes: str) -> str:
    return ",".join(f"{function}({','.join(passes)})" for function in _FUNCTIONS)


# IREE's stream pipeline, cut where the module has to be edited. The stages are its own, in its order.
_CLEANUP = "iree-stream-cleanup-pipeline"
_TO_STREAM = "iree-stream-tensor-transformation-pipeline"
_TO_ELISION = ",".join(
    (
        "iree-stream-specialize-encodings",
        _on_functions("iree-stream-encode-host-tensors"),
        "stream.executable(iree-stream-encode-device-tensors)",
        "iree-stream-materialize-encodings",
        _on_functions("iree-stream-layout-slices"),
        _CLEANUP,
        "iree-stream-verify-lowering-to-async-resources",
        _on_functions("iree-stream-materialize-copy-on-write", "canonicalize"),
        "iree-stream-elide-async-copies",
    )
)
_TO_USAGE = ",".join(
    (
        _on_functions("canonicalize", "iree-stream-emplace-allocations"),
        "iree-stream-refine-usage",
        _on_functions("canonicalize"),
    )
)
_ELISION = "iree-stream-elide-async-copies"
_TO_EXECUTION = ",".join(
    (
        _CLEANUP,
        "iree-stream-verify-async-access-ranges",
        "iree-stream-place-transfer-executions",
    )
)
_TO_SLICES = ",".join(
    (
        _on_functions("iree-stream-schedule-execution", "iree-stream-schedule-concurrency"),
        "iree-stream-sync-initializers",
        "iree-stream-propagate-timepoints",
        "iree-stream-materialize-builtins",
        _CLEANUP,
        "iree-stream-verify-lowering-to-async",
        "iree-stream-schedule-allocation",
        "iree-stream-emplace-transients",
        "iree-stream-materialize-transient-size-queries",
        _on_functions("iree-stream-pack-constants", "iree-stream-layout-slices"),
    )
)
_TO_COMMANDS = ",".join(
    (
        _on_functions("canonicalize"),
        # As scf, a loop of no step would lose its results' offsets here; any earlier, and IREE memoizes wrong commands.
        _on_functions("convert-scf-to-cf"),  # not in kernels: bodies of linalg ops may have loops
        "iree-util-propagate-subranges",
        _CLEANUP,
        "iree-stream-automatic-reference-counting",
        "iree-stream-annotate-constant-transient-size",
        "iree-stream-verify-lowering-to-cmd",
        "iree-stream-optimization-pipeline",
        _CLEANUP,
        "symbol-dce",
    )
)


def has_host_control_flow(module: Any) -> bool:
    """Return whether a function of the module has scf ops outside the bodies of linalg ops and kernels."""
    return any(op.name in CONTROL and _on_host(op) for op in operations(module))


def to_commands(run: Invocation) -> None:
    """Take a module that updates in place from dispatch creation to the end of IREE's stream phase.

    Raises:
      StageFailure: from the step that failed.
    """
    run.to_phase("flow", after="dispatch-creation")
    run.passes("stream", _CLEANUP)
    with run.context:
        align_whiles(run.module)
    run.passes("stream", _TO_STREAM)
    with run.context:
        own_carries(run.module)
    run.passes("stream", _TO_ELISION)
    with run.context:
        show_copies(run.module)
    run.passes("stream", _TO_USAGE)
    with run.context:
        hide_copies(run.module)
    run.passes("stream", _ELISION)
    with run.context:
        show_copies(run.module)
        keep_apart(run.module)
        cut_at_control(run.module)
        keep_order(run.module)
    run.passes("stream", _TO_EXECUTION)
    with run.context:
        repeat_between_cuts(run.module)
    run.passes("stream", _TO_SLICES)
    with run.context:
        spell_out_alignment(run.module)
    run.passes("stream", _TO_COMMANDS)


def _on_host(op: Any) -> bool:
    while (op := op.parent.operation) is not None and op.name in CONTROL:
        pass
    return op is not None and op.name in ("func.func", "util.func", "util.initializer")
