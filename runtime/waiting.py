"""How a thread waits for a call whose work other threads do.

Knows the operating system, and nothing of IREE or of modules. Invariant: a thread has its own scheduling policy back
after each call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

__all__ = ["patient"]


def patient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does not take a core from a thread that wakes it up.

    In IREE 3.13 the thread that ends a call wakes the one that waits, and then has one more thing to say, for which the
    other spins. Where no core is idle, Linux lets a thread that wakes up interrupt the one that wakes it: then both are
    stuck for a time slice. With two cores that was every third call, and 4 ms each. Linux does not do so for threads of
    batch jobs, so the thread is one while it waits. If it has another policy than the usual one, it keeps that.

    Example:
      >>> patient(max)(1, 2)
      2
    """
    if not hasattr(os, "SCHED_BATCH"):
        return function
    usual, batch, no_priority = os.SCHED_OTHER, os.SCHED_BATCH, os.sched_param(0)
    policy, choose = os.sched_getscheduler, os.sched_setscheduler
    try:
        choose(0, policy(0), os.sched_getparam(0))
    except OSError:  # not allowed here
        return function

    def call(*args: Any) -> Any:
        if policy(0) != usual:
            return function(*args)
        try:
            choose(0, batch, no_priority)
            return function(*args)
        finally:
            choose(0, usual, no_priority)

    return call
