"""Tests of `difc.runtime.waiting`: the scheduling policy during a call, and after it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from difc.runtime.waiting import patient

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="no such policies here")


def _in_a_thread(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a thread of its own, whose policy nobody else has."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_is_a_batch_job_while_it_waits() -> None:
    def policies() -> list[int]:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        during = patient(lambda: os.sched_getscheduler(0))()
        with pytest.raises(ZeroDivisionError):
            patient(lambda: 1 / 0)()
        return [during, os.sched_getscheduler(0)]

    assert _in_a_thread(policies) == [os.SCHED_BATCH, os.SCHED_OTHER]


def test_a_policy_that_was_chosen_is_kept() -> None:
    def policies() -> list[int]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return [patient(lambda: os.sched_getscheduler(0))(), os.sched_getscheduler(0)]

    assert _in_a_thread(policies) == [os.SCHED_IDLE] * 2


def test_where_policies_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    function = lambda: 1  # noqa: E731
    assert patient(function) is function
