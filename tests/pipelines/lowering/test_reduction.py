"""Reductions: in two kernels where large, precise where long, of NaN and ties."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from difc.dialects.mlir import ir
from tests.pipelines.lowered import build, check, compiles, text_of, together

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "axes", "kernels"),
    [
        ((1 << 16,), (0,), 2),
        ((300, 700), (0, 1), 2),
        ((4, 1 << 15), (1,), 2),
        ((3, 40, 50, 60), (1, 2, 3), 2),
        ((64, 1 << 12), (1,), 1),
        ((65537,), (0,), 1),  # a prime number of elements has no parts
        ((100,), (0,), 1),
    ],
)
def test_large_reductions_to_few_results_take_two_kernels(
    shape: tuple[int, ...], axes: tuple[int, ...], kernels: int
) -> None:
    text = text_of(lambda x: dif.reduce_max(x, axes=axes), [Aval(shape, F32)])
    assert text.count("linalg.generic") == kernels


@pytest.mark.parametrize(
    ("shape", "axes", "lanes"),
    [
        ((DYN,), (0,), "tensor<256xf32>"),
        ((65537,), (0,), "tensor<256xf32>"),
        ((DYN, 512), (0,), "tensor<16x512xf32>"),
        ((DYN, 3, DYN), (0, 2), "tensor<3x256xf32>"),
        ((DYN, DYN), (1,), "tensor<?x32xf32>"),
        ((DYN, 10), (1,), ""),
        ((DYN, 4096), (0,), ""),
    ],
)
def test_rows_that_may_be_long_are_reduced_in_lanes_on_gpus(
    shape: tuple[int, ...], axes: tuple[int, ...], lanes: str
) -> None:
    text = text_of(lambda x: dif.reduce_sum(x, axes=axes), [Aval(shape, F32)], "cuda")
    loops = [line for line in text.splitlines() if "scf.for" in line]
    assert bool(loops) == bool(lanes)
    assert lanes in text
    assert "scf.for" not in text_of(lambda x: dif.reduce_sum(x, axes=axes), [Aval(shape, F32)])


@pytest.mark.parametrize(
    ("shape", "lanes"),
    [
        ((DYN,), "tensor<?xf32>"),
        ((DYN, 4096), "tensor<?x4096xf32>"),
        ((80_000, 4096), "tensor<3x4096xf32>"),
        ((1 << 26,), "tensor<2048xf32>"),
        ((8 * 100_003,), "tensor<256xf32>"),
        ((3000, 4096), ""),
    ],
)
def test_lanes_of_vulkan_are_so_many_that_each_has_few_steps(shape: tuple[int, ...], lanes: str) -> None:
    text = text_of(lambda x: dif.reduce_sum(x, axes=(0,)), [Aval(shape, F32)], "vulkan")
    assert ("scf.for" in text) == bool(lanes)
    assert lanes in text
    assert ("arith.maxsi" in text) == (DYN in shape)


def test_long_sums_are_precise() -> None:
    """In half and single precision, along either axis, of known and unknown size."""
    programs, arguments, wanted = {}, {}, {}
    for dtype, scale in (("float32", 1e-7), ("float16", 1e-3)):
        for axis, size in ((0, 5000), (1, 5000), (0, DYN), (1, DYN)):
            shape = [3, 3]
            shape[axis] = 5000
            x = RNG.uniform(0.5, 1.5, shape).astype(dtype) / 100
            aval = Aval(tuple(size if d == axis else 3 for d in (0, 1)), x.dtype)
            name = f"{dtype}_{axis}_{size == DYN}"
            programs[name] = (lambda x, axis=axis: dif.reduce_sum(x, axes=(axis,)), [aval])
            arguments[name], wanted[name] = [x], (x.astype(float).sum(axis), scale)
    for name, (found,) in together(programs)(arguments).items():
        np.testing.assert_allclose(found, wanted[name][0], rtol=wanted[name][1])


def test_large_reductions() -> None:
    programs = {}
    for name, shape, axes in (
        ("all", (300, 700), (0, 1)),
        ("some", (3, 40, 50, 60), (1, 2, 3)),
        ("one", (4, 1 << 15), (1,)),
    ):
        for op in (dif.reduce_sum, dif.reduce_max):
            emit = lambda x, op=op, axes=axes: op(x, axes=axes)  # noqa: E731
            programs[f"{op.__name__}_{name}"] = (emit, [Aval(shape, F32)], [RNG.uniform(0, 1, shape)])
    check(programs)


TIES = np.array(
    [
        [1, 3, 3, 0],
        [np.nan, 9, np.nan, 1],
        [2, np.nan, 1, np.nan],
        [-np.inf] * 4,
        [np.inf, 1, np.inf, 2],
        [0.0, -0.0, 0.0, -0.0],
    ]
)


def test_first_of_equal_extremes_and_of_nan() -> None:
    """Along either axis, of known and unknown size."""
    programs = {}
    for op in (dif.argmax, dif.argmin):
        for axis in (0, 1):
            for size in (6, DYN):
                emit = lambda x, op=op, axis=axis: op(x, axis=axis)  # noqa: E731
                programs[f"{op.__name__}_{axis}_{size == 6}"] = (emit, [Aval((size, 4), F32)], [TIES])
    check(programs)


def test_first_of_a_long_row_of_equals() -> None:
    """However a target splits the row, the first of its largest elements is found."""
    row = np.zeros(10_007)
    row[[4000, 4001, 9000]] = 1
    check({"f": (lambda x: dif.argmax(x, axis=0), [Aval((10_007,), F32)], [row])}, opt_level=3)


def test_what_is_fused_with_a_reduction_for_cuda() -> None:
    """IREE cannot share out a reduction over several dims that reads arrays of other shapes."""

    def mean_square(x: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
        y = dif.dot_general(x, w, lhs_contract=(1,), rhs_contract=(0,), lhs_batch=(), rhs_batch=())
        rows = dif.broadcast_in_dim(b, shape=(dif.dim(x, dimension=0), 4), dimensions=(1,))
        shifted = dif.add(y, rows)
        return dif.reduce_sum(dif.mul(shifted, shifted), axes=(0, 1))

    avals = [Aval((DYN, 3), F32), Aval((3, 4), F32), Aval((4,), F32)]
    assert compiles(build({"f": (mean_square, avals)}), "cuda", 3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_of_products_with_a_repeated_factor(dtype: str) -> None:
    def weighted(x: ir.Value, w: ir.Value, axes: tuple[int, ...]) -> ir.Value:
        return dif.reduce_sum(dif.mul(x, dif.broadcast_in_dim(w, shape=(2, 4, 5), dimensions=(0, 2))), axes=axes)

    avals = [Aval((2, 4, 5), np.dtype(dtype)), Aval((2, 5), np.dtype(dtype))]
    arrays = [RNG.normal(size=aval.shape) for aval in avals]
    check(
        {
            f"over_{len(axes)}_{axes[0]}": (partial(weighted, axes=axes), avals, arrays)
            for axes in ((0, 1, 2), (1, 2), (0, 2), (0, 1))
        }
    )


def test_sums_of_products_are_no_contractions_on_processors() -> None:
    """Each number that is added is given its own sign, in which zeros, infinities and NaN keep theirs."""

    def products(x: ir.Value) -> list[ir.Value]:
        y = dif.mul(x, x)
        return [dif.reduce_sum(y, axes=axes) for axes in ((0,), (1,), (0, 1))]

    for target, count in (("cpu", 3), ("vulkan", 0)):
        assert text_of(products, [Aval((300, 64), F32)], target).count("math.copysign") == count
    assert "math.copysign" not in text_of(lambda x: dif.reduce_sum(x, axes=(0,)), [Aval((300, 64), F32)])
    values = np.array([[0, -0.0, -1], [np.inf, 2, 3], [-np.inf, 3, np.nan]])
    sums = lambda x, y: [dif.reduce_sum(dif.mul(x, y), axes=axes) for axes in ((0,), (1,), (0, 1))]  # noqa: E731
    check({"f": (sums, [Aval((3, 3), F64)] * 2, [values, np.array([[1.0, -1, 1]] * 3)])})
