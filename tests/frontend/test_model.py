"""Model files: what loading one gives, and what is said about one that is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import difc
from difc import config
from difc.errors import ModelError, ShapeError
from difc.model import load_model, running_model, select_entries
from tests.frontend.failing import fails

GOOD = """
import difc

@difc.export
def loss(x: difc.f32[3]):
    return x

@difc.export(name="second")
def helper(x: difc.f32[3]):
    return loss(x)

alias = loss
"""


def write(folder: Path, text: str, name: str = "model.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def message_of(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _restore_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_exports_are_found_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    exports = load_model(write(tmp_path, GOOD))
    assert list(exports) == ["loss", "second"]
    assert exports["second"](1) == 1


def test_a_model_finds_its_neighbours_its_data_and_its_own_module(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("7")
    write(tmp_path, "SCALE = 2\n", "neighbour_of_the_model.py")
    path = write(
        tmp_path,
        "from dataclasses import dataclass\nfrom pathlib import Path\nimport difc\nimport neighbour_of_the_model\n"
        "@dataclass\nclass Options:\n    n: 'int' = int((Path(__file__).parent / 'data.txt').read_text())\n"
        "@difc.export\ndef f(x: difc.f32[3]):\n    return Options().n * neighbour_of_the_model.SCALE\n",
    )
    assert load_model(path)["f"](None) == 14


def test_files_of_one_name_in_two_folders_do_not_meet_and_edits_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a = write(tmp_path / "a", GOOD)
    b = write(tmp_path / "b", GOOD.replace("second", "third"))
    first, second = load_model(a), load_model(b)
    assert [*first, *second] == ["loss", "second", "loss", "third"]
    assert first["loss"].fun.__module__ != second["loss"].fun.__module__
    a.write_text(GOOD.replace("second", "a_longer_name"))
    assert "a_longer_name" in load_model(a)


def test_a_missing_file_gets_the_closest_name(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    message = message_of(tmp_path / "modle.py")
    assert f"there is no model file `{tmp_path / 'modle.py'}`" in message
    assert f"did you mean `{tmp_path / 'model.py'}`" in message
    assert "check the path" in message_of(tmp_path / "nowhere" / "else.py")


def test_a_folder_and_a_file_that_is_not_python(tmp_path: Path) -> None:
    assert "is a folder" in message_of(tmp_path)
    assert "is not a Python file" in message_of(write(tmp_path, GOOD, "model.txt"))


def test_a_model_without_exports_is_shown_how_to_mark_one(tmp_path: Path) -> None:
    message = message_of(write(tmp_path, "def f(x):\n    return x\n"))
    assert "exports no function" in message
    assert "@difc.export\n" in message


def test_two_exports_of_one_name(tmp_path: Path) -> None:
    message = message_of(write(tmp_path, GOOD.replace("second", "loss")))
    assert "exports two functions as `loss`" in message


def test_what_a_model_raises_is_shown_with_its_own_lines_only(tmp_path: Path) -> None:
    write(tmp_path, "def fail(n):\n    return [1][n]\n", "failing_neighbour.py")
    path = write(tmp_path, "import failing_neighbour\nTABLE = failing_neighbour.fail(3)\n")
    message = message_of(path)
    assert message.splitlines() == [
        "`model.py` failed while it was imported: IndexError: list index out of range",
        f"  {path}:2 in <module>",
        "    TABLE = failing_neighbour.fail(3)",
        f"  {tmp_path / 'failing_neighbour.py'}:2 in fail",
        "    return [1][n]",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def f(:\n    pass\n",
            "`model.py` is not valid Python: invalid syntax\n  {path}:1:7\n    def f(:\n          ^",
        ),
        ("import no_such_package\n", "Remedy: install the package, or put `no_such_package.py` beside the model"),
        ("import sys\nsys.exit(2)\n", "failed while it was imported: SystemExit: 2\n  {path}:2 in <module>"),
        ("import numpy as np\nnp.zeros(2)[5]\n", "IndexError: index 5 is out of bounds"),
    ],
)
def test_a_model_that_fails_while_it_is_imported(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    before = set(sys.modules)
    assert message.format(path=path) in message_of(path)
    assert not {name for name in set(sys.modules) - before if name.startswith("_difc_model")}


def test_the_full_traceback_is_there_for_the_asking(tmp_path: Path) -> None:
    path = write(tmp_path, "1 / 0\n")
    with config.override(traceback="full"), pytest.raises(ZeroDivisionError):
        load_model(path)


def test_an_error_of_difc_without_a_place_gets_the_line_of_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, "from difc.errors import ShapeError\ndef f():\n    raise ShapeError('wrong')\nf()\n")
    with pytest.raises(ShapeError) as caught, running_model(path, "while it was imported"):
        exec(compile(path.read_text(), str(path), "exec"), {})
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == (str(path), 3)


def test_entries_are_selected_by_name(tmp_path: Path) -> None:
    exports = load_model(write(tmp_path, GOOD))
    assert list(select_entries(exports, [], "model.py")) == ["loss", "second"]
    assert list(select_entries(exports, ["second"], "model.py")) == ["second"]
    with pytest.raises(
        ModelError, match=r"(?s)`model.py` exports no function `los`; did you mean `loss`.*loss, second"
    ):
        select_entries(exports, ["los"], "model.py")


def test_a_recursion_is_shown_once(tmp_path: Path) -> None:
    message = message_of(write(tmp_path, "def f():\n    f()\nf()\n"))
    assert "RecursionError" in message
    assert message.count(":2 in f\n    f()\n  ... ") == 1
    assert len(message.splitlines()) <= 7


def test_what_cannot_be_exported() -> None:
    with fails(ModelError, "export: 'loss' is no function", at='difc.export("loss")', remedy="@difc.export(name="):
        difc.export("loss")  # type: ignore[arg-type]
    with fails(ModelError, "export: specs is difc.f32, not a list", at="difc.export(specs", remedy="specs=[difc.f32"):
        difc.export(specs=difc.f32)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not iterable"):
        iter(difc.f32)  # type: ignore[call-overload]
