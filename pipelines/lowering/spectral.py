"""Orthogonal factorisations: programs of the dialect (`spectral_programs.py`), of which only what is used is lowered."""

from __future__ import annotations

from functools import partial
from typing import Any

from difc import dialects as dif
from difc.pipelines.lowering import spectral_programs
from difc.pipelines.lowering.composition import composed, composed_used
from difc.pipelines.lowering.context import Context, Out, lowering
from difc.pipelines.lowering.values import Value

__all__: list[str] = []


@lowering(dif.qr, dif.eigh, dif.svd)
def _(c: Context, outs: list[Out], x: Value, **attributes: Any) -> list[Value]:
    operation = outs[0].operation
    program = getattr(spectral_programs, operation.name.removeprefix("dif."))
    return composed_used(c, operation, partial(program, **attributes), x)


@lowering(dif.pinv)
def _(c: Context, out: Out, x: Value, rtol: Value) -> Value:
    return composed(c, spectral_programs.pinv, x, rtol)[0]
