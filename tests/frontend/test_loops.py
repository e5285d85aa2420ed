"""What goes wrong with loops is said at the user's line, in the words of the loop that was called; see test_control.py
for what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import DtypeError, InputError, ShapeError, UnsupportedError
from tests.frontend.failing import fails

pytestmark = pytest.mark.usefixtures("interpreted")
x, rows = np.linspace(-1.0, 1.0, 3), np.linspace(-1.0, 2.0, 12).reshape(4, 3)

both = pytest.mark.parametrize("run", [difc.jit, lambda f: f], ids=["traced", "in Python"])


def test_a_carry_that_changes_its_type_names_the_leaf() -> None:
    changes = r"scan: the shape of carry\['h'\]\[1\] changes: it starts as f64\[3\], and the body returns f64\[1\]"
    with fails(ShapeError, changes, at="difc.scan(lambda c", remedy="keep its shape"):
        difc.jit(lambda a: difc.scan(lambda c, _: ({"h": [a, a[:1]]}, None), {"h": [a, a]}, None, length=2))(x)
    with fails(DtypeError, r"scan: the dtype of carry changes: it starts as f32\[3\], and the body returns f64\[3\]",
               at="difc.scan(lambda c", remedy="start with f64[3]"):  # fmt: skip
        difc.jit(lambda a: difc.scan(lambda c, row: (c + row, None), a.astype(np.float32), rows))(x)


def test_a_carry_in_other_containers() -> None:
    remedy = "the same containers"
    for init, returned, message in (
        (x, (x, x), r"an array, and the body returns \(array, array\)"),
        ({"u": x}, {"v": x}, r"\{'u': array\}, and the body returns \{'v': array\}"),
        ((x, None), None, r"\(array, None\), and the body returns None"),
    ):
        with fails(ShapeError, f"scan: the carry starts as {message}", at="difc.scan", remedy=remedy):
            difc.jit(lambda _: difc.scan(lambda c, s: (returned, None), init, rows))(x)  # noqa: B023 - called at once
        with fails(ShapeError, f"fori_loop: init_val starts as {message}", at="difc.fori_loop", remedy=remedy):
            difc.jit(lambda _: difc.fori_loop(0, 2, lambda i, c: returned, init))(x)  # noqa: B023 - called at once


def test_the_value_of_a_fori_loop_is_not_called_a_carry() -> None:
    message = r"fori_loop: the shape of init_val\['a'\] changes: it starts as f64\[3\], and the body returns f64\[1\]"
    with fails(ShapeError, message, at="difc.fori_loop", remedy="keep its shape"):
        difc.jit(lambda a: difc.fori_loop(0, 2, lambda i, c: {"a": c["a"][:1]}, {"a": a}))(x)
    with fails(
        DtypeError, r"fori_loop: the dtype of init_val changes", at="difc.fori_loop", remedy=".astype(np.float64)"
    ):
        difc.jit(lambda a: difc.fori_loop(0, 2, lambda i, c: c.astype(np.float32), a))(x)


@both
def test_a_body_that_returns_no_pair(run: Any) -> None:
    for returned, what in ((None, "None"), ((x, x, x), "a tuple of 3"), ([x, x], "list"), (3.0, "float")):
        with fails(
            InputError,
            rf"scan: the body returns {what}, not a pair \(carry, y\)",
            at="difc.scan",
            remedy="(carry, None) if there is nothing to stack",
        ):
            run(lambda a: difc.scan(lambda c, _: returned, a, None, length=2))(x)  # noqa: B023 - called at once
    with fails(InputError, r"scan: the body returns an array, not a pair", at="difc.scan", remedy="(carry, None)"):
        run(lambda a: difc.scan(lambda c, _: c, a, None, length=2))(x)


@both
def test_bodies_that_cannot_be_called(run: Any) -> None:
    with fails(InputError, r"scan: the body cannot be called with \(carry, x\): .*takes 1 pos", at="difc.scan",
               remedy="def body(carry, x): return carry, y"):  # fmt: skip
        run(lambda a: difc.scan(lambda c: (c, None), a, rows))(x)
    with fails(InputError, r"fori_loop: the body cannot be called with \(i, x\): .*not callable", at="difc.fori_loop",
               remedy="def body(i, x): return x"):  # fmt: skip
        run(lambda a: difc.fori_loop(0, 2, 3, a))(x)  # type: ignore[arg-type]
    with fails(InputError, "map: the function cannot be called with a slice of xs: .*missing", at="difc.map",
               remedy="function of one argument"):  # fmt: skip
        run(lambda a: difc.map(lambda b, c: b, a))(x)  # type: ignore[arg-type,misc]


def test_what_no_array_can_be_made_of() -> None:
    for step in (lambda c, _: ("text", None), lambda c, _: (c, "text"), lambda c, _: (c, object())):
        with fails(UnsupportedError, "is not an array but of type (str|object)", at="difc.scan", remedy="use arrays"):
            difc.jit(lambda a: difc.scan(step, a, rows))(x)  # noqa: B023 - it is called at once


@both
def test_lengths_that_do_not_fit(run: Any) -> None:
    with fails(
        ShapeError,
        r"scan: the leading axes of xs differ: xs\[0\]: f64\[3\], xs\[1\]: f64\[4, 3\]",
        at="difc.scan",
        remedy="as many slices",
    ):
        run(lambda a, b: difc.scan(lambda c, s: (c, None), 0.0, (a, b)))(x, rows)
    with fails(ShapeError, "scan: length=2, but xs has 3 slices", at="difc.scan", remedy="xs[:2]"):
        run(lambda a: difc.scan(lambda c, s: (c, None), 0.0, a, length=2))(x)
    with fails(ShapeError, "scan: length=4, but xs has 3 slices", at="difc.scan", remedy="leave length out"):
        run(lambda a: difc.scan(lambda c, s: (c, None), 0.0, a, length=4))(x)
    with fails(ShapeError, "scan: length is -1", at="difc.scan", remedy="0 or more"):
        run(lambda a: difc.scan(lambda c, s: (c, None), a, None, length=-1))(x)
    with fails(InputError, "scan: the number of steps is not known", at="difc.scan", remedy="length=n"):
        run(lambda a: difc.scan(lambda c, s: (c, None), a))(x)
    with fails(InputError, "map: the number of steps is not known", at="difc.map", remedy="an array as xs"):
        run(lambda a: difc.map(lambda s: a, None))(x)
    for xs, name in ((1.0, "xs"), ([1.0, 2.0], r"xs\[0\]")):
        with fails(ShapeError, rf"scan: {name} is a scalar, f64\[\]", at="difc.scan", remedy="np.array([1.0, 2.0])"):
            run(lambda _: difc.scan(lambda c, s: (c, None), 0.0, xs))(x)  # noqa: B023 - it is called at once


@both
def test_numbers_of_steps_that_are_no_integers(run: Any) -> None:
    for length in (2.5, True, "n", x, np.float64(2)):
        with fails(DtypeError, "scan: length is .*, not a scalar integer", at="difc.scan", remedy="pass an int"):
            run(lambda a: difc.scan(lambda c, s: (c, None), a, None, length=length))(x)  # noqa: B023 - called at once
        with fails(DtypeError, "fori_loop: upper is .*, not a scalar", at="difc.fori_loop", remedy="pass an int"):
            run(lambda a: difc.fori_loop(0, length, lambda i, c: c, a))(x)  # noqa: B023 - it is called at once
    with fails(DtypeError, "fori_loop: lower is .*, not a scalar integer", at="difc.fori_loop", remedy="pass an int"):
        run(lambda n: difc.fori_loop(n, 3, lambda i, c: c, 0.0))(np.float64(0))


@both
@pytest.mark.parametrize("unroll", [0, -1, 2.0, None, "all"])
def test_unrolling_that_is_no_number_of_steps(run: Any, unroll: Any) -> None:
    message = f"unroll is {unroll!r}, neither a bool nor a positive integer"
    with fails(InputError, f"scan: {message}", at="difc.scan", remedy="True for all"):
        run(lambda a: difc.scan(lambda c, s: (c, s), a, rows, unroll=unroll))(x)
    with fails(InputError, f"fori_loop: {message}", at="difc.fori_loop", remedy="True for all"):
        run(lambda a: difc.fori_loop(0, 2, lambda i, c: c, a, unroll=unroll))(x)


@pytest.mark.parametrize("unroll", [2, True])
def test_unrolling_a_loop_of_run_time_length(unroll: int | bool) -> None:
    message = f"scan: unroll={unroll}, but the number of steps is known only at run time"
    with fails(InputError, message, at="difc.scan", remedy="leave unroll out"):
        difc.trace(lambda a: difc.scan(lambda c, s: (c, s), 0.0, a, unroll=unroll), difc.f64["n"])


def test_integers_of_all_kinds_are_numbers_of_steps() -> None:
    for n in (3, np.int32(3), np.array(3)):
        assert difc.fori_loop(0, n, lambda i, c: c + i, 0) == 3
        assert difc.scan(lambda c, _: (c + 1, None), 0, None, length=n)[0] == 3


def test_ys_that_cannot_be_stacked() -> None:
    """In Python; within a trace there is one body for all steps."""
    with fails(ShapeError, r"scan: y\['s'\] has the shape \[0\] in one step and \[1\]", at="difc.scan", remedy="same"):
        difc.scan(lambda c, s: (c + 1, {"s": x[:c]}), 0, x)
    with fails(ShapeError, "scan: y is an array in one step and None in another", at="difc.scan", remedy="same"):
        difc.scan(lambda c, s: (c + 1, None if c else x), 0, x)
    with fails(InputError, "scan: no steps to run outside a trace", at="difc.scan", remedy="difc.jit"):
        difc.scan(lambda c, s: (c, None), x, rows[:0])


def test_a_failing_body_in_python_shows_the_users_frames() -> None:
    def step(c: Any, s: Any) -> Any:
        return c[9], None

    with pytest.raises(IndexError) as caught:
        difc.scan(step, x, rows)
    assert [entry.name for entry in caught.traceback][-1] == "step"
    assert len(caught.traceback) == 4
