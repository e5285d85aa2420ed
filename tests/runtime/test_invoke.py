"""Tests of `difc.runtime.invoke`: calls on every device, pytrees, dynamic dims, threads, and the price of a call."""

from __future__ import annotations

import json
import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from difc.errors import ArtifactError, DeviceError, InputError
from difc.runtime import ArraySpec, DeviceArray, Module, load, to_device
from difc.runtime.signature import DTYPES
from tests.runtime.artifacts import F32_16, add_artifact, binary, build, every_device, mlir_type, signature

X = np.arange(16, dtype=np.float32)


@every_device
def test_a_call(device_name: str, target: str) -> None:
    module = load(add_artifact(target), device_name)
    result = module.add(X, X)
    assert type(result) is DeviceArray
    assert result.device.name == device_name
    np.testing.assert_array_equal(result, X + X)
    np.testing.assert_array_equal(module.add(result, module.add(X, result)), 5 * X)


def test_arguments_by_name(add: Module) -> None:
    np.testing.assert_array_equal(add(y=X, x=X + 1), X + X + 1)


@every_device
def test_arguments_of_other_devices(device_name: str, target: str) -> None:
    module = load(add_artifact(target), device_name)
    np.testing.assert_array_equal(module.add(to_device(X, "local-task"), to_device(X, "local-sync")), X + X)


@pytest.mark.parametrize("device_name", ["local-sync", "local-task"])
def test_devices_of_the_processor_share_memory(device_name: str, add_bytes: bytes) -> None:
    """An array on either is an argument as it is, without the checks of a first call; results outlive it."""
    module = load(add_bytes, device_name)
    for there in ("local-sync", "local-task"):
        given = to_device(X, there)
        result = module.add(given, given)
        assert module.add._checked == (given._kind, given._kind)
        del given
        np.testing.assert_array_equal(result, X + X)
        assert result.device is module.device


def test_checked_calls_do_not_weaken_later_checks(add: Module) -> None:
    there = to_device(X, "local-sync")
    add(there, there)
    for wrong in (to_device(X[:8], "local-sync"), to_device(X.astype(np.int32), "local-sync"), X[:8]):
        with pytest.raises(InputError, match="argument `y` has the wrong"):
            add(there, wrong)
    np.testing.assert_array_equal(add(there, there), X + X)


def test_every_dtype_goes_in_and_out() -> None:
    functions = []
    for name, dtype in DTYPES.items():
        spec, op = ArraySpec(("n",), dtype), {"b": "ori", "i": "addi", "u": "addi"}.get(dtype.kind, "addf")
        functions.append((signature(name, [spec, spec], [spec]), binary(op, mlir_type(spec))))
    module = load(build(*functions))
    for name, dtype in DTYPES.items():
        values = np.array([0, 1, 100]).astype(dtype)
        result = getattr(module, name)(values, values)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, values + values, err_msg=name)


def test_scalars_and_zero_sizes() -> None:
    scalar, empty = ArraySpec((), np.float64), ArraySpec((0, 3), np.float32)
    body = f"return %0, %1 : {mlir_type(scalar)}, {mlir_type(empty)}"
    module = load(build((signature("f", [scalar, empty], [scalar, empty]), body)))
    one, none = module(2.5, np.zeros((0, 3), np.float32))
    assert float(one) == 2.5
    assert np.asarray(none).shape == (0, 3)


def _dynamic() -> bytes:
    x, y = ArraySpec(("batch", 4), np.float32, "x"), ArraySpec(("batch", 4), np.float32, "y")
    return build((signature("f", [x, y], [x]), binary("addf", mlir_type(x))))


def test_dynamic_dims() -> None:
    module = load(_dynamic())
    for batch in (3, 1, 0, 7, 3):
        values = np.full((batch, 4), batch, np.float32)
        result = module(values, values)
        assert result.shape == (batch, 4)
        np.testing.assert_array_equal(module(result, result), 4 * values)
    three, two = (to_device(np.ones((n, 4), np.float32), "local-sync") for n in (3, 2))
    module(three, three)
    module(two, two)
    with pytest.raises(
        InputError, match=r"argument `y` .*\n.*\n.*\n(?s:.*)Remedy: .*'batch' is 3 in dimension 0 of `x`, and 2 here"
    ):
        module(three, two)


def _step(**meta: Any) -> bytes:
    names = ["params['b']", "params['w']", "x", "lr"]
    inputs = [ArraySpec((16,), np.float32, name) for name in names]
    out_tree = {"new": {"w": 0, "b": [0]}, "aux": (0, None)}
    in_tree = (({"w": 0, "b": 0}, 0), {"lr": 0})
    sig = signature("step", inputs, [F32_16] * 3, in_tree, out_tree, arg_names=["params", "x"], **meta)
    t = "tensor<16xf32>"
    body = f"%r = arith.addf %0, %3 : {t}\n%q = arith.mulf %1, %2 : {t}\nreturn %2, %r, %q : {t}, {t}, {t}"
    return build((sig, body))


def test_pytrees() -> None:
    module = load(_step())
    result = module.step({"w": X, "b": X + 1}, X + 2, lr=X + 3)
    assert list(result) == ["aux", "new"]
    assert result["aux"][1] is None
    np.testing.assert_array_equal(result["aux"][0], X + 2)
    np.testing.assert_array_equal(result["new"]["b"][0], 2 * X + 4)
    np.testing.assert_array_equal(result["new"]["w"], X * (X + 2))


def test_errors_in_pytrees_name_the_leaf() -> None:
    module = load(_step())
    with pytest.raises(InputError, match=r"`step`: argument `params\['w'\]` has the wrong dtype"):
        module({"w": X.astype(np.float64), "b": X}, X, lr=X)
    with pytest.raises(InputError, match=r"expected a dict with the keys 'b', 'w'"):
        module({"w": X}, X, lr=X)
    with pytest.raises(InputError, match=r"missing the argument\(s\) `lr`"):
        module({"w": X, "b": X}, X)


def test_namedtuples_of_two_modules_fit() -> None:
    state = namedtuple("state", "x y")
    args = [((state(0, 0),), {}), state(0, 0)]
    body = "return %0, %1 : tensor<16xf32>, tensor<16xf32>"
    first, second = (load(build((signature(name, [F32_16] * 2, [F32_16] * 2, *args), body))) for name in "fg")
    result = second(first(state(X, X + 1)))
    assert type(result).__name__ == "state"
    np.testing.assert_array_equal(result.y, X + 1)


def test_call_leaves() -> None:
    entry = load(_step()).step
    results = entry.call_leaves([X + 1, X, X + 2, X + 3])
    assert [type(result) for result in results] == [DeviceArray] * 3
    np.testing.assert_array_equal(results[2], X * (X + 2))
    with pytest.raises(InputError, match="`step` takes 4 arrays, got 1"):
        entry.call_leaves([X])


def test_no_arguments_no_results() -> None:
    module = load(build((signature("nothing", [], [], out_tree=()), "return")))
    assert module() == ()


def test_doc_and_repr() -> None:
    entry = load(_step(doc="One step.")).step
    assert entry.__doc__ == "One step."
    assert repr(entry).startswith("<entry step(params['b']: float32[16], ")


def test_a_failing_call_is_a_device_error() -> None:
    sig = signature("f", [ArraySpec((), np.int64, "n")], [ArraySpec(("n",), np.float32)])
    body = """%n = tensor.extract %0[] : tensor<i64>
    %size = arith.index_cast %n : i64 to index
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty(%size) : tensor<?xf32>
    %r = linalg.fill ins(%zero : f32) outs(%empty : tensor<?xf32>) -> tensor<?xf32>
    return %r : tensor<?xf32>"""
    module = load(build((sig, body)))
    assert module(5).shape == (5,)
    with pytest.raises(DeviceError, match=r"`f` failed on `local-sync`: (?!.*\.c:).*\n(?s:.*)Remedy: check the sizes"):
        module(2**60)
    assert module(3).tolist() == [0, 0, 0]


def test_a_signature_that_is_wrong_about_a_result() -> None:
    wide = ArraySpec((16,), np.float64)
    right = signature("add", [F32_16, F32_16], [F32_16])
    text = f"return %0 : {mlir_type(F32_16)}"
    wrong = signature("add", [F32_16, F32_16], [wide])
    escaped, false = (json.dumps(sig.to_json())[1:-1] for sig in (right, wrong))
    module = load(build((right, text), replace=(escaped, false)))
    with pytest.raises(ArtifactError, match=r"a result has 64 bytes where the signature has float64\[16\]"):
        np.asarray(module(X, X))


@pytest.mark.parametrize("device_name", ["local-sync", "local-task"])
def test_threads(device_name: str) -> None:
    modules = [load(add_artifact(), device_name), load(_dynamic(), device_name)]
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            batch = int(rng.integers(1, 9))
            fixed, free = rng.random(16, np.float32), rng.random((batch, 4), np.float32)
            results = modules[0](fixed, fixed), modules[1](free, free)
            for value, result in zip((fixed, free), results, strict=True):
                if not np.array_equal(result, value + value):
                    wrong.append((value, result))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_lost_device_says_that_the_process_has_to_start_again(add: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(*_: Any) -> None:
        raise RuntimeError("x.c:1: UNAVAILABLE; [vkSignalSemaphore] VK_ERROR_DEVICE_LOST")

    monkeypatch.setattr(add.add, "_invoke", invoke)
    with pytest.raises(DeviceError, match=r"`add` failed on .*DEVICE_LOST\n(?s:.*)Remedy: start the process again"):
        add(np.ones(16, np.float32), np.ones(16, np.float32))
