"""How precise the functions of elements are, in units in the last place, and their values at special places."""

from __future__ import annotations

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc import f32, f64
from difc.dialects import DYN, F16, F32, F64, Aval, interpreter
from difc.dialects.mlir import ir
from difc.pipelines.lowering.functions import EXPANSIONS
from difc.runtime import available
from tests.pipelines.artifacts import VULKAN, call, needs_vulkan
from tests.pipelines.lowered import Function, build, check, compiled, compiles, together
from tests.scripts import script

accuracy = script("accuracy")
#: What every function promises on every target (docs/accuracy.md).
PROMISED = 2.0
DTYPES = pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])


def _check_measured(dtype: np.dtype, targets: list[str], count: int) -> None:
    for name, worst in accuracy.measure(accuracy.ROWS, dtype, targets, count).items():
        for target, one in zip(targets, worst, strict=True):
            assert one.error <= PROMISED, f"{name} on {target}: {one.error} ULP at {one.at}"


@DTYPES
def test_precision(dtype: np.dtype) -> None:
    _check_measured(dtype, ["cpu"], 2000)


@needs_vulkan
@DTYPES
def test_precision_on_vulkan(dtype: np.dtype) -> None:
    _check_measured(dtype, ["vulkan"], 300)


@pytest.mark.slow
@DTYPES
def test_precision_everywhere(dtype: np.dtype) -> None:
    vulkan = ["vulkan"] if available()["vulkan"] is None else []
    _check_measured(dtype, ["cpu", "cpu-generic", *vulkan], 100_000)


def test_every_expansion_is_measured() -> None:
    assert {row.name for row in accuracy.ROWS} == {opdef.__name__ for opdef in EXPANSIONS} | {"pow"}


SPECIAL = [0.0, -0.0, 1, -1, 0.5, -2.5, 3, -3, 8, 1e4, -1e4, 1e30, -1e30, 1e-30, np.inf, -np.inf, np.nan]


@needs_vulkan
@DTYPES
def test_special_values_on_vulkan(dtype: np.dtype) -> None:
    """Those on CPUs are a test of all ops at once (`test_every_op.py`)."""
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL))
    rows = accuracy.ROWS
    found = accuracy.compiled(rows, dtype, "vulkan")(*[v for row in rows for v in (x, y)[: row.arity]])
    module = build({row.name: (dif.OPS[f"dif.{row.name}"], [Aval((DYN,), dtype)] * row.arity) for row in rows})
    limit = 1e-6 if dtype == F32 else 1e-15
    for row, got in zip(rows, found, strict=True):
        (want,) = interpreter.run(module, row.name, *(x, y)[: row.arity])
        tiny = np.abs(want) < np.finfo(dtype).tiny
        np.testing.assert_allclose(got[~tiny], want[~tiny], rtol=limit, err_msg=row.name)
        zero = want == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]), err_msg=row.name)


def test_results_that_are_numbers_are_exact() -> None:
    whole = np.arange(1.0, 40.0)
    programs = {
        "log2": (dif.log2, [2.0**whole], whole),
        "log10": (dif.log10, [10.0 ** whole[:22]], whole[:22]),
        "exp2": (dif.exp2, [-whole], 2.0**-whole),
        "cbrt": (dif.cbrt, [-(whole**3)], -whole),
        "hypot": (dif.hypot, [3 * whole, -4 * whole], 5 * whole),
        "pow": (dif.pow, [whole[:20], whole[:20] // 2], whole[:20] ** (whole[:20] // 2)),
        "sin": (dif.sin, [np.array([0.0, -0.0])], np.array([0.0, -0.0])),
        "cos": (dif.cos, [np.zeros(1)], np.ones(1)),
        "erfc": (dif.erfc, [np.array([0.0, 30.0, -30.0])], np.array([1.0, 0.0, 2.0])),
    }
    program = together({name: (op, [Aval((DYN,), F64)] * len(xs)) for name, (op, xs, _) in programs.items()})
    for name, (got,) in program({name: xs for name, (_, xs, _) in programs.items()}).items():
        np.testing.assert_array_equal(got, programs[name][2], err_msg=name)


def test_angles_whose_turns_have_a_word_of_ones() -> None:
    """0.2747784098610282 pi: to the word of ones in the binary digits of the turns, the next one adds 1."""
    x = np.array([float.fromhex("0x1.b9fad56949736p-1")])
    program = together({name: (dif.OPS[f"dif.{name}"], [Aval((DYN,), F64)]) for name in ("sin", "cos", "tan")})
    for name, (got,) in program({name: [x] for name in ("sin", "cos", "tan")}).items():
        np.testing.assert_allclose(got, getattr(np, name)(x), rtol=4e-16, err_msg=name)


def test_half_floats_compute_in_f32() -> None:
    x = np.linspace(0.1, 0.9, 7)
    names = ("sin", "acos", "atan2", "erfc", "log2")
    arity = {name: 2 if name == "atan2" else 1 for name in names}
    check({n: (dif.OPS[f"dif.{n}"], [Aval((DYN,), F16)] * arity[n], [x, x[::-1]][: arity[n]]) for n in names})


def test_functions_of_constants_compile() -> None:
    """MLIR folds what it can of them, down to constants that a target may lack."""
    rows = {
        row.name: (lambda row=row: dif.OPS[f"dif.{row.name}"](*[dif.constant(value=np.array(0.5))] * row.arity), [])
        for row in accuracy.ROWS
        if row.name in ("exp", "log", "sin", "atan", "pow")
    }
    assert compiles(build(rows), "vulkan")


@pytest.mark.parametrize("target", ["cpu", pytest.param("vulkan", marks=VULKAN)])
@pytest.mark.parametrize("dtype", [F32, F64], ids=lambda dtype: dtype.name)
def test_remainders_are_exact(dtype: np.dtype, target: str) -> None:
    """Quotients up to those of the largest and the smallest number, whole ones, and the cases of C."""
    info, rng = np.finfo(dtype), np.random.default_rng(0)
    small, large = float(info.tiny), float(info.max)
    ends = [0.0, -0.0, 1, -1, 3, 0.1, small / 2, -small / 4, small, 1.5 * small, large, -large, np.inf, -np.inf, np.nan]
    x, y = (a.ravel() for a in np.meshgrid(*[np.array(ends, dtype)] * 2))
    x = np.concatenate([x, rng.integers(-1000, 1000, 200) * dtype.type(0.1), rng.uniform(-1e6, 1e6, 200)]).astype(dtype)
    y = np.concatenate([y, np.full(200, 0.1), rng.uniform(0.1, 10, 200)]).astype(dtype)
    spec = f32["n"] if dtype == F32 else f64["n"]
    got = np.asarray(difc.compile(np.fmod, spec, spec, target=target)(x, y))
    with np.errstate(all="ignore"):
        want = np.fmod(x, y)
    usable = (np.abs(x) >= small) | (x == 0)  # the processor may take subnormal operands as zero
    usable &= ((np.abs(y) >= small) | (y == 0)) & ((np.abs(want) >= small) | (want == 0) | np.isnan(want))
    np.testing.assert_array_equal(got[usable], want[usable])
    signed = usable & ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(want[signed]))


def _powers_like(exponent: float, dtype: np.dtype) -> Function:
    def emit(x: ir.Value) -> ir.Value:
        number = dif.constant(value=np.array(exponent, dtype))
        return dif.pow(x, dif.broadcast_in_dim(number, shape=(40,), dimensions=()))

    return emit, [Aval((40,), dtype)]


@DTYPES
def test_powers_of_known_halves(dtype: np.dtype) -> None:
    """Zeros, infinities and negative numbers are as C has them, and errors a few units in the last place."""
    ends = [0.0, -0.0, np.inf, -np.inf, np.nan, -1.5, 1.0]
    x = np.array([*ends, *np.geomspace(1e-4, 1e4, 33)], dtype)
    exponents = [-4.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 4.5]
    program = together({f"p{i}": _powers_like(e, dtype) for i, e in enumerate(exponents)})
    for (got,), exponent in zip(program({f"p{i}": [x] for i in range(8)}).values(), exponents, strict=True):
        with np.errstate(all="ignore"):
            want = (x.astype(np.longdouble) ** np.longdouble(exponent)).astype(dtype)
        np.testing.assert_allclose(got, want, rtol=3 * np.finfo(dtype).eps, err_msg=str(exponent))
        np.testing.assert_array_equal(np.signbit(got[:4]), np.signbit(want[:4]), err_msg=str(exponent))


@DTYPES
def test_roots_of_subnormal_numbers(dtype: np.dtype) -> None:
    """Right, or those of zero where the processor takes them as that; never NaN."""
    tiny = np.finfo(dtype).tiny
    x = np.array([tiny / 4, -tiny / 4, 0.0], dtype)
    program = together(
        {"cbrt": (dif.cbrt, [Aval((DYN,), dtype)]), "hypot": (lambda x: dif.hypot(x, x), [Aval((DYN,), dtype)])}
    )
    for name, (got,) in program({"cbrt": [x], "hypot": [x]}).items():
        want = np.cbrt(x) if name == "cbrt" else np.hypot(x, x)
        assert np.all((np.abs(got) < 2 * tiny) | (np.abs(got - want) <= 1e-6 * np.abs(want))), name


def test_powers_of_integers() -> None:
    bases, exponents = (a.ravel() for a in np.meshgrid(np.arange(-5, 6), np.arange(-4, 64)))
    aval = Aval((DYN,), np.dtype(np.int64))
    (got,) = call(compiled(build({"f": (dif.pow, [aval] * 2)})).f, [bases, exponents])
    want = [_power(int(b), int(e)) for b, e in zip(bases, exponents, strict=True)]
    np.testing.assert_array_equal(got, want)


def _power(base: int, exponent: int) -> int:
    """Return a power wrapped to 64 bits; a negative one of anything but 1 and -1 is 0."""
    whole = base**exponent if exponent >= 0 else base ** (-exponent % 2 + 2) if abs(base) == 1 else 0
    return (whole + 2**63) % 2**64 - 2**63
