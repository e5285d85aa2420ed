"""jit: one trace for each signature, static arguments, methods, nesting; results are usable as arrays."""

from __future__ import annotations

import functools
import pickle
import threading
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

import difc
import difc.numpy as dnp
from difc.errors import InputError
from tests.frontend.failing import fails

x = np.linspace(-1.0, 1.0, 3)


class Counted:
    """A function that counts how often it is run, which under jit is once for each trace."""

    def __init__(self) -> None:
        self.runs = 0
        self.__name__ = "counted"

    def __call__(self, a: Any, *rest: Any, **named: Any) -> Any:
        self.runs += 1
        return dnp.sin(a)


@pytest.mark.usefixtures("interpreted")
class TestTracing:
    def test_a_signature_is_traced_once(self) -> None:
        fn = Counted()
        f = difc.jit(fn)
        for _ in range(3):
            f(x)
            f(x + 1.0)
        assert fn.runs == 1

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (x, x.astype(np.float32)),
            (x, x[:2]),
            (x, x[None]),
            (1.0, np.float64(1)),
            (np.float32(1), np.float64(1)),
            ({"a": x}, [x]),
            ({"a": x}, {"b": x}),
            ((x, None), (x, x)),
        ],
        ids=str,
    )
    def test_another_signature_is_traced_again(self, first: Any, second: Any) -> None:
        runs = []
        f = difc.jit(lambda tree: (runs.append(1), tree)[1])
        f(first), f(second), f(first), f(second)
        assert len(runs) == 2

    def test_numbers_are_dynamic(self) -> None:
        fn = Counted()
        f = difc.jit(fn)
        assert float(f(1.0)) == np.sin(1.0)
        assert float(f(2.0)) == np.sin(2.0)
        assert fn.runs == 1

    def test_strings_and_functions_are_static(self) -> None:
        f = difc.jit(lambda a, how, fn: fn(a) if how == "apply" else a)
        np.testing.assert_array_equal(f(x, "apply", np.negative), -x)
        np.testing.assert_array_equal(f(x, "keep", np.negative), x)
        np.testing.assert_array_equal(f(x, "apply", np.square), x * x)

    def test_static_arguments(self) -> None:
        runs = []

        def power(a: Any, n: int, *, times: int = 1) -> Any:
            runs.append(1)
            for _ in range(n * times):
                a = a * a
            return a

        f = difc.jit(power, static_argnums=1, static_argnames="times")
        np.testing.assert_array_equal(f(x, 2), x**4)
        np.testing.assert_array_equal(f(x, 1, times=2), x**4)
        f(x, 2), f(x, 1, times=2)
        assert len(runs) == 2
        np.testing.assert_array_equal(difc.jit(power, static_argnums=(-1,))(x, 3), x**8)

    def test_a_static_argument_is_static_by_place_and_by_name(self) -> None:
        def power(first: Any, /, a: Any, times: int) -> Any:
            return first * a ** range(times)[-1]

        for static in ({"static_argnums": 2}, {"static_argnums": -1}, {"static_argnames": "times"}):
            f = difc.jit(power, **static)
            np.testing.assert_array_equal(f(1.0, x, 3), x**2)
            np.testing.assert_array_equal(f(1.0, x, times=3), x**2)

    def test_equal_static_values_of_other_types_differ(self) -> None:
        f = difc.jit(lambda a, n: a * (2.0 if isinstance(n, bool) else 3.0), static_argnums=1)
        assert float(f(1.0, True)) == 2.0
        assert float(f(1.0, 1)) == 3.0

    def test_an_unhashable_static_argument(self) -> None:
        f = difc.jit(lambda a, n: a, static_argnums=1)
        message = "jit: `n` of `<lambda>` is a static argument, and a list cannot be hashed"
        with fails(InputError, message, at="f(x, [1])", remedy="tuples"):
            f(x, [1])
        message = "grad: `n` of `<lambda>` is neither an array nor a container of arrays, and a set cannot be hashed"
        with fails(InputError, message, at="difc.grad", remedy="register the class with optree"):
            difc.grad(lambda a, n: a)(1.0, {1})

    def test_as_a_decorator(self) -> None:
        @difc.jit
        def f(a: Any) -> Any:
            """Doubles."""
            return a * 2.0

        @functools.partial(difc.jit, static_argnums=1)
        def g(a: Any, n: int) -> Any:
            return a * n

        @difc.jit(static_argnames=("n",))
        def h(a: Any, n: int) -> Any:
            return a[:n]

        assert (f.__name__, f.__doc__) == ("f", "Doubles.")
        np.testing.assert_array_equal(f(x), g(x, 2))
        np.testing.assert_array_equal(h(x, n=2), x[:2])

    def test_methods(self) -> None:
        class Scale:
            def __init__(self, factor: float) -> None:
                self.factor = factor

            @difc.jit
            def __call__(self, a: Any) -> Any:
                return a * self.factor

        double, triple = Scale(2.0), Scale(3.0)
        np.testing.assert_array_equal(double(x), 2 * x)
        np.testing.assert_array_equal(triple(x), 3 * x)

    def test_nested(self) -> None:
        inner = Counted()
        f, g = difc.jit(inner), None
        g = difc.jit(lambda a: f(a) + f(a * 2.0))
        np.testing.assert_allclose(g(x), np.sin(x) + np.sin(2 * x))
        np.testing.assert_allclose(difc.grad(lambda a: np.sum(g(a)))(x), np.cos(x) + 2 * np.cos(2 * x))

    def test_trees_of_results(self) -> None:
        out = difc.jit(lambda a: {"s": (a, None), "n": 3, "list": [a * 2.0]})(x)
        assert set(out) == {"s", "n", "list"}
        assert out["s"][1] is None
        assert int(out["n"]) == 3
        assert difc.jit(lambda: (1.0, ()))() == (1.0, ())

    def test_an_error_leaves_no_trace_behind(self) -> None:
        calls = []

        @difc.jit
        def f(a: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("mine")
            return a * 2.0

        with pytest.raises(RuntimeError, match="mine"):
            f(x)
        np.testing.assert_array_equal(f(x), 2 * x)
        assert type(dnp.sin(x)) is np.ndarray  # no frame is open: this is NumPy again

    def test_an_array_that_is_changed_later(self) -> None:
        """A constant is what it was while the function was traced."""
        table = np.ones(3)
        f = difc.jit(lambda a: a + table)
        f(x)
        table[:] = 5.0
        np.testing.assert_array_equal(f(x), x + 1.0)

    def test_a_signature_that_two_threads_ask_for_at_once_is_traced_once(self) -> None:
        traces: list[int] = []
        others: list[threading.Thread] = []

        class Asked:
            """A static argument that says when it is looked up."""

            def __init__(self) -> None:
                self.event = threading.Event()

            def __hash__(self) -> int:
                self.event.set()
                return 0

            def __eq__(self, other: object) -> bool:
                return isinstance(other, Asked)

        def fun(a: Any, _: Asked) -> Any:
            traces.append(1)
            asked = Asked()
            others.append(threading.Thread(target=call, args=(asked,)))
            others[0].start()
            assert asked.event.wait(10)
            return a + 1

        def call(asked: Asked) -> Any:
            with difc.disable_jit():
                return f(x, asked)

        f = difc.jit(fun)
        np.testing.assert_array_equal(call(Asked()), x + 1)
        others[0].join()
        assert len(traces) == 1

    def test_threads(self) -> None:
        f, found = difc.jit(lambda a: np.sum(a * a)), [0.0] * 4

        def work(i: int) -> None:
            found[i] = float(f(np.full(i + 1, 2.0)))

        threads = [threading.Thread(target=copy_context().run, args=(work, i)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert found == [4.0, 8.0, 12.0, 16.0]


class TestCompiled:
    def test_results_are_arrays(self) -> None:
        y = difc.jit(lambda a: a * 2.0)(x)
        assert isinstance(y, difc.DeviceArray)
        assert (y.shape, y.dtype, y.ndim) == ((3,), np.float64, 1)
        np.testing.assert_array_equal(np.asarray(y), 2 * x)
        np.testing.assert_array_equal(np.sin(y) + y[1:].sum(), np.sin(2 * x) + (2 * x)[1:].sum())

    def test_results_are_arguments(self) -> None:
        f = difc.jit(lambda a: a * 2.0)
        np.testing.assert_array_equal(f(f(x)), 4 * x)

    def test_a_gradient_step(self) -> None:
        grad = difc.jit(difc.grad(lambda w: np.sum((w - 1.0) ** 2)))
        w: Any = np.zeros(3)
        for _ in range(50):
            w = w - 0.2 * grad(w)
        np.testing.assert_allclose(w, np.ones(3), atol=1e-8)

    def test_a_pullback_keeps_its_residuals(self) -> None:
        value, pullback = difc.vjp(lambda a: np.exp(a) * a, x)
        np.testing.assert_allclose(value, np.exp(x) * x, rtol=1e-14)
        for ct in (np.ones(3), x):
            np.testing.assert_allclose(pullback(ct)[0], ct * np.exp(x) * (1 + x), rtol=1e-14)

    def test_disable_jit(self) -> None:
        f = difc.jit(lambda a: np.tanh(a))
        with difc.disable_jit():
            assert type(f(x)) is np.ndarray
        assert isinstance(f(x), difc.DeviceArray)
        np.testing.assert_allclose(f(x), np.tanh(x), rtol=1e-14)

    def test_decorated_and_transformed_functions_can_be_pickled(self) -> None:
        decorated, gradient = pickle.loads(pickle.dumps((doubled, difc.grad(square))))
        assert decorated is doubled
        np.testing.assert_allclose(gradient(2.0), 4.0)
        second = pickle.loads(pickle.dumps(difc.vmap(difc.grad(square))))
        np.testing.assert_allclose(second(x), 2 * x)
        np.testing.assert_allclose(pickle.loads(pickle.dumps(difc.jit(square, target="cpu")))(3.0), 9.0)


@difc.jit
def doubled(a: Any) -> Any:
    return 2.0 * a


def square(a: Any) -> Any:
    return a * a


def test_transformed_functions_say_what_they_are() -> None:
    assert repr(doubled) == "<difc.jit of doubled>"
    assert repr(difc.grad(square)) == "<difc.grad of square>"
    assert repr(difc.vmap(difc.value_and_grad(square))) == "<difc.vmap of square>"
