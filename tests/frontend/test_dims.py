"""Names of run-time sizes: their arithmetic, and what traced code can do with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import difc
import difc.numpy as dnp
from difc.dialects import context, interpreter
from difc.dims import Dim, exact_quotient, fresh_dim
from difc.errors import ConcretizationError, ShapeError
from tests.frontend.failing import fails

n, m = Dim.named("n"), Dim.named("m")
f64 = difc.f64


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (n, "n"),
        (n + 1, "n + 1"),
        (2 * n - 3, "2*n - 3"),
        (n * m + n, "n + m*n"),
        (-n, "-n"),
        (5 - n, "5 - n"),
        (n - (n - 4).at_least(0), "min(n, 4)"),
        (n + 1 - (n - m).at_least(0), "min(n + 1, m + 1)"),
        (n - (n - 4).at_least(1), "n - max(n - 4, 1)"),
        ((n + m) // 2, "((n + m) // 2)"),
        ((n - 1).at_least(0), "max(n - 1, 0)"),
        (n * n, "n*n"),
    ],
)
def test_they_print(dim: Dim, text: str) -> None:
    assert set(str(dim).split(" + ")) == set(text.split(" + "))


def test_arithmetic_ends_in_ints_where_no_name_is_left() -> None:
    assert n - n == 0
    assert (n + 3) - n == 3
    assert (n * m) // n == m
    assert (6 * n) // (2 * n) == 3
    assert n * 0 == 0
    assert (n + 2).at_least(0) == n + 2


def test_equal_polynomials_are_equal() -> None:
    assert n * m == m * n
    assert (n + 1) * (n - 1) == n * n - 1
    assert n != m
    assert n != 3
    assert hash(n + m) == hash(m + n)
    assert fresh_dim() != fresh_dim()


def test_quotients() -> None:
    assert exact_quotient(6 * n * m, 2 * m) == 3 * n
    assert exact_quotient(n, m) is None
    assert exact_quotient(3 * n, 2) is None
    assert exact_quotient(n + m, n + m) == 1
    assert exact_quotient(2 * n + 4 * m, 2) == n + 2 * m


polynomials = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2), st.integers(0, 2)), max_size=4)


@given(polynomials, polynomials, st.integers(1, 5), st.integers(1, 5))
def test_arithmetic_is_that_of_the_numbers(a: Any, b: Any, x: int, y: int) -> None:
    def build(terms: Any, n: Any, m: Any) -> Any:
        return sum(factor * _power(n, i) * _power(m, j) for factor, i, j in terms)

    p, q = (build(t, n, m) for t in (a, b))
    u, v = (build(t, x, y) for t in (a, b))
    for dim, number in ((p + q, u + v), (p - q, u - v), (p * q, u * v)):
        assert _at(dim, {"n": x, "m": y}) == number


def _power(x: Any, k: int) -> Any:
    return 1 if k == 0 else x * _power(x, k - 1)


def _at(dim: Any, sizes: dict[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    return sum(factor * int(np.prod([sizes[name] for name in names])) for names, factor in dim.terms.items())


# ---- in traced code ------------------------------------------------------------------------------


def run(fn: Any, specs: list[Any], *arrays: np.ndarray) -> Any:
    """Return what `fn`, traced for the specs, computes; and check it against NumPy."""
    program = difc.trace(fn, *specs)
    with context():
        (name,) = program.signatures
        (found,) = interpreter.run(program.expanded, name, *arrays)
    np.testing.assert_allclose(found, fn(*arrays), rtol=1e-14)
    return program.signatures[name].outputs[0].shape


X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (lambda x: x.reshape(x.shape[0] * x.shape[1]), ("3*n",)),
        (lambda x: x.reshape(-1), ("3*n",)),
        (lambda x: x.reshape(-1, 3), ("n", 3)),
        (lambda x: dnp.zeros(x.shape) + x, ("n", 3)),
        (lambda x: dnp.concatenate([x, x]), ("2*n", 3)),
        (lambda x: dnp.concatenate([x, x[:, :1]], axis=1), ("n", 4)),
        (lambda x: x.T @ x, (3, 3)),
        (lambda x: np.sum(x) / x.shape[0], ()),
        (lambda x: np.mean(x, axis=0), (3,)),
        (lambda x: x * x.shape[0] + 1, ("n", 3)),
        (lambda x: dnp.ones((x.shape[0] + 1, 2)), ("n + 1", 2)),
        (lambda x: np.broadcast_to(x[None], (2, *x.shape)), (2, "n", 3)),
        (lambda x: dnp.arange(x.shape[0]) * 1.0, ("n",)),
        (lambda x: np.var(x), ()),
        (lambda x: x[:, None, :] * np.ones((2, 1)), ("n", 2, 3)),
    ],
)
def test_sizes_in_traced_code(fn: Any, shape: tuple[Any, ...]) -> None:
    assert run(fn, [f64["n", 3]], X) == shape


def test_two_names() -> None:
    assert run(lambda a, b: (a @ b).reshape(a.shape[0] * b.shape[1]), [f64["n", 3], f64[3, "m"]], X, X.T[:, :2])[0] in (
        "n*m",
        "m*n",
    )


def test_a_gradient_with_named_sizes() -> None:
    grad = difc.grad(lambda x: np.sum(np.tanh(x.reshape(-1)) ** 2) / x.shape[0])
    program = difc.trace(grad, f64["n", 3])
    ((name, signature),) = program.signatures.items()
    assert signature.outputs[0].shape == ("n", 3)
    with context():
        (found,) = interpreter.run(program.expanded, name, X / 10)
    np.testing.assert_allclose(found, 2 * np.tanh(X / 10) * (1 - np.tanh(X / 10) ** 2) / 4, rtol=1e-13)


@pytest.mark.parametrize(
    "body",
    [
        lambda row: np.tile(row, 2),
        lambda row: np.stack([row, row * 2]).reshape(-1),
        lambda row: difc.cond(row[0] > 1, lambda row: np.tile(row, 2), lambda row: np.repeat(row, 2), row),
        lambda row: difc.map(lambda row: np.tile(row, 2) + row[1], row[None])[0],
    ],
)
def test_bodies_that_know_a_product_of_sizes_but_not_its_factors(body: Any) -> None:
    assert run(lambda x: difc.map(body, x.reshape(1, -1)), [f64["n", "m"]], X) == (1, "2*m*n")

    def loss(row: Any) -> Any:
        return np.sum(np.sin(body(row)))

    program = difc.trace(lambda x: difc.vmap(difc.grad(loss))(x.reshape(1, -1)), f64["n", "m"])
    with context():
        ((name, _),) = program.signatures.items()
        (found,) = interpreter.run(program.expanded, name, X)
    with difc.disable_jit():
        np.testing.assert_allclose(found[0], difc.grad(loss)(X.reshape(-1)), rtol=1e-14)


def test_two_sizes_that_differ_by_name() -> None:
    with fails(
        ShapeError, r"shapes \[n\] and \[m\] do not broadcast: sizes n and m of dim -1", at="a + b", remedy="equal"
    ):
        difc.trace(lambda a, b: a + b, f64["n"], f64["m"])
    with fails(ShapeError, r"n.*3|3.*n", at="a + b"):
        difc.trace(lambda a, b: a + b, f64["n"], f64[3])
    with fails(ShapeError, "n", at="a @ b"):
        difc.trace(lambda a, b: a @ b, f64[2, "n"], f64["m", 2])


def test_a_name_that_is_the_same_is_the_same_size() -> None:
    difc.trace(lambda a, b: a + b * a.shape[0], f64["n"], f64["n"])


def test_comparing_sizes() -> None:
    seen: list[Any] = []
    difc.trace(lambda a, b, c: (seen.append((a.shape == b.shape, a.shape == c.shape, a.shape[0] == 3)), a)[1],
               f64["n"], f64["n"], f64["m"])  # fmt: skip
    assert seen == [(True, False, False)]


def test_a_run_time_size_is_no_python_number() -> None:
    with fails(ConcretizationError, r"len\(x\) was asked for", at="len(a)", remedy="x.shape[0]"):
        difc.trace(lambda a: a * len(a), f64["n"])
    message = "the size n is known only at run time, and a number was asked for"
    with fails(ShapeError, message, at="range(a.shape[0])", remedy="difc.scan for loops"):
        difc.trace(lambda a: sum(a[i] for i in range(a.shape[0])), f64["n"])


def test_updates_at_a_traced_position_of_rows_of_run_time_size() -> None:
    def updates(x: Any, i: Any) -> Any:
        total = np.sum(x, axis=0)
        return x.at[i].set(0.25), x.at[i].set(total), x.at[:, i].set(3.0), x.at[i].add(total), x.at[i, 1].set(7.0)

    program = difc.trace(updates, difc.f64["n", "m"], difc.i64[()])
    x = np.arange(6.0).reshape(2, 3)
    for i in (0, 1, 5):  # the last is out of bounds: nothing changes
        found = interpreter.run(program.expanded, "updates", x, np.array(i))
        wanted = [x.copy() for _ in found]
        if i < 2:
            wanted[0][i], wanted[1][i], wanted[4][i, 1] = 0.25, x.sum(0), 7.0
            wanted[2][:, i] = 3.0
            wanted[3][i] += x.sum(0)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
