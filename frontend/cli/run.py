"""`difc run`: call an entry of an artifact on arrays of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from difc.cli.arrays import assign_inputs, check_result_file, example_text, save_results
from difc.cli.console import check_writable
from difc.errors import InputError
from difc.runtime.arguments import Dims, as_argument
from difc.runtime.module import load

__all__ = ["run_entry"]


def run_entry(
    artifact: Path, entry: str | None, inputs: Sequence[str], output: Path | None, device: str | None
) -> None:
    """Load an artifact, call an entry, and print the results, each with its name, dtype and shape.

    Args:
      artifact: the file.
      entry: the name of the entry, which may be left out where there is one.
      inputs: files and texts; see `assign_inputs`.
      output: an .npz file for the results.
      device: the name of a device, else the artifact's own choice.
    """
    module = load(artifact, device)
    if entry is None and len(module.entries) > 1:
        raise InputError(
            f"`{artifact}` has {len(module.entries)} entries", remedy=f"name one: {', '.join(module.entries)}"
        )
    signature = module.signature(entry)
    call = module.entries[signature.entry]
    if output is not None:
        with check_writable(output):
            check_result_file(output, len(signature.outputs))
    dims: Dims = {}
    arguments = []
    for (array, source), spec in zip(assign_inputs(inputs, signature.inputs, call.name), signature.inputs, strict=True):
        try:
            arguments.append(as_argument(array, spec, module.device, dims, call.name))
        except InputError as error:
            text = f"use a file of {spec.dtype.name} numbers, or text such as --input {example_text(spec)}"
            remedy = error.remedy if array.dtype == spec.dtype else text
            raise InputError(f"--input {source}: {error.message}", remedy=remedy) from error
    results = {
        spec.name or f"result{i}": np.asarray(value)
        for i, (spec, value) in enumerate(zip(signature.outputs, call.call_leaves(arguments), strict=True))
    }
    for name, array in results.items():
        shape = ", ".join(map(str, array.shape))
        typer.echo(f"{name}: {array.dtype.name}[{shape}]\n{array}")
    if output is not None:
        with check_writable(output):
            save_results(output, results)
