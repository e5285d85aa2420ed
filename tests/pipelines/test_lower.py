"""The lowering as a whole: signatures, boundaries, errors, golden IR, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, I64, Aval, context
from difc.dialects.mlir import ir
from difc.errors import UnsupportedError
from difc.pipelines.lower import lower
from tests.golden import IR, check_file
from tests.pipelines.lowered import build, check, text_of

VECTOR = Aval((4,), F32)


def _parsed(text: str) -> ir.Module:
    with context():
        return ir.Module.parse(text)


def _lowered_text(text: str) -> str:
    module = _parsed(text)
    dif.verify(module)
    lowered = lower(module, target_kind="cpu")
    lowered.operation.verify()
    return str(lowered)


@pytest.mark.parametrize("path", sorted((IR / "lower").glob("*.mlir")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    check_file(path, _lowered_text)


def test_the_input_is_left_alone() -> None:
    module = build({"f": (lambda x: dif.reduce_sum(dif.exp(x), axes=(0,)), [VECTOR])})
    before = str(module)
    lower(module, target_kind="cpu")
    assert str(module) == before


def test_reflection_is_an_attribute_of_its_function() -> None:
    module = build({name: (dif.exp, [VECTOR]) for name in ("f", "g")})
    text = str(lower(module, target_kind="cpu", reflection={"g": {"difc.signature": "{}"}}))
    assert "@g(%arg0: tensor<4xf32>) -> tensor<4xf32> attributes {iree.reflection = {difc.signature" in text
    assert text.count("iree.reflection") == 1


def test_private_functions_are_left_out() -> None:
    module = build({"f": (dif.exp, [VECTOR]), "helper": (dif.exp, [VECTOR])})
    dif.functions_of(module)["helper"].attributes["sym_visibility"] = ir.StringAttr.get("private", module.context)
    assert "helper" not in str(lower(module, target_kind="cpu"))


def test_what_is_returned_has_the_declared_type() -> None:
    """A size known only to the lowering stays out of the signature."""
    five = lambda: dif.zeros(shape=(dif.constant(value=np.int64(5)),), dtype=F32)  # noqa: E731
    assert "-> tensor<?xf32> {" in text_of(five, [])


def test_arguments_and_constants_may_be_returned() -> None:
    ramp = np.arange(6, dtype=np.float32).reshape(2, 3)
    emit = lambda x: (x, x, dif.constant(value=ramp), dif.transpose(x, permutation=(1, 0)), dif.dim(x, dimension=0))  # noqa: E731
    check({"f": (emit, [Aval((DYN, 3), F32)], [ramp])})


def test_arrays_without_elements() -> None:
    empty = Aval((0, 3), F32)
    check(
        {
            "reduced": (lambda x: dif.reduce_sum(x, axes=(0,)), [empty], [np.zeros((0, 3))]),
            "largest": (lambda x: dif.reduce_max(x, axes=(0,)), [empty], [np.zeros((0, 3))]),
            "mapped": (lambda x: dif.exp(x), [empty], [np.zeros((0, 3))]),
            "padded": (
                lambda x: dif.pad(x, dif.constant(value=np.float32(7)), low=(1, 0), high=(1, -1), interior=(0, 1)),
                [empty],
                [np.zeros((0, 3))],
            ),
            "joined": (
                lambda x, y: dif.concatenate(x, y, dimension=0),
                [empty, Aval((2, 3), F32)],
                [np.zeros((0, 3)), np.ones((2, 3))],
            ),
            "reshaped": (lambda x: dif.reshape(x, shape=(3, 0, 2)), [empty], [np.zeros((0, 3))]),
            "dotted": (
                lambda x: dif.dot_general(x, x, lhs_batch=(), rhs_batch=(), lhs_contract=(0,), rhs_contract=(0,)),
                [Aval((DYN, 3), F32)],
                [np.zeros((0, 3))],
            ),
        }
    )


def test_pads_that_remove_elements() -> None:
    """Some of the array, all of it, or elements of the padding beyond it."""
    edges = {
        "some": ((-1, 0), (2, -2)),
        "all": ((-2, 0), (3, 0)),
        "beyond": ((-5, 6), (4, -9)),
        "rest": ((2, 0), (-3, 0)),
    }

    def padded(low: tuple[int, ...], high: tuple[int, ...]) -> Callable[..., Any]:
        return lambda x: dif.pad(x, dif.constant(value=np.float32(7)), low=low, high=high, interior=(0, 0))

    x = np.arange(8).reshape(2, 4)
    for sizes in ((2, 4), (DYN, DYN)):
        check({name: (padded(*pair), [Aval(sizes, F32)], [x]) for name, pair in edges.items()})


LOCATED = """
func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {
  %y = "dif.sin"(%x) : (tensor<3xf64>) -> tensor<3xf64> loc("jvp(sin)"("model.py":12:7))
  return %y : tensor<3xf64>
}
"""


def test_an_op_without_a_lowering_is_named_with_its_line() -> None:
    text = LOCATED.replace('"dif.sin"', '"fun.call"').replace("(%x)", "(%x) {callee = @f}")
    with pytest.raises(UnsupportedError, match=r"'fun.call' has no lowering\n  model.py:12:7(.|\n)*inline calls"):
        lower(_parsed(text), target_kind="cpu")


def test_sizes_never_come_from_the_device() -> None:
    """Arithmetic on sizes is done on the host: the device is asked for none of it."""

    def emit(x: ir.Value) -> ir.Value:
        n = dif.dim(x, dimension=0)
        half = dif.div(dif.add(n, dif.constant(value=np.int64(1))), dif.constant(value=np.int64(2)))
        y = dif.broadcast_in_dim(dif.convert(n, dtype=F32), shape=(half, 2), dimensions=())
        return dif.mul(y, y)

    text = text_of(emit, [Aval((DYN,), F32)])
    assert "tensor.extract" not in text
    assert "tensor.from_elements" not in text
    check(
        {
            "f": (emit, [Aval((DYN,), F32)], [np.zeros(5)]),
            "size": (lambda x: dif.dim(x, dimension=0), [Aval((DYN,), I64)], [np.zeros(3)]),
        }
    )


def test_long_chains_of_elementwise_ops_become_several_kernels() -> None:
    def chain(x: ir.Value) -> ir.Value:
        total = x
        for _ in range(50):
            x = dif.tanh(x)
            total = dif.add(total, x)
        return total

    assert text_of(chain, [VECTOR]).count("compute_barrier.start") == 2
    check({"f": (chain, [VECTOR], [np.linspace(-2, 2, 4)])})
