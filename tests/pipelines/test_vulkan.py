"""What Vulkan needs of a module: arrays of size 0, integers of 64 bits, few numbers and workgroups for each kernel."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines.invocation import Invocation
from difc.pipelines.target import Target
from difc.pipelines.vulkan import fit_commands, fit_numbers
from tests.pipelines.artifacts import needs_vulkan

f32, i64 = difc.f32, difc.i64
slow = pytest.mark.slow

SUM_BESIDE = """
func.func @f(%x: tensor<?xf32>, %y: tensor<4xf32>) -> (tensor<?xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %exp = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                         iterator_types = ["parallel"]}
    ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<?xf32>
  %s0 = tensor.empty() : tensor<f32>
  %s1 = linalg.fill ins(%zero : f32) outs(%s0 : tensor<f32>) -> tensor<f32>
  %s = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>], iterator_types = ["reduction"]}
    ins(%x : tensor<?xf32>) outs(%s1 : tensor<f32>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<f32>
  %o0 = tensor.empty() : tensor<4xf32>
  %o = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>, affine_map<(i) -> (i)>],
                       iterator_types = ["parallel"]}
    ins(%y, %s : tensor<4xf32>, tensor<f32>) outs(%o0 : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %exp, %o : tensor<?xf32>, tensor<4xf32>
}
"""


def _fitted(text: str) -> str:
    with Invocation(text, Target.parse("vulkan").flags(1)) as run:
        fit_numbers(run.module)
        run.to_phase("stream")
        fit_commands(run.module)
        return str(run.module)


def test_lengths_are_never_zero_and_sizes_are_one_number() -> None:
    text = _fitted(SUM_BESIDE)
    host = text[text.index("util.func public @f") :]
    assert host.count("arith.cmpi eq") >= 3  # the argument in two kernels, and what is allocated
    assert "arith.shrui" not in host  # else a size would be passed in two halves
    assert "umax = 9007199254740991" not in text
    assert "compute = fp32|int32" in text


def test_the_host_allocates_and_waits_for_commands() -> None:
    text = _fitted(SUM_BESIDE)
    assert len(re.findall(r"stream\.resource\.alloc ", text)) == 1
    assert not re.search(r"stream\.resource\.(alloca|dealloca) ", text)
    assert len(re.findall(r"stream\.cmd\.execute", text)) == len(re.findall(r"hal\.fence\.await", text)) == 1


@needs_vulkan
@pytest.mark.vulkan
def test_copies_between_other_buffers_than_before() -> None:
    programs = [lambda x: np.concatenate([x[50:], x[:50]]), lambda x: (x[10:60], x[20:70])]
    compiled = [difc.compile(program, f32[100], target="vulkan") for program in programs]
    kept = []
    for call in range(4):
        x = np.arange(100, dtype=np.float32) + 100 * call
        for program, wanted in zip(compiled, programs, strict=True):
            kept.append(program(x))  # so that the next call's results are elsewhere
            np.testing.assert_array_equal(kept[-1], wanted(x))


@needs_vulkan
@pytest.mark.vulkan
def test_long_loops_need_memory_for_one_step_at_a_time() -> None:
    def step(c: Any, _: None) -> Any:
        e = np.exp(c)
        return e[::-1] / np.sum(e), None

    size, steps = 1 << 18, 200
    program = difc.compile(lambda c: difc.scan(step, c, None, length=steps)[0], f32[size], target="vulkan")
    c = np.zeros(size, np.float32)
    np.asarray(program(c))  # the driver compiles its kernels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.asarray(program(c))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < steps * size * 4 / 4


def test_kernels_of_64_bit_integers_use_the_device_s_own() -> None:
    text = _fitted(
        SUM_BESIDE.replace("addf", "addi").replace("exp %a", "absi %a").replace("f32", "i64").replace("0.0", "0")
    )
    assert "compute = fp32|int64|int32" in text


LARGE = (1 << 22) + 77  # elements: more tiles of 64 than a device must take workgroups
MANY_TILES: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: x * 2, f32[LARGE]),
    (lambda x: x.T * 2, f32[LARGE // 4, 4]),
    (lambda x: np.sum(x, axis=1), f32[LARGE, 3]),
    (lambda x: x @ np.ones((4, 8), np.float32), f32[LARGE // 4, 4]),
    (lambda x: np.concatenate([x[1:], x[:1]]) * 2, f32[LARGE]),
    (lambda x: x * 2, f32["n"]),
    (lambda x: np.sum(x, axis=0), f32[3, "n"]),
]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("vulkan", (65_535, 65_535, 65_535)),
        ("vulkan:adreno", (65_535, 65_535, 65_535)),
        ("vulkan:ampere", (2**31 - 1, 65_535, 65_535)),
        ("cuda", (2**31 - 1, 65_535, 65_535)),
    ],
)
def test_kernels_ask_for_no_more_workgroups_than_a_device_must_take(name: str, most: tuple[int, ...]) -> None:
    target = Target.parse(name)
    for program, spec in MANY_TILES:
        with Invocation(difc.trace(program, spec).ir("linalg", name), target.flags()) as run:
            run.to_phase("stream")
            if target.family == "vulkan":
                fit_commands(run.module)
            run.to_phase("executable-targets", after="stream")
            text = str(run.module)
        known = dict(re.findall(r"(%\w+) = arith.constant (\d+) : index", text))
        counts = re.findall(r"hal.return (%\w+), (%\w+), (%\w+) : index", text)
        assert counts
        for x, *others in counts:
            assert all(int(known[count]) == 1 for count in others)
            if x in known:
                assert int(known[x]) <= most[0]
            else:  # computed from sizes
                assert re.search(rf"affine_map<\(\)\[s0\] -> \(s0 ceildiv \d+, {most[0]}\)>", text)


@needs_vulkan
@pytest.mark.vulkan
def test_workgroups_take_several_tiles() -> None:
    x = np.arange(3 * LARGE, dtype=np.float32)
    for program, spec in MANY_TILES[:3]:
        given = x[: np.prod(spec.shape)].reshape(spec.shape)
        np.testing.assert_array_equal(difc.compile(program, spec, target="vulkan")(given), program(given))


def _empty_programs() -> list[Callable[..., Any]]:
    return [
        lambda x, y, k: np.sum(x, axis=0) + y,
        lambda x, y, k: (np.exp(x), np.sum(x) + y[0]),
        lambda x, y, k: np.concatenate([x, y[None] * 2]),
        lambda x, y, k: x.T @ x,
        lambda x, y, k: difc.scan(lambda c, row: (c + row, c * row), y, x),
        lambda x, y, k: difc.scan(lambda c, row: (c * 2, np.sum(c) + row), x, y),
        lambda x, y, k: x[:, ::2].T,
        lambda x, y, k: x[::-2].T * 2,
        lambda x, y, k: y[k],
        lambda x, y, k: y.at[k].add(1.0),
        lambda x, y, k: np.cumsum(x, axis=0),
        lambda x, y, k: np.argmax(x, axis=1),
        lambda x, y, k: difc.cond(np.sum(x) > -1, lambda x: x + 1, lambda x: x * 2, x),
        difc.grad(lambda x, y, k: np.sum(np.prod(x, axis=1))),
        lambda x, y, k: x,
    ]


@needs_vulkan
@pytest.mark.vulkan
def test_arrays_of_size_zero() -> None:
    programs = _empty_programs()
    together = lambda x, y, k: [program(x, y, k) for program in programs]  # noqa: E731
    compiled = difc.compile(together, f32["n", 3], f32[3], i64["n"], target="vulkan")
    y = np.float32([1, -2, 3])
    for n in (0, 2):
        x, k = np.linspace(-1, 1, 3 * n, dtype=np.float32).reshape(n, 3), np.arange(n)
        found = compiled(x, y, k)
        with difc.disable_jit():
            wanted = difc.jit(together)(x, y, k)
        for i, pair in enumerate(zip(found, wanted, strict=True)):
            for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in pair), strict=True):
                assert np.shape(a) == np.shape(b), i
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=f"program {i}, n = {n}")
        again = compiled(found[-1], y, k)  # also an empty result is an argument
        np.testing.assert_array_equal(again[0], found[0])


def _integers(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators and divisors, with the extremes of the dtype."""
    info = np.iinfo(dtype)
    low = info.min or 11
    x = [0, 1, 2, 3, 5, 7, info.max, info.min, info.max - 1, low + 1, info.max // 3, low // 3, 100, 23]
    minus = [-1, -3] if info.min else [9, 4]
    y = [1, 2, 3, 5, 7, *minus, info.max, 10, info.max // 2, 13, info.max // 7, 0, minus[0]]
    return np.array(x, dtype), np.array(y, dtype)


def _integer_programs() -> list[Callable[..., Any]]:
    counts = np.arange(14)
    return [
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: np.fmod(x, y),
        lambda x, y: x // np.asarray(7, x.dtype),
        lambda x, y: x % np.asarray(10, x.dtype),
        lambda x, y: x**3 + x ** (y * y % np.asarray(5, x.dtype)),
        lambda x, y: x * (np.asarray(counts, x.dtype) * np.asarray(3, x.dtype) + np.asarray(1, x.dtype)),
        lambda x, y: np.where(x < y, x, y),
        lambda x, y: (x & y) | (x ^ np.asarray(5, x.dtype)),
        lambda x, y: np.cumsum(x, dtype=x.dtype),
        lambda x, y: (np.max(x), np.argmin(x), np.prod(x, dtype=x.dtype)),
        lambda x, y: np.gcd(x, y),
        lambda x, y: x[np.array([3, 1, 2])].astype(np.float32),
    ]


@needs_vulkan
@pytest.mark.vulkan
@pytest.mark.parametrize(
    "dtype", ["int64", *(pytest.param(t, marks=slow) for t in ("uint64", "int32", "uint16", "int8"))]
)
def test_integers(dtype: str) -> None:
    programs = _integer_programs()
    together = lambda x, y: [program(x, y) for program in programs]  # noqa: E731
    x, y = _integers(np.dtype(dtype))
    found = difc.compile(together, x, y, target="vulkan", opt_level=1)(x, y)
    with difc.disable_jit():
        wanted = difc.jit(together)(x, y)
    for i, pair in enumerate(zip(found, wanted, strict=True)):
        for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in pair), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"program {i}")
