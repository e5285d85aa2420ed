"""THE table of ops: one or several rows for each op of the dialect, from which every layer's tests are made.

The gradient tests take each row in float64 with static and with dynamic shapes; the lowering tests compile and run it
for each dtype. Names are unique (`CASES` is checked).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from difc import dialects as dif
from difc.dialects import aval_of
from difc.dialects.mlir import ir
from tests.case import DTYPES, FLOAT, Case, Input, module_of, sizes
from tests.cases_convolution import convolutions
from tests.cases_factor import factors
from tests.cases_ordering import orderings
from tests.cases_special import special_functions
from tests.cases_spectral import factorisations

__all__ = ["CASES", "Case", "Input", "module_of", "sizes"]

INTEGER = ("i8", "i32", "i64", "u8", "u32")
NUMBER = FLOAT + INTEGER
BITS = ("bool", *INTEGER)
ALL = ("bool", *NUMBER)
INF, NAN = math.inf, math.nan


def _dtype(x: ir.Value) -> np.dtype:
    return aval_of(x).dtype


# ---- elementwise ---------------------------------------------------------------------------------

EDGES = (0.0, -0.0, 1.0, -1.0, INF, -INF, NAN)
UNARY: dict[str, tuple[float, float, tuple[str, ...], tuple[float, ...]]] = {
    "neg": (-2, 2, NUMBER, EDGES),
    "abs": (-2, 2, NUMBER, EDGES),
    "sign": (-2, 2, NUMBER, EDGES),
    "floor": (-3, 3, FLOAT, (*EDGES, 2.5, -2.5)),
    "ceil": (-3, 3, FLOAT, (*EDGES, 2.5, -2.5)),
    "round": (-3, 3, FLOAT, (*EDGES, 0.5, 1.5, 2.5, -0.5, -2.5)),
    "exp": (-2, 2, FLOAT, (*EDGES, 100.0, -1000.0)),
    "exp2": (-2, 2, FLOAT, (*EDGES, 100.0, -1000.0)),
    "expm1": (-2, 2, FLOAT, (*EDGES, 1e-6, -1000.0)),
    "log": (0.2, 3, FLOAT, (*EDGES, 1e-3)),
    "log1p": (-0.7, 2, FLOAT, (*EDGES, 1e-6, -2.0)),
    "log2": (0.2, 3, FLOAT, (*EDGES, 8.0)),
    "log10": (0.2, 3, FLOAT, (*EDGES, 1000.0)),
    "sqrt": (0.2, 3, FLOAT, (*EDGES, 4.0)),
    "rsqrt": (0.2, 3, FLOAT, (*EDGES, 4.0)),
    "cbrt": (0.2, 3, FLOAT, (*EDGES, -8.0)),
    "sin": (-4, 4, FLOAT, (*EDGES, math.pi, 1000.0)),
    "cos": (-4, 4, FLOAT, (*EDGES, math.pi, 1000.0)),
    "tan": (-1.2, 1.2, FLOAT, (*EDGES, 1000.0)),
    "asin": (-0.9, 0.9, FLOAT, (*EDGES, 2.0)),
    "acos": (-0.9, 0.9, FLOAT, (*EDGES, 2.0)),
    "atan": (-3, 3, FLOAT, (*EDGES, 1000.0)),
    "sinh": (-2, 2, FLOAT, (*EDGES, 1e-4)),
    "cosh": (-2, 2, FLOAT, EDGES),
    "tanh": (-3, 3, FLOAT, (*EDGES, 20.0, 1e-4)),
    "asinh": (-3, 3, FLOAT, (*EDGES, 1e-4, 1e4)),
    "acosh": (1.2, 4, FLOAT, (*EDGES, 1e4)),
    "atanh": (-0.9, 0.9, FLOAT, (*EDGES, 1e-4, 2.0)),
    "logistic": (-3, 3, FLOAT, (*EDGES, 40.0, -40.0)),
    "erf": (-2, 2, FLOAT, (*EDGES, 5.0, 1e-4)),
    "erfc": (-2, 2, FLOAT, (*EDGES, 5.0, 1e-4)),
    "not": (-9, 9, BITS, ()),
}
PAIRS = tuple(zip(*[(a, b) for a in (*EDGES, 2.0) for b in (*EDGES, 2.0)], strict=True))
BINARY: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[str, ...], Any]] = {
    "add": ((-2, 2), (-2, 2), NUMBER, PAIRS),
    "sub": ((-2, 2), (-2, 2), NUMBER, PAIRS),
    "mul": ((-2, 2), (-2, 2), NUMBER, PAIRS),
    "div": ((-9, 9), (0.5, 2.5), NUMBER, PAIRS),
    "rem": ((-9, 9), (0.7, 2.5), NUMBER, PAIRS),
    "pow": ((0.3, 2.5), (-2, 3), NUMBER, PAIRS),
    "atan2": ((-2, 2), (0.3, 2), FLOAT, PAIRS),
    "hypot": ((-2, 2), (0.3, 2), FLOAT, PAIRS),
    "max": ((-2, 2), (-2, 2), ALL, PAIRS),
    "min": ((-2, 2), (-2, 2), ALL, PAIRS),
    "and": ((-9, 9), (-9, 9), BITS, ()),
    "or": ((-9, 9), (-9, 9), BITS, ()),
    "xor": ((-9, 9), (-9, 9), BITS, ()),
    "shift_left": ((-9, 9), (-2, 9), INTEGER, ()),
    "shift_right": ((-99, 99), (-2, 9), INTEGER, ()),
    "gcd": ((-60, 60), (-60, 60), INTEGER, ()),
}
_bool = Input((2, 3), "bool")
_any = Input((2, 3))


def _elementwise() -> Iterator[Case]:
    for name, (low, high, dtypes, special) in UNARY.items():
        x = Input((2, 3), "T", low, high)
        yield Case(name, f"dif.{name}", dif.OPS[f"dif.{name}"], (x,), dtypes, special=(special,) if special else ())
    for name, (one, two, dtypes, special) in BINARY.items():
        pair = (Input((2, 3), "T", *one), Input((2, 3), "T", *two))
        yield Case(name, f"dif.{name}", dif.OPS[f"dif.{name}"], pair, dtypes, special=special)
    for op in ("mul", "div"):
        x = Input((3,), "T", 0.5, 2)
        yield Case(f"{op}_shared", f"dif.{op}", partial(_of_product_and_sum, dif.OPS[f"dif.{op}"]), (x, x))
    yield Case("pow_square", "dif.pow", lambda x: dif.pow(x, _full_like(x, 2.0)), (Input((4,)),))
    yield Case("pow_inverse", "dif.pow", lambda x: dif.pow(x, _full_like(x, -3.0)), (Input((4,), "T", 0.5, 2),))
    yield Case("scalar", "dif.mul", lambda x: dif.mul(x, dif.sin(x)), (Input(()),), dynamic=False)
    for direction in dif.elementwise.COMPARISONS:
        fn = partial(dif.compare, direction=direction)
        yield Case(f"compare_{direction}", "dif.compare", fn, (_any, _any), ALL, special=PAIRS)
    yield Case("select", "dif.select", dif.select, (_bool, _any, _any), ALL)
    yield Case("stop_gradient", "dif.stop_gradient", dif.stop_gradient, (_any,), ALL, smooth=False)
    for to in ("f64", "f32", "i32", "u8", "bool"):
        fn = partial(dif.convert, dtype=DTYPES[to])
        x = Input((2, 3), "T", 0.1 if to == "u8" else -2, 20)
        # A step of 1/4 is exact in f32, and shorter than what separates these elements from integers.
        yield Case(f"convert_{to}", "dif.convert", fn, (x,), ALL, smooth=to[0] == "f", step=0.25, tol=1e-5)
    for kind, to in (("f32", "i32"), ("i32", "f32"), ("f64", "u64"), ("u32", "f32"), ("i8", "u8"), ("f16", "i16")):
        fn = partial(dif.bitcast, dtype=DTYPES[to])
        yield Case(f"bitcast_{kind}_{to}", "dif.bitcast", fn, (Input((2, 3), kind, 0, 20),), (kind,), smooth=False)


def _of_product_and_sum(op: dif.OpDef, x: ir.Value, y: ir.Value) -> ir.Value:
    return op(dif.mul(x, y), dif.add(x, y))


def _full_like(x: ir.Value, number: float) -> ir.Value:
    value = dif.constant(value=np.array(number, _dtype(x)))
    return dif.broadcast_in_dim(value, shape=sizes(x), dimensions=())


# ---- creation and shape --------------------------------------------------------------------------


def _ramp_times(x: ir.Value, dimension: int) -> ir.Value:
    return dif.mul(dif.iota(shape=sizes(x), dtype=_dtype(x), dimension=dimension), x)


def _creation() -> Iterator[Case]:
    ramp = np.arange(6.0).reshape(2, 3)
    add_ramp = lambda x: dif.add(x, dif.constant(value=ramp.astype(_dtype(x))))  # noqa: E731
    yield Case("constant", "dif.constant", add_ramp, (_any,), ("f16", "f32", "f64", *INTEGER))
    yield Case("constant_splat", "dif.constant", lambda x: dif.mul(x, _full_like(x, 3.0)), (_any,), NUMBER)
    yield Case("constant_ints", "dif.constant", lambda: dif.constant(value=np.array([3, -1, 2])), (), ("i64",))
    yield Case("constant_bool", "dif.constant", lambda: dif.constant(value=np.array([True, False])), (), ("bool",))
    yield Case("zeros", "dif.zeros", lambda x: dif.sub(dif.zeros(shape=sizes(x), dtype=_dtype(x)), x), (_any,), NUMBER)
    for d in (0, 1):
        yield Case(f"iota_{d}", "dif.iota", partial(_ramp_times, dimension=d), (_any,), NUMBER)
    yield Case("dim", "dif.dim", partial(dif.dim, dimension=1), (_any,), ALL)


def _broadcast_like(x: ir.Value, y: ir.Value, dimensions: tuple[int, ...]) -> ir.Value:
    return dif.broadcast_in_dim(x, shape=sizes(y), dimensions=dimensions)


def _shape() -> Iterator[Case]:
    op = "dif.broadcast_in_dim"
    for name, x, shape, dimensions in (
        ("scalar", Input(()), (2, 3), ()),
        ("inner", Input((3,)), (2, 3), (1,)),
        ("outer", Input((2,)), (2, 3, 2), (0,)),
        ("same", Input((2, 3)), (2, 3), (0, 1)),
        ("ones", Input((2, 1), fixed=(1,)), (4, 2, 3), (1, 2)),
        ("kept_one", Input((1, 3), fixed=(0,)), (4, 1, 3), (1, 2)),
    ):
        fn = partial(dif.broadcast_in_dim, shape=shape, dimensions=dimensions)
        yield Case(f"broadcast_{name}", op, fn, (x,), ALL)
    like = Input((2, 3))
    grow = partial(_broadcast_like, dimensions=(0, 1))
    yield Case("broadcast_run_time", op, partial(_broadcast_like, dimensions=(1,)), (Input((3,)), like))
    yield Case("broadcast_run_time_ones", op, grow, (Input((2, 1), fixed=(1,)), like))
    yield Case("reshape", "dif.reshape", partial(dif.reshape, shape=(3, 4)), (Input((2, 6)),), ALL)
    yield Case("reshape_scalar", "dif.reshape", partial(dif.reshape, shape=()), (Input((1, 1)),), ALL)
    yield Case("reshape_split", "dif.reshape", partial(dif.reshape, shape=(2, 1, 3)), (Input((6,)),), ALL)
    yield Case("reshape_run_time", "dif.reshape", lambda x, y: dif.reshape(x, shape=sizes(y)), (Input((6,)), like))
    yield Case("transpose", "dif.transpose", partial(dif.transpose, permutation=(2, 0, 1)), (Input((2, 3, 4)),), ALL)
    yield Case("transpose_2d", "dif.transpose", partial(dif.transpose, permutation=(1, 0)), (_any,), ALL)
    yield Case("reverse", "dif.reverse", partial(dif.reverse, dimensions=(0, 2)), (Input((2, 3, 4)),), ALL)
    yield from _concatenates()
    yield from _slices()
    yield from _pads()


def _concatenates() -> Iterator[Case]:
    for d, other in ((0, (1, 3)), (1, (2, 4))):
        fn = partial(dif.concatenate, dimension=d)
        for name, first, second in (("", (), ()), ("_known_first", (d,), ()), ("_known_last", (), (d,))):
            pair = (Input((2, 3), fixed=first), Input(other, fixed=second))
            yield Case(f"concatenate_{d}{name}", "dif.concatenate", fn, pair, ALL)
    square = lambda x: dif.concatenate(x, dif.mul(x, x), dimension=0)  # noqa: E731
    yield Case("concatenate_shared", "dif.concatenate", square, (Input((3,)),))
    empty = (Input((0, 3)), Input((2, 3)))
    yield Case("concatenate_empty", "dif.concatenate", partial(dif.concatenate, dimension=0), empty, ALL)


def _slices() -> Iterator[Case]:
    def row(name: str, start: Any, limit: Any, stride: Any, x: Input) -> Case:
        fn = partial(dif.slice, start=start, limit=limit, stride=stride)
        return Case(f"slice{name}", "dif.slice", fn, (x,), ALL)

    x = Input((4, 7))
    yield row("", (1, 2), (3, 6), (1, 1), x)
    yield row("_stride", (0, 1), (4, 6), (3, 2), x)
    yield row("_to_end", (1, 2), (-1, -1), (1, 1), x)
    yield row("_stride_to_end", (1, 0), (-1, -1), (2, 3), x)
    yield row("_mixed", (0, 3), (4, -1), (1, 2), Input((4, 7), fixed=(0,)))
    yield row("_empty", (2, 0), (2, 7), (1, 2), x)
    yield row("_whole", (0, 0), (-1, 7), (1, 1), x)


def _pads() -> Iterator[Case]:
    def row(name: str, low: Any, high: Any, interior: Any, x: Input) -> Case:
        fn = partial(dif.pad, low=low, high=high, interior=interior)
        return Case(f"pad{name}", "dif.pad", fn, (x, Input(())), ALL)

    x = Input((3, 4))
    yield row("", (1, 0), (2, 3), (0, 0), x)
    yield row("_negative", (-1, 1), (1, -2), (0, 0), x)
    yield row("_interior", (0, 1), (0, 2), (1, 2), x)
    yield row("_interior_negative", (-1, -2), (0, -3), (2, 1), x)
    yield row("_removed", (-2, 0), (-1, 0), (0, 0), x)
    yield row("_none", (0, 0), (0, 0), (0, 0), x)
    yield row("_one", (1,), (0,), (2,), Input((1,)))
    yield row("_scalar", (), (), (), Input(()))


# ---- reductions ----------------------------------------------------------------------------------


def _reductions() -> Iterator[Case]:
    kinds = {"reduce_sum": NUMBER, "reduce_prod": NUMBER, "reduce_max": ALL, "reduce_min": ALL}
    for name, dtypes in (kinds | {"reduce_and": BITS, "reduce_or": BITS}).items():
        for label, shape, axes in (
            ("all", (2, 3), (0, 1)),
            ("last", (3, 4), (1,)),
            ("first", (5, 2), (0,)),
            ("middle", (2, 3, 2), (1,)),
            ("outer", (2, 3, 4), (2, 0)),
            ("none", (2, 3), ()),
        ):
            fn = partial(dif.OPS[f"dif.{name}"], axes=axes)
            yield Case(f"{name}_{label}", f"dif.{name}", fn, (Input(shape),), dtypes)
    fn = partial(dif.reduce_prod, axes=(0,))
    for size in (0, 1, 2, 7):
        yield Case(f"reduce_prod_{size}", "dif.reduce_prod", fn, (Input((size, 2)),))
    zeros = ((0.0, 2.0, 1.0), (3.0, 0.0, 0.0), (-1.0, 2.0, 0.0), (0.5, 2.0, 0.0))
    yield Case("reduce_prod_zeros", "dif.reduce_prod", fn, (Input((4, 3), values=zeros),), NUMBER)
    yield Case("reduce_sum_empty", "dif.reduce_sum", partial(dif.reduce_sum, axes=(0,)), (Input((0, 2)),), NUMBER)
    for name in ("argmax", "argmin"):
        for axis in (0, 1):
            fn = partial(dif.OPS[f"dif.{name}"], axis=axis)
            yield Case(f"{name}_{axis}", f"dif.{name}", fn, (Input((3, 4)),), NUMBER)


# ---- contractions --------------------------------------------------------------------------------


def _contractions() -> Iterator[Case]:
    for name, one, two, (lhs_batch, rhs_batch), (lhs_contract, rhs_contract) in (
        ("dot", (4,), (4,), ((), ()), ((0,), (0,))),
        ("matvec", (2, 3), (3,), ((), ()), ((1,), (0,))),
        ("vecmat", (3,), (3, 2), ((), ()), ((0,), (0,))),
        ("matmul", (2, 3), (3, 4), ((), ()), ((1,), (0,))),
        ("matmul_nt", (2, 3), (4, 3), ((), ()), ((1,), (1,))),
        ("matmul_tn", (3, 2), (3, 4), ((), ()), ((0,), (0,))),
        ("outer", (2,), (3,), ((), ()), ((), ())),
        ("batch", (2, 3, 4), (2, 4, 2), ((0,), (0,)), ((2,), (1,))),
        ("batch_only", (2, 3), (2, 3), ((0, 1), (0, 1)), ((), ())),
        ("batch_vectors", (2, 3), (3, 2), ((0,), (1,)), ((1,), (0,))),
        ("orders", (4, 2, 3, 5), (3, 5, 2, 4), ((1,), (2,)), ((3, 0), (1, 3))),
        ("orders_free", (3, 2, 4, 5), (5, 6, 2, 4), ((1,), (2,)), ((2, 3), (3, 0))),
        ("orders_batch", (4, 2, 3), (3, 4, 2), ((2, 1), (0, 2)), ((0,), (1,))),
        ("empty", (2, 0), (0, 3), ((), ()), ((1,), (0,))),
    ):
        fn = partial(
            dif.dot_general,
            lhs_batch=lhs_batch,
            rhs_batch=rhs_batch,
            lhs_contract=lhs_contract,
            rhs_contract=rhs_contract,
        )
        yield Case(f"dot_general_{name}", "dif.dot_general", fn, (Input(one), Input(two)), NUMBER)


# ---- indexing ------------------------------------------------------------------------------------


def _indexing() -> Iterator[Case]:
    for name, shape, points, axes, batch, mode in (
        ("rows", (4, 3), (3, 1), (0,), 0, "clip"),
        ("columns", (3, 4), (2, 3, 1), (1,), 0, "fill"),
        ("outside_clip", (4, 3), (6, 1), (0,), 0, "clip"),
        ("outside_fill", (4, 3), (6, 1), (0,), 0, "fill"),
        ("pairs", (4, 2, 3), (5, 2), (0, 2), 0, "clip"),
        ("pairs_reversed", (4, 2, 3), (5, 2), (2, 0), 0, "fill"),
        ("one", (4, 3), (1,), (1,), 0, "clip"),
        ("elements", (3, 2), (7, 2), (0, 1), 0, "fill"),
        ("batch", (2, 4, 3), (2, 3, 1), (1,), 1, "clip"),
        ("batch_fill", (2, 3, 4), (2, 3, 2, 1), (2,), 1, "fill"),
        ("batch_two", (2, 3, 4, 2), (2, 3, 2, 2), (3, 2), 2, "fill"),
        ("whole", (2, 3), (2, 0), (), 0, "clip"),
    ):
        form: dict[str, Any] = {"axes": axes, "batch": batch, "mode": mode}
        x = Input(shape)
        reach = 1 if "outside" in name or mode == "fill" else 0
        indices = Input(points, "i64", -reach, min((shape[a] for a in axes), default=1) - 1 + reach, fixed=(-1,))
        window = [shape[d] for d in range(batch, len(shape)) if d not in axes]
        updates = Input((*points[:-1], *window))
        yield Case(f"gather_{name}", "dif.gather", partial(dif.gather, **form), (x, indices), ALL)
        for op in ("scatter", "scatter_add", "scatter_mul", "scatter_min", "scatter_max"):
            if op[8:] in ("mul", "min", "max") and name not in ("outside_clip", "pairs_reversed", "batch_fill"):
                continue  # these have all that the three do in their own way
            dtypes = NUMBER if op in ("scatter_add", "scatter_mul") else ALL
            fn = partial(dif.OPS[f"dif.{op}"], **form)
            yield Case(f"{op}_{name}", f"dif.{op}", fn, (x, indices, updates), dtypes)
    i32 = Input((3, 1), "i32", 0, 3, fixed=(-1,))
    rows = partial(dif.gather, axes=(0,), batch=0, mode="clip")
    yield Case("gather_i32", "dif.gather", rows, (Input((4, 3)), i32), NUMBER)
    yield from _blocks()


def _blocks() -> Iterator[Case]:
    for name, shape, block, span in (
        ("", (5, 4), (2, 3), (0, 1)),
        ("_outside", (5, 4), (2, 3), (-3, 6)),
        ("_row", (5, 4), (1, 4), (0, 4)),
        ("_column", (3, 5, 2), (3, 2, 2), (-1, 4)),
        ("_whole", (3, 2), (3, 2), (-1, 1)),
        ("_scalar", (), (), (0, 0)),
        ("_vector", (6,), (3,), (0, 3)),
    ):
        starts = tuple(Input((), "i64", *span) for _ in shape)
        fn = partial(dif.dynamic_slice, sizes=block)
        yield Case(f"dynamic_slice{name}", "dif.dynamic_slice", fn, (Input(shape), *starts), ALL)
        inputs = (Input(shape), Input(block), *starts)
        yield Case(f"dynamic_update_slice{name}", "dif.dynamic_update_slice", dif.dynamic_update_slice, inputs, ALL)
        if shape:
            known = (Input(shape, fixed=(0,)), Input(block, fixed=(0,)), *starts)
            name = f"dynamic_update_slice{name}_known"
            yield Case(name, "dif.dynamic_update_slice", dif.dynamic_update_slice, known, ALL)


CASES: tuple[Case, ...] = (
    *_elementwise(),
    *_creation(),
    *_shape(),
    *_reductions(),
    *orderings(),
    *_contractions(),
    *convolutions(),
    *factors(),
    *special_functions(),
    *factorisations(),
    *_indexing(),
)
assert len({case.name for case in CASES}) == len(CASES), "two rows of the table have one name"
