"""Float32 matmuls on the tile unit (AMX): as exact as on the vector unit, for all numbers, and if it is refused."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import difc
from difc.pipelines.lowering.matmul_kernel import kernel_text
from difc.pipelines.target import Target, VectorUnit
from tests.pipelines.artifacts import call
from tests.pipelines.lowered import build, compiled
from tests.pipelines.lowering.emulated_tiles import emulate_tiles
from tests.pipelines.lowering.test_matmul import LAYOUTS, function

HERE = Target.parse("cpu").vectors
assert HERE is not None
RNG = np.random.default_rng(0)

needs_tiles = pytest.mark.skipif(not HERE.tiles, reason="this processor has no AMX, or the system keeps it back")
Matmul = Callable[..., np.ndarray]


def of_layouts(unit: VectorUnit) -> Matmul:
    """Return the matmul of any layout, for `x [m, k]` and `y [k, n]` in row-major order."""
    functions = {name: function(*sides, np.dtype("float32"), 0) for name, sides in LAYOUTS.items()}
    entries = compiled(build(functions), opt_level=3, vectors=unit)

    def run(x: np.ndarray, y: np.ndarray, layout: str = "nn") -> np.ndarray:
        left, right = LAYOUTS[layout]
        arguments = [np.ascontiguousarray(x if left else x.T), np.ascontiguousarray(y.T if right else y)]
        return np.asarray(call(getattr(entries, layout), arguments)[0])

    return run


@pytest.fixture(scope="module")
def matmul() -> Matmul:
    """A matmul on the unit, or with its instructions emulated where the processor has none."""
    if HERE.tiles:
        return of_layouts(HERE)
    with pytest.MonkeyPatch.context() as patch:
        emulate_tiles(patch)
        return of_layouts(replace(HERE, tiles=True))


@pytest.fixture(scope="module")
def by_vectors() -> Matmul:
    return of_layouts(replace(HERE, tiles=False))


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


def error(z: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest error of a product, in units of `sum(abs(x) * abs(y))`."""
    x, y = x.astype("float64"), y.astype("float64")
    return float(np.max(np.abs(z - x @ y) / (np.abs(x) @ np.abs(y))))


def test_only_kernels_of_float32_use_the_unit() -> None:
    text = {
        (element, tiles): kernel_text("f", element, VectorUnit(64, 32, fma=True, tiles=tiles))
        for element in ("f32", "f64")
        for tiles in (False, True)
    }
    assert [key for key, kernel in text.items() if "tdpbf16ps" in kernel] == [("f32", True)]
    generic = Target.parse("cpu-generic").vectors
    assert generic is not None
    assert not generic.tiles


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("m", "n", "k"), [(32, 32, 32), (33, 65, 64), (128, 97, 96), (129, 600, 130), (300, 33, 1000)])
def test_it_is_as_exact_as_float32_allows(matmul: Matmul, layout: str, m: int, n: int, k: int) -> None:
    x, y = normal(m, k), normal(k, n)
    z = matmul(x, y, layout)
    assert error(z, x, y) < 2e-7
    assert error(z, x, y) <= 1.5 * error(x @ y, x, y)


def test_the_last_bits_are_the_units(matmul: Matmul, by_vectors: Matmul) -> None:
    x, y = normal(160, 160), normal(160, 160)
    assert np.any(matmul(x, y) != by_vectors(x, y))


@settings(deadline=None, max_examples=40)
@given(st.integers(32, 200), st.integers(32, 300), st.integers(32, 200), st.sampled_from(sorted(LAYOUTS)))
def test_every_size(matmul: Matmul, m: int, n: int, k: int, layout: str) -> None:
    x, y = normal(m, k), normal(k, n)
    assert error(matmul(x, y, layout), x, y) < 5e-7


def test_integers_are_exact(matmul: Matmul) -> None:
    """Their products use all 24 bits of the operands' parts."""
    x = RNG.integers(-4000, 4000, (96, 128)).astype("float32")
    y = RNG.integers(0, 2, (128, 64)).astype("float32")
    np.testing.assert_array_equal(matmul(x, y), x @ y)
    wide = np.diag(RNG.integers(2**23, 2**24, 64)).astype("float32")
    np.testing.assert_array_equal(matmul(wide, np.eye(64, dtype="float32")), wide)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("side", [0, 1])
def test_infinities_and_nan(matmul: Matmul, value: float, side: int) -> None:
    operands = [normal(200, 100), normal(100, 300)]
    operands[side][77, 50] = value
    operands[1 - side][5, 5] = 0
    with np.errstate(invalid="ignore"):
        wanted = operands[0] @ operands[1]
    np.testing.assert_allclose(matmul(*operands), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scales", [(1e-30, 1e-5), (1e-44, 1.0), (1e-37, 1e30), (1e30, 1e5), (3e37, 1e-37)])
def test_the_vector_unit_does_what_is_out_of_bounds(
    matmul: Matmul, by_vectors: Matmul, scales: tuple[float, float]
) -> None:
    """Parts and products of small numbers are smaller still: the unit would take them for zeros."""
    x, y = ((normal(64, 64).astype("float64") * scale).astype("float32") for scale in scales)
    np.testing.assert_array_equal(matmul(x, y), by_vectors(x, y))


@pytest.mark.parametrize("scales", [(1e-20, 1e-8), (1e-14, 1e-14), (1e20, 1e-20), (1e14, 1e14)])
def test_small_and_large_numbers(matmul: Matmul, scales: tuple[float, float]) -> None:
    x, y = normal(64, 64) * np.float32(scales[0]), normal(64, 64) * np.float32(scales[1])
    assert error(matmul(x, y), x, y) < 3e-7


def test_sums_that_overflow_are_infinite(matmul: Matmul) -> None:
    x, y = np.full((64, 64), 1e30, "float32"), np.full((64, 64), 1e10, "float32")
    assert np.all(matmul(x, y) == np.inf)
    assert np.all(matmul(-x, y) == -np.inf)


def test_one_small_number_among_others_keeps_its_digits(matmul: Matmul) -> None:
    x, y = np.zeros((64, 64), "float32"), np.zeros((64, 64), "float32")
    x[0, 0], x[1, 1], y[0, 0], y[1, 1] = 1.2345678e-36, 3.0, 7.654321e20, 2.0
    np.testing.assert_array_equal(matmul(x, y), x @ y)


_ELSEWHERE = """
    import ctypes, mmap, sys
    import numpy as np
    import difc

    class Stack(ctypes.Structure):
        _fields_ = [("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

    if sys.argv[1] == "refused":
        # Linux grants the registers only if they fit into the signal stacks of all threads: they need more than 8 KB.
        memory = mmap.mmap(-1, 8192)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        assert ctypes.CDLL(None).sigaltstack(ctypes.byref(Stack(address, 0, 8192)), None) == 0
    x = np.load(sys.argv[3])
    (product,) = difc.load(sys.argv[2], device="local-sync").entries.values()
    np.save(sys.argv[4], np.asarray(product(x, x)))
"""


@needs_tiles
def test_a_process_that_is_refused_the_registers_uses_the_vector_unit(tmp_path: Path, by_vectors: Matmul) -> None:
    """And one that has not asked for them before gets them: both show in the last bits."""
    x, files = normal(160, 160), [tmp_path / name for name in ("product.vmfb", "x.npy", "z.npy")]
    module = difc.compile(lambda x, y: x @ y, difc.f32[160, 160], difc.f32[160, 160])
    module.save(files[0])
    np.save(files[1], x)
    (product,) = module.entries.values()
    found = {}
    for how in ("granted", "refused"):
        command = [sys.executable, "-c", textwrap.dedent(_ELSEWHERE), how, *map(str, files)]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found[how] = np.load(files[2])
    np.testing.assert_array_equal(found["granted"], np.asarray(product(x, x)))
    np.testing.assert_array_equal(found["refused"], by_vectors(x, x))
    assert np.any(found["granted"] != found["refused"])
