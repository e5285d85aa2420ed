"""What the tests of simplification share: programs from Python, simplified, with their loops to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.ad_pass.functions import expand_requests
from difc.dialects import ScanParts, context, functions_of, interpreter, scan_parts, yielded
from difc.dialects.mlir import ir
from difc.pipelines.simplify import simplify
from tests.programs import traced

__all__ = ["Loop", "Simplified", "all_ops"]


def all_ops(block: ir.Block) -> Iterator[Any]:
    """Return the ops of a block and of the bodies in it, without terminators."""
    for operation in list(block.operations)[:-1]:
        operation = operation.operation
        yield operation
        for region in operation.regions:
            yield from all_ops(region.blocks[0])


def names(operations: Any) -> list[str]:
    return [operation.name.split(".")[1] for operation in operations]


class Loop:
    """A scan of a simplified program."""

    def __init__(self, operation: Any) -> None:
        self.operation, self.parts = operation, scan_parts(operation)
        self.body = operation.regions[0].blocks[0]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How many carries, scanned arrays, constants and stacked results it has."""
        parts: ScanParts = self.parts
        carries = len(parts.carry)
        return carries, len(parts.xs), len(parts.consts), len(yielded(self.body)) - carries

    @property
    def ops(self) -> list[str]:
        """The names of the ops of its body."""
        return names(o.operation for o in list(self.body.operations)[:-1])


class Simplified:
    """A Python function, traced, with requests expanded, before and after simplification."""

    def __init__(self, fn: Callable[..., Any], *specs: Any) -> None:
        with context(), ir.Location.unknown():
            self.before = expand_requests(traced(fn, *specs))
            self.module = simplify(self.before)
            dif.verify(self.module)

    def check(self, *arrays: Any) -> Simplified:
        """Check that it computes the same as before."""
        given = [np.asarray(a) for a in arrays]
        wanted = interpreter.run(self.before, "f", *given)
        for a, b in zip(interpreter.run(self.module, "f", *given), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        return self

    @property
    def block(self) -> ir.Block:
        return functions_of(self.module)["f"].entry_block

    @property
    def ops(self) -> list[str]:
        """The names of the ops outside all bodies."""
        return names(o.operation for o in list(self.block.operations)[:-1])

    @property
    def counted(self) -> Counter[str]:
        """How often each op occurs, bodies included."""
        return Counter(names(all_ops(self.block)))

    @property
    def loops(self) -> Sequence[Loop]:
        return [Loop(o) for o in all_ops(self.block) if o.name == "fun.scan"]

    @property
    def loop(self) -> Loop:
        (found,) = self.loops
        return found
