"""`difc opt`: golden IR on hand-written text (`tests/ir`), the pipeline language, and its errors.

A file under `tests/ir` says in its RUN lines what is run, `not` where it must fail, and in CHECK lines what comes out.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser
from typer.testing import CliRunner

from difc.cli.app import app
from difc.dialects import aval_of, context, functions_of, interpreter
from difc.errors import InputError, VerificationError
from difc.opt import describe_passes, module_text, parse_pipeline, read_module, run_passes
from difc.passes import PASSES

IR = Path(__file__).resolve().parent.parent / "ir"
RUN = re.compile(r"^// RUN: (not )?difc (.*?)(?: 2>&1)? \| filecheck %s(?: --check-prefix=(\w+))?$", re.MULTILINE)
FILES = sorted([*IR.glob("ad/*.mlir"), *IR.glob("errors/*.mlir")])


def run_lines() -> list[Any]:
    found = []
    for path in FILES:
        lines = RUN.findall(path.read_text())
        assert lines, f"{path} has no RUN line"
        name = f"{path.parent.name}/{path.stem}"
        found += [pytest.param(path, *line, id=f"{name}-{i}" if i else name) for i, line in enumerate(lines)]
    return found


@pytest.mark.parametrize(("path", "fails", "command", "prefix"), run_lines())
def test_golden_ir(path: Path, fails: str, command: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(path) if word == "%s" else word for word in shlex.split(command)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == (1 if fails else 0), done.output
    options = Options(match_filename=str(path), check_prefixes=prefix or "CHECK")  # type: ignore[arg-type]
    matched = Matcher(options, FInput("output", done.output), Parser.from_opts(options)).run()
    assert matched == 0, capsys.readouterr().err + done.output


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "ad"], ids=lambda p: p.stem)
def test_simplified_code_computes_the_same(path: Path) -> None:
    module = read_module(str(path))
    expanded = run_passes(module, parse_pipeline("expand-ad"))
    simplified = run_passes(expanded, parse_pipeline("simplify"))
    rng = np.random.default_rng(0)
    with context():
        for name, function in functions_of(expanded).items():
            arrays = [example(rng, argument.type) for argument in function.entry_block.arguments]
            for a, b in zip(
                interpreter.run(expanded, name, *arrays), interpreter.run(simplified, name, *arrays), strict=True
            ):
                np.testing.assert_allclose(a, b, rtol=1e-12)


def example(rng: np.random.Generator, type_: Any) -> np.ndarray:
    aval = aval_of(type_)
    return np.asarray(rng.uniform(0.5, 1.5, aval.shape)).astype(aval.dtype)


# ---- pipelines -----------------------------------------------------------------------------------


def test_a_pipeline_is_a_list_of_passes_with_options() -> None:
    passes = parse_pipeline(
        " linearize{fn=f mask=1,false} , vmap{ fn=f in_axes=0,-1 size=8 },lower{target=cuda:sm_80} "
    )
    assert [repr(p) for p in passes] == [
        "Linearize(fn='f', mask=(True, False))",
        "Vmap(fn='f', in_axes=(0, -1), out_axes=None, size=8)",
        "Lower(target='cuda:sm_80')",
    ]


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("simplfy", "there is no pass `simplfy`", "^^^^^^^"),
        ("cse,", "a pass name is missing here", "    ^"),
        ("", "a pass name is missing here", "^"),
        ("cse dce", "a comma is missing here", "    ^"),
        ("jvp", "`jvp` needs the option `fn`", "^^^"),
        ("jvp{f=g}", "`jvp` has no option `f`", "    ^"),
        ("cse{f=g}", "`cse` has no option `f`", "    ^"),
        ("jvp{fn=f mask=2}", "`2` is no value of the option `mask`", "              ^"),
        ("vmap{fn=f size=big}", "`big` is no value of the option `size`", "               ^^^"),
        ("jvp{fn=f", "this brace is not closed", "   ^"),
        ("jvp{fn=f,mask=1}", "`f,mask` is no value of the option `fn`", "       ^^^^^^"),
        ("jvp{fn=f !}", "an option `name=value` is missing here", "         ^"),
    ],
)
def test_a_wrong_pipeline_is_shown_with_a_caret(text: str, message: str, caret: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pipeline(text)
    assert caught.value.message == f"{message}\n    {text}\n    {caret}"
    assert caught.value.remedy


def test_a_misspelt_pass_gets_the_closest_name() -> None:
    with pytest.raises(InputError, match="did you mean `simplify`"):
        parse_pipeline("simplfy")


def test_every_pass_is_described_with_its_options_and_an_example() -> None:
    page = describe_passes()
    for name, kind in PASSES.items():
        assert re.search(rf"^{name}(\{{|$)", page, re.MULTILINE), name
        doc = kind.__doc__ or ""
        assert name == "verify" or ("Before:" in doc and "After:" in doc), f"{name} has no example"
    assert "jvp{fn=... mask=[0 or 1 for each" in page


# ---- modules and functions -----------------------------------------------------------------------

SQUARE = """
func.func @square(%x: tensor<3xf64>, %n: tensor<i32>) -> tensor<3xf64> {
  %0 = "dif.mul"(%x, %x) : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64>
  return %0 : tensor<3xf64>
}
"""


@pytest.fixture
def square(tmp_path: Path) -> Any:
    (tmp_path / "square.mlir").write_text(SQUARE)
    return read_module(str(tmp_path / "square.mlir"))


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("jvp{fn=sqare}", "there is no function @sqare in the module; did you mean @square?"),
        ("jvp{fn=square mask=1}", "`jvp`: mask has 1 entries for 2 values"),
        ("vjp{fn=square mask=1,1}", "`vjp`: mask marks number 1, which is i32[] and has no derivative"),
        ("vmap{fn=square in_axes=2,-1}", "`vmap`: in_axes has 2 for f64[3]"),
        ("vmap{fn=square in_axes=0}", "`vmap`: in_axes has 1 entries for 2 values"),
    ],
)
def test_options_that_do_not_fit_the_function(square: Any, pipeline: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        run_passes(square, parse_pipeline(pipeline))


def test_passes_leave_their_input_as_it_was_and_differentiate_floats_only(square: Any) -> None:
    before = module_text(square)
    after = run_passes(square, parse_pipeline("jvp{fn=square},cse,canonicalize,dce,simplify"))
    assert module_text(square) == before
    assert "@square_jvp(%arg0: tensor<3xf64>, %arg1: tensor<i32>, %arg2: tensor<3xf64>)" in module_text(after)


def test_a_mistake_of_a_pass_is_reported_as_such(square: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "func.func @g(%x: tensor<f64>) -> tensor<f64> { return %x : tensor<f64> }"

    def run(self: object, module: Any) -> Any:
        from difc.dialects.mlir import ir

        made = ir.Module.parse(broken)
        made.body.operations[0].attributes["function_type"] = ir.TypeAttr.parse("() -> tensor<f64>")
        return made

    monkeypatch.setattr(PASSES["dce"], "run", run)
    with pytest.raises(VerificationError, match="the pass `dce` made a wrong module"):
        run_passes(square, parse_pipeline("dce"))


def test_text_from_standard_input_is_shown_in_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SQUARE.replace("%x, %x", "%x, %y").encode())))
    with pytest.raises(VerificationError, match=re.escape('-:3:22\n    %0 = "dif.mul"(%x, %y)')):
        read_module("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"module \xff")))
    with pytest.raises(VerificationError, match="-:1:"):
        read_module("-")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: MLIR takes UTF-8 names only\nRemedy: rename it"):
        read_module(os.fsdecode(b"caf\xe9.mlir"))
    with pytest.raises(InputError, match=r"nothing\.mlir` cannot be read: No such file"):
        read_module(str(tmp_path / "nothing.mlir"))
