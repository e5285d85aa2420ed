"""Arrays of the command line: `--input` as text or file, and result files.

Imports no IREE. Invariant: an array has the dtype that the user wrote or stored; nothing is cast to fit.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from difc.errors import InputError, absent_file_remedy, suggestion
from difc.runtime.archive import write
from difc.runtime.signature import ArraySpec

__all__ = ["assign_inputs", "check_result_file", "example_text", "parse_array", "save_results"]

_DTYPES: dict[str, Any] = {
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "bf16": ml_dtypes.bfloat16,
    "bool": np.bool_,
}
_TEXT = re.compile(r"\s*((?:\d+x)*)([a-z]+\d*)\s*(?:=(.*))?", re.DOTALL)
_HOW = 'write it as in "2x3xf32=1.5", "3xi32=1,2,3" or "f64=0.5"'
_WORDS = {"true": 1, "false": 0}


def parse_array(text: str) -> np.ndarray[Any, Any]:
    """Return the array of a text `SHAPExDTYPE=VALUES`; one value fills it, and no values are zeros.

    >>> parse_array("2x2xi32=1,2,3,4")
    array([[1, 2],
           [3, 4]], dtype=int32)

    Raises:
      InputError: for another text.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise InputError(f"`{text}` is neither a file (.npy or .npz) nor an array", remedy=_HOW)
    sizes, name, values = found.groups()
    if name not in _DTYPES:
        remedy = f"use one of {', '.join(_DTYPES)}, or a file whose name ends with .npy or .npz"
        raise InputError(f"`{text}` has an unknown element type `{name}`", remedy=remedy)
    shape, dtype = tuple(int(size) for size in sizes.split("x")[:-1]), np.dtype(_DTYPES[name])
    numbers = re.split(r"[\s,\[\]]+", (values or "0").strip(" ,[]\t\n"))
    count = math.prod(shape)
    if len(numbers) not in (1, count):
        raise InputError(
            f"`{text}` has {len(numbers)} values for {count} elements", remedy="give one value, or one for each element"
        )
    try:
        array = np.array([_number(number, dtype) for number in numbers], dtype)
    except (ValueError, OverflowError) as error:
        raise InputError(f"`{text}` has a value that {dtype.name} cannot hold: {error}", remedy=_HOW) from error
    try:
        return np.full(shape, array[0]) if len(numbers) == 1 else array.reshape(shape)
    except (ValueError, MemoryError, OverflowError) as error:
        raise InputError(f"`{text}` does not fit into memory", remedy="give an array of smaller sizes") from error


def example_text(spec: ArraySpec) -> str:
    """Return a text that `parse_array` reads as an array of a spec.

    >>> example_text(ArraySpec(("batch", 3), np.float32))
    '1x3xf32=0'
    """
    name = next(name for name, dtype in _DTYPES.items() if np.dtype(dtype) == spec.dtype)
    return "x".join([*(str(dim) if isinstance(dim, int) else "1" for dim in spec.shape), name]) + "=0"


def _number(text: str, dtype: np.dtype[Any]) -> Any:
    if text.lower() in _WORDS and dtype.kind == "b":
        return _WORDS[text.lower()]
    if dtype.kind in "iu":
        return int(text, 0)
    number = float(text)
    if dtype.kind == "b" and number not in (0, 1):
        raise ValueError(f"{text} is no bool")
    with np.errstate(over="ignore"):
        if np.isfinite(number) and not np.isfinite(dtype.type(number)):
            raise OverflowError(f"{text} is too large")
    return number


def assign_inputs(texts: Sequence[str], specs: Sequence[ArraySpec], entry: str) -> list[tuple[np.ndarray, str]]:
    """Return an array for each input of an entry, with the option that it came from.

    The arrays of an .npz go to the inputs of their names, or to number N where the name is `argN` (or `arr_N`, as
    `np.savez` calls arrays without names); all others go in order to the inputs that are left.

    Raises:
      InputError: for a file that cannot be read, a name that is no input's, and too few or too many arrays.
    """
    found: list[tuple[np.ndarray, str] | None] = [None] * len(specs)
    ordered: list[tuple[np.ndarray, str]] = []
    names = {spec.name: i for i, spec in enumerate(specs) if spec.name}
    for text in texts:
        if not text.endswith(".npz"):
            ordered.append((_load(Path(text)) if text.endswith(".npy") else _parsed(text, names), text))
            continue
        for name, array in _load(Path(text)).items():
            place = names.get(name, _numbered(name, len(specs)))
            if place is None:
                raise _no_such_input(name, text, [*names], entry)
            if found[place] is not None:
                raise InputError(f"`{text}` gives `{specs[place].name or name}` of `{entry}` a second time")
            found[place] = (array, f"{name} in {text}")
    remaining = iter(ordered)
    result = [given if given is not None else next(remaining, None) for given in found]
    missing = [spec.name or f"arg{i}" for i, spec in enumerate(specs) if result[i] is None]
    listed = ", ".join(f"{spec.name or f'arg{i}'}: {spec}" for i, spec in enumerate(specs)) or "none"
    if missing:
        raise InputError(
            f"`{entry}` takes {len(specs)} arrays, and there is none for {', '.join(missing)}",
            remedy=f"give one --input for each, in this order: {listed}",
        )
    if (left := next(remaining, None)) is not None:
        raise InputError(f"`{left[1]}` is one array too many for `{entry}`", remedy=f"it takes {listed}")
    return [given for given in result if given is not None]


def _parsed(text: str, names: Mapping[str, int]) -> np.ndarray[Any, Any]:
    """Return the array of a text, which may not begin with the name of an input."""
    name, _, rest = text.partition("=")
    if name in names and name not in _DTYPES:
        raise InputError(
            f"`{text}` names the input `{name}`, and texts have no names: they go to the inputs in order",
            remedy=f"give `{rest}` in the place of `{name}`, or arrays by name in an .npz file",
        )
    return parse_array(text)


def _numbered(name: str, count: int) -> int | None:
    number = name.removeprefix("arr_").removeprefix("arg")
    return int(number) if name != number and number.isdecimal() and int(number) < count else None


def _no_such_input(name: str, file: str, names: Sequence[str], entry: str) -> InputError:
    return InputError(
        f"`{file}` has an array `{name}`, which is no input of `{entry}`{suggestion(name, names)}",
        remedy=f"name the arrays {', '.join(names)}, or arg0, arg1, ...",
    )


def _load(path: Path) -> Any:
    """Return the array of an .npy file, or a dict of those of an .npz file."""
    try:
        loaded = np.load(path)
        if isinstance(loaded, np.ndarray):
            return _restored(loaded)
        with loaded:
            return {name: _restored(loaded[name]) for name in loaded.files}
    except FileNotFoundError as error:
        if str(path).startswith("@") and Path(str(path)[1:]).exists():  # as iree-run-module wants it
            raise InputError(f"there is no file `{path}`", remedy=f"write it without the @: {str(path)[1:]}") from error
        raise InputError(f"there is no file `{path}`", remedy=absent_file_remedy(path, "*.np[yz]")) from error
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror or error}", remedy="check the file") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        why = "it is not one of NumPy's, or holds Python objects" if "allow_pickle" in str(error) else error
        raise InputError(
            f"`{path}` is no array file: {why}", remedy="write it with np.save or np.savez, from arrays of numbers"
        ) from error


def _restored(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array with its dtype: NumPy stores bfloat16 as two bytes without a name."""
    return array.view(ml_dtypes.bfloat16) if array.dtype == np.dtype("V2") else array


def check_result_file(path: Path, count: int) -> None:
    """Check that a file can take that many results: an .npz file, or an .npy file for one.

    Raises:
      InputError: for a file of another kind.
    """
    if path == Path("-"):
        raise InputError("results do not go to standard output as a file", remedy="name a file with -o; -o is optional")
    if path.suffix != ".npz" and (path.suffix != ".npy" or count != 1):
        what = "several results go to an .npz file" if path.suffix == ".npy" else "results go to an .npz file"
        raise InputError(f"`{path}` is no place for the results: {what}", remedy=f"use -o {path.with_suffix('.npz')}")


def save_results(path: Path, results: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write results to an .npz file by name, or one to an .npy file.

    Raises:
      OSError: where the file cannot be written.
    """
    contents = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(contents, **dict(results))  # type: ignore[arg-type]
    else:
        np.save(contents, next(iter(results.values())))
    write(path, contents.getbuffer())
