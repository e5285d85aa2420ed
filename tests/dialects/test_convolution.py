"""`conv` against SciPy's correlation, and what its type rule refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal

from difc import dialects as dif
from difc.dialects import BOOL, DYN, F32, F64, Aval
from difc.errors import DtypeError, ShapeError
from tests.dialects.evaluating import evaluate

RNG = np.random.default_rng(0)


def form(rank: int, **given: Any) -> dict[str, Any]:
    ones = dict.fromkeys(("strides", "lhs_dilation", "rhs_dilation"), (1,) * rank)
    return {**ones, "low": (0,) * rank, "high": (0,) * rank, "groups": 1, **given}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dynamic", [0, 1])
def test_one_channel_is_a_correlation(rank: int, dynamic: int) -> None:
    x, w = RNG.normal(size=(6, 5, 4)[:rank]), RNG.normal(size=(3, 2, 3)[:rank])
    wanted = scipy.signal.correlate(x, w, "valid")
    found = evaluate(lambda x: dif.conv(x, dif.constant(value=w[..., None, None]), **form(rank)), x[None, ..., None],
                     dynamic=dynamic)  # fmt: skip
    np.testing.assert_allclose(found[0, ..., 0], wanted, rtol=1e-12)


def test_half_floats_are_summed_in_f32() -> None:
    x, w = np.ones((1, 4096, 1), np.float16), np.ones((4096, 1, 1), np.float16)
    assert evaluate(lambda x, w: dif.conv(x, w, **form(1)), x, w)[0, 0, 0] == 4096


def infer(x: tuple[Any, ...], w: tuple[Any, ...], dtypes: Any = (F64, F64), **given: Any) -> Aval:
    return dif.conv.infer(Aval(x, dtypes[0]), Aval(w, dtypes[1]), **form(len(x) - 2, **given))


def test_types() -> None:
    assert infer((2, 8, 7, 4), (3, 2, 2, 6), strides=(2, 1), groups=2).shape == (2, 3, 6, 6)
    assert infer((DYN, 8, 4), (3, 4, 6), low=(1,), high=(2,), lhs_dilation=(2,), rhs_dilation=(3,)).shape == (
        DYN,
        12,
        6,
    )
    assert infer((1, 2, 1), (3, 1, 1)).shape == (1, 0, 1)
    assert infer((1, 0, 1), (1, 1, 1), lhs_dilation=(3,)).shape == (1, 0, 1)


def test_what_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"conv: the channels of f64\[1, 5, 3\] and of the kernel f64\[2, 4, 6\] differ: 3 and 4"
    ):
        infer((1, 5, 3), (2, 4, 6))
    with pytest.raises(ShapeError, match="are not those of 2 groups"):
        infer((1, 5, 4), (2, 2, 3), groups=2)
    with pytest.raises(ShapeError, match="with several groups, the numbers of channels must be known"):
        infer((1, 5, DYN), (2, 2, 4), groups=2)
    with pytest.raises(ShapeError, match="must both have a batch or output, a channel and 1 or more other dims"):
        infer((1, 5, 4), (2, 2, 4, 4))
    with pytest.raises(ShapeError, match="one entry for each of 2 spatial dims"):
        infer((1, 5, 5, 4), (2, 2, 4, 4), strides=(1,))
    with pytest.raises(ShapeError, match="strides, dilations and groups must be 1 or more"):
        infer((1, 5, 4), (2, 4, 4), strides=(0,))
    with pytest.raises(ShapeError, match="must have a size known at compile time"):
        infer((1, 5, 4), (DYN, 4, 4))
    with pytest.raises(DtypeError, match="operand dtypes differ"):
        infer((1, 5, 4), (2, 4, 4), dtypes=(F64, F32))
    with pytest.raises(DtypeError, match="conv takes numbers, not bool"):
        infer((1, 5, 4), (2, 4, 4), dtypes=(BOOL, BOOL))
