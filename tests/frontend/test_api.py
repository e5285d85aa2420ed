"""compile, trace and export: entries, specs, stages, errors; the disk cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import difc
from difc import config
from difc.dialects import functions_of, verify
from difc.errors import DtypeError, InputError, ModelError
from tests.frontend.failing import fails

f32, f64 = difc.f32, difc.f64
x = np.linspace(-1.0, 1.0, 3)

PARAMS = {"w": f32[3, 2], "b": [f32[2], f32]}
ROWS = f32["n", 3]


@difc.export
def predict(params: PARAMS, x: ROWS, *, scale: f32 = 1.0, name="kept") -> Any:  # type: ignore[no-untyped-def,valid-type]
    """Predict."""
    assert name == "kept"
    return {"y": np.tanh(x @ params["w"] + params["b"][0]) * scale, "bias": params["b"][1]}


@difc.export(specs=[{"a": f64[3]}, np.zeros(3)], name="slope")
def train(t: Any, v: Any) -> Any:
    return difc.grad(lambda t: np.sum(t["a"] * v))(t)


# ---- export --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, r"there are no entries to compile\n(?s:.*)Remedy: give at least one"),
        ({"plain": np.sin}, r"the entry `plain` is no function marked with difc.export\n(?s:.*)Remedy: mark it"),
        (difc.export(np.sin, specs=[f64], name="__init"), "an entry cannot be called `__init`"),
        ({"a$b": difc.export(np.sin, specs=[f64])}, r"be called `a\$b`: .*\n(?s:.*)Remedy: give it another"),
    ],
)
def test_what_is_no_entry(entries: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        difc.trace(entries)


def test_an_argument_behind_a_default_is_passed_by_name() -> None:
    @difc.export
    def model(a: f64[2], times=3, b: f64[2] = 0.0) -> Any:  # type: ignore[no-untyped-def,valid-type]
        return a * times + b

    np.testing.assert_array_equal(difc.compile(model)(np.ones(2), b=np.ones(2)), [4.0, 4.0])


def test_an_entry_has_a_number_of_arguments() -> None:
    @difc.export
    def model(a: f64, *rest: f64) -> Any:  # type: ignore[valid-type]
        return a

    with fails(ModelError, "exported `model` takes any number of arguments in `rest`", at="@difc", remedy="list"):
        difc.trace(model)


def test_an_exported_function_is_still_a_function() -> None:
    params = {"w": np.ones((3, 2), np.float32), "b": [np.zeros(2, np.float32), np.float32(1)]}
    out = predict(params, np.zeros((4, 3), np.float32), scale=np.float32(2))
    assert out["y"].shape == (4, 2)
    assert (predict.name, train.name) == ("predict", "slope")
    assert predict.__doc__ == "Predict."


def test_specs_from_annotations() -> None:
    positional, named = predict.arguments()
    assert len(positional) == 2
    assert positional[0] is PARAMS
    assert named["scale"] is f32


def test_missing_specs_name_the_argument_and_the_function() -> None:
    @difc.export
    def model(a: f32[3], b) -> Any:  # type: ignore[no-untyped-def]
        return a

    message = "argument `b` of the exported `model` has no spec"
    with fails(ModelError, message, at="@difc.export", remedy="difc.export(specs=[...])"):
        difc.trace(model)


def test_a_wrong_number_of_specs() -> None:
    with fails(ModelError, "`model` is exported with 1 specs that do not fit", at="lambda a, b: a"):
        difc.trace(difc.export(lambda a, b: a, specs=[f32], name="model"))


def test_annotations_that_cannot_be_evaluated() -> None:
    @difc.export
    def model(a: nonsense[3]) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return a

    message = "the annotations of the exported `model` cannot be evaluated: name 'nonsense'"
    with fails(ModelError, message, at="@difc.export"):
        difc.trace(model)


# ---- trace ---------------------------------------------------------------------------------------


def test_signatures() -> None:
    program = difc.trace(predict)
    ((name, signature),) = program.signatures.items()
    assert name == "predict"
    assert [(s.name, s.shape, s.dtype.name) for s in signature.inputs] == [
        ("params['b'][0]", (2,), "float32"),
        ("params['b'][1]", (), "float32"),
        ("params['w']", (3, 2), "float32"),
        ("x", ("n", 3), "float32"),
        ("scale", (), "float32"),
    ]
    assert [(s.name, s.shape) for s in signature.outputs] == [("result['bias']", ()), ("result['y']", ("n", 2))]
    assert signature.meta["doc"] == "Predict."
    assert signature.meta["arg_names"] == ["params", "x"]


def test_several_entries() -> None:
    program = difc.trace({"first": predict, "second": train})
    assert list(program.signatures) == ["first", "second"]
    public = {n for n, f in functions_of(program.module).items() if "private" not in str(f).split("(", 1)[0]}
    assert public == {"first", "second"}


def test_arrays_are_specs() -> None:
    program = difc.trace(lambda a, b: a * b, np.ones((2, 3), np.float32), 2.0)
    (signature,) = program.signatures.values()
    assert [(s.shape, s.dtype.name) for s in signature.inputs] == [((2, 3), "float32"), ((), "float64")]


def test_keywords() -> None:
    program = difc.trace(lambda a, *, b: a + b, f64[3], b=f64[3])
    (signature,) = program.signatures.values()
    assert [s.name for s in signature.inputs] == ["a", "b"]


def test_stages() -> None:
    program = difc.trace(difc.grad(lambda a: np.sum(np.sin(a))), f32[3])
    assert '"fun.vjp"' in program.ir("dif")
    assert "fun." not in program.ir("ad")
    assert "dif.cos" in program.ir("ad")
    assert "linalg" in program.ir("linalg")
    assert "dif." not in program.ir("linalg")
    with pytest.raises(InputError, match="there is no stage 'asm'") as error:
        program.ir("asm")
    assert "dif, ad, linalg" in error.value.remedy


def test_what_is_no_spec() -> None:
    with pytest.raises(DtypeError, match="a has a spec 'text', which describes no array") as error:
        difc.trace(lambda a: a, "text")
    assert "difc.f32[784, 10]" in error.value.remedy


def test_dumps(tmp_path: Path) -> None:
    with config.override(dump="ad,linalg", dump_to=tmp_path / "d"):
        difc.trace(np.sin, f32[3]).ir("linalg")
    assert [p.name.split("-")[1] for p in sorted((tmp_path / "d").iterdir())] == ["ad.mlir", "linalg.mlir"]
    for name in "ef":  # also of what the disk cache has
        with config.override(dump="all", dump_to=tmp_path / name, cache_dir=tmp_path / "cache"):
            difc.compile(np.sin, f32[3])
        names = ["000-dif.mlir", "001-expand-ad.mlir", "002-ad.mlir", "003-linalg.mlir"]
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == names


def test_dumps_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unknown = r"no stage 'lowered'\n(?s:.*)Remedy: use all, or"
    for dump, message in (("ad,lowered", unknown), ("all", "Remedy: set `dump_to`")):
        with config.override(dump=dump, dump_to=tmp_path / "file"), pytest.raises(InputError, match=message):
            difc.compile(np.sin, f32[3])


def test_every_stage_verifies() -> None:
    program = difc.trace({"first": predict, "second": train})
    verify(program.module)
    verify(program.expanded)


# ---- compile -------------------------------------------------------------------------------------


def test_a_compiled_module(tmp_path: Path) -> None:
    module = difc.compile({"predict": predict, "slope": train})
    params = {"w": np.ones((3, 2), np.float32), "b": [np.zeros(2, np.float32), np.float32(1)]}
    for n in (1, 4):
        rows = np.linspace(-1, 1, 3 * n, dtype=np.float32).reshape(n, 3)
        out = module.predict(params, rows, scale=np.float32(2))
        np.testing.assert_allclose(out["y"], np.tanh(rows @ params["w"]) * 2, rtol=1e-5)
    np.testing.assert_allclose(module.slope({"a": x}, x)["a"], x)
    module.save(tmp_path / "m.vmfb")
    loaded = difc.load(tmp_path / "m.vmfb")
    np.testing.assert_allclose(loaded.slope({"a": x}, x + 1)["a"], x + 1)
    assert '"fun.vjp"' in module.ir("dif")
    with pytest.raises(AttributeError):
        module._nothing  # noqa: B018


def test_a_single_entry_is_called_directly() -> None:
    f = difc.compile(difc.value_and_grad(lambda a: np.sum(a * a)), f64[3])
    value, gradient = f(x)
    np.testing.assert_allclose((value, *gradient), (np.sum(x * x), *(2 * x)), rtol=1e-14)


def test_the_disk_cache_spares_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fn = lambda a: np.cos(a) * 3.0  # noqa: E731
    with config.override(cache_dir=tmp_path):
        first = difc.compile(fn, f32[3]).vmfb
        assert any(tmp_path.rglob("*"))

        def refuse(*_: Any, **__: Any) -> bytes:
            raise AssertionError("compiled again")

        monkeypatch.setattr("difc.program.compile_module", refuse)
        assert difc.compile(fn, f32[3]).vmfb == first
        with pytest.raises(AssertionError, match="compiled again"):
            difc.compile(fn, f32[4])
        with pytest.raises(AssertionError, match="compiled again"):
            difc.compile(fn, f32[3], opt_level=1)


def test_programs_and_modules_say_what_they_are() -> None:
    assert repr(difc.trace(train)) == "<difc.Program of slope; its text is in .ir(stage)>"
    module = difc.compile(lambda a: a + 1.0, f64[2])
    assert repr(module) == f"<difc.CompiledModule of lambda for cpu, {len(module.vmfb)} bytes>"


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^difc has no `while_loop`\nRemedy: use difc.fori_loop, difc.scan or"):
        difc.while_loop  # noqa: B018 - it is the error
    assert not hasattr(difc, "hessian")
    # a name that Python looks up for `from` needs the remedy as much
    with pytest.raises(ImportError, match=r"^difc has no `jacfwd`\nRemedy: map difc.jvp"):
        from difc import jacfwd  # noqa: F401
    with pytest.raises(ImportError, match=r"^difc.numpy does not have 'fft'(?s:.*)Remedy: use a product"):
        from difc.numpy import fft  # noqa: F401
    with pytest.raises(ImportError, match=r"^difc.nn has no `dropout`(?s:.*)Remedy: multiply by a mask"):
        from difc.nn import dropout  # noqa: F401
    with pytest.raises(AttributeError, match=r"^difc.scipy has no `stats`(?s:.*)Remedy: write the logarithm of the"):
        difc.scipy.stats  # noqa: B018 - it is the error
    with pytest.raises(ImportError, match=r"^difc.scipy has no `optimize`(?s:.*)Remedy: call SciPy's with a compiled"):
        from difc.scipy import optimize  # noqa: F401
    with pytest.raises(AttributeError, match=r"^module 'difc.nn' has no attribute 'sofmax'; did you mean 'softmax'"):
        difc.nn.sofmax  # noqa: B018 - it is the error
    with pytest.raises(AttributeError, match=r"^module 'difc.scipy' has no attribute 'specal'; did you mean 'special'"):
        difc.scipy.specal  # noqa: B018 - it is the error
    with pytest.raises(AttributeError, match=r"'difc.scipy.special' has no attribute 'gamaln'; did you mean 'gammaln'"):
        difc.scipy.special.gamaln  # noqa: B018 - it is the error
    with pytest.raises(AttributeError, match=r"^module 'difc' has no attribute 'gard'; did you mean 'grad'"):
        difc.gard  # noqa: B018 - it is the error


def test_without_the_compiler_a_name_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch_mlir'] = None\n"
        "import difc\n"
        "import difc.scipy.special as special\n"
        "uses = (lambda: difc.grad, lambda: difc.compile, lambda: difc.f32, lambda: difc.testing,\n"
        "        lambda: difc.jit(abs)(1.0), lambda: difc.jit(abs).trace(1.0), lambda: special.gamma(5.0))\n"
        "for use in uses:\n"
        "    try:\n        use()\n"
        "    except difc.errors.VersionError as error:\n        print(error.message, error.remedy, sep=': ')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    message = "{} needs the compiler of difc, which is not installed: pip install 'difc[compiler]'\n"
    names = ("difc.grad", "difc.compile", "difc.f32", "difc.testing", "difc.jit", "trace", "this")
    assert said == "".join(map(message.format, names))


@pytest.mark.parametrize("target", ["cpu", "vulkan", "cuda"])
def test_an_artifact_names_no_source_file(target: str) -> None:
    assert Path(__file__).name.encode() not in difc.compile(lambda a: np.sin(a), f32[5], target=target).vmfb


def test_equal_programs_give_equal_bytes_in_every_process() -> None:
    code = (
        "import hashlib, numpy as np, difc\n"
        "loss = lambda w, x: np.sum(difc.scan(lambda c, r: (np.tanh(c * w + r), c), w, x)[0] ** 2)\n"
        "module = difc.compile(difc.value_and_grad(loss), difc.f32[4], difc.f32['n', 4])\n"
        "print(hashlib.sha256(module.vmfb).hexdigest())"
    )
    digests = set()
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "DIFC_CACHE_DIR": ""}
        said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        digests.add(said.stdout)
    assert len(digests) == 1
