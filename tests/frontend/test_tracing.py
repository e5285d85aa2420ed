"""Frames, constants, captures and locations of traced code."""

from __future__ import annotations

import copy
import functools
import math
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.dialects import functions_of, verify
from difc.dialects.locations import user_location
from difc.errors import ConcretizationError, DtypeError, InputError, MutationError, ShapeError, UnsupportedError
from difc.tracer import Tracer
from difc.tracing import is_tracing
from tests.frontend.failing import fails
from tests.frontend.traced import compare, trace_and_run
from tests.pipelines.passes import all_ops

f64 = difc.f64


def ops(program: Any, name: str = "") -> list[str]:
    functions = functions_of(program.module)
    block = functions[name or next(iter(program.signatures))].entry_block
    return [o.name.removeprefix("dif.") for o in all_ops(block)]


def test_nothing_is_traced_outside() -> None:
    assert not is_tracing()
    seen: list[bool] = []
    difc.trace(lambda a: (seen.append(is_tracing()), a)[1], f64[2])
    assert seen == [True]
    assert not is_tracing()


def test_an_error_closes_all_frames() -> None:
    with pytest.raises(ZeroDivisionError):
        difc.trace(lambda a: difc.scan(lambda c, _: (c, 1 // 0), a, None, length=2), f64[2])
    assert not is_tracing()


def test_functions_outside_a_trace_are_numpy() -> None:
    x = np.ones(3)
    for result in (dnp.sin(x), dnp.sum(x), dnp.zeros(3), x @ x):
        assert not isinstance(result, Tracer)


def test_an_array_is_one_constant() -> None:
    table = np.arange(6.0).reshape(2, 3)
    assert ops(difc.trace(lambda a: a * table + table, f64[2, 3])).count("constant") == 1


def test_an_array_that_changes_between_two_uses_is_two_constants() -> None:
    def program(a: Any) -> Any:
        table = np.zeros(2)
        first = a + table
        table[0] = 5.0
        return first + table

    with difc.disable_jit():
        assert difc.jit(program)(np.ones(2)).tolist() == [6.0, 1.0]


def test_arrays_of_another_byte_order() -> None:
    table = np.arange(1.0, 4.0).astype(">f4")
    with difc.disable_jit():
        result = np.asarray(difc.jit(lambda a: a + table)(table))
    assert result.dtype == np.float32
    assert result.tolist() == [2.0, 4.0, 6.0]


def test_zeros_of_both_signs_are_two_constants() -> None:
    program = difc.trace(lambda a: a * np.float64(0.0) + np.float64(-0.0), f64[()])
    assert ops(program).count("constant") == 2


@pytest.mark.parametrize(
    "table", [np.eye(100), -2 * np.eye(100, dtype=np.float32), 1 - np.eye(100, dtype=np.int64), np.eye(100) > 0]
)
def test_large_multiples_of_the_identity_are_computed(table: np.ndarray) -> None:
    program = difc.trace(lambda a: np.multiply(a, table), table)
    assert len(program.ir()) < table.nbytes
    with difc.disable_jit():
        found = np.asarray(difc.jit(lambda a: np.multiply(a, table))(np.ones_like(table)))
    assert found.tobytes() == table.tobytes()  # also the signs of zeros


def test_other_matrices_are_constants() -> None:
    for table in (np.ones((100, 100)), np.eye(100, k=1), np.eye(100, 101), np.eye(8), np.diag(np.arange(100.0))):
        program = difc.trace(lambda a, table=table: a * table, table)
        assert ops(program).count("iota") == 0


def test_a_captured_value_is_an_operand_of_the_loop() -> None:
    program = difc.trace(lambda a, w: difc.scan(lambda c, _: (c * w, None), a, None, length=3)[0], f64[2], f64[2])
    verify(program.module)
    block = functions_of(program.module)[next(iter(program.signatures))].entry_block
    (scan,) = [o for o in all_ops(block) if o.name == "fun.scan"]
    assert list(scan.operands) == list(block.arguments)


def test_a_value_captured_through_two_bodies() -> None:
    def program(a: Any, w: Any) -> Any:
        def outer(c: Any, _: Any) -> Any:
            return difc.scan(lambda c, _: (c * w, w), c, None, length=2)

        return difc.scan(outer, a, None, length=3)

    verify(difc.trace(program, f64[2], f64[2]).module)


def test_every_op_has_the_users_line() -> None:
    def program(a: Any) -> Any:
        b = np.sin(a)
        c = b @ b
        return c * 2.0

    found = difc.trace(program, f64[3])
    places = {}
    for operation in all_ops(functions_of(found.module)["program"].entry_block):
        place = user_location(operation.location)
        assert place is not None
        assert place.file == __file__
        places[operation.name] = place.line
    first = program.__code__.co_firstlineno
    assert places["dif.sin"] == first + 1
    assert places["dif.dot_general"] == first + 2
    assert places["dif.mul"] == first + 3


def test_every_op_of_a_gradient_traces_back_to_a_user_line() -> None:
    def loss(w: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = difc.cond(np.sum(h) > 0.0, lambda h: np.tanh(w @ h + x), lambda h: h * np.max(x), h)
            return h, np.sum(h[:2])

        h, ys = difc.scan(step, xs[0], xs)
        return np.mean(ys) + np.sum(h**2)

    program = difc.trace(difc.grad(loss), f64[3, 3], f64["n", 3])
    nowhere = [
        str(o).splitlines()[0]
        for o in all_ops(functions_of(program.expanded)["loss"].entry_block)
        if (place := user_location(o.location)) is None or place.file != __file__
    ]
    assert nowhere == []


def test_the_reserved_name_of_an_entry() -> None:
    """A function made on the way does not take the name of an entry that is traced later."""

    def later(a: Any) -> Any:
        return np.sum(a)

    entries = {
        "first": difc.export(lambda a: difc.grad(later)(a), specs=[f64[2]]),
        "later": difc.export(later, specs=[f64[2]]),
    }
    program = difc.trace(entries)
    assert set(program.signatures) == {"first", "later"}
    verify(program.module)


def test_numpy_arrays_and_traced_indices() -> None:
    table = np.arange(6.0).reshape(3, 2)

    def stored(rows: Any) -> Any:
        y = np.zeros((3, 2))
        y[rows] = 1.0
        return y

    for take in (lambda rows: table[rows], lambda rows: table[rows, 0]):
        with fails(
            ConcretizationError, "an index of a NumPy array was asked for", at="table[rows", remedy="numpy.asarray(a)"
        ):
            difc.trace(take, difc.i32[2])
    with fails(MutationError, "cannot be stored in a NumPy array", at="y[rows] = 1.0", remedy="y.at[index].set(value)"):
        difc.trace(stored, difc.i32[2])
    assert ops(difc.trace(lambda rows: dnp.asarray(table)[rows], difc.i32[2]))


def test_iteration_over_a_run_time_size() -> None:
    with fails(ConcretizationError, "iteration over an axis of run-time size", at="list(a)", remedy="difc.scan"):
        difc.trace(lambda a: list(a), f64["n"])


@pytest.mark.parametrize(
    ("fn", "at", "message", "remedy"),
    [
        (lambda a: float(a[0]), "float(a[0])", r"float\(x\) was asked for", "astype"),
        (lambda a: math.sin(a[0]), "math.sin(a[0])", r"float\(x\) was asked for", "NumPy's functions instead"),
        (lambda a: int(a[0]), "int(a[0])", r"int\(x\) was asked for", "astype"),
        (lambda a: np.array([a, a]), "np.array([a, a])", "a NumPy array .* was asked for", "np.stack"),
        (lambda a: a[0].item(), "a[0].item()", r"x.item\(\) was asked for", "keep it as an array"),
        (lambda a: a.tolist(), "a.tolist()", r"x.tolist\(\) was asked for", "keep it as an array"),
        (lambda a: a[0] and a, "a[0] and a", "a truth value was asked for", "np.where"),
        (lambda a: max(a), "max(a)", "a truth value was asked for", "NumPy's functions instead of max, min, any"),
        (lambda a: {a: 1}, "{a: 1}", r"a hash \(for a key of a dict", "keys that are known"),
        (
            functools.cache(lambda a: a),
            "difc.trace(fn",
            r"a hash \(for a key of a dict, a set, or functools",
            "keys that",
        ),
        (lambda a: pickle.dumps(a), "pickle.dumps(a)", "a pickle was asked for", "pickle the result"),
        (lambda a: difc.to_device(a), "difc.to_device(a)", "cannot be copied to a device", "leave it out"),
    ],
    ids=["float", "math", "int", "array", "item", "tolist", "bool", "max", "hash", "cache", "pickle", "to_device"],
)
def test_what_a_tracer_cannot_tell(fn: Any, at: str, message: str, remedy: str) -> None:
    with fails(ConcretizationError, message, at=at, remedy=remedy):
        difc.trace(fn, f64[3])


def test_in_place_assignment() -> None:
    def program(a: Any) -> Any:
        a[0] = 1.0
        return a

    with fails(
        MutationError,
        r"a traced array \(f64\[3\]\) cannot be assigned to in place",
        at="a[0] = 1.0",
        remedy=".at[index]",
    ):
        difc.trace(program, f64[3])


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones(3, np.float32), np.arange(3.0)),
        (np.ones((2, 3)), np.arange(3, dtype=np.int8)),
        (np.arange(4, dtype=np.int8), np.arange(4)),
        (np.arange(4, dtype=np.uint8), 3),
        (np.float32(2.0), np.arange(3.0)),  # one of NumPy's numbers is replaced
    ],
    ids=str,
)
def test_operators_in_place_keep_shape_and_dtype(x: Any, y: Any) -> None:
    for name in ("iadd", "isub", "imul"):
        change = getattr(operator, name)
        compare(trace_and_run(change, x, y, weak=[False, isinstance(y, int)]), change(x.copy(), y))
    m = np.ones((2, 2), np.float32)
    for name in ("itruediv", "ifloordiv", "imod", "ipow", "imatmul"):
        change = getattr(operator, name)
        compare(trace_and_run(change, m, m + 1.0), change(m.copy(), m + 1.0))
    for name in ("iand", "ior", "ixor", "ilshift", "irshift"):
        change = getattr(operator, name)
        compare(trace_and_run(change, m.astype(int), np.arange(2)), change(m.astype(int), np.arange(2)))


def test_operators_in_place_that_would_change_an_array() -> None:
    def halve(a: Any) -> Any:
        a /= 2
        return a

    keeps = "an operator in place, as in `x [+]= y`, keeps shape and dtype of x "
    with fails(DtypeError, keeps + r"\(i64\[3\]\), and would give f64\[3\]", at="a /= 2", remedy="write x = x + y"):
        difc.trace(halve, difc.i64[3])
    with fails(ShapeError, keeps + r"\(f64\[1\]\), and would give f64\[3\]", at="operator.iadd(a, np.ones(3))"):
        difc.trace(lambda a: operator.iadd(a, np.ones(3)), f64[1])
    assert difc.trace(halve, difc.i64).ir("dif")  # a number is replaced


def test_a_copy_of_a_traced_array_is_itself() -> None:
    seen: list[Any] = []
    difc.trace(lambda a: seen.append(copy.copy(a) is a and copy.deepcopy({"a": a})["a"] is a), f64[3])
    assert seen == [True]


def test_what_is_no_array() -> None:
    message = r"result\[1\] of `lambda` is not an array but of type object"
    with fails(UnsupportedError, message, at="difc.trace", remedy="use arrays and numbers"):
        difc.trace(lambda a: (a, object()), f64[3])
    for other, kind in ((None, "NoneType"), ("text", "str"), ([1, [2]], "list: its parts differ in length")):
        with fails(UnsupportedError, f"a value is not an array but of type {kind}", at="a == other"):
            difc.trace(lambda a: a == other, f64[3])  # noqa: B023
    with fails(DtypeError, "300 is no number of dtype i8", at="a + 300", remedy="to a wider dtype"):
        difc.trace(lambda a: a + 300, difc.i8[3])
    with fails(DtypeError, "-1 is no number of dtype u8", at="a.at[0].set(-1)", remedy="to a wider dtype"):
        difc.trace(lambda a: a.at[0].set(-1), difc.u8[3])


def test_an_array_surface() -> None:
    seen: list[Any] = []
    difc.trace(
        lambda a: (seen.append((a.shape, a.ndim, a.size, a.dtype, len(a), a.itemsize, repr(a))), a)[1], f64[3, 2]
    )
    assert seen == [((3, 2), 2, 6, np.dtype("f8"), 3, 8, "Tracer<f64[3, 2]>")]
    for what in (len, iter):
        with pytest.raises(TypeError, match="traced scalar"):
            difc.trace(lambda a: what(a), f64[()])  # noqa: B023


def test_an_array_of_another_meaning_is_no_constant() -> None:
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    with fails(InputError, "a masked array would lose its mask", at="a + masked", remedy="x.filled"):
        difc.trace(lambda a: a + masked, f64[2])


def test_a_traced_value_as_the_shape_of_a_numpy_array() -> None:
    """NumPy replaces the error of `__index__` by its own."""
    with fails(
        ConcretizationError, "the shape of a NumPy array was asked for", at="np.zeros(n)", remedy="static_argnums"
    ):
        difc.jit(lambda n: np.zeros(n))(3)
