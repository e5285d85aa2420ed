"""The Array API standard: a program that is written for it is traced, and the namespace describes itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.dialects import Aval
from difc.errors import DtypeError, MutationError, UnsupportedError, UnsupportedNameError
from tests.frontend.traced import compare, module_of, trace_and_run

X = np.arange(12.0).reshape(3, 4) + 0.5

#: Functions of the standard that have a fixed result shape and are about real numbers.
_TEXT = """
    abs acos acosh add all any arange argmax argmin asarray asin asinh astype atan atan2 atanh bitwise_and
    bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_to can_cast
    ceil clip concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide empty empty_like
    equal exp expand_dims expm1 eye finfo flip floor floor_divide full full_like greater greater_equal hypot iinfo imag
    isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not
    logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply negative
    nextafter not_equal ones ones_like permute_dims positive pow prod real reciprocal remainder repeat reshape
    result_type roll round searchsorted sign signbit sin sinh sqrt square squeeze stack std subtract sum take
    take_along_axis tan tanh tensordot tile tril triu trunc unstack var vecdot where zeros zeros_like
"""
NAMES = _TEXT.split()


def _program(x: Any) -> list[Any]:
    xp = x.__array_namespace__()
    whole = xp.astype(x, xp.int32)
    return [
        xp.matrix_transpose(x), xp.concat([x, x]), xp.astype(x, xp.float32), xp.permute_dims(x, (1, 0)), x.mT,
        xp.pow(x, 2.0), xp.zeros(3, dtype=x.dtype, device=x.device) + xp.sum(x, axis=1), x.to_device(x.device),
        xp.bitwise_left_shift(whole, 2), xp.vecdot(x, x), xp.linalg.vector_norm(x), xp.finfo(x.dtype).eps + x,
        xp.asarray(x, copy=True), xp.expand_dims(x, axis=0), xp.unstack(x)[0], xp.cumulative_sum(x, axis=1),
        xp.linspace(0, 1, 4) + x, xp.full((2,), 3.0) * x[:2, 0], xp.where(x > 2, x, 0.0), xp.max(x, axis=0),
        xp.broadcast_arrays(x, x[:1])[1], xp.isdtype(x.dtype, "real floating") + x, x.imag, x.conj(),
        np.zeros_like(x, device=x.device), np.linspace(x[0], x[1], 3, device=x.device),
    ]  # fmt: skip


def test_a_program_of_the_standard() -> None:
    compare(trace_and_run(_program, X), _program(X))


def test_the_names_are_there() -> None:
    assert [name for name in NAMES if not hasattr(dnp, name)] == []
    traced = {name for name in NAMES if isinstance(getattr(dnp, name), np.ufunc)}
    ufuncs = {ufunc for ufunc in dnp.__dict__.values() if isinstance(ufunc, np.ufunc)}
    assert {getattr(np, name) for name in traced} <= ufuncs


def test_the_namespace() -> None:
    info = dnp.__array_namespace_info__()
    assert info.capabilities() == {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}
    assert info.default_dtypes()["real floating"] == np.float64
    assert list(info.dtypes(kind="real floating")) == ["float32", "float64"]
    assert "complex128" not in info.dtypes()
    assert info.dtypes(kind=("bool", "complex floating")) == {"bool": np.dtype(bool)}
    assert (info.default_device(), info.devices()) == ("traced", ["traced"])
    with pytest.raises(ValueError, match=rf"difc.numpy follows version {dnp.__array_api_version__}, not 1999\.01"):
        trace_and_run(lambda x: x.__array_namespace__(api_version="1999.01").sin(x), X)
    for version in ("2021.12", "2022.12", "2023.12", dnp.__array_api_version__):
        compare(trace_and_run(lambda x, v=version: x.__array_namespace__(api_version=v).sin(x), X), np.sin(X))
    assert "2023.12" <= dnp.__array_api_version__ <= np.__array_api_version__


def test_device_arrays() -> None:
    x = difc.to_device(X, "local-sync")
    assert x.__array_namespace__() is np
    assert x.to_device(x.device) is x
    assert x.to_device("local-task").device.name == "local-task"
    np.testing.assert_array_equal(x.mT, X.T)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: x.sort(), MutationError, r"x.sort\(\) writes into the array.*use x = np.sort\(x\)"),
        (
            lambda x: setattr(x, "shape", (1, 3)),
            MutationError,
            r"shape of a traced array \(f.*in place.*reshape\(shape\)",
        ),
        (lambda x: x.fill(0), MutationError, r"np.full_like\(x, value\)"),
        (lambda x: x.strides, UnsupportedNameError, "a traced array has no 'strides'.*docs/coverage.md"),
        (lambda x: x.tobytes(), UnsupportedNameError, "no 'tobytes'"),
        (lambda x: np.ones_like(x, device="gpu"), UnsupportedError, "ones_like on device 'gpu' cannot be traced"),
        (lambda x: x.to_device("gpu"), UnsupportedError, "cannot be moved to 'gpu'.*difc.to_device"),
    ],
)
def test_messages(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as raised:
        module_of(f, [Aval((3,), X.dtype)])
    assert "test_numpy_array_api.py" in str(raised.value)


def test_methods_of_an_array() -> None:
    def f(x: Any) -> list[Any]:
        bits = x.view(np.int64)
        narrow = x.astype("f4", casting="same_kind")
        return [bits, bits.view(float), x.flatten("F"), x.copy("C"), narrow, x.real, x.flat[2]]

    compare(trace_and_run(f, X), f(X))
    with pytest.raises(DtypeError, match="the bits of"):
        trace_and_run(lambda x: x.view(np.int32), X)
    with pytest.raises(DtypeError, match=r"(?s)float64 does not become int64 by the rule casting='safe'.*\"unsafe\""):
        trace_and_run(lambda x: x.astype(int, casting="safe"), X)


def test_an_attribute_that_no_array_has() -> None:
    with pytest.raises(AttributeError, match="a traced array has no attribute 'foo'"):
        module_of(lambda x: x.foo, [Aval((3,), X.dtype)])
    with pytest.raises(AttributeError, match=r"^a traced array has no attribute 'summ'; did you mean 'sum'\?$"):
        module_of(lambda x: x.summ(), [Aval((3,), X.dtype)])
    module_of(lambda x: x + hasattr(x, "strides") + hasattr(x, "foo"), [Aval((3,), X.dtype)])
