"""The user's place: the innermost frame that is neither difc's nor NumPy's."""

from __future__ import annotations

import functools
import linecache
from typing import Any

import numpy as np
import pytest

import difc
from difc.errors import DifcError, ShapeError, SourceLocation
from difc.source import is_library, user_frame_location


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
    assert not is_library(__file__)


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
