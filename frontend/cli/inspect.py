"""`difc inspect` and `difc targets`: what an artifact has, and what this machine can do.

Invariant: an artifact is shown without running code of it, so its device need not be here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from difc.cli.console import print_table, size_text
from difc.errors import VersionError
from difc.runtime.signature import ArraySpec, Signature

__all__ = ["inspect_artifact", "show_targets"]


def inspect_artifact(artifact: Path, as_json: bool) -> None:
    """Print what an artifact says about itself.

    Args:
      artifact: the file.
      as_json: as one JSON object, for programs.
    """
    from difc.runtime.module import read_signatures

    signatures = read_signatures(artifact)
    facts = _facts(artifact, signatures)
    if as_json:
        typer.echo(json.dumps({**facts, "entries": [_entry_facts(s) for s in signatures.values()]}, indent=2))
        return
    level = facts["opt_level"]
    made_by = f"difc {facts['difc']}, IREE {facts['iree']}" + ("" if level is None else f", -O{level}")
    typer.echo(f"{artifact}: {size_text(facts['size'])} for {facts['target']} (runs best on {facts['driver']})")
    typer.echo(f"compiled by {made_by}")
    for signature in signatures.values():
        typer.echo(f"\n{signature.entry}({', '.join(signature.arg_names)})")
        for line in signature.meta.get("doc", "").splitlines():
            typer.echo(f"  {line}".rstrip())
        rows = [
            [what if index == 0 else "", spec.name, str(spec), _bytes(spec)]
            for what, specs in (("takes", signature.inputs), ("gives", signature.outputs))
            for index, spec in enumerate(specs)
        ]
        print_table(["", "name", "type", "size"], rows, indent=2)


def _facts(artifact: Path, signatures: dict[str, Signature]) -> dict[str, Any]:
    meta = next(iter(signatures.values())).meta
    known = {key: meta.get(key) for key in ("target", "driver", "difc", "iree", "opt_level")}
    return {"path": str(artifact), "size": artifact.stat().st_size, **known}


def _entry_facts(signature: Signature) -> dict[str, Any]:
    def arrays(specs: Sequence[ArraySpec]) -> list[dict[str, Any]]:
        return [{"name": spec.name, "dtype": spec.dtype.name, "shape": list(spec.shape)} for spec in specs]

    return {
        "name": signature.entry,
        "doc": signature.meta.get("doc", ""),
        "arguments": list(signature.arg_names),
        "inputs": arrays(signature.inputs),
        "outputs": arrays(signature.outputs),
    }


def _bytes(spec: ArraySpec) -> str:
    """Return the size of an array, with the names of its dynamic dims."""
    known = spec.dtype.itemsize
    for dim in spec.shape:
        known *= dim if isinstance(dim, int) else 1
    return " x ".join([size_text(known), *(dim for dim in spec.shape if isinstance(dim, str))])


def show_targets() -> None:
    """Print the targets with whether the compiler for them is here, and the devices with whether they are present."""
    from difc.pipelines.target import TARGETS
    from difc.pipelines.versions import check_versions
    from difc.runtime.device import available

    try:
        check_versions()
        compiles = "yes"
    except VersionError as error:
        compiles = f"no: {error.message}; {error.remedy}"
    rows = [[name, compiles, ", ".join(row.drivers), row.doc] for name, row in TARGETS.items()]
    print_table(["target", "compiles here", "runs on", "what it is for"], rows)
    typer.echo("")
    devices = [[name, "yes" if reason is None else f"no: {reason}"] for name, reason in available().items()]
    print_table(["device", "present here"], devices)
