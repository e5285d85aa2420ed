"""Every setting of difc, in one table: an environment variable, its default, and what it does.

No other file reads `os.environ`. `config.override(dump="all")` changes settings for a `with` block (and the current
context only). This file imports nothing of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["SETTINGS", "Setting", "get", "is_overridden", "override"]


def _flag(text: str) -> bool:
    return text.strip().lower() not in ("", "0", "false", "no", "off")


def _cache_folder() -> Path:
    """Return difc's folder among the user's caches; the empty path for a user without a home, as in some containers."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "difc"
    except RuntimeError:
        return Path()


@dataclass(frozen=True)
class Setting:
    """One setting: its environment variable, how to read it, its default, and what it does."""

    variable: str
    parse: Callable[[str], Any]
    default: Any
    doc: str


SETTINGS = {
    "dump": Setting("DIFC_DUMP", str, "", "stages to write out, comma separated, or `all`"),
    "dump_to": Setting("DIFC_DUMP_TO", Path, Path("difc-dump"), "folder for the numbered dump files"),
    "verify": Setting("DIFC_VERIFY", _flag, True, "verify the module after every stage"),
    "traceback": Setting("DIFC_TRACEBACK", str, "user", "`full` keeps difc's and IREE's own frames and logs in errors"),
    "cache_dir": Setting(
        "DIFC_CACHE_DIR", Path, _cache_folder(), "folder of compiled modules; empty turns the disk cache off"
    ),
    "target": Setting("DIFC_TARGET", str, "cpu", "target that transformed functions compile for"),
    "device": Setting("DIFC_DEVICE", str, "", "device that modules run on; empty chooses from the artifact"),
    "interpret": Setting("DIFC_INTERPRET", _flag, False, "run through the NumPy interpreter instead of compiling"),
}

_overrides: ContextVar[dict[str, Any]] = ContextVar("difc_config", default={})  # noqa: B039 - never mutated


def get(name: str) -> Any:
    """Return the value of a setting: an enclosing `override`, else the environment, else the default."""
    values = _overrides.get()
    if name in values:
        return values[name]
    setting = SETTINGS[name]
    text = os.environ.get(setting.variable)
    return setting.default if text is None else setting.parse(text)


def is_overridden() -> bool:
    """Say whether an `override` is in force here."""
    return bool(_overrides.get())


@contextmanager
def override(**values: Any) -> Iterator[None]:
    """Set settings within a `with` block.

    Raises:
      KeyError: for a name that is not in `SETTINGS`.
    """
    if unknown := values.keys() - SETTINGS.keys():
        raise KeyError(f"there is no setting {min(unknown)!r}; there are {', '.join(SETTINGS)}")
    token = _overrides.set({**_overrides.get(), **values})
    try:
        yield
    finally:
        _overrides.reset(token)
