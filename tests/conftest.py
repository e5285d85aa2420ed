"""What all tests share: where dumps go, and that required devices are there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _dumps_go_to_a_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # One for all: making a folder takes longer than most tests, and the longer the more there are.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFC_DUMP_TO", str(tmp_path_factory.mktemp("dumps")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Fail skipped Vulkan tests where `DIFC_REQUIRE_VULKAN` says that there is a device, as in CI."""
    report = yield
    is_vulkan = item.get_closest_marker("vulkan") or "Vulkan" in str(report.longrepr)
    if os.environ.get("DIFC_REQUIRE_VULKAN") and report.skipped and is_vulkan:
        report.outcome = "failed"
        report.longrepr = f"a Vulkan test was skipped where Vulkan is required: {report.longrepr}"
    return report
