"""Compiled programs: the containers of their results, and what pickling, threads and forks do to them."""

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest

import difc
from difc.errors import UnsupportedError
from difc.model import load_model
from difc.runtime.tree import NAMESPACE


class State(NamedTuple):
    position: Any
    velocity: Any


class Ball:
    """A class of the user's own that is a pytree."""

    def __init__(self, height: Any) -> None:
        self.height = height


optree.register_pytree_node(Ball, lambda b: ((b.height,), None), lambda _, c: Ball(*c), namespace=NAMESPACE)  # type: ignore[arg-type,misc,unused-ignore]


def step(state: State, force: Any) -> Any:
    velocity = state.velocity + 0.5 * force
    return State(state.position + 0.5 * velocity, velocity), {"energy": np.sum(velocity**2)}


STATE = State(np.ones(3), np.zeros(3))


@pytest.fixture(autouse=True)
def _restore_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture(scope="module")
def module() -> difc.CompiledModule:
    return difc.compile(step, STATE, difc.f64)


def test_results_are_of_the_users_classes(module: difc.CompiledModule, tmp_path: Path) -> None:
    state, _ = module(STATE, 1.0)
    assert type(state) is State
    module.save(tmp_path / "step.vmfb")
    again, _ = difc.load(tmp_path / "step.vmfb")(state, 1.0)
    assert type(again) is State
    np.testing.assert_array_equal(again.velocity, np.full(3, 1.0))


def test_a_class_that_no_module_has(tmp_path: Path) -> None:
    class Local(NamedTuple):
        x: Any

    made = difc.compile(lambda a: Local(a + 1.0), difc.f64)
    assert type(made(1.0)) is Local
    made.save(tmp_path / "local.vmfb")
    again = difc.load(tmp_path / "local.vmfb")(1.0)
    assert (type(again).__name__, again._fields, float(again.x)) == ("Local", ("x",), 2.0)


MODEL = """
from typing import NamedTuple
import difc

class Pair(NamedTuple):
    a: difc.f64
    b: difc.f64

@difc.export
def swap(pair: Pair(difc.f64, difc.f64)):
    return Pair(pair.b, pair.a)
"""


def test_classes_of_model_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        (folder / "model_with_a_class.py").write_text(MODEL)
        made.add(difc.compile(load_model(folder / "model_with_a_class.py")).vmfb)
    assert len(made) == 1
    (artifact,) = made
    pair = difc.load(artifact).signature().arguments["pair"]
    assert (type(pair).__name__, type(pair).__module__) == ("Pair", "difc.runtime.tree")
    monkeypatch.syspath_prepend(tmp_path / "one")
    imported = importlib.import_module("model_with_a_class")
    swapped = difc.load(artifact)(imported.Pair(1.0, 2.0))
    assert type(swapped) is imported.Pair
    assert [float(x) for x in swapped] == [2.0, 1.0]


def test_registered_classes_under_jit() -> None:
    moved = difc.jit(lambda b: Ball(b.height - 1.0))(Ball(3.0))
    assert (type(moved), float(moved.height)) == (Ball, 2.0)
    gradient = difc.grad(lambda b: b.height**2)(Ball(3.0))
    assert (type(gradient), float(gradient.height)) == (Ball, 6.0)
    with pytest.raises(
        UnsupportedError, match=r"cannot take or return a `Ball`.*\n(?s:.*)Remedy: use the built-in containers"
    ):
        difc.compile(lambda b: b.height, Ball(difc.f64))


def test_a_compiled_module_can_be_copied_and_pickled(module: difc.CompiledModule) -> None:
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), copy.copy(module)):
        state, _ = again(STATE, 1.0)
        assert type(state) is State
        assert (again.vmfb, again.ir("dif")) == (module.vmfb, module.ir("dif"))
    program = pickle.loads(pickle.dumps(difc.trace(step, STATE, difc.f64)))
    assert program.ir("ad") == module.ir("ad")


def test_calls_from_several_threads(module: difc.CompiledModule) -> None:
    wrong: list[Any] = []

    def work(force: float) -> None:
        for _ in range(20):
            state, _ = module(STATE, force)
            if not np.array_equal(state.velocity, np.full(3, 0.5 * force)):
                wrong.append(force)

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORKED = """
import os, sys
import difc

f = difc.jit(lambda x: x + 1.0)
f(1.0)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert float(f(1.0)) == 2.0
try:
    f(1)
except difc.errors.CompileError as error:
    assert "this process was forked after it was loaded" in str(error), error
    assert 'get_context("spawn")' in str(error), error
    os._exit(7)
os._exit(1)
"""


def test_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled runs; IREE's compiler has lost its threads, and would hang."""
    monkeypatch.setenv("DIFC_CACHE_DIR", "")
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=60, check=False).returncode == 7
