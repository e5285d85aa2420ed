"""Running the command in this process, and a model for it to work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from difc.cli.app import app

MODEL = '''
import numpy as np
import difc
from difc import f32

PARAMS = {"w": f32[3, 2], "b": f32[2]}


@difc.export
def loss(params: PARAMS, x: f32["batch", 3]):
    """Mean square of an affine map.

    Of each row.
    """
    y = x @ params["w"] + params["b"]
    return np.mean(y * y)


@difc.export
def gradients(params: PARAMS, x: f32["batch", 3]):
    return difc.value_and_grad(loss)(params, x)
'''

#: Inputs that fit its entry `loss`, as text.
FITTING = ["-i", "2xf32=1", "-i", "3x2xf32=1", "-i", "4x3xf32=1"]


def difc_command(*arguments: object) -> Any:
    """Run the command and return click's result."""
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def succeeds(*arguments: object) -> str:
    """Return what a command that ends with status 0 prints."""
    done = difc_command(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def fails(*arguments: object, status: int = 1) -> str:
    """Return what a command that ends with that status says on standard error."""
    done = difc_command(*arguments)
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    assert done.stdout == ""
    return done.stderr


def reference(folder: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the loss of the example arguments and its gradients."""
    b, w, x = np.load(folder / "named.npz").values()
    y = x @ w + b
    return float(np.mean(y * y)), np.sum(2 * y, axis=0) / y.size, x.T @ (2 * y) / y.size
