"""Large matmuls on the CPU: the kernel gives NumPy's numbers for every size, layout and vector unit."""

from __future__ import annotations

import re

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from difc.dialects.mlir import ir
from difc.pipelines.lower import lower
from difc.pipelines.lowering.matmul import is_worth_the_kernel
from difc.pipelines.target import Target, VectorUnit
from tests.pipelines.artifacts import call
from tests.pipelines.lowered import Function, build, compiled, together

HERE = Target.parse("cpu").vectors
assert HERE is not None
RNG = np.random.default_rng(0)
#: Where the contracted dim of each operand is: both row-major, the left or the right one transposed, and both.
LAYOUTS = {"nn": (1, 0), "tn": (0, 0), "nt": (1, 1), "tt": (0, 1)}
#: m, n, k: single rows and columns, edges of tiles, panels and buffers, nothing to sum.
SIZES = [
    (1, 1, 1),
    (7, 33, 5),
    (8, 32, 256),
    (9, 31, 257),
    (128, 64, 128),
    (129, 65, 520),
    (300, 1, 40),
    (4, 6, 0),
    (40, 97, 66),
]


def function(left: int, right: int, dtype: np.dtype, batch: int) -> Function:
    dims = {
        "lhs_batch": tuple(range(batch)),
        "rhs_batch": tuple(range(batch)),
        "lhs_contract": (left + batch,),
        "rhs_contract": (right + batch,),
    }
    aval = Aval((DYN,) * (2 + batch), dtype)
    return (lambda x, y: dif.dot_general(x, y, **dims)), [aval, aval]


def units() -> list[VectorUnit]:
    """Every vector unit whose instructions this processor has."""
    all_units = [
        VectorUnit(64, 32, True),
        VectorUnit(32, 16, True),
        VectorUnit(16, 32, True),
        VectorUnit(16, 16, False),
    ]
    all_units += [HERE] if HERE.tiles else []
    return [unit for unit in all_units if unit.bytes <= HERE.bytes and (HERE.fma or not unit.fma)]


@pytest.mark.parametrize("unit", units(), ids=str)
def test_every_size_and_layout(unit: VectorUnit) -> None:
    kinds = {f"{layout}_{dtype.name}": (*LAYOUTS[layout], dtype) for layout in LAYOUTS for dtype in (F32, F64)}
    products = together({name: function(*kind, 0) for name, kind in kinds.items()}, opt_level=3, vectors=unit)
    for m, n, k in SIZES:
        arguments, wanted = {}, {}
        for name, (left, right, dtype) in kinds.items():
            x, y = RNG.standard_normal((m, k)).astype(dtype), RNG.standard_normal((k, n)).astype(dtype)
            arguments[name] = [np.ascontiguousarray(x if left else x.T), np.ascontiguousarray(y.T if right else y)]
            wanted[name] = x @ y
        for name, (z,) in products(arguments).items():
            limit = 3e-4 if z.dtype == F32 else 1e-12
            np.testing.assert_allclose(z, wanted[name], rtol=0, atol=limit, err_msg=f"{name}, {m, n, k}")


def test_nothing_to_sum_gives_zeros() -> None:
    """Also in memory that a call before has written to."""
    module = difc.compile(lambda x, y: x @ y, difc.f32["m", "k"], difc.f32["k", "n"])
    for k in (64, 64, 0):
        found = module(np.ones((64, k), np.float32), np.ones((k, 64), np.float32))
        np.testing.assert_array_equal(found, k)


def test_a_batch() -> None:
    """Of matrices that are turned, and with the batch between their dims."""
    dims = {"lhs_contract": (2,), "rhs_contract": (2,), "lhs_batch": (1,), "rhs_batch": (0,)}
    between = (lambda x, y: dif.dot_general(x, y, **dims)), [Aval((DYN,) * 3, F32)] * 2
    entries = compiled(build({"f": function(1, 1, F32, 1), "between": between}), opt_level=3)
    x, y = RNG.standard_normal((3, 40, 50), np.float32), RNG.standard_normal((3, 70, 50), np.float32)
    np.testing.assert_allclose(call(entries.f, [x, y])[0], x @ y.swapaxes(1, 2), rtol=0, atol=1e-4)
    swapped = np.ascontiguousarray(x.swapaxes(0, 1))
    np.testing.assert_allclose(call(entries.between, [swapped, y])[0], x @ y.swapaxes(1, 2), rtol=0, atol=1e-4)


#: Arguments of einsum, and their shapes.
SUMS = {
    "i,ij->j": ((600,), (600, 900)),
    "i,ji->j": ((600,), (900, 600)),
    "bi,bij->bj": ((2, 300), (2, 300, 900)),
    "ib,bij->jb": ((300, 2), (2, 300, 900)),
    "ij,jk->ik": ((128, 512), (512, 10)),
    "ji,kj->ki": ((512, 128), (10, 512)),
    "bij,bjk->kbi": ((2, 128, 300), (2, 300, 20)),
    "ij,j->i": ((900, 600), (600,)),
    "bij,jb->bi": ((2, 900, 300), (300, 2)),
}


def test_rows_and_narrow_results() -> None:
    """A row is a matrix of one row; the product with a narrow right operand is made transposed."""
    arguments = [[RNG.standard_normal(shape) for shape in shapes] for shapes in SUMS.values()]

    def f(arguments: list[list[np.ndarray]]) -> list[np.ndarray]:
        return [np.einsum(sums, *each) for sums, each in zip(SUMS, arguments, strict=True)]

    for dtype in (np.float32, np.float64):
        rounded = [[x.astype(dtype) for x in each] for each in arguments]
        module = difc.compile(f, rounded)
        assert module.ir("linalg").count('"flow.dispatch"') == len(SUMS)
        for sums, made, wanted in zip(SUMS, module(rounded), f(arguments), strict=True):
            np.testing.assert_allclose(made, wanted, rtol=0, atol=1000 * np.finfo(dtype).eps, err_msg=sums)


def static(m: int, n: int, k: int, dtype: np.dtype = F32) -> Function:
    emit, _ = function(1, 0, dtype, 0)
    return emit, [Aval((m, k), dtype), Aval((k, n), dtype)]


def test_a_module_has_the_kernel_once_for_each_element_type() -> None:
    functions = {f"f{i}": static(64 + i, 128, 256, (F32, F64)[i % 2]) for i in range(4)}
    text = str(lower(build(functions), target_kind="cpu", vectors=HERE))
    assert len(re.findall(r'"flow.executable"\(\)', text)) == 2
    assert len(re.findall(r'"flow.dispatch"', text)) == 4


@pytest.mark.parametrize(("size", "transposes"), [(DYN, 0), (256, 0), (512, 1)])
def test_transposes_only_a_large_left_operand(size: int, transposes: int) -> None:
    for layout, dims in LAYOUTS.items():
        emit, _ = function(*dims, F32, 0)
        module = build({"f": (emit, [Aval((size, size), F32)] * 2)})
        count = str(lower(module, target_kind="cpu", vectors=HERE)).count("linalg.transpose")
        assert count == (transposes if layout in ("tn", "tt") else 0), layout


@pytest.mark.parametrize(
    ("sizes", "element", "worth"),
    [
        ((1, 128, 512, 784), "f32", True),
        ((1, None, 512, 784), "f64", True),  # a size known at run time
        ((None, None, None, None), "f32", True),
        ((64, 64, 64, 64), "f32", True),
        ((1, 64, 64, 64), "f32", False),  # too little work
        ((1000, 16, 64, 64), "f32", False),  # too little in each
        ((1, 1, 20000, 32), "f32", True),  # a row
        ((1, 1024, 1, 1024), "f32", False),  # a column
        ((1, 128, 10, 512), "f32", True),
        ((1, 512, 512, 4), "f32", True),
        ((1, 20, 20, 5000), "f32", False),  # too small a result
        ((1, 512, 512, 512), "i32", False),
        ((1, 512, 512, 512), "f16", False),
    ],
)
def test_when_it_is_worth_it(sizes: tuple[int | None, ...], element: str, worth: bool) -> None:
    with ir.Context():
        assert is_worth_the_kernel(sizes, ir.Type.parse(element)) is worth


def test_gpus_have_no_vector_unit() -> None:
    assert [Target.parse(name).vectors for name in ("vulkan", "cuda")] == [None, None]
    assert "flow.executable" not in str(lower(build({"f": static(512, 512, 512)}), target_kind="vulkan"))
