"""Model files: importing one by its path, and finding the functions in it that are marked with `difc.export`.

Imports no compiler. Invariant: whatever is wrong with a model file is a `ModelError` that shows the user's own lines,
and a file that failed to import leaves nothing behind in `sys.modules`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from difc import config
from difc.entry import Export
from difc.errors import DifcError, ModelError, SourceLocation, absent_file_remedy, suggestion
from difc.runtime.tree import IMPORT_NAME
from difc.source import is_library, place_of

__all__ = ["load_model", "running_model", "select_entries"]

_HOW_TO_EXPORT = """mark the functions to compile, and say what arrays they take:
    @difc.export
    def loss(w: difc.f32[64], x: difc.f32["batch", 64]):
        ..."""


def load_model(path: str | Path) -> dict[str, Export]:
    """Import a model file and return its exports by entry name, in the order of their definition.

    The file runs as `python FILE` would: its folder comes first on `sys.path` (and stays there, for imports within
    functions), so it can import its neighbours, and `__file__` is its absolute path. Its module name is its own, so
    that files of one name in different folders do not meet. Each call imports the file again.

    Raises:
      ModelError: for a file that is missing, not Python, fails while it is imported, exports nothing, or exports two
        functions under one name.

    Example:
      >>> difc.compile(load_model("examples/mlp.py"), target="cpu")  # doctest: +SKIP
    """
    file = _existing(Path(path))
    module = _imported(file)
    exports: dict[str, Export] = {}
    for value in vars(module).values():
        if not isinstance(value, Export) or exports.get(value.name) is value:
            continue
        if value.name in exports:
            raise ModelError(
                f"`{path}` exports two functions as `{value.name}`",
                remedy='give one of them another name: @difc.export(name="...")',
            )
        exports[value.name] = value
    if not exports:
        raise ModelError(f"`{path}` exports no function", remedy=_HOW_TO_EXPORT)
    return exports


def select_entries(exports: Mapping[str, Export], names: Sequence[str], path: str | Path) -> dict[str, Export]:
    """Return the named exports, or all of them where no name is given.

    Raises:
      ModelError: for a name that is not among them.
    """
    for name in names:
        if name not in exports:
            raise ModelError(
                f"`{path}` exports no function `{name}`{suggestion(name, exports)}",
                remedy=f"name one of its entries: {', '.join(exports)}",
            )
    return {name: exports[name] for name in names} if names else dict(exports)


@contextmanager
def running_model(path: str | Path, doing: str) -> Iterator[None]:
    """Turn what a model's own code raises in a `with` block into a `ModelError` that shows the model's frames only.

    Errors of difc pass through, with the place in the model where they have none. With the setting `traceback=full`
    everything passes through as it is.

    Args:
      path: the model file, for the message.
      doing: what was being done, as in "while `loss` was traced".
    """
    try:
        yield
    except SyntaxError as error:
        if config.get("traceback") == "full":
            raise
        file, line = error.filename or str(path), error.lineno or 1
        where = SourceLocation(file, line, error.offset or 0, error.end_offset or 0)
        raise ModelError(f"`{Path(file).name}` is not valid Python: {error.msg}", where=where) from None
    except DifcError as error:
        error.where = error.where or place_of(error)
        raise
    except (Exception, SystemExit) as error:
        frames = _user_frames(error)
        if config.get("traceback") == "full" or not frames:
            raise
        text = "".join(traceback.format_exception_only(error)).strip()
        lines = []
        for text_of_frame, same in itertools.groupby(
            f"  {f.filename}:{f.lineno} in {f.name}\n    {f.line}" for f in frames
        ):
            count = len(list(same))
            lines.append(text_of_frame if count == 1 else f"{text_of_frame}\n  ... {count} times")
        remedy = ""
        if isinstance(error, ModuleNotFoundError):
            remedy = f"install the package, or put `{error.name}.py` beside the model"
        elif isinstance(error, ImportError) and "relative import" in str(error):
            remedy = "write `import name`: the folder of the model is on the path, and the model in no package"
        elif traceback.extract_tb(error.__traceback__)[-1] != frames[-1]:
            remedy = "set DIFC_TRACEBACK=full to see where in the library it is raised"
        raise ModelError("\n".join([f"`{path}` failed {doing}: {text}", *lines]), remedy=remedy) from None


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise ModelError(f"`{path}` is a folder", remedy="name the Python file in it")
    if not path.is_file():
        raise ModelError(f"there is no model file `{path}`", remedy=absent_file_remedy(path, "*.py"))
    if path.suffix != ".py":
        raise ModelError(f"`{path}` is not a Python file", remedy="name a file that ends with .py")
    return path.resolve()


def _imported(file: Path) -> ModuleType:
    name = f"_difc_model_{hashlib.sha256(os.fsencode(file)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, IMPORT_NAME, file.stem)  # so that artifacts do not depend on the folder
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    sys.modules[name] = module  # dataclasses and named tuples look their module up
    try:
        with running_model(file.name, "while it was imported"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of a traceback that are neither difc's nor the import system's, outermost first."""
    return [f for f in traceback.extract_tb(error.__traceback__) if not is_library(f.filename)]
