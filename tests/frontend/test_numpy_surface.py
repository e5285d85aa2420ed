"""The module difc.numpy: NumPy itself outside a trace, light to import; what a tracer refuses, and how."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import difc.numpy as dnp
from difc.dialects import Aval
from difc.dims import Dim
from difc.errors import ConcretizationError, DtypeError, MutationError, ShapeError, UnsupportedError
from tests.frontend.traced import compare, module_of, trace_and_run


def test_importing_does_not_import_mlir() -> None:
    code = (
        "import sys, difc.numpy as np, difc.nn, difc.scipy.special as s\n"
        "np.zeros(3), np.sum([1]), np.linalg.norm([3.0])\n"
        "s.logsumexp([1.0]), difc.nn.relu([1.0])\n"
        "print([m for m in sys.modules if 'mlir' in m or 'iree.compiler' in m])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_outside_a_trace_it_is_numpy() -> None:
    for name in ("zeros", "arange", "sum", "einsum", "where"):
        assert getattr(dnp, name).__wrapped__ is getattr(np, name)
    assert type(dnp.zeros(3)) is np.ndarray
    assert dnp.sin is np.sin
    assert dnp.float32 is np.float32
    assert (dnp.pi, dnp.newaxis, dnp.inf) == (np.pi, None, np.inf)
    assert dnp.finfo(np.float32).eps == np.finfo(np.float32).eps
    assert dnp.linalg.norm(np.array([3.0, 4.0])) == 5.0
    np.testing.assert_array_equal(dnp.sort([2, 1]), [1, 2])


def test_names() -> None:
    assert {"sum", "sin", "linalg", "pi", "float32"} <= set(dir(dnp))
    assert "norm" in dir(dnp.linalg)
    with pytest.raises(AttributeError, match="has no attribute 'summ'; did you mean 'sum'"):
        _ = dnp.summ
    with pytest.raises(AttributeError, match=r"difc.numpy.linalg.*did you mean 'norm'"):
        _ = dnp.linalg.norma
    with pytest.raises(AttributeError, match=r"(?s)does not have 'random': its state.*docs/coverage\.md"):
        _ = dnp.random


def test_no_submodule_hides_a_numpy_name() -> None:
    ours = {m.name for m in pkgutil.iter_modules(dnp.__path__)}
    assert ours & set(dir(np)) == {"linalg"}


def test_functions_without_traced_arguments_stay_numpy_in_a_trace() -> None:
    def f(x: Any) -> Any:
        assert isinstance(dnp.sum(np.ones(3)), np.float64)
        assert dnp.sum(np.ones(3)) == 3
        return x + dnp.zeros(2).at[0].add(1.0)

    compare(trace_and_run(f, np.zeros(2)), np.array([1.0, 0.0]))


N = Dim.named("n")


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: 1.0 if x[0, 0] > 0 else x, ConcretizationError, "a truth value.*difc.cond"),
        (lambda x: float(x[0, 0]), ConcretizationError, r"float\(x\).*astype"),
        (lambda x: int(x[0, 0]), ConcretizationError, r"int\(x\)"),
        (lambda x: list(range(x[0, 0].astype(int))), ConcretizationError, "difc.scan or difc.fori_loop"),
        (lambda x: np.array([x[0, 0]]), ConcretizationError, "np.stack"),
        (lambda x: np.zeros(x.shape[0]), ShapeError, "the size n is known only at run time.*difc.numpy"),
        (lambda x: np.ones((x.shape[0], 2)), ShapeError, "difc.numpy"),
        (lambda x: [x for _ in range(x.shape[0])], ShapeError, "difc.scan"),
        (lambda x: len(x), ConcretizationError, r"x\.shape\[0\]"),
        (lambda x: x.item(), ConcretizationError, r"x\.item\(\)"),
        (lambda x: x.__setitem__(0, 1.0), MutationError, "cannot be assigned to in place"),
        (lambda x: np.sin(x, out=np.zeros((3, 2))), MutationError, r"numpy.sin writes.*in place"),
        (lambda x: np.sum(x, out=np.zeros(())), MutationError, r"numpy.sum\(..., out=...\) writes in place"),
        (lambda x: np.add.at(np.zeros(3), 0, x[0, 0]), MutationError, "numpy.add.at writes"),
        (lambda x: np.zeros(2).__iadd__(x[0]), MutationError, r"a \+= x"),
        (dnp.roots, UnsupportedError, "numpy.roots cannot .*complex.*Remedy: use Newton.*docs/coverage.md"),
        (np.isnat, UnsupportedError, "numpy.isnat cannot be traced: there are no dates"),
        (lambda x: np.subtract.reduce(x), UnsupportedError, "numpy.subtract.reduce cannot be traced"),
        (dnp.trim_zeros, UnsupportedError, "numpy.trim_zeros cannot be traced: the size .* slice with known bounds"),
        (np.linalg.eigvals, UnsupportedError, "numpy.linalg.eigvals cannot be traced: .* are complex"),
        (lambda x: np.sin(x, where=x > 0), UnsupportedError, "numpy.sin with where=, which leaves.*np.where"),
        (lambda x: np.where(x > 0), UnsupportedError, r"np.where\(condition, x, y\)"),
        (lambda x: np.bitwise_and(x, 1), DtypeError, "numpy.bitwise_and does not work on dtypes f64, i64"),
        (lambda x: x.astype(complex), DtypeError, "complex128 is not supported"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(lambda x: f(x), [Aval((N, 2), np.dtype(float))])
    assert "test_numpy_surface.py" in str(raised.value)
    assert "^" in str(raised.value)
