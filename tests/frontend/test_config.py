"""Settings: environment, defaults, overrides."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from difc import config


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("verify", "0", False),
        ("verify", "False", False),
        ("verify", "off", False),
        ("verify", "", False),
        ("verify", "1", True),
        ("interpret", "yes", True),
        ("dump", "ad,linalg", "ad,linalg"),
        ("dump_to", "/tmp/x", Path("/tmp/x")),
        ("target", "vulkan", "vulkan"),
        ("device", "local-sync", "local-sync"),
        ("traceback", "full", "full"),
    ],
)
def test_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    setting = config.SETTINGS[name]
    assert setting.variable == f"DIFC_{name.upper()}"
    monkeypatch.setenv(setting.variable, text)
    if name == "dump_to":
        assert setting.parse(text) == value  # these tests override it
    else:
        assert config.get(name) == value


def test_a_user_without_a_home_has_no_disk_cache() -> None:
    code = """
import os
os.environ = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "DIFC_CACHE_DIR")}
os.getuid = lambda: 2**31 - 2
from difc import config
assert str(config.get("cache_dir")) == "."
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in config.SETTINGS.values():
        monkeypatch.delenv(setting.variable, raising=False)
        assert setting.doc
    assert config.get("verify") is True
    assert config.get("interpret") is False
    assert config.get("target") == "cpu"


def test_a_setting_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="there is no setting 'dmup'; there are dump, "), config.override(dmup="all"):
        pass


def test_overrides_nest_and_end() -> None:
    with config.override(target="a", dump="x"):
        with config.override(target="b"):
            assert (config.get("target"), config.get("dump")) == ("b", "x")
        assert config.get("target") == "a"
    assert config.get("target") == "cpu"


def test_an_override_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFC_TARGET", "env")
    with config.override(target="mine"):
        assert config.get("target") == "mine"


def test_an_override_ends_with_an_error() -> None:
    with pytest.raises(RuntimeError), config.override(target="a"):
        raise RuntimeError
    assert config.get("target") == "cpu"


def test_an_override_is_of_one_thread() -> None:
    found: list[str] = []
    with config.override(target="a"):
        thread = threading.Thread(target=lambda: found.append(config.get("target")))
        thread.start()
        thread.join()
    assert found == ["cpu"]


def test_an_unknown_setting() -> None:
    with pytest.raises(KeyError, match="colour"), config.override(colour="blue"):
        pass
    with pytest.raises(KeyError, match="colour"):
        config.get("colour")
