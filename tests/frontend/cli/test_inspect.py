"""`difc inspect` and `difc targets`."""

from __future__ import annotations

import json
from pathlib import Path

import difc
from difc.cli.console import size_text
from difc.runtime import available
from tests.frontend.cli.commands import succeeds


def test_inspect_shows_entries_signatures_and_origin(artifact: Path) -> None:
    said = succeeds("inspect", artifact)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    size = artifact.stat().st_size
    assert lines[0] == f"{artifact}: {size_text(size)} for cpu (runs best on local-sync)"
    assert lines[1].startswith(f"compiled by difc {difc.__version__}, IREE ")
    assert "loss(params, x)" in lines
    assert "Mean square of an affine map." in lines
    assert "Of each row." in lines
    assert "takes params['b'] float32[2] 8 B" in lines
    assert "x float32['batch', 3] 12 B x batch" in lines
    assert "gives result[0] float32[] 4 B" in lines


def test_inspect_as_json(artifact: Path) -> None:
    facts = json.loads(succeeds("inspect", artifact, "--json"))
    assert facts["target"] == "cpu"
    assert facts["size"] == artifact.stat().st_size
    assert {"driver", "difc", "iree", "opt_level", "path"} < set(facts)
    loss, gradients = facts["entries"]
    assert loss["name"] == "loss"
    assert loss["arguments"] == ["params", "x"]
    assert loss["doc"].startswith("Mean square")
    assert loss["inputs"][2] == {"name": "x", "dtype": "float32", "shape": ["batch", 3]}
    assert [o["name"] for o in gradients["outputs"]] == ["result[0]", "result[1]['b']", "result[1]['w']"]


def test_an_artifact_for_an_absent_device_can_be_made_and_inspected(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text("import difc\n@difc.export\ndef add(x: difc.f32[8]):\n    return x + x\n")
    succeeds("compile", tmp_path / "add.py", "--target", "cuda")
    said = succeeds("inspect", tmp_path / "add.vmfb")
    assert "for cuda:sm_80 (runs best on cuda)" in said


def test_targets_say_what_compiles_and_what_runs_here() -> None:
    said = succeeds("targets")
    rows = {line.split()[0]: line for line in said.splitlines() if line}
    assert "yes" in rows["cpu-generic"]
    for name, reason in available().items():
        assert f"no: {reason}" in rows[name] if reason else rows[name].endswith("yes")
