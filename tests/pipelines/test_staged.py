"""Loops on the host: right numbers wherever buffers could be shared, and no copy of a carry in each step."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import difc
from difc.pipelines.bindings import fit_bindings
from difc.pipelines.compile import compile_module
from difc.pipelines.invocation import Invocation, quiet
from difc.pipelines.staged import has_host_control_flow, to_commands
from difc.pipelines.target import Target
from tests.pipelines.artifacts import elementwise, load, needs_vulkan, run_on_vulkan

CPU = Target.parse("cpu")
ROWS, WIDTH = 6, 16
TAPE, ROW = f"tensor<{ROWS}x{WIDTH}xf32>", f"tensor<{WIDTH}xf32>"

Arrays = tuple[np.ndarray, np.ndarray]

HEAD = f"""
func.func private @scaled(%x : {TAPE}, %k : f32) -> {TAPE} {{
  %out = tensor.empty() : {TAPE}
  %y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%x : {TAPE}) outs(%out : {TAPE}) {{
  ^bb0(%a : f32, %o : f32):
    %value = arith.mulf %a, %k : f32
    linalg.yield %value : f32
  }} -> {TAPE}
  return %y : {TAPE}
}}
func.func @f(%x : {ROW}, %y : {TAPE}, %n64 : tensor<i64>) -> ({TAPE}, {TAPE}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %third = arith.constant 0.25 : f32
  %n_i64 = tensor.extract %n64[] : tensor<i64>
  %n = arith.index_cast %n_i64 : i64 to index
  {elementwise("%x2", "arith.addf %element, %element : f32", "%x", str(WIDTH))}
"""


def put(result: str, row: str, tape: str, at: str) -> str:
    """Return MLIR that writes a row of a tape."""
    return f"{result} = tensor.insert_slice {row} into {tape}[{at}, 0] [1, {WIDTH}] [1, 1] : {ROW} into {TAPE}\n"


def scaled(result: str, tape: str, factor: str) -> str:
    return f"{result} = func.call @scaled({tape}, {factor}) : ({TAPE}, f32) -> {TAPE}\n"


def written(tape: np.ndarray, at: int, row: np.ndarray) -> np.ndarray:
    new = tape.copy()
    new[at] = row
    return new


# Where the two carries start: the text that defines %p and %q, and their values.
FILL = "linalg.fill ins(%zero : f32) outs({} : " + TAPE + ") -> " + TAPE
STARTS: dict[str, tuple[str, Callable[[np.ndarray], Arrays]]] = {
    "alloca": (f'%p = "flow.tensor.alloca"() : () -> {TAPE}\n%q = "flow.tensor.alloca"() : () -> {TAPE}', None),
    "empty": (f"%p = tensor.empty() : {TAPE}\n%q = tensor.empty() : {TAPE}", None),
    "fill": (
        f"%e = tensor.empty() : {TAPE}\n%p = {FILL.format('%e')}\n%q = {FILL.format('%e')}",
        lambda y: (0 * y, 0 * y),
    ),
    "splat": (
        f"%p = arith.constant dense<0.0> : {TAPE}\n%q = arith.constant dense<0.0> : {TAPE}",
        lambda y: (0 * y, 0 * y),
    ),
    "constant": (
        f"%p = arith.constant dense<{np.arange(ROWS * WIDTH, dtype=float).reshape(ROWS, WIDTH).tolist()}> : {TAPE}\n"
        f"%q = arith.constant dense<{np.arange(ROWS * WIDTH, dtype=float).reshape(ROWS, WIDTH).tolist()}> : {TAPE}",
        lambda y: (np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH),) * 2,
    ),
    "argument": (f"%p = tensor.cast %y : {TAPE} to {TAPE}\n%q = tensor.cast %y : {TAPE} to {TAPE}", lambda y: (y, y)),
    "same result": (scaled("%p", "%y", "%half") + scaled("%q", "%y", "%half"), lambda y: (y / 2, y / 2)),
    "slices": (
        f"%both = tensor.concat dim(0) %y, %y : ({TAPE}, {TAPE}) -> tensor<{2 * ROWS}x{WIDTH}xf32>\n"
        + "".join(
            f"{name} = tensor.extract_slice %both[{at}, 0] [{ROWS}, {WIDTH}] [1, 1] : "
            f"tensor<{2 * ROWS}x{WIDTH}xf32> to {TAPE}\n"
            for name, at in (("%p", 0), ("%q", ROWS))
        ),
        lambda y: (y, y),
    ),
    "own": (scaled("%p", "%y", "%half") + scaled("%q", "%y", "%third"), lambda y: (y / 2, y / 4)),
}


@dataclass(frozen=True)
class Body:
    """The body of a loop over %t with the carries %a and %b: its text, what it yields, and the same in NumPy."""

    text: str
    yields: tuple[str, str]
    step: Callable[[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray], Arrays]


def nested(t: int, x: np.ndarray, a: np.ndarray) -> np.ndarray:
    inner = a
    for u in range(3):
        inner = written(inner, u, inner[t] / 2)
    return inner


BOTH = put("%a1", "%x", "%a", "%t") + put("%b1", "%x2", "%b", "%t")
INNER_STEP = (
    f"%row = tensor.extract_slice %i[%t, 0] [1, {WIDTH}] [1, 1] : {TAPE} to {ROW}\n"
    + elementwise("%row2", "arith.mulf %element, %half : f32", "%row", str(WIDTH))
    + put("%i1", "%row2", "%i", "%u")
)
BODIES = {
    "two tapes": Body(BOTH, ("%a1", "%b1"), lambda t, x, y, a, b: (written(a, t, x), written(b, t, 2 * x))),
    "swap": Body(put("%a1", "%x", "%a", "%t"), ("%b", "%a1"), lambda t, x, y, a, b: (b, written(a, t, x))),
    "one value twice": Body(
        put("%a0", "%x", "%a", "%t") + put("%b1", "%x2", "%b", "%c0") + put("%a1", "%x2", "%a0", "%c1"),
        ("%a1", "%a1"),
        lambda t, x, y, a, b: (written(written(a, t, x), 1, 2 * x),) * 2,
    ),
    "previous": Body(put("%a1", "%x", "%a", "%t"), ("%a1", "%a"), lambda t, x, y, a, b: (written(a, t, x), a)),
    "read after": Body(
        put("%a1", "%x", "%a", "%t") + scaled("%b1", "%a", "%half"),
        ("%a1", "%b1"),
        lambda t, x, y, a, b: (written(a, t, x), a / 2),
    ),
    "read between": Body(
        elementwise("%row", "arith.mulf %element, %half : f32", "%x", str(WIDTH))
        + scaled("%b1", "%a", "%half")
        + put("%a1", "%row", "%a", "%t"),
        ("%a1", "%b1"),
        lambda t, x, y, a, b: (written(a, t, x / 2), a / 2),
    ),
    "captured": Body(
        put("%a1", "%x", "%outer", "%t") + put("%b1", "%x2", "%b", "%t"),
        ("%a1", "%b1"),
        lambda t, x, y, a, b: (written(y * 0.75, t, x), written(b, t, 2 * x)),
    ),
    "captured and yielded": Body(
        put("%a1", "%x", "%b", "%t"), ("%a1", "%outer"), lambda t, x, y, a, b: (written(b, t, x), y * 0.75)
    ),
    "accumulators": Body(
        "".join(
            f"""{new} = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                iterator_types = ["parallel", "parallel"]}} ins(%x : {ROW}) outs({old} : {TAPE}) {{
              ^bb0(%e : f32, %o : f32):
                %s = arith.{op} %o, %e : f32
                linalg.yield %s : f32
              }} -> {TAPE}\n"""
            for new, old, op in (("%a1", "%a", "addf"), ("%b1", "%b", "subf"))
        ),
        ("%a1", "%b1"),
        lambda t, x, y, a, b: (a + x, b - x),
    ),
    "branches": Body(
        f"""%late = arith.cmpi sgt, %t, %c2 : index
        %w:2 = scf.if %late -> ({TAPE}, {TAPE}) {{
          scf.yield %b, %b : {TAPE}, {TAPE}
        }} else {{
          scf.yield %a, %b : {TAPE}, {TAPE}
        }}\n"""
        + put("%a1", "%x", "%w#0", "%t")
        + put("%b1", "%x2", "%w#1", "%c0"),
        ("%a1", "%b1"),
        lambda t, x, y, a, b: (written(b if t > 2 else a, t, x), written(b, 0, 2 * x)),
    ),
    "inner loop": Body(
        f"""%c3 = arith.constant 3 : index
        %inner = scf.for %u = %c0 to %c3 step %c1 iter_args(%i = %a) -> ({TAPE}) {{
          {INNER_STEP}
          scf.yield %i1 : {TAPE}
        }}\n"""
        + put("%a1", "%x2", "%a", "%t"),
        ("%a1", "%inner"),
        lambda t, x, y, a, b: (written(a, t, 2 * x), nested(t, x, a)),
    ),
}


def for_loop(start: str, body: Body) -> str:
    return f"""{HEAD}
  {start}
  %three_quarters = arith.constant 0.75 : f32
  {scaled("%outer", "%y", "%three_quarters")}
  %r:2 = scf.for %t = %c0 to %n step %c1 iter_args(%a = %p, %b = %q) -> ({TAPE}, {TAPE}) {{
    {body.text}
    scf.yield {", ".join(body.yields)} : {TAPE}, {TAPE}
  }}
  return %r#0, %r#1 : {TAPE}, {TAPE}
}}"""


def while_loop(start: str, body: Body) -> str:
    carries = f"index, {TAPE}, {TAPE}"
    return f"""{HEAD}
  {start}
  %three_quarters = arith.constant 0.75 : f32
  {scaled("%outer", "%y", "%three_quarters")}
  %r:3 = scf.while (%s = %c0, %v = %p, %w_ = %q) : ({carries}) -> ({carries}) {{
    %more = arith.cmpi slt, %s, %n : index
    scf.condition(%more) %s, %v, %w_ : {carries}
  }} do {{
  ^bb0(%t : index, %a : {TAPE}, %b : {TAPE}):
    {body.text}
    %t1 = arith.addi %t, %c1 : index
    scf.yield %t1, {", ".join(body.yields)} : {carries}
  }}
  return %r#1, %r#2 : {TAPE}, {TAPE}
}}"""


compiled = functools.cache(compile_module)


def check(text: str, start: Callable[[np.ndarray], Arrays] | None, body: Body, driver: str, steps: tuple[int, ...]):
    entry = load(compiled(text, CPU), driver)
    rng = np.random.default_rng(0)
    x, y = rng.random(WIDTH, dtype=np.float32), rng.random((ROWS, WIDTH), dtype=np.float32)
    for n in steps:
        a, b = start(y) if start else (0 * y, 0 * y)
        for t in range(n):
            a, b = body.step(t, x, y, a, b)
        for _ in range(2):  # a second call finds constants that were written to
            got = entry(x, y, np.array(n))
            known = slice(None) if start else slice(n)  # an uninitialised tape is known where it was written
            np.testing.assert_allclose(got[0][known], a[known], rtol=1e-6)
            np.testing.assert_allclose(got[1][known], b[known], rtol=1e-6)


@pytest.mark.parametrize("driver", ["local-sync", "local-task"])
@pytest.mark.parametrize("name", STARTS)
def test_carries_with_equal_starts_do_not_share_a_buffer(name: str, driver: str) -> None:
    text, values = STARTS[name]
    body = BODIES["two tapes"]
    check(for_loop(text, body), values, body, driver, (0, 1, ROWS))


@pytest.mark.parametrize("loop", [for_loop, while_loop])
@pytest.mark.parametrize("start", ["own", "splat"])
@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_could_alias_their_carries(name: str, start: str, loop: Callable[[str, Body], str]) -> None:
    text, values = STARTS[start]
    check(loop(text, BODIES[name]), values, BODIES[name], "local-sync", (0, 1, 2, ROWS))


def test_the_argument_of_a_call_is_not_written_to() -> None:
    text, _ = STARTS["argument"]
    entry = load(compile_module(for_loop(text, BODIES["two tapes"]), CPU))
    x, y = np.ones(WIDTH, np.float32), np.zeros((ROWS, WIDTH), np.float32)
    entry(x, y, np.array(ROWS))
    assert not y.any()
    assert not entry(x, y, np.array(0))[0].any()


def recurrence(length: str, start: str) -> str:
    """Return a loop that keeps every state of x -> x/2 + 1/2, and then sums them backwards."""
    width = 8
    state, tape = f"tensor<{width}xf32>", f"tensor<{length}x{width}xf32>"
    return f"""
func.func @f(%x : {state}, %n64 : tensor<i64>) -> ({state}, {tape}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n_i64 = tensor.extract %n64[] : tensor<i64>
  %n = arith.index_cast %n_i64 : i64 to index
  %half = arith.constant 0.5 : f32
  %tape0 = {start} : {"() -> " if "()" in start and "alloca" in start else ""}{tape}
  %r:2 = scf.for %t = %c0 to %n step %c1 iter_args(%s = %x, %tape = %tape0) -> ({state}, {tape}) {{
    {elementwise("%moved", "arith.addf %element, %half : f32", "%s", "8")}
    {elementwise("%next", "arith.mulf %element, %half : f32", "%moved", "8")}
    %kept = tensor.insert_slice %s into %tape[%t, 0] [1, {width}] [1, 1] : {state} into {tape}
    scf.yield %next, %kept : {state}, {tape}
  }}
  %zero = arith.constant dense<0.0> : {state}
  %last = arith.subi %n, %c1 : index
  %sum = scf.for %t = %c0 to %n step %c1 iter_args(%s = %zero) -> ({state}) {{
    %back = arith.subi %last, %t : index
    %row = tensor.extract_slice %r#1[%back, 0] [1, {width}] [1, 1] : {tape} to {state}
    %out = tensor.empty() : {state}
    %next = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]}} ins(%s, %row : {state}, {state}) outs(%out : {state}) {{
    ^bb0(%a : f32, %b : f32, %o : f32):
      %decayed = arith.mulf %a, %half : f32
      %value = arith.addf %decayed, %b : f32
      linalg.yield %value : f32
    }} -> {state}
    scf.yield %next : {state}
  }}
  return %sum, %r#1 : {state}, {tape}
}}"""


def recurrence_reference(x: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    states = []
    for _ in range(n):
        states.append(x)
        x = (x + np.float32(0.5)) * np.float32(0.5)
    total = np.zeros(8, np.float32)
    for state in reversed(states):
        total = total * np.float32(0.5) + state
    return total, np.array(states, np.float32).reshape(n, 8)


def test_equal_buffers_that_are_updated_are_two() -> None:
    """One before a loop and one after it: IREE makes both, and would merge them once there is no copy between them."""

    def program(x: Any) -> Any:
        n = x.shape[0]

        def framed(y: Any) -> Any:
            return difc.numpy.eye(n + 1, dtype=np.float32).at[:n, :n].set(y)

        first = difc.scan(lambda carry, _: (carry / 2, None), framed(x), None, length=3)[0]
        return first, framed(x - first[:n, :n])

    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    results = difc.compile(program, difc.f32["n", "n"])(x)
    for found, inner, last in zip(results, (x / 8, x * 7 / 8), (1 / 8, 1), strict=True):
        expected = np.eye(5) * last
        expected[:4, :4] = inner
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("driver", ["local-sync", "local-task"])
@pytest.mark.parametrize("start", ['"flow.tensor.alloca"(%n) : (index) -> ', "tensor.empty(%n) : "])
def test_a_tape_whose_length_is_known_at_run_time(start: str, driver: str) -> None:
    text = recurrence("?", "START").replace("START : ", start)
    entry = load(compiled(text, CPU), driver)
    x = np.random.default_rng(1).random(8, dtype=np.float32)
    for n in (0, 1, 5, 100):
        got = entry(x, np.array(n))
        for result, expected in zip(got, recurrence_reference(x, n), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("target", ["cpu-generic", "vulkan", "cuda"])
def test_loops_compile_for_every_target(target: str) -> None:
    text = recurrence("?", "START").replace("START : ", "tensor.empty(%n) : ")
    assert compiled(text, Target.parse(target))


@needs_vulkan
@pytest.mark.parametrize("n", [0, 1, 20])
def test_loops_on_vulkan(n: int, tmp_path: Path) -> None:
    text = recurrence("?", "START").replace("START : ", "tensor.empty(%n) : ")
    x = np.random.default_rng(1).random(8, dtype=np.float32)
    got = run_on_vulkan(compiled(text, Target.parse("vulkan")), [x, np.array(n)], 2, tmp_path)
    for result, expected in zip(got, recurrence_reference(x, n), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_a_step_does_not_copy_the_tape() -> None:
    length, width = 1000, 4096
    state, tape = f"tensor<{width}xf32>", f"tensor<{length}x{width}xf32>"
    text = f"""
func.func @f(%x : {state}) -> {state} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant {length} : index
  %half = arith.constant 0.5 : f32
  %tape0 = tensor.empty() : {tape}
  %r:2 = scf.for %t = %c0 to %n step %c1 iter_args(%s = %x, %tape = %tape0) -> ({state}, {tape}) {{
    {elementwise("%next", "arith.mulf %element, %half : f32", "%s", str(width))}
    %kept = tensor.insert_slice %s into %tape[%t, 0] [1, {width}] [1, 1] : {state} into {tape}
    scf.yield %next, %kept : {state}, {tape}
  }}
  %last = tensor.extract_slice %r#1[{length - 1}, 0] [1, {width}] [1, 1] : {tape} to {state}
  return %last : {state}
}}"""

    def sizes_of_tapes(staged: bool) -> tuple[list[int], list[int]]:
        """Return the bytes of what is allocated, and of what is copied, where these are at least those of the tape."""
        with quiet(), Invocation(text, CPU.flags(3), verify_each=False) as run:
            fit_bindings(run)
            if staged:
                to_commands(run)
            else:
                run.to_phase("stream", after="dispatch-creation")
            commands = run.module.operation.get_asm()
        made = re.findall(r"stream\.resource\.alloca .*\{%c(\d+)\}", commands)
        copied = re.findall(r"stream\.cmd\.copy .*, %c(\d+) :", commands)
        assert made
        assert copied
        made, copied = ([int(n) for n in each if int(n) >= 4 * length * width] for each in (made, copied))
        return made, copied

    made, copied = sizes_of_tapes(staged=True)
    assert len(made) == 1
    assert not copied
    assert sizes_of_tapes(staged=False)[1], "IREE copies no tape by itself any more: is the staged way needed?"


KERNEL = f"""
"flow.executable"() ({{
  "flow.executable.export"() ({{
    %one = arith.constant 1 : index
    "flow.return"(%one, %one, %one) : (index, index, index) -> ()
  }}) {{function_ref = @k, sym_name = "k"}} : () -> ()
  builtin.module {{
    func.func @k(%x : !iree_tensor_ext.dispatch.tensor<writeonly:{ROW}>) {{
      %zero = arith.constant 0 : index
      %one = arith.constant 1 : index
      scf.for %i = %zero to %one step %one {{ }}
      return
    }}
  }}
  "flow.executable_end"() : () -> ()
}}) {{sym_name = "k", sym_visibility = "private"}} : () -> ()"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            f"""%y = "flow.dispatch"() {{entry_points = [@k::@k], operandSegmentSizes = array<i32: 0, 0, 0, 0>}}
                : () -> {ROW}""",
            False,
        ),
        (f"%y = scf.if %p -> ({ROW}) {{ scf.yield %x : {ROW} }} else {{ scf.yield %z : {ROW} }}", True),
        (
            f"""%out = tensor.empty() : {ROW}
            %y = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                iterator_types = ["parallel"]}} ins(%x : {ROW}) outs(%out : {ROW}) {{
            ^bb0(%a : f32, %o : f32):
              %s = scf.if %p -> (f32) {{ scf.yield %a : f32 }} else {{ scf.yield %o : f32 }}
              linalg.yield %s : f32
            }} -> {ROW}""",
            False,
        ),
    ],
)
def test_only_control_flow_on_the_host_takes_the_staged_way(body: str, expected: bool) -> None:
    text = f"{KERNEL}\nfunc.func @f(%x : {ROW}, %z : {ROW}, %p : i1) -> {ROW} {{\n{body}\nreturn %y : {ROW}\n}}"
    with quiet(), Invocation(text, CPU.flags()) as run:
        assert has_host_control_flow(run.module) is expected
