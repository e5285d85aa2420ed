"""Tests of `difc.runtime.array`: a device array behaves as a NumPy array, and its memory outlives everything."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import optree
import pytest

from difc.errors import DeviceError, DifcError, InputError, MutationError, UnsupportedError
from difc.runtime import ArraySpec, DeviceArray, load, to_device
from difc.runtime.array import kind
from difc.runtime.device import device
from tests.frontend.failing import fails
from tests.runtime.artifacts import add_artifact, binary, build, every_device, signature

VALUES = np.arange(1, 7, dtype=np.float32).reshape(2, 3)


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.fixture
def x() -> DeviceArray:
    return to_device(VALUES, "local-sync")


def _scalar(value: Any) -> DeviceArray:
    return to_device(np.asarray(value), "local-sync")


def test_attributes(x: DeviceArray) -> None:
    assert (x.shape, x.dtype, x.ndim, x.size, len(x)) == ((2, 3), np.float32, 2, 6, 2)
    assert x.device is device("local-sync")
    assert x.block_until_ready() is x


def test_kinds_are_interned(x: DeviceArray) -> None:
    assert x._kind is kind((2, 3), np.dtype(np.float32), x.device)
    assert x._kind is to_device(VALUES + 1, "local-sync")._kind


def test_conversion_honours_dtype_and_copy(x: DeviceArray) -> None:
    host = np.asarray(x)
    assert host is np.asarray(x) is x.numpy()
    assert not host.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        host[0] = 1
    fresh = np.array(x)
    assert fresh.flags.writeable
    fresh[0] = 9
    np.testing.assert_array_equal(x, VALUES)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.asarray(x, copy=False) is host
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, dtype=np.float64, copy=False)


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]


@pytest.mark.parametrize("op", BINARY + COMPARE, ids=lambda op: op.__name__)
def test_operators_compute_with_numpy(x: DeviceArray, op: Callable[..., Any]) -> None:
    other = VALUES + 2
    for result in (op(x, other), op(x, to_device(other, "local-sync"))):
        np.testing.assert_array_equal(result, op(VALUES, other))
        assert type(result) is np.ndarray
    np.testing.assert_array_equal(op(other, x), op(other, VALUES))
    np.testing.assert_array_equal(op(x, 2), op(VALUES, 2))
    assert op(x, 2).dtype == op(VALUES, 2).dtype


def test_more_operators(x: DeviceArray) -> None:
    np.testing.assert_array_equal(-x, -VALUES)
    np.testing.assert_array_equal(abs(-x), VALUES)
    np.testing.assert_array_equal(x @ x.T, VALUES @ VALUES.T)
    flags = _scalar([True, False])
    np.testing.assert_array_equal(~flags | flags, [True, True])


def test_in_place_operators_rebind(x: DeviceArray) -> None:
    y: Any = x
    y += 1
    np.testing.assert_array_equal(y, VALUES + 1)
    np.testing.assert_array_equal(x, VALUES)
    host = VALUES.copy()
    host += x
    np.testing.assert_array_equal(host, 2 * VALUES)


def test_assignment_is_an_error(x: DeviceArray) -> None:
    with pytest.raises(
        MutationError, match=r"cannot be assigned to in place\nRemedy: change a copy: `y = np.array\(x\)`"
    ):
        x[0] = 1
    with pytest.raises(MutationError, match="cannot be assigned to in place"):
        np.add(VALUES, 1, out=x)  # type: ignore[call-overload]


def test_numpy_functions(x: DeviceArray) -> None:
    assert np.sum(x) == x.sum() == 21
    assert np.mean(x) == 3.5
    np.testing.assert_array_equal(np.concatenate([x, VALUES]), np.concatenate([VALUES, VALUES]))
    np.testing.assert_array_equal(np.reshape(x, (3, 2)), VALUES.reshape(3, 2))
    np.testing.assert_array_equal(np.where(x > 2, x, 0), np.where(VALUES > 2, VALUES, 0))
    np.testing.assert_array_equal(np.add.reduce(x, axis=0), VALUES.sum(0))
    np.testing.assert_array_equal(np.exp(x), np.exp(VALUES))
    assert np.allclose(x, VALUES)
    assert x.astype(np.int32).dtype == np.int32
    assert x.tolist() == VALUES.tolist()
    assert not hasattr(x, "nonsense")


def test_sequence_protocol(x: DeviceArray) -> None:
    np.testing.assert_array_equal(x[1], VALUES[1])
    np.testing.assert_array_equal(x[:, ::-1], VALUES[:, ::-1])
    assert x[1, 2] == 6
    assert [row.tolist() for row in x] == VALUES.tolist()
    assert 5 in x
    assert 7 not in x
    with pytest.raises(TypeError, match="unsized"):
        len(_scalar(1.0))


def test_scalars() -> None:
    assert float(_scalar(2.5)) == 2.5
    assert int(_scalar(3)) == 3
    assert complex(_scalar(2.5)) == 2.5
    assert [10, 20][_scalar(1)] == 20
    assert bool(_scalar(True))
    assert not _scalar(0)
    assert _scalar(2.5).item() == 2.5
    assert f"{_scalar(2.0):.3f}" == "2.000"
    with pytest.raises(ValueError, match="ambiguous"):
        bool(_scalar([1, 2]))
    with pytest.raises(TypeError):
        operator.index(_scalar(1.5))


def test_repr() -> None:
    assert repr(_scalar(np.float32([1, 2]))) == "DeviceArray([1., 2.], dtype=float32, device='local-sync')"
    assert repr(_scalar(ml_dtypes.bfloat16(1))) == "DeviceArray(1, dtype=bfloat16, device='local-sync')"
    assert str(_scalar([1, 2])) == "[1 2]"


def test_copy_and_pickle(x: DeviceArray) -> None:
    assert copy.copy(x) is copy.deepcopy(x) is x
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is DeviceArray
    assert again.device is x.device
    np.testing.assert_array_equal(again, VALUES)


def test_dlpack(x: DeviceArray) -> None:
    shared = np.from_dlpack(x)  # type: ignore[arg-type]
    np.testing.assert_array_equal(shared, VALUES)
    assert not shared.flags.writeable
    assert x.__dlpack_device__() == (1, 0)
    x.__dlpack__()  # the old protocol: a copy, because consumers may write


def test_jax_reads_device_arrays(x: DeviceArray) -> None:
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(jnp.asarray(x), VALUES)
    np.testing.assert_array_equal(jnp.from_dlpack(x), VALUES)


def test_to_device_copies_only_between_devices(x: DeviceArray) -> None:
    assert to_device(x, "local-sync") is x
    other = to_device(x, "local-task")
    assert other.device.name == "local-task"
    np.testing.assert_array_equal(other, VALUES)
    source = VALUES.copy()
    there = to_device(source, "local-sync")
    source[:] = 0
    np.testing.assert_array_equal(there, VALUES)


def test_to_device_takes_pytrees(x: DeviceArray) -> None:
    given = {"w": VALUES, "rest": [Point(1.5, x), None, (2, np.float32(3))]}
    there = to_device(given, "local-sync")
    assert optree.tree_structure(there) == optree.tree_structure(given)
    assert there["rest"][0].y is x
    for found, wanted in zip(optree.tree_leaves(there), optree.tree_leaves(given), strict=True):
        assert type(found) is DeviceArray
        assert found.dtype == np.asarray(wanted).dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("text", InputError, "^a value of type str is no array"),
        ({"a": [1.0, object()]}, InputError, r"^value\['a'\]\[1\]: a value of type object is no array"),
        ([2**64], InputError, r"^value\[0\]: an integer of more than 64 bits is no array"),
        ((np.ma.masked_array([1.0]),), InputError, r"^value\[0\]: a masked array would lose its mask"),
        ([1j], UnsupportedError, "^a device has no arrays of `complex128`"),
    ],
)
def test_what_to_device_cannot_copy(value: Any, error: type[DifcError], message: str) -> None:
    with fails(error, message, at="to_device(value)"):
        to_device(value)


def test_what_is_no_device() -> None:
    with fails(DeviceError, "^3 is no device", at="to_device(1.0, 3)", remedy="pass one of local-sync, local-task"):
        to_device(1.0, 3)  # type: ignore[call-overload]


def test_to_device_takes_any_layout() -> None:
    for values in (VALUES.T, VALUES[:, ::2], VALUES.astype(">f4"), np.broadcast_to(VALUES[0], (5, 3))):
        np.testing.assert_array_equal(to_device(values, "local-sync"), values)


@every_device
@pytest.mark.parametrize("size", [16, 100_000])
def test_host_arrays_outlive_module_array_and_device_variable(device_name: str, target: str, size: int) -> None:
    spec = ArraySpec((size,), np.float32)
    body = binary("addf", f"tensor<{size}xf32>")
    artifact = build(
        (signature("double", [spec, spec], [spec], target=target, driver=device_name), body), target=target
    )
    values = np.arange(size, dtype=np.float32)
    module = load(artifact, device_name)
    result = module(values, values)
    kept = [
        np.asarray(result)[2:],
        np.asarray(result).reshape(2, -1)[1],
        result[::3],
        result.T[-5:],
        np.asarray(result).view(np.int32),
    ]
    iterator = iter(result)
    del result, module
    gc.collect()
    for _ in range(60):  # were the memory free, one of these calls would write to it
        other = load(artifact, device_name)
        noise = other(values * 0 - 1, values * 0 - 1)
        np.asarray(noise)
        np.full(size, -7, np.float32)
        del noise, other
    gc.collect()
    expected = values + values
    for view, wanted in zip(
        kept,
        [expected[2:], expected.reshape(2, -1)[1], expected[::3], expected[-5:], expected.view(np.int32)],
        strict=True,
    ):
        np.testing.assert_array_equal(view, wanted)
    assert [next(iterator) for _ in range(3)] == [0, 2, 4]


def test_constants_outlive_their_module() -> None:
    spec = ArraySpec((4096,), np.float32)
    data = np.arange(4096, dtype=np.float32)
    resources = f'{{-# dialect_resources: {{ builtin: {{ blob: "0x10000000{data.tobytes().hex()}" }} }} #-}}'
    body = "%c = arith.constant dense_resource<blob> : tensor<4096xf32>\nreturn %c : tensor<4096xf32>"
    artifact = build((signature("table", [], [spec]), body), resources=resources)
    array = load(artifact)()
    view = load(artifact)()[1:]
    gc.collect()
    for _ in range(30):
        load(artifact)()
    np.testing.assert_array_equal(array, data)
    np.testing.assert_array_equal(view, data[1:])


def test_results_are_separate() -> None:
    module = load(add_artifact())
    values = np.ones(16, np.float32)
    results = [module(values * i, values) for i in range(50)]
    for index, result in enumerate(results):
        np.testing.assert_array_equal(result, values * (index + 1))
