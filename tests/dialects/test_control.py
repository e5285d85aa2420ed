"""`cond` and `scan`: their rules, and the interpreter's runs of them against plain Python loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from difc import dialects as dif
from difc.dialects import F64, Aval, Builder, context, new_block
from difc.dialects.mlir import ir
from difc.errors import DifcError, DtypeError, ShapeError
from tests.case import module_of
from tests.dialects.evaluating import FAST, aval, evaluate, same, seeds

Body = Callable[..., Sequence[ir.Value]]


def block(fn: Body, *avals: Aval) -> ir.Block:
    """Return a body of the given argument types."""
    made = new_block(avals)
    with dif.use_builder(Builder(made)):
        dif.yield_(*fn(*made.arguments))
    return made


def scan(fn: Body, avals: Sequence[Aval], *operands: ir.Value, carry: int, xs: int, **attributes: Any) -> Any:
    """Build a scan with a body of the given argument types."""
    defaults = {"length": 0, "reverse": False, "linear": ()}
    return dif.scan(*operands, num_carry=carry, num_xs=xs, **defaults | attributes, regions=[block(fn, *avals)])


# ---- running -------------------------------------------------------------------------------------


@FAST
@given(st.integers(0, 5), st.booleans(), st.booleans(), st.booleans(), seeds)
def test_scan(length: int, reverse: bool, run_time: bool, dynamic: bool, seed: int) -> None:
    """carry' = c * sin(carry) + x, y = (carry * x, carry): constants, slices, carries and stacked results at once."""
    rng = np.random.default_rng(seed)
    c, start, xs = rng.standard_normal(2), rng.standard_normal(2), rng.standard_normal((length, 2))

    def step(carry: ir.Value, x: ir.Value, c: ir.Value) -> list[ir.Value]:
        return [dif.add(dif.mul(c, dif.sin(carry)), x), dif.mul(carry, x), carry]

    def fn(start: ir.Value, xs: ir.Value, c: ir.Value, trips: ir.Value) -> Any:
        avals = [aval("f64[2]")] * 3
        tail, count = ([trips], -1) if run_time else ([], length)
        return scan(step, avals, start, xs, c, *tail, carry=1, xs=1, length=count, reverse=reverse)

    results = evaluate(fn, start, xs, c, np.array(length), dynamic=0b10 if dynamic else 0)
    carry, ys = start, np.zeros((2, length, 2))
    for i in reversed(range(length)) if reverse else range(length):
        ys[:, i] = carry * xs[i], carry
        carry = c * np.sin(carry) + xs[i]
    for result, wanted in zip(results, [carry, *ys], strict=True):
        same(result, wanted)


@pytest.mark.parametrize("length", [0, 3])
def test_a_scan_of_nothing_knows_the_sizes_of_its_slices(length: int) -> None:
    def step(carry: ir.Value, c: ir.Value) -> list[ir.Value]:
        return [carry, dif.concatenate(c, c, dimension=0)]

    def fn(start: ir.Value, c: ir.Value, trips: ir.Value) -> Any:
        return scan(step, [aval("f64[]"), aval("f64[?]")], start, c, trips, carry=1, xs=0, length=-1)[1]

    same(evaluate(fn, np.array(0.0), np.ones(2), np.array(length), dynamic=0b1), np.ones((length, 4)))


def _outer(x: ir.Value, n: ir.Value) -> ir.Value:
    return dif.broadcast_in_dim(x, shape=(n,), dimensions=())


def _rows(size: ir.Value) -> Body:
    """A body whose y has as many elements as `size(its vector, its number)` says."""
    return lambda carry, vector, number: [carry, _outer(carry, size(vector, number))]


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (lambda vector, number: dif.dim(vector, dimension=0), 4),
        (lambda vector, number: dif.mul(dif.dim(vector, dimension=0), dif.constant(value=np.array(2))), 8),
        (lambda vector, number: number, 0),  # nothing tells
        (lambda vector, number: _chosen(number, vector, vector), 4),
        (lambda vector, number: _chosen(number, vector, dif.concatenate(vector, vector, dimension=0)), 0),
        (lambda vector, number: dif.dim(_summed(vector), dimension=0), 4),
        (lambda vector, number: dif.dim(_doubled(vector), dimension=0), 8),
    ],
)
def test_a_scan_of_nothing_follows_sizes_through_its_body(size: Any, wanted: int) -> None:
    """The slices, of which there are none, are vectors of 4 elements and numbers."""

    def fn(start: ir.Value, vectors: ir.Value, numbers: ir.Value) -> Any:
        avals = [aval("f64[]"), aval("f64[?]"), aval("i64[]")]
        return scan(_rows(size), avals, start, vectors, numbers, carry=1, xs=2, length=0)[1]

    assert evaluate(fn, np.array(0.0), np.ones((0, 4)), np.zeros(0, np.int64), dynamic=0b10).shape == (0, wanted)


def _chosen(number: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    """The size of one of two vectors."""
    pred = dif.compare(number, dif.constant(value=np.array(0)), direction="lt")
    bodies = [block(lambda x, y, i=i: [(x, y)[i]], aval("f64[?]"), aval("f64[?]")) for i in range(2)]
    return dif.dim(dif.cond(pred, x, y, linear=(), regions=bodies), dimension=0)


def _summed(x: ir.Value) -> ir.Value:
    """A vector after a loop that keeps its size."""
    body = lambda carry, x: [dif.add(carry, x)]  # noqa: E731
    return scan(body, [aval("f64[?]")] * 2, x, x, carry=1, xs=0, length=2)


def _doubled(x: ir.Value) -> ir.Value:
    """The only row that a loop gives, twice as long as `x`."""
    body = lambda c, x: [c, dif.concatenate(x, x, dimension=0)]  # noqa: E731
    zero = dif.constant(value=np.array(0.0))
    rows = scan(body, [aval("f64[]"), aval("f64[?]")], zero, x, carry=1, xs=0, length=1)[1]
    return dif.reshape(rows, shape=(dif.dim(rows, dimension=1),))


def test_a_size_that_is_carried_unchanged_is_known_in_a_scan_of_nothing() -> None:
    def step(size: ir.Value, other: ir.Value, x: ir.Value) -> list[ir.Value]:
        return [size, dif.add(other, other), _outer(x, size), _outer(x, other)]

    def fn(size: ir.Value, xs: ir.Value) -> Any:
        avals = [aval("i64[]"), aval("i64[]"), aval("f64[]")]
        return scan(step, avals, size, size, xs, carry=2, xs=1, length=0)[2:]

    assert [y.shape for y in evaluate(fn, np.array(5), np.ones(0))] == [(0, 5), (0, 0)]


def test_a_carry_may_grow() -> None:
    def step(carry: ir.Value) -> list[ir.Value]:
        return [dif.concatenate(carry, carry, dimension=0)]

    fn = lambda start: scan(step, [aval("f64[?]")], start, carry=1, xs=0, length=3)  # noqa: E731
    same(evaluate(fn, np.ones(2)), np.ones(16))


@FAST
@given(st.booleans(), seeds)
def test_cond(pred: bool, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(3)

    def fn(pred: ir.Value, x: ir.Value) -> Any:
        branches = [block(lambda x, op=op: [op(x), x], aval("f64[3]")) for op in (dif.sin, dif.neg)]
        return dif.cond(pred, x, linear=(), regions=branches)

    results = evaluate(fn, np.array(pred), x)
    same(results[0], np.sin(x) if pred else -x)
    same(results[1], x)


def test_branches_of_different_sizes() -> None:
    def fn(pred: ir.Value, x: ir.Value) -> Any:
        both = block(lambda x: [dif.concatenate(x, x, dimension=0)], aval("f64[2]"))
        return dif.cond(pred, x, linear=(), regions=[both, block(lambda x: [x], aval("f64[2]"))])

    assert "tensor<?xf64>" in str(module_of(fn, [aval("bool[]"), aval("f64[2]")]))
    assert [evaluate(fn, np.array(p), np.ones(2)).shape for p in (True, False)] == [(4,), (2,)]


def test_loops_nest() -> None:
    """sum over i, j of x[i] * x[j], where the inner loop runs only for positive x[i]."""

    def inner(total: ir.Value, xj: ir.Value, xi: ir.Value) -> list[ir.Value]:
        return [dif.add(total, dif.mul(xi, xj))]

    s, v = aval("f64[]"), aval("f64[3]")

    def loop(total: ir.Value, xi: ir.Value, x: ir.Value) -> list[ir.Value]:
        return [scan(inner, [s, s, s], total, x, xi, carry=1, xs=1, length=3)]

    def outer(total: ir.Value, xi: ir.Value, x: ir.Value) -> list[ir.Value]:
        positive = dif.compare(xi, dif.constant(value=np.array(0.0)), direction="gt")
        branches = [block(loop, s, s, v), block(lambda total, xi, x: [total], s, s, v)]
        return [dif.cond(positive, total, xi, x, linear=(), regions=branches)]

    def fn(start: ir.Value, x: ir.Value) -> Any:
        return scan(outer, [s, s, v], start, x, x, carry=1, xs=1, length=3)

    assert evaluate(fn, np.array(0.0), np.array([2.0, -1, 3])) == 5 * 4


# ---- what only a run can find --------------------------------------------------------------------


def _sum(carry: ir.Value, x: ir.Value) -> list[ir.Value]:
    return [dif.add(carry, x)]


@pytest.mark.parametrize(
    ("length", "message"), [(4, "scan: runs 4 steps, but xs 0 has 3"), (-1, "scan: runs -1 steps")]
)
def test_a_length_that_does_not_fit(length: int, message: str) -> None:
    fn = lambda s, xs, n: scan(_sum, [aval("f64[]")] * 2, s, xs, n, carry=1, xs=1, length=-1)  # noqa: E731
    with pytest.raises(ShapeError, match=message):
        evaluate(fn, np.array(0.0), np.ones(3), np.array(length), dynamic=1)


def test_a_negative_length() -> None:
    fn = lambda s, n: scan(lambda c: [c], [aval("f64[]")], s, n, carry=1, xs=0, length=-1)  # noqa: E731
    with pytest.raises(ShapeError, match="scan: cannot run -2 steps"):
        evaluate(fn, np.array(0.0), np.array(-2))


def test_slices_of_different_sizes_do_not_stack() -> None:
    def step(carry: ir.Value) -> list[ir.Value]:
        return [dif.concatenate(carry, carry, dimension=0), carry]

    fn = lambda start: scan(step, [aval("f64[?]")], start, carry=1, xs=0, length=2)  # noqa: E731
    with pytest.raises(ShapeError, match=r"scan: y 0 has shape \(1,\) in one step and \(2,\) in another"):
        evaluate(fn, np.ones(1))


def test_a_body_is_given_what_does_not_fit() -> None:
    fn = lambda start: scan(lambda c: [c], [aval("f64[2]")], start, carry=1, xs=0, length=1)  # noqa: E731
    with pytest.raises(ShapeError, match=r"given what does not fit it: value 0 is f64\[3\], not f64\[2\]"):
        evaluate(fn, np.ones(3), dynamic=1)


# ---- type rules ----------------------------------------------------------------------------------


def _typed(fn: Callable[[], Any]) -> list[Aval]:
    """Build in a block that lives only here; return the types of what is built."""
    with context(), ir.Location.unknown():
        alive = new_block([])
        with dif.use_builder(Builder(alive)):
            built = fn()
            return [dif.aval_of(v) for v in (built if isinstance(built, tuple) else [built])]


def _zeros(*types: str) -> list[ir.Value]:
    return [dif.zeros(shape=aval(t).shape, dtype=aval(t).dtype) for t in types]


def _scan(types: list[str], body: list[str], outs: Sequence[int], **attributes: Any) -> list[Aval]:
    """Build a scan on zeros, whose body gives some of its arguments."""
    fn = lambda *arguments: [arguments[i] for i in outs]  # noqa: E731
    defaults = {"carry": 1, "xs": 1, "length": 3}
    return _typed(lambda: scan(fn, list(map(aval, body)), *_zeros(*types), **defaults | attributes))


def _cond(types: list[str], first: list[str], second: list[str], linear: tuple = ()) -> list[Aval]:
    """Build a cond on zeros, whose branches give all their arguments."""
    bodies = lambda: [block(lambda *a: a, *map(aval, b)) for b in (first, second)]  # noqa: E731
    return _typed(lambda: dif.cond(*_zeros(*types), linear=linear, regions=bodies()))


def test_result_types() -> None:
    assert _scan(["f64[2]", "f32[3, 4]"], ["f64[2]", "f32[4]"], [0, 1]) == [aval("f64[2]"), aval("f32[3, 4]")]
    assert _scan(["f64[2]", "f32[3, 4]"], ["f64[?]", "f32[?]"], [0, 1]) == [aval("f64[?]"), aval("f32[3, ?]")]
    assert _cond(["bool[]", "f64[2]"], ["f64[2]"], ["f64[2]"], linear=(True,)) == [aval("f64[2]")]


S, X = ["f64[]", "f64[3]"], ["f64[]", "f64[]"]


@pytest.mark.parametrize(
    ("error", "message", "fn"),
    [
        (
            ShapeError,
            "scan: the length and the leading dim of xs 0 differ: 3 and 4",
            lambda: _scan(S, X, [0], length=4),
        ),
        (ShapeError, "takes it as a last operand, a scalar i64", lambda: _scan([*S, "f64[]"], X, [0], length=-1)),
        (ShapeError, "scan: xs 0 is f64[], which has no leading dim", lambda: _scan(["f64[]", "f64[]"], X, [0])),
        (ShapeError, "scan: operands of the body: 2 values for 1 places", lambda: _scan(S, ["f64[]"], [0])),
        (
            ShapeError,
            "scan: operands of the body: value 1 is f64[], not f32[]",
            lambda: _scan(S, ["f64[]", "f32[]"], [0]),
        ),
        (ShapeError, "scan: the body gives 0 values for a carry of 1", lambda: _scan(S, X, [])),
        (
            ShapeError,
            "scan: the carry that the body gives: value 0 is f64[3], not f64[]",
            lambda: _scan(["f64[]", "f64[3, 3]"], ["f64[]", "f64[3]"], [1]),
        ),
        (ShapeError, "scan: 1 linear marks for 2 operands", lambda: _scan(S, X, [0], linear=(True,))),
        (ShapeError, "scan: a carry of -1 and 1 xs", lambda: _scan(S, X, [0], carry=-1)),
        (ShapeError, "scan: a carry of 2 and 1 xs", lambda: _scan(S, X, [0, 1], carry=2)),
        (ShapeError, "scan: length -2", lambda: _scan(S, X, [0], length=-2)),
        (DtypeError, "cond: the predicate is f64[], not a scalar bool", lambda: _cond(["f64[]"], [], [])),
        (DtypeError, "cond: the predicate is bool[2], not", lambda: _cond(["bool[2]"], [], [])),
        (ShapeError, "operands of a branch: 1 values for 0 places", lambda: _cond(["bool[]", "f64[]"], [], ["f64[]"])),
        (ShapeError, "operands of a branch: value 0", lambda: _cond(["bool[]", "f64[]"], ["f64[]"], ["f32[]"])),
        (ShapeError, "cond: 2 linear marks", lambda: _cond(["bool[]", "f64[]"], ["f64[]"], ["f64[]"], (True, False))),
    ],
)
def test_errors(error: type[DifcError], message: str, fn: Callable[[], Any]) -> None:
    with pytest.raises(error) as raised:
        fn()
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda x: [x, x], "cond: the branches give 1 and 2 results"),
        (
            lambda x: [dif.convert(x, dtype=np.dtype("f4"))],
            r"cond: result 0 is f64\[\] in one branch and f32\[\] in the",
        ),
        (lambda x: [dif.reshape(x, shape=(1,))], r"cond: result 0 is f64\[\] in one branch and f64\[1\] in the other"),
    ],
)
def test_branches_that_disagree(second: Body, message: str) -> None:
    def fn() -> Any:
        branches = [block(lambda x: [x], aval("f64[]")), block(second, aval("f64[]"))]
        return dif.cond(*_zeros("bool[]", "f64[]"), linear=(), regions=branches)

    with pytest.raises(ShapeError, match=message):
        _typed(fn)


def test_operand_groups() -> None:
    def fn() -> Any:
        types = ["f64[]", "f64[?]", "f64[]"]
        body = block(lambda c, x, k: [c], *map(aval, ["f64[]", "f64[]", "f64[]"]))
        n = dif.constant(value=np.array(3))
        xs = dif.zeros(shape=(n,), dtype=F64)
        start, const = _zeros(types[0], types[2])
        built = dif.scan(
            start, xs, const, n, num_carry=1, num_xs=1, length=-1, reverse=False, linear=(), regions=[body]
        )
        parts = dif.scan_parts(built.owner)
        assert [parts.carry, parts.xs, parts.consts, parts.length] == [[start], [xs], [const], [n]]
        assert dif.yielded(body) == [body.arguments[0]]
        return built

    assert _typed(fn) == [aval("f64[]")]
