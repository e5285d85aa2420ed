"""Text to artifact on every target, and what a failure says."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from difc import config
from difc.errors import CompileError
from difc.pipelines import compile as compile_file
from difc.pipelines import staged
from difc.pipelines.compile import compile_module
from difc.pipelines.diagnostics import compile_error
from difc.pipelines.invocation import Diagnostic, Invocation, StageFailure, quiet
from difc.pipelines.operations import operations
from difc.pipelines.target import LESS_FUSION, Target
from tests.pipelines.artifacts import elementwise, load, needs_vulkan, run_on_vulkan

CPU = Target.parse("cpu")


def unary(expression: str, dtype: str = "f32", size: str = "5") -> str:
    tensor = f"tensor<{size}x{dtype}>"
    body = elementwise("%y", expression, "%x", size, dtype)
    return f"func.func @f(%x : {tensor}) -> {tensor} {{\n{body}\nreturn %y : {tensor}\n}}"


def reduction(shape: str, dtype: str) -> str:
    rows = shape.split("x")[0]
    source, result = f"tensor<{shape}x{dtype}>", f"tensor<{rows}x{dtype}>"
    return f"""
func.func @f(%x : {source}) -> {result} {{
  %zero = arith.constant 0.0 : {dtype}
  %out = tensor.empty() : {result}
  %start = linalg.fill ins(%zero : {dtype}) outs(%out : {result}) -> {result}
  %y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]}} ins(%x : {source}) outs(%start : {result}) {{
  ^bb0(%a : {dtype}, %o : {dtype}):
    %s = arith.addf %a, %o : {dtype}
    linalg.yield %s : {dtype}
  }} -> {result}
  return %y : {result}
}}"""


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels(level: int) -> None:
    x = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(
        load(compile_module(unary("arith.addf %element, %element : f32"), CPU, opt_level=level))(x)[0], 2 * x
    )


def test_f64_stays_f64() -> None:
    x = 1 + np.arange(5) * 1e-12
    text = unary("arith.mulf %element, %element : f64", "f64")
    np.testing.assert_allclose(load(compile_module(text, CPU))(x)[0], x * x, rtol=1e-15)


@pytest.mark.parametrize("name", ["cpu-generic", "cuda", "cuda:sm_60", "cuda:sm_90", "vulkan", "vulkan:rdna3"])
def test_targets(name: str) -> None:
    assert compile_module(unary("math.sqrt %element : f64", "f64"), Target.parse(name))


@needs_vulkan
@pytest.mark.parametrize(("dtype", "numpy_dtype"), [("f32", np.float32), ("f64", np.float64)])
def test_reductions_on_vulkan_do_not_depend_on_the_subgroup_size(dtype: str, numpy_dtype: type, tmp_path: Path) -> None:
    # With the flags of one GPU, this sum is wrong on a device of another subgroup size.
    x = np.random.default_rng(0).random((64, 1024)).astype(numpy_dtype)
    (y,) = run_on_vulkan(compile_module(reduction("64x1024", dtype), Target.parse("vulkan")), [x], 1, tmp_path)
    np.testing.assert_allclose(y, x.sum(axis=1), rtol=1e-5 if dtype == "f32" else 1e-13)


_SUM_OF_GATHERED = """
func.func @f(%x : tensor<?xf32>, %places : tensor<?xi32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %places, %c0 : tensor<?xi32>
  %out = tensor.empty(%n) : tensor<?x1xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      outs(%out : tensor<?x1xf32>) {
  ^bb0(%o : f32):
    %i = linalg.index 0 : index
    %place = tensor.extract %places[%i] : tensor<?xi32>
    %index = arith.index_cast %place : i32 to index
    %element = tensor.extract %x[%index] : tensor<?xf32>
    linalg.yield %element : f32
  } -> tensor<?x1xf32>
  %empty = tensor.empty() : tensor<f32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<f32>) -> tensor<f32>
  %z = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> ()>],
      iterator_types = ["reduction", "reduction"]} ins(%y : tensor<?x1xf32>) outs(%start : tensor<f32>) {
  ^bb0(%a : f32, %o : f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %z : tensor<f32>
}"""


def test_compiling_again_with_less_fusion(monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = compile_file._run, []

    def run(text: str, target: Target, flags: tuple[str, ...]) -> bytes:
        seen.append(LESS_FUSION in flags)
        if LESS_FUSION not in flags:
            raise StageFailure("code generation", [])
        return real(text, target, flags)

    monkeypatch.setattr(compile_file, "_run", run)
    assert compile_module(unary("math.cos %element : f32", "f32"), Target.parse("cpu"))
    assert seen == [False, True]


def test_run_time_sizes_are_compiled_with_less_fusion(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(compile_file, "_run", lambda text, target, flags: seen.append(LESS_FUSION in flags))
    for text in (unary("math.cos %element : f32", "f32"), _SUM_OF_GATHERED):
        compile_file._compile(text, Target.parse("cpu"), 3)
    assert seen == [False, True]


def test_vulkan_fuses_less() -> None:
    # Fused, the kernel would need shared memory of the run-time size.
    assert compile_module(_SUM_OF_GATHERED, Target.parse("vulkan"))


@pytest.mark.parametrize(
    "location",
    [
        'loc("model.py":12:3)',
        'loc("sin"("model.py":12:3))',
        'loc(callsite("inner"("model.py":12:3) at "main.py":40:5))',
        'loc(fused["jvp(sin)"("model.py":12:3), "other.py":3:4])',
        'loc("model.py":12:3 to :20)',
    ],
)
def test_a_failure_names_the_users_line(location: str, tmp_path: Path) -> None:
    text = unary(f"math.erf %element : f64 {location}", "f64")
    with config.override(dump_to=tmp_path), pytest.raises(CompileError) as caught:
        compile_module(text, CPU)
    error = caught.value
    assert error.where is not None
    assert (error.where.file, error.where.line, error.where.column) == ("model.py", 12, 3)
    message = str(error)
    assert message.startswith("IREE could not compile this module for cpu: failed to legalize operation 'math.erf'")
    assert "stage: code generation, operation: math.erf" in message
    (dump,) = tmp_path.iterdir()
    assert dump.read_text() == text
    assert f"module: {dump}" in message
    assert f"iree-compile {dump} --iree-hal-target-backends=llvm-cpu" in message
    assert "Remedy: " in message
    assert error.__cause__ is None


@pytest.mark.parametrize("location", ["unknown", '"jvp(sin)"'])
def test_a_failure_without_a_place_shows_none(location: str, tmp_path: Path) -> None:
    text = unary(f'"math.sin"() : () -> f64 loc({location})', "f64")
    with config.override(dump_to=tmp_path), pytest.raises(CompileError) as caught:
        compile_module(text, CPU)
    assert caught.value.where is None
    assert "loc(" not in str(caught.value)
    assert "for cpu: 'math.sin' op requires a single operand\n" in str(caught.value)


def test_the_place_of_a_note_stands_for_one_that_an_error_lacks(tmp_path: Path) -> None:
    said = [
        Diagnostic("warning", "warned.py:1:1: of something else"),
        Diagnostic("error", "loc(unknown): 'flow.dispatch' op cannot be compiled"),
        Diagnostic("note", "<module>:1:2: called from\nmodel.py:4:5: called from"),
    ]
    with config.override(dump_to=tmp_path):
        error = compile_error(StageFailure("flow", said), "", CPU, [])
    assert error.where is not None
    assert (error.where.file, error.where.line, error.where.column) == ("model.py", 4, 5)


def test_a_module_that_is_compiled_instead(tmp_path: Path) -> None:
    """Where IREE fails, and the other succeeds, nothing is written for the user to find; else the other explains it."""
    refused, x = unary("math.sin %element : f64", "f64"), np.arange(5.0)
    with config.override(dump_to=tmp_path, cache_dir=""):
        made = compile_module(refused, CPU, instead=lambda: unary("arith.addf %element, %element : f64", "f64"))
        np.testing.assert_array_equal(load(made)(x)[0], 2 * x)
        assert not list(tmp_path.iterdir())
        with pytest.raises(CompileError, match="the target has no function cos"):
            compile_module(refused, CPU, instead=lambda: unary("math.cos %element : f64", "f64"))


def test_a_missing_function_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CompileError, match="the target has no function sin"):
        compile_module(unary("math.sin %element : f64", "f64"), CPU)
    assert capfd.readouterr() == ("", "")  # neither IREE's diagnostics nor the linker's


def test_all_of_iree_on_request(capfd: pytest.CaptureFixture[str]) -> None:
    with config.override(traceback="full"), pytest.raises(CompileError, match="see current operation") as caught:
        compile_module(unary("math.sin %element : f64", "f64"), CPU)
    assert isinstance(caught.value.__cause__, StageFailure)
    assert "undefined symbol: sin" in capfd.readouterr().err


def test_text_that_does_not_parse() -> None:
    with pytest.raises(CompileError, match=r"custom op 'math.wrong' is unknown\n  stage: parse, operation: math.wrong"):
        compile_module(unary("math.wrong %element : f32"), CPU)


@pytest.mark.parametrize("verify_each", [False, True])
def test_a_pass_that_leaves_a_wrong_module(verify_each: bool) -> None:
    from iree.compiler import ir

    text = 'func.func @f(%x : f32) -> f32 { %y = arith.negf %x : f32 loc("model.py":3:5) return %y : f32 }'
    with quiet(), Invocation(text, CPU.flags(), verify_each) as run:
        with run.context:
            (negation,) = (op for op in operations(run.module) if op.name == "arith.negf")
            negation.results[0].set_type(ir.F64Type.get())
        with pytest.raises(StageFailure) as caught:
            run.passes("stream", "symbol-dce")
    message = caught.value.diagnostics[-1].message
    assert message.startswith("model.py:3:5: 'arith.negf' op requires the same type for all operands and results")


def test_a_dump_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with config.override(dump_to=tmp_path / "file"), pytest.raises(CompileError, match=r"module: .*failed-\w+\.mlir"):
        compile_module("not MLIR", CPU)


def test_a_compiler_works_after_a_failure() -> None:
    with pytest.raises(CompileError):
        compile_module("not MLIR", CPU)
    assert compile_module(unary("math.exp %element : f32"), CPU)


def test_other_threads_keep_their_standard_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()
    real = compile_file.has_host_control_flow

    def slowly(module: object) -> bool:
        started.set()
        go_on.wait(10)
        return real(module)

    monkeypatch.setattr(compile_file, "has_host_control_flow", slowly)
    thread = threading.Thread(target=compile_module, args=(unary("math.exp %element : f32"), CPU))
    thread.start()
    started.wait(10)
    subprocess.run([sys.executable, "-c", "import sys; print('a word', file=sys.stderr)"], check=True)
    go_on.set()
    thread.join()
    assert capfd.readouterr().err == "a word\n"


def test_threads_compile_one_after_the_other() -> None:
    results: dict[int, np.ndarray] = {}

    def work(factor: int) -> None:
        text = unary("arith.mulf %element, %element : f32", size=str(factor + 2))
        results[factor] = load(compile_module(text, CPU))(np.full(factor + 2, factor, np.float32))[0]

    threads = [threading.Thread(target=work, args=(factor,)) for factor in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {factor: result[0] for factor, result in results.items()} == {0: 0, 1: 1, 2: 4}


def test_the_disk_cache_ignores_locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(compile_file, "_run", lambda text, target, flags: calls.append(text) or b"artifact")
    with config.override(cache_dir=tmp_path):
        for line in (3, 4):
            text = f'#loc1 = loc("model.py":{line}:1)\nfunc.func @f() loc(#loc1)\n#loc = loc(unknown)\n'
            assert compile_module(text, CPU) == b"artifact"
        assert len(calls) == 1
        compile_module(text, CPU, opt_level=2)
        compile_module(text, Target.parse("cpu-generic"))
        compile_module(text.replace("@f", "@g"), CPU)
        assert len(calls) == 4


def test_a_failure_on_the_staged_way_is_a_compile_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged, "_TO_STREAM", "no-such-pass")
    text = """
func.func @f(%x : tensor<2xf32>, %p : i1, %y : tensor<2xf32>) -> tensor<2xf32> {
  %r = scf.if %p -> (tensor<2xf32>) { scf.yield %x : tensor<2xf32> } else { scf.yield %y : tensor<2xf32> }
  return %r : tensor<2xf32>
}"""
    with pytest.raises(CompileError, match="stage: stream"):
        compile_module(text, CPU)


def test_kernels_that_cannot_be_configured() -> None:
    text = """
#wrong = #iree_codegen.compilation_info<
  lowering_config = #iree_cpu.lowering_config<distribution = [1, 1, 1, 1, 1]>,
  translation_info = <pipeline = #iree_cpu.pipeline<DoubleTilingExpert>>>
func.func @f(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %r = linalg.matmul {compilation_info = #wrong} ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>)
    outs(%y : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %r : tensor<8x8xf32>
}"""
    with pytest.raises(CompileError, match="stage: code generation"):
        compile_module(text, CPU)


_COMPILE_AGAIN = """
import gc, resource, sys
from pathlib import Path
from difc.pipelines.invocation import Invocation, StageFailure, quiet
from difc.pipelines.target import Target

def used():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

flags = Target.parse("cpu").flags(3)
def compile(size, failing):
    text = "func.func @f(%x: tensor<{0}xf32>) -> tensor<{0}xf32> {{ return %x : tensor<{0}xf32> }}".format(size)
    with Invocation(text, flags) as run:
        run.to_phase("flow")
        if failing:
            run.passes("wrong", "nothing")

kept = []
for size in range(1, 41):
    if size == 10:
        before = used()
    try:
        with quiet():
            compile(size, failing=size % 13 == 0)
    except StageFailure as failure:
        kept.append(failure)  # its traceback holds on to the run
print(used() - before, len(kept))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_a_run_gives_its_memory_back() -> None:
    done = subprocess.run([sys.executable, "-c", _COMPILE_AGAIN], capture_output=True, text=True, check=True)
    growth, failures = map(int, done.stdout.split())
    assert failures == 3
    assert growth < 30  # megabytes; 30 runs that keep their types take 75
