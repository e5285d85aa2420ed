"""Products of a large matrix and a vector on the CPU: NumPy's numbers for every size, layout and vector unit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from difc import dialects as dif
from difc.dialects import DYN, F32, F64, Aval
from difc.dialects.mlir import ir
from difc.pipelines.lower import lower
from difc.pipelines.lowering.vector_product import is_a_vector_product
from difc.pipelines.target import VectorUnit
from tests.pipelines.artifacts import call
from tests.pipelines.lowered import Function, build, compiled, together
from tests.pipelines.lowering.test_matmul import HERE, units

RNG = np.random.default_rng(0)

#: n and k: single rows and columns, edges of vectors, of parts and of rows that are read together, nothing to sum.
SIZES = [(1, 1), (7, 33), (64, 3), (65, 130), (517, 66), (2500, 5), (6, 0)]


def function(*, first: bool, down: bool, dtype: np.dtype, n: int = DYN, k: int = DYN) -> Function:
    """Return the product of a vector and a matrix, or of a matrix and a vector: `down` if the matrix is `[k, n]`."""
    vector, matrix = Aval((k,), dtype), Aval((k, n) if down else (n, k), dtype)
    dims = {"lhs_batch": (), "rhs_batch": ()}
    at = (0 if down else 1,)
    if first:
        return (lambda v, a: dif.dot_general(v, a, lhs_contract=(0,), rhs_contract=at, **dims)), [vector, matrix]
    return (lambda v, a: dif.dot_general(a, v, lhs_contract=at, rhs_contract=(0,), **dims)), [vector, matrix]


@pytest.mark.parametrize("unit", units(), ids=str)
def test_every_size_and_layout(unit: VectorUnit) -> None:
    kinds = {
        f"{first}_{down}_{dtype.name}": {"first": first, "down": down, "dtype": dtype}
        for first in (True, False)
        for down in (True, False)
        for dtype in (F32, F64)
    }
    products = together({name: function(**kind) for name, kind in kinds.items()}, opt_level=3, vectors=unit)
    for n, k in SIZES:
        arguments, wanted = {}, {}
        for name, kind in kinds.items():
            a, v = (RNG.standard_normal(shape).astype(kind["dtype"]) for shape in ((n, k), (k,)))
            arguments[name] = [v, np.ascontiguousarray(a.T if kind["down"] else a)]
            wanted[name] = a @ v
        for name, (found,) in products(arguments).items():
            limit = 1e-4 if found.dtype == F32 else 1e-12
            np.testing.assert_allclose(found, wanted[name], rtol=0, atol=limit, err_msg=f"{name}, {n, k}")


def test_what_lies_beyond_an_edge_is_not_read() -> None:
    """Infinities and NaN stay in their row, and those in the vector reach all."""
    entries = compiled(build({"f": function(first=False, down=False, dtype=F32)}), opt_level=3)
    a, v = RNG.standard_normal((9, 70), np.float32), RNG.standard_normal(70, np.float32)
    a[3, 69], a[8, 0] = np.inf, np.nan
    np.testing.assert_allclose(call(entries.f, [v, a])[0], a @ v, rtol=1e-5, atol=1e-4)


def test_a_batch() -> None:
    """Of matrices, with the batch of the vectors behind and the batch of the matrices between."""
    dims = {"lhs_batch": (1,), "rhs_batch": (1,), "lhs_contract": (2,), "rhs_contract": (0,)}
    emit = lambda a, v: dif.dot_general(a, v, **dims)  # noqa: E731
    module = build({"f": (emit, [Aval((300, 3, 256), F64), Aval((256, 3), F64)])})
    a, v = RNG.standard_normal((300, 3, 256)), RNG.standard_normal((256, 3))
    assert '"difc_vector_along_f64"' in str(lower(module, target_kind="cpu", vectors=HERE))
    np.testing.assert_allclose(call(compiled(module).f, [a, v])[0], np.einsum("nbk,kb->bn", a, v), rtol=0, atol=1e-12)


def test_a_module_has_each_kernel_once() -> None:
    kinds = [{"first": i % 3 == 0, "down": i % 2 == 0, "dtype": F32, "n": 512 + i, "k": 256} for i in range(6)]
    module = build({f"f{i}": function(**kind) for i, kind in enumerate(kinds)})
    text = str(lower(module, target_kind="cpu", vectors=HERE))
    assert sorted(re.findall(r'sym_name = "(difc\w+)", sym_visibility', text)) == [
        "difc_vector_along_f32",
        "difc_vector_down_f32",
    ]
    assert text.count('"flow.dispatch"') == 6


@pytest.mark.parametrize(
    ("sizes", "element", "is_one"),
    [
        ((1, 1, 1024, 1024), "f32", True),
        ((1, 1024, 1, 1024), "f64", True),
        ((None, 1, None, None), "f32", True),  # sizes known at run time
        ((1, None, None, 1), "f32", False),  # an outer product
        ((1, 2, 1024, 1024), "f32", False),
        ((1, None, 1024, 1024), "f32", False),  # as far as is known
        ((1, 1, 100000, 32), "f32", False),  # of short rows
        ((1, 1, 100, 100), "f32", False),  # too little
        ((1, 1, 1024, 1024), "f16", False),
        ((1, 1, 1024, 1024), "i32", False),
    ],
)
def test_when_it_is_one(sizes: tuple[int | None, ...], element: str, is_one: bool) -> None:
    with ir.Context():
        assert is_a_vector_product(sizes, ir.Type.parse(element)) is is_one
