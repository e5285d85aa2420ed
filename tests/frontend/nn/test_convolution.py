"""Convolutions equal JAX's in every form, traced and on NumPy arrays; and their errors."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

import difc
from difc import nn
from difc.errors import DtypeError, InputError, ShapeError
from tests.frontend.failing import fails
from tests.frontend.traced import trace_and_run

pytestmark = pytest.mark.usefixtures("wide")

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}
RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(2, 6, 5, 4)), RNG.normal(size=(3, 2, 4, 3))


def equal(f: Any, *arrays: np.ndarray, to: Any) -> None:
    """Check a function of arrays, plain and traced."""
    for found in (f(*arrays), trace_and_run(f, *arrays)[0]):
        assert (found.shape, found.dtype) == (to.shape, to.dtype)
        np.testing.assert_allclose(found, np.asarray(to), rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_conv_is_that_of_jax(data: Any) -> None:
    draw = data.draw
    rank = draw(st.integers(1, 3))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(rank))  # noqa: E731
    strides, dilation, spread = each(1, 3), each(1, 2), each(1, 2)
    groups, taken, made = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding: Any = draw(st.sampled_from(["VALID", "SAME", "pairs"]))
    if padding == "pairs":
        padding = [(draw(st.integers(-1, 2)), draw(st.integers(0, 2))) for _ in range(rank)]
    else:
        spread = (1,) * rank  # JAX takes no other
    x = RNG.normal(size=(2, *each(3, 6), taken * groups))
    w = RNG.normal(size=(*each(1, 3), taken, made * groups))
    wanted = lax.conv_general_dilated(
        x, w, strides, padding, spread, dilation, LAYOUTS[rank], feature_group_count=groups
    )
    equal(lambda x, w: nn.conv(x, w, strides, padding, dilation, groups, lhs_dilation=spread), x, w, to=wanted)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_is_that_of_jax(rank: int) -> None:
    x = RNG.normal(size=(2, *(5, 4, 3)[:rank], 4))
    for stride, padding, flip in itertools.product((1, 2, 3), ("SAME", "VALID", [(1, 2)] * rank), (False, True)):
        w = RNG.normal(size=(*(3, 2, 4)[:rank], *((3, 4) if flip else (4, 3))))
        wanted = lax.conv_transpose(
            x, w, (stride,) * rank, padding, dimension_numbers=LAYOUTS[rank], transpose_kernel=flip
        )
        equal(
            lambda x, w, f=flip, s=stride, p=padding: nn.conv_transpose(x, w, s, p, transpose_kernel=f), x, w, to=wanted
        )


def test_other_layouts() -> None:
    x, w = RNG.normal(size=(2, 4, 7, 6)), RNG.normal(size=(5, 4, 3, 2))
    names = ("NCHW", "OIHW", "NCHW")
    wanted = lax.conv_general_dilated(x, w, (2, 1), "SAME", dimension_numbers=names)
    equal(lambda x, w: nn.conv(x, w, (2, 1), dimension_numbers=names), x, w, to=wanted)
    names = ("HWNC", "IOHW", "NWHC")
    x, w = np.transpose(x, (2, 3, 0, 1)), np.transpose(w, (1, 0, 2, 3))
    wanted = lax.conv_general_dilated(x, w, (2, 1), "SAME", dimension_numbers=names)
    equal(lambda x, w: nn.conv(x, w, (2, 1), dimension_numbers=names), x, w, to=wanted)


def test_windows_side_by_side_are_one_matmul() -> None:
    for window in ((3, 5), (1, 1)):
        w = RNG.normal(size=(*window, 4, 3))
        wanted = lax.conv_general_dilated(X, w, window, "VALID", dimension_numbers=LAYOUTS[2])
        equal(lambda x, w, s=window: nn.conv(x, w, s, "VALID"), X, w, to=wanted)
        text = difc.trace(lambda x, w, s=window: nn.conv(x, w, s, "VALID"), X, w).ir("dif")
        assert "dot_general" in text
        assert "dif.conv" not in text


def test_dtypes_are_promoted() -> None:
    x, w = np.ones((1, 3, 1), np.int8), np.ones((2, 1, 1), np.float32)
    assert nn.conv(x, w).dtype == trace_and_run(nn.conv, x, w)[0].dtype == np.float32
    assert trace_and_run(nn.conv, x, w.astype(np.int32))[0].dtype == np.int32


def test_run_time_sizes() -> None:
    f = lambda x, w: nn.conv(x, w, 2, [(1, 1), (0, 1)])  # noqa: E731
    found = trace_and_run(f, X, W, dynamic=[(0, 0), (0, 1), (0, 2)])[0]
    np.testing.assert_allclose(found, f(X, W))
    found = trace_and_run(nn.conv, X, W, dynamic=[(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3)])[0]
    np.testing.assert_allclose(found, nn.conv(X, W))


def test_gradients_equal_those_of_jax() -> None:
    def ours(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(nn.conv(x, w, (2, 1), "SAME", groups=2)) ** 2)

    def theirs(x: Any, w: Any) -> Any:
        y = lax.conv_general_dilated(x, w, (2, 1), "SAME", dimension_numbers=LAYOUTS[2], feature_group_count=2)
        return jax.numpy.sum(jax.numpy.tanh(y) ** 2)

    w = RNG.normal(size=(3, 2, 2, 6))
    with difc.disable_jit():
        found = difc.jit(difc.grad(ours, argnums=(0, 1)))(X, w)
    for a, b in zip(found, jax.grad(theirs, argnums=(0, 1))(X, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_a_mapped_kernel_and_array() -> None:
    xs, ws = RNG.normal(size=(3, 2, 6, 5, 4)), RNG.normal(size=(3, 3, 2, 4, 3))
    wanted = np.stack([nn.conv(x, w) for x, w in zip(xs, ws, strict=True)])
    with difc.disable_jit():
        np.testing.assert_allclose(difc.jit(difc.vmap(nn.conv))(xs, ws), wanted)


# ---- errors --------------------------------------------------------------------------------------


def test_errors_name_the_users_line() -> None:
    def trace(f: Any, *arrays: Any) -> None:
        trace_and_run(f, *arrays)

    with fails(ShapeError, r"conv: the channels of f64\[2, 6, 5, 4\] and of the kernel", at="nn.conv(x, x)"):
        trace(lambda x: nn.conv(x, x), X)
    with fails(ShapeError, "are not those of 3 groups", at="groups=3"):
        trace(lambda x, w: nn.conv(x, w, groups=3), X, W)
    with fails(ShapeError, "conv: the channels of", at="w[:1, :1, 1:]"):
        trace(lambda x, w: nn.conv(x, w[:1, :1, 1:]), X, W)
    with fails(DtypeError, "conv takes numbers, not bool", at="nn.conv(x, w)"):
        trace(lambda x, w: nn.conv(x, w), X > 0, W > 0)
    with fails(InputError, r"a kernel of 3 dims \(2, 4, 3\) does not fit", at="w[0]", remedy=r"[*window, channels in"):
        trace(lambda x, w: nn.conv(x, w[0]), X, W)
    with fails(ShapeError, "conv takes .batch, .spatial, channels. with 1 or more", at="x[0, 0]", remedy="x[None"):
        trace(lambda x, w: nn.conv(x[0, 0], w), X, W)
    with fails(InputError, r"padding 'FULL' is not 'SAME'", at="FULL", remedy="padding=[(1, 1), (1, 1)]"):
        trace(lambda x, w: nn.conv(x, w, padding="FULL"), X, W)
    with fails(InputError, r"strides \(1, 2, 3\) is not a positive number", at="(1, 2, 3)", remedy="one number"):
        trace(lambda x, w: nn.conv(x, w, (1, 2, 3)), X, W)
    with fails(InputError, "do not name the 4 dims", at="NCHW", remedy='"OIHW"'):
        trace(lambda x, w: nn.conv(x, w, dimension_numbers=("NCHW", "OIHW", "NCW")), X, W)
    with fails(
        ShapeError, "padding 'SAME' with a stride of 2 depends on the size n6", at="nn.conv(x, w, 2)", remedy="pairs"
    ):
        trace_and_run(lambda x, w: nn.conv(x, w, 2), X, W, dynamic=[(0, 1)])
