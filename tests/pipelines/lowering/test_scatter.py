"""Scatters: equal points, all forms against the interpreter, sizes beyond a workgroup's memory, and speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import difc
from difc import dialects as dif
from difc import f32, i64
from difc.dialects import DYN, F32, I64, Aval
from difc.dialects.mlir import ir
from difc.scipy.special import log_softmax
from tests.pipelines.artifacts import call, needs_vulkan
from tests.pipelines.lowered import build, check, compiled, compiles

RNG = np.random.default_rng(0)
TABLE, POINTS, ROWS = Aval((DYN, 4), F32), Aval((DYN, 1), I64), Aval((DYN, 4), F32)


@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_equal_points(mode: str) -> None:
    """Many writes to few rows, some outside: the last wins, or all add up; producers and consumers are elementwise."""

    def program(op: dif.OpDef) -> tuple:
        def emit(x: ir.Value, i: ir.Value, u: ir.Value) -> ir.Value:
            written = op(dif.tanh(x), dif.add(i, i), dif.mul(u, u), axes=(0,), batch=0, mode=mode)
            return dif.neg(written)

        points = RNG.integers(-1, 6, (50, 1))
        return emit, [TABLE, POINTS, ROWS], [RNG.standard_normal((9, 4)), points, RNG.standard_normal((50, 4))]

    check({op.__name__: program(op) for op in dif.SCATTERS})


@pytest.mark.parametrize("target", ["cpu", "vulkan:rdna3", "cuda"])
@pytest.mark.parametrize("count", [100_000, DYN], ids=["many", "unknown"])
def test_points_may_be_many(target: str, count: int) -> None:
    """Coordinates are computed in their own kernel: fused into the scatter they would need a stack of their size."""

    def emit(x: ir.Value, i: ir.Value, u: ir.Value) -> ir.Value:
        return dif.exp(dif.scatter_add(x, dif.add(i, i), dif.mul(u, u), axes=(0, 1), batch=0, mode="fill"))

    avals = [Aval((DYN, 64), F32), Aval((count, 2), I64), Aval((count,), F32)]
    assert compiles(build({"f": (emit, avals)}), target, opt_level=3)


@pytest.mark.parametrize("target", ["cpu", "vulkan", "cuda"])
def test_positions_may_be_computed(target: str) -> None:
    """Positions that kernels of other shapes read, too: IREE would keep all of them in the memory of one thread."""

    def chosen(x: Any) -> Any:
        return np.where(x == 1, 9, np.searchsorted(np.linspace(0, 1, 11, dtype=np.float32), x, side="right") - 1)

    def row_sums(x: Any, t: Any) -> Any:
        return np.sum(t[chosen(x)].sum(1) * x)

    difc.compile(difc.grad(row_sums, argnums=(0, 1)), f32["n"], f32[10, 4], target=target)
    difc.compile(lambda x: np.histogram(x, bins=10, range=(0, 1))[0], f32["n"], target=target)


@pytest.mark.parametrize("target", ["cpu", "vulkan", "vulkan:rdna3", "cuda"])
@pytest.mark.parametrize("shape", [(300, 300), (16, 9), ("n", 9)], ids=str)
def test_a_pad_of_the_result(target: str, shape: tuple[Any, ...]) -> None:
    """Fused into the scatter's kernel it would need memory of the array's size, and crash where no window is left."""

    def padded(x: Any, points: Any, u: Any) -> Any:
        return np.pad(x.at[points].add(u[:, None]), ((0, 0), (1, 0))), np.pad(x.at[points, points].add(u), 1)

    difc.compile(padded, f32[shape], i64[50], f32[50], target=target)


LABELS: list[Any] = [
    lambda scores, labels: np.take_along_axis(scores[:, 1:], labels[:, None], axis=1),
    lambda scores, labels: np.take_along_axis(scores[:, 8::-1], labels[:, None], axis=1),
    lambda scores, labels: np.take_along_axis(scores[2:, ::2], labels[2:, None] // 2, axis=1),
    lambda scores, labels: np.pad(scores, 1)[1:-1, 2:][np.arange(16), labels],
]


@needs_vulkan
@pytest.mark.vulkan
@pytest.mark.parametrize("which", range(len(LABELS)))
def test_gradients_of_chosen_scores_on_vulkan(which: int) -> None:
    """The scatter of a gather's gradient, padded and fused with what softmax makes of it, to second order."""

    def loss(w: Any, x: Any, labels: Any) -> Any:
        return -np.mean(LABELS[which](log_softmax(x @ w, axis=1), labels))

    def slopes(w: Any, x: Any, labels: Any) -> Any:
        slope = difc.grad(loss)
        return slope(w, x, labels), difc.grad(lambda w: np.sum(slope(w, x, labels) ** 2))(w)

    arguments = RNG.normal(size=(20, 10)), RNG.normal(size=(16, 20)), RNG.integers(0, 9, 16)
    given = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arguments]
    found = difc.compile(slopes, *given, target="vulkan", opt_level=1)(*given)
    with difc.disable_jit():
        wanted = difc.jit(slopes)(*given)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_an_embedding_gradient() -> None:
    def emit(x: ir.Value, i: ir.Value, u: ir.Value) -> ir.Value:
        return dif.scatter_add(x, i, u, axes=(0,), batch=0, mode="clip")

    avals = [Aval((10_000, 64), F32), Aval((1000, 1), I64), Aval((1000, 64), F32)]
    entry = compiled(build({"f": (emit, avals)}), opt_level=3).f
    points, rows = RNG.integers(0, 10_000, (1000, 1)), RNG.standard_normal((1000, 64)).astype(np.float32)
    arguments = [np.zeros((10_000, 64), np.float32), points, rows]
    (got,) = call(entry, arguments)
    want = arguments[0].copy()
    np.add.at(want, points[:, 0], rows)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@needs_vulkan
@pytest.mark.vulkan
def test_wide_windows_and_many_points_on_vulkan() -> None:
    """More steps than Mesa lets a thread do: widths with a fitting divisor, without one, unknown; many points."""
    cases = [((64,), (64,), 2000, 2000), ((2, "m"), (2, 37), "n", 1000), ((5,), (5,), 70_001, 70_001)]
    specs, arrays, wanted = [], [], []
    for known, window, count_known, count in cases:
        specs += [f32[(100, *known)], i64[count_known], f32[(count_known, *known)]]
        x, u = RNG.normal(size=(100, *window)), RNG.uniform(size=(count, *window))
        points = RNG.integers(0, 100, count)
        arrays += [x.astype(np.float32), points, u.astype(np.float32)]
        np.add.at(x, points, u)
        wanted.append(x)

    def together(*xs: Any) -> list[Any]:
        return [x.at[points].add(u) for x, points, u in zip(*(xs[i::3] for i in range(3)), strict=True)]

    found = difc.compile(together, *specs, target="vulkan", opt_level=1)(*arrays)
    for case, got, want in zip(cases, found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4, err_msg=str(case))


@needs_vulkan
@pytest.mark.vulkan
def test_as_many_points_as_there_are_on_vulkan() -> None:
    """A number of points known only at run time, in the end, in a branch, and in a loop; the last write wins."""

    def together(t: Any, points: Any, u: Any) -> list[Any]:
        def step(t: Any, _: None) -> tuple[Any, None]:
            return t.at[points].add(u), None

        return [
            t.at[points].set(u),
            difc.cond(t[0] > 0, lambda *xs: xs[0].at[xs[1]].set(xs[2]), lambda *xs: xs[0], t, points, u),
            difc.scan(step, t, None, length=2)[0],
        ]

    compiled = difc.compile(together, f32[100], i64["n"], f32["n"], target="vulkan", opt_level=1)
    for count in (10, 65_537, 0, 70_001):
        t, points = np.linspace(1, 2, 100, dtype=np.float32), RNG.integers(0, 100, count)
        u = RNG.uniform(size=count).astype(np.float32)
        written, added = t.copy(), t.copy()
        written[points] = u
        np.add.at(added, points, 2 * u)
        for got, want in zip(compiled(t, points, u), (written, written, added), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, err_msg=str(count))
