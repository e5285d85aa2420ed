"""Transposes of linear functions: partial cotangents, sums of several uses, run-time sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.ad_pass.functions import Derivatives, Forward
from difc.dialects import context, functions_of, interpreter
from difc.dialects.mlir import ir
from tests.pipelines.passes import all_ops
from tests.programs import traced

f64 = difc.f64


class Halves:
    """A function, linearized in all of its arguments, with the two halves to run."""

    def __init__(self, fn: Any, *specs: Any) -> None:
        with context(), ir.Location.unknown():
            self.derivatives = Derivatives(traced(fn, *specs))
            self.forward: Forward = self.derivatives.linearize("f", (True,) * len(specs))

    def residuals(self, *primals: np.ndarray) -> list[np.ndarray]:
        outs = interpreter.run(self.derivatives.module, self.forward.fwd, *primals)
        return list(outs[len(outs) - self.forward.num_residuals :])

    def transpose(self, mask: tuple[bool, ...] | None = None) -> str:
        with context(), ir.Location.unknown():
            name = self.derivatives.transpose(self.forward.lin, mask)
            dif.verify(self.derivatives.module)
            return name

    def run(self, name: str, *arrays: np.ndarray) -> list[np.ndarray]:
        return list(interpreter.run(self.derivatives.module, name, *arrays))

    def ops(self, name: str) -> list[str]:
        return [o.name.split(".")[1] for o in all_ops(functions_of(self.derivatives.module)[name].entry_block)]


x, y = np.linspace(0.2, 1.0, 3), np.linspace(-1.0, 1.0, 3)


def test_a_value_used_twice_sums_its_cotangents() -> None:
    halves = Halves(lambda a: a + 2.0 * a, f64[3])
    name = halves.transpose()
    np.testing.assert_allclose(halves.run(name, *halves.residuals(x), y)[0], 3 * y)


@pytest.mark.parametrize("mask", [(True, False), (False, True), (True, True), (False, False)])
def test_partial_cotangents(mask: tuple[bool, bool]) -> None:
    halves = Halves(lambda a, b: (a * b, np.sin(b)), f64[3], f64[3])
    cts = [np.ones(3) * 2.0, np.ones(3) * 3.0]
    given = [ct for ct, m in zip(cts, mask, strict=True) if m]
    ct_a, ct_b = halves.run(halves.transpose(mask), *halves.residuals(x, y), *given)
    first, second = (ct * m for ct, m in zip(cts, mask, strict=True))
    np.testing.assert_allclose(ct_a, first * y)
    np.testing.assert_allclose(ct_b, first * x + second * np.cos(y))


def test_code_that_no_cotangent_reaches_is_not_made() -> None:
    halves = Halves(lambda a, w: (a * 2.0, w @ a), f64[3], f64[3, 3])
    assert "dot_general" not in halves.ops(halves.transpose((True, False)))


def test_an_argument_that_nothing_flows_to_gets_zeros_of_its_run_time_size() -> None:
    halves = Halves(lambda a, b: (np.sum(a), np.sin(b)), f64["n"], f64["m", 2])
    primals = [np.ones(5), np.ones((4, 2))]
    ct_a, ct_b = halves.run(halves.transpose((True, False)), *halves.residuals(*primals), np.float64(2))
    np.testing.assert_array_equal(ct_a, np.full(5, 2.0))
    np.testing.assert_array_equal(ct_b, np.zeros((4, 2)))


def test_the_transpose_does_not_run_the_primal() -> None:
    halves = Halves(lambda a: np.sum(np.exp(np.sin(a)), axis=0), f64["n", 2])
    assert not {"sin", "exp", "cos"} & set(halves.ops(halves.transpose()))


def test_linear_code_is_transposed_twice_to_itself() -> None:
    """The transpose of the transpose of a matrix product is the product."""
    halves = Halves(lambda a: np.arange(6.0).reshape(2, 3) @ a, f64[3])
    bwd = halves.transpose()
    np.testing.assert_allclose(
        halves.run(bwd, *halves.residuals(x), np.array([1.0, -1.0]))[0], np.arange(6.0).reshape(2, 3).T @ [1.0, -1.0]
    )
