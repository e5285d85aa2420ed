"""What is stored between the two halves of a derivative, and the check of the linear half."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.ad_pass.functions import Derivatives, Forward
from difc.ad_pass.registry import JVP, LINEAR_SLOTS, LINEARIZE, TRANSPOSE
from difc.dialects import aval_of, context, functions_of
from difc.dialects.mlir import ir
from difc.errors import NotDifferentiableError
from tests.harness import Program, check_identity
from tests.pipelines.passes import Loop, all_ops
from tests.programs import traced

f64 = difc.f64


def linearized(fn: Any, *specs: Any, mask: tuple[bool, ...] | None = None) -> tuple[Derivatives, Forward]:
    with context(), ir.Location.unknown():
        derivatives = Derivatives(traced(fn, *specs))
        forward = derivatives.linearize("f", mask or (True,) * len(specs))
        dif.verify(derivatives.module)
        return derivatives, forward


def residuals(derivatives: Derivatives, forward: Forward) -> list[str]:
    """Return the types of what the forward half stores."""
    results = functions_of(derivatives.module)[forward.fwd].type.results
    return [str(aval_of(t)) for t in list(results)[-forward.num_residuals :]] if forward.num_residuals else []


def ops(derivatives: Derivatives, name: str) -> list[str]:
    block = functions_of(derivatives.module)[name].entry_block
    return [o.name.split(".")[1] for o in all_ops(block)]


@pytest.mark.parametrize(
    ("fn", "specs", "stored"),
    [
        (lambda a: a * 3.0, [f64[3]], []),
        (lambda a: np.sum(a) + np.mean(a), [f64[3]], []),
        (lambda a: np.sin(a), [f64[3]], ["f64[3]"]),
        (lambda a: np.exp(a), [f64[3]], ["f64[3]"]),
        (lambda a: np.tanh(a), [f64[3]], ["f64[3]"]),
        (lambda a, b: a * b, [f64[3], f64[3]], ["f64[3]", "f64[3]"]),
        (lambda a, b: a @ b, [f64[2, 3], f64[3]], ["f64[3]", "f64[2, 3]"]),
        (lambda a: np.broadcast_to(np.sum(a), (3,)) * np.ones(3), [f64[2]], []),
        (lambda a: a * np.arange(3.0), [f64[3]], []),
        (lambda a: a * 2.0, [f64["n"]], ["i64[]"]),
    ],
    ids=["scale", "sum", "sin", "exp", "tanh", "mul", "matvec", "repeat", "constant", "size"],
)
def test_what_is_stored(fn: Any, specs: list[Any], stored: list[str]) -> None:
    """Constants are made again, each value is stored once, and of an array only its size where that is enough."""
    assert sorted(residuals(*linearized(fn, *specs))) == sorted(stored)


def test_an_argument_that_is_not_marked_is_no_linear_one() -> None:
    derivatives, forward = linearized(lambda a, b: a * b, f64[3], f64[3], mask=(True, False))
    assert residuals(derivatives, forward) == ["f64[3]"]
    assert ops(derivatives, forward.lin) == ["mul"]


def test_results_that_do_not_depend_on_the_marked_arguments() -> None:
    _, forward = linearized(lambda a, b: (a * b, np.sin(b), np.argmax(a)), f64[3], f64[3], mask=(True, False))
    assert forward.out_mask == (True, False, False)


def test_the_primal_half_is_the_program() -> None:
    """Linear code holds nothing that does not depend on a tangent."""
    derivatives, forward = linearized(lambda a: np.sum(np.exp(np.sin(a)) ** 2), f64[3])
    assert set(ops(derivatives, forward.lin)) <= {"add", "mul", "reduce_sum", "constant", "broadcast_in_dim"}


# ---- loops ---------------------------------------------------------------------------------------


def loops(derivatives: Derivatives, name: str) -> list[Loop]:
    return [Loop(o) for o in all_ops(functions_of(derivatives.module)[name].entry_block) if o.name == "fun.scan"]


def test_slices_are_forwarded_and_constants_are_not_stacked() -> None:
    def program(c: Any, w: Any, xs: Any) -> Any:
        return difc.scan(lambda c, x: (c * np.exp(w) * x, None), c, xs)[0]

    derivatives, forward = linearized(program, f64[3], f64[3], f64[4, 3], mask=(True, False, False))
    (loop,) = loops(derivatives, forward.fwd)
    assert loop.counts[3] == 0  # nothing is stacked: c' is linear in c, with exp(w) and x as they are
    (linear,) = loops(derivatives, forward.lin)
    assert linear.counts[:2] == (1, 1)
    assert "exp" not in ops(derivatives, forward.lin)


def test_a_cheap_residual_is_computed_again_from_what_is_stacked() -> None:
    """The derivative of sin(c) * cos(c) needs both, and c is enough."""
    derivatives, forward = linearized(
        lambda c, xs: difc.scan(lambda c, x: (np.sin(c) * np.cos(c) + x, None), c, xs)[0], f64[3], f64[4, 3]
    )
    (loop,) = loops(derivatives, forward.fwd)
    assert loop.counts[3] == 1


def test_a_contraction_is_stacked_and_not_computed_again() -> None:
    derivatives, forward = linearized(
        lambda w, c, xs: difc.scan(lambda c, x: (np.tanh(w @ c) * x, None), c, xs)[0], f64[3, 3], f64[3], f64[4, 3]
    )
    assert ops(derivatives, forward.lin).count("dot_general") == 2  # w @ tc and tw @ c
    (loop,) = loops(derivatives, forward.fwd)
    assert loop.counts[3] == 2  # c and w @ c


def test_integers_are_no_part_of_linear_code() -> None:
    def program(c: Any, tokens: Any) -> Any:
        def step(carry: Any, token: Any) -> Any:
            count, c = carry
            return (count + token, c * c), count

        return difc.scan(step, (0, c), tokens)

    derivatives, forward = linearized(program, f64[3], difc.i64[4], mask=(True, False))
    (loop,) = loops(derivatives, forward.lin)
    assert loop.counts[0] == 1
    assert forward.out_mask == (False, True, False)


# ---- wrong rules ---------------------------------------------------------------------------------


@pytest.fixture
def rules() -> Iterator[None]:
    """Restore the rule tables after a test that changes them."""
    tables = [JVP, LINEARIZE, TRANSPOSE, LINEAR_SLOTS]
    kept: list[dict[str, Any]] = [dict(t) for t in tables]
    yield
    for table, rows in zip(tables, kept, strict=True):
        table.clear()
        table.update(rows)  # type: ignore[arg-type]


def program(a: Any) -> Any:
    b = a * 2.0
    return np.sum(np.sin(b))


@pytest.mark.usefixtures("rules")
def test_a_rule_that_is_not_linear_is_caught() -> None:
    """A derivative that squares its tangent is refused with the op, the user's line and the rule that made it."""

    def wrong(node: Any, primals: Any, tangents: Any) -> Any:
        return dif.clone_op(node.operation, primals), [dif.mul(tangents[0], tangents[0])]

    JVP["dif.sin"] = wrong
    message = r"the linear part of a derivative holds dif\.mul, which is not linear in operands \[0, 1\] together"
    with pytest.raises(NotDifferentiableError, match=message) as error:
        linearized(program, f64[3])
    assert "return np.sum(np.sin(b))" in str(error.value)
    assert "jvp(dif.sin)" in error.value.remedy


@pytest.mark.usefixtures("rules")
def test_a_rule_with_an_op_that_has_no_transpose_is_caught() -> None:
    def wrong(node: Any, primals: Any, tangents: Any) -> Any:
        return dif.clone_op(node.operation, primals), [dif.exp(tangents[0])]

    JVP["dif.sin"] = wrong
    with pytest.raises(NotDifferentiableError, match=r"holds dif\.exp, which has no transpose rule") as error:
        linearized(program, f64[3])
    assert "np.sin(b)" in str(error.value)


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_missing_rule_names_the_op_and_the_line(mode: str) -> None:
    del JVP["dif.sin"]
    module = traced(program, f64[3])
    with pytest.raises(NotDifferentiableError, match=r"dif\.sin has no derivative rule") as error:
        Program.of(module).jvp((True,)) if mode == "forward" else Program.of(module).vjp((True,), (True,))
    assert "np.sin(b)" in str(error.value)
    assert "difc.stop_gradient" in error.value.remedy


@pytest.mark.usefixtures("rules")
def test_a_missing_rule_is_missed_only_where_a_tangent_flows() -> None:
    del JVP["dif.sin"]
    f = Program.of(traced(lambda a, b: a * np.sin(b), f64[3], f64[3]))
    check_identity(f, [np.ones(3), np.ones(3)], (True, False), "only a")
