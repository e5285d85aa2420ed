"""The user's place: the innermost frame that is neither difc's nor NumPy's."""

from __future__ import annotations

import functools
import linecache
import pickle
import traceback
from typing import Any

import iree.runtime
import numpy as np
import optree
import pytest
import scipy.special

import difc
from difc import config
from difc.errors import (
    ArtifactError,
    ConcretizationError,
    DeviceError,
    DifcError,
    InputError,
    ShapeError,
    SourceLocation,
    UnsupportedError,
)
from difc.runtime.device import available
from difc.source import is_library, place_of, shortened, user_frame_location
from tests.frontend.failing import fails


def line_of(place: SourceLocation | None) -> str:
    assert place is not None
    return linecache.getline(place.file, place.line).strip()


def test_the_place_is_here() -> None:
    place = user_frame_location()
    assert place is not None
    assert place.file == __file__
    assert line_of(place) == "place = user_frame_location()"
    assert place.column == 13


def test_frames_of_numpy_and_of_machinery_are_passed_over() -> None:
    places: list[Any] = []

    class Spy(np.lib.mixins.NDArrayOperatorsMixin):
        def __array_function__(self, *_: Any) -> Any:
            return functools.partial(user_frame_location)()

    places.append(np.sum(Spy()))  # type: ignore[call-overload]
    assert line_of(places[0]) == "return functools.partial(user_frame_location)()"
    assert is_library(np.__file__)
    assert is_library(difc.__file__)
    assert is_library("<frozen runpy>")
    assert is_library(scipy.special.__file__)
    assert is_library(linecache.__file__)
    assert is_library(iree.runtime.__file__)
    assert is_library(optree.__file__)
    assert not is_library(pytest.__file__)
    assert not is_library(__file__)


def test_what_dataclasses_make_of_ours_is_no_place_of_the_users() -> None:
    with pytest.raises(UnsupportedError) as caught:
        difc.ArraySpec((2,), np.dtype(complex))
    assert line_of(place_of(caught.value)) == "difc.ArraySpec((2,), np.dtype(complex))"


def test_an_error_without_a_place_gets_that_of_the_call() -> None:
    with fails(ArtifactError, "`nowhere.vmfb` does not exist", at='difc.load("nowhere.vmfb")', remedy="check the path"):
        difc.load("nowhere.vmfb")
    error = pickle.loads(pickle.dumps(InputError("wrong", where=SourceLocation("f.py", 3), remedy="do")))
    assert str(error) == "wrong\n  f.py:3\nRemedy: do"


def functions_in(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_a_traceback_has_the_users_frames() -> None:
    def misfit(a: Any) -> Any:
        return a @ np.ones(4)

    def broken(a: Any) -> Any:
        raise ZeroDivisionError

    here = "test_a_traceback_has_the_users_frames"
    for fun, kind in ((misfit, ShapeError), (broken, ZeroDivisionError)):
        with pytest.raises(kind) as error:
            difc.trace(difc.vmap(fun), difc.f64[2, 3])
        assert functions_in(error.value) == [here, "trace", fun.__name__]
        with pytest.raises(kind) as error:
            difc.compile(difc.vmap(fun), difc.f64[2, 3])
        assert functions_in(error.value) == [here, "compile", fun.__name__]
        with pytest.raises(kind) as error:
            difc.vmap(fun)(np.ones((2, 3)))
        assert functions_in(error.value) == [here, "__call__", fun.__name__]
        with config.override(traceback="full"), pytest.raises(kind) as error:
            difc.vmap(fun)(np.ones((2, 3)))
        assert "trace_function" in functions_in(error.value)


def test_the_traceback_of_a_tracer_that_escaped() -> None:
    kept: list[Any] = []
    difc.trace(lambda a: (kept.append(a), a)[1], difc.f64[3])
    here = "test_the_traceback_of_a_tracer_that_escaped"
    for use, frames in (
        (lambda a: a + 1, ["apply", "__array_ufunc__"]),
        (np.sin, ["__array_ufunc__"]),
        (np.sort, ["__array_function__"]),
        (lambda a: a[1:], ["__getitem__"]),
    ):
        with pytest.raises(ConcretizationError, match="used after its tracing has ended") as error:
            use(kept[0])
        assert [name for name in functions_in(error.value) if name not in (here, "<lambda>")] == frames
        with config.override(traceback="full"), pytest.raises(ConcretizationError) as error:
            use(kept[0])
        assert functions_in(error.value)[-1] == "current_frame"


def test_an_error_of_iree_behind_ours_is_not_shown() -> None:
    if available()["cuda"] is None:
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(DeviceError, match="the device `cuda` is not available") as caught:
        difc.to_device(1.0, "cuda")
    assert caught.value.__cause__ is None
    with config.override(traceback="full"), pytest.raises(DeviceError) as caught:
        difc.to_device(1.0, "cuda")
    assert caught.value.__cause__ is not None


def test_a_failure_within_a_library_keeps_its_frames() -> None:
    with pytest.raises(TypeError, match="json") as error:
        shortened_failure()
    assert functions_in(error.value)[-1] == "full"


def shortened_failure() -> None:
    try:
        np.full(3, 1, dtype="json")
    except Exception as error:
        raise shortened(error)  # noqa: B904 - it is the same error


def test_an_excerpt_points_at_the_expression() -> None:
    def program(a: Any) -> Any:
        return np.sum(a) + (a @ np.ones(4))

    with pytest.raises(ShapeError) as error:
        difc.trace(program, difc.f64[3])
    _, _, text, caret, *_ = str(error.value).splitlines()
    begin = caret.index("^")
    assert text[begin : begin + caret.count("^")] == "a @ np.ones(4)"


def test_an_expression_over_several_lines() -> None:
    def program(a: Any) -> Any:
        return np.add(
            a,
            np.ones(4),
        )

    with pytest.raises(ShapeError) as error:
        difc.trace(program, difc.f64[3])
    assert "return np.add(" in str(error.value)


def test_a_place_that_cannot_be_read() -> None:
    assert SourceLocation("gone.py", 3, 2).excerpt() == "  gone.py:3:2"
    assert SourceLocation("gone.py", 3).excerpt() == "  gone.py:3"
    error = DifcError("wrong", where=SourceLocation("gone.py", 3), remedy="do it right")
    assert str(error) == "wrong\n  gone.py:3\nRemedy: do it right"
    assert (error.message, error.remedy) == ("wrong", "do it right")
