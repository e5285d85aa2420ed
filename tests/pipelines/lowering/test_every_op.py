"""Every row of the case table, lowered, compiled and run beside the interpreter; and compiled for every target."""

from __future__ import annotations

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import REQUESTS
from difc.pipelines.lowering.context import LOWERINGS
from tests.case import Case
from tests.cases import CASES
from tests.pipelines.lowered import Function, assert_close, beside_the_interpreter, build, check, compiles, joined

#: What depends on the kind of dtype, not just on its being one.
ARITHMETIC = {op.name for op in (*dif.UNARY, *dif.BINARY, *dif.REDUCTIONS, *dif.CUMULATIVE)} | {
    f"dif.{name}"
    for name in (
        *("compare", "convert", "constant", "iota", "argmax", "argmin", "argsort", "searchsorted", "recurrence"),
        "dot_general",
    )
}
#: (dtype, dynamic dims, level, all rows): together they meet every rule, in every kind of dtype.
RUNS = [("f32", True, 3, True), ("i32", False, 1, True), ("u8", False, 1, False)]
MORE = [
    ("f64", False, 1, False),
    *((dtype, dtype[0] == "i", 1, True) for dtype in ("f16", "bf16", "f64", "i8", "i64", "u8", "u32", "bool")),
]
COMPILES = [("cuda", "f32", True)]
MORE_COMPILES = [
    ("vulkan:rdna3", "f32", False),
    ("vulkan:rdna3", "i64", True),
    ("vulkan", "u8", False),
    ("vulkan", "f64", True),
    ("cuda", "f64", True),
]

slow = pytest.mark.slow

#: Lowerings that take seconds to compile, and have tests of their own for every target.
HEAVY = ("factor", "spectral", "special", "convolution")


def _is_heavy(case: Case) -> bool:
    return LOWERINGS[case.op].__module__.rpartition(".")[2] in HEAVY


def _rows(dtype: str, dynamic: bool) -> dict[str, Case]:
    """Return the rows of a dtype, by the name of their function."""
    rows = [c for c in CASES if dtype in c.dtypes and (c.dynamic or not dynamic) and not _is_heavy(c)]
    return {f"row_{i}": c for i, c in enumerate(rows)}


def _functions(rows: dict[str, Case], dtype: str, dynamic: bool) -> dict[str, Function]:
    return {name: (case.fn, case.avals(dtype, dynamic)) for name, case in rows.items()}


@pytest.mark.parametrize(
    ("dtype", "dynamic", "opt_level", "all_rows"), [*RUNS, *(pytest.param(*more, marks=slow) for more in MORE)]
)
def test_runs_as_the_interpreter_says(dtype: str, dynamic: bool, opt_level: int, all_rows: bool) -> None:
    rows = _rows(dtype, dynamic)
    rows = {name: case for name, case in rows.items() if all_rows or case.op in ARITHMETIC}
    arguments = {name: case.draw(dtype) for name, case in rows.items()}
    for name, results, wanted in beside_the_interpreter(_functions(rows, dtype, dynamic), arguments, opt_level):
        for got, want in zip(results, wanted, strict=True):
            assert_close(rows[name].name, got, want)


@slow
def test_heavy_ones_run_as_the_interpreter_says() -> None:
    rows = [c for c in CASES if "f32" in c.dtypes and c.dynamic and _is_heavy(c)]
    check({f"row_{i}": (c.fn, c.avals("f32", True), c.draw("f32")) for i, c in enumerate(rows)}, opt_level=3)


@pytest.mark.parametrize(
    ("target", "dtype", "dynamic"), [*COMPILES, *(pytest.param(*more, marks=slow) for more in MORE_COMPILES)]
)
def test_compiles_for_other_targets(target: str, dtype: str, dynamic: bool) -> None:
    assert compiles(build({"f": joined(_functions(_rows(dtype, dynamic), dtype, dynamic))}), target)


def test_every_op_has_a_lowering() -> None:
    """Calls and requests are gone by then, and a body's end is no op of its own."""
    wanted = set(dif.OPS) - {"fun.call", "fun.yield", *REQUESTS}
    assert wanted == set(LOWERINGS)


def test_every_op_has_a_row() -> None:
    ops = {case.op for case in CASES}
    assert {name for name in LOWERINGS if name.startswith("dif.")} <= ops


SPECIAL = np.array([0.0, -0.0, 1, -1, 0.5, -2.5, 3.5, 7.25, -100, 1e-3, 1e30, -1e30, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("dtype", [pytest.param("f32", marks=slow), "f64"])
def test_special_values(dtype: str) -> None:
    """Infinities, NaN, signed zeros and halves, in every pair, through all elementwise ops at once."""
    aval = dif.Aval((dif.DYN,), np.dtype({"f32": np.float32, "f64": np.float64}[dtype]))
    pairs = [a.ravel().astype(aval.dtype) for a in np.meshgrid(SPECIAL, SPECIAL)]
    unary = [op for op in dif.UNARY if op.name != "dif.not"]
    integral = ("and", "or", "xor", "shift_left", "shift_right", "gcd")
    binary = [op for op in dif.BINARY if op.__name__ not in integral]
    functions = {op.__name__: (op, [aval] * (1 if op in unary else 2)) for op in (*unary, *binary)}
    functions |= {
        f"compare_{d}": (lambda x, y, d=d: dif.compare(x, y, direction=d), [aval] * 2)
        for d in ("eq", "ne", "lt", "le", "gt", "ge")
    }
    targets = [np.dtype(t) for t in (np.bool_, np.int8, np.uint8, np.int32, np.uint32, np.int64, np.float16)]
    functions |= {f"to_{t.name}": (lambda x, t=t: dif.convert(x, dtype=t), [aval]) for t in targets}
    arguments = {name: pairs[: len(avals)] for name, (_, avals) in functions.items()}
    for name, (got,), (want,) in beside_the_interpreter(functions, arguments):
        if (
            name.startswith("to_") and "int" in name
        ):  # beyond the range NumPy's result is the processor's: ours saturates
            info = np.iinfo(want.dtype)
            inside = (pairs[0] > info.min) & (pairs[0] < info.max) & np.isfinite(pairs[0])
            got, want = got.view(want.dtype)[inside], want[inside]
        assert_close(name, got, want)
        if want.dtype == aval.dtype and name not in ("max", "min"):  # of 0 and -0 either will do
            np.testing.assert_array_equal(np.signbit(got)[got == 0], np.signbit(want)[got == 0], err_msg=name)
