"""Measuring side by side: repetitions of all contestants interleaved in one process, medians, ratios to one of them."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Case", "Row", "add_jax", "has", "measure"]

_SETTLE = 0.05  # seconds, of which all threads together take less than a hundredth, or a turn has to wait for longer
_LONGEST_WAIT = 2.0  # seconds
_TURN = 0.02  # seconds that count


def has(package: str) -> bool:
    """Say whether an optional peer is installed."""
    return importlib.util.find_spec(package) is not None


@dataclass
class Case:
    """One workload: a callable for each contestant that does the same work and returns its result as NumPy arrays.

    Attributes:
      name: what is measured.
      goals: contestant -> the largest ratio of difc's time to its own that counts as reached.
      run: contestant -> a call that waits for its result. "primal" is difc's own call of what a gradient is of.
      result: contestant -> a call that returns what must agree between contestants, or None.
      repeat: how often each contestant has its turn.
      notes: contestants that are missing, and why.
    """

    name: str
    goals: dict[str, float]
    run: dict[str, Callable[[], object]]
    result: dict[str, Callable[[], list[np.ndarray]]] = field(default_factory=dict)
    repeat: int = 15
    tolerance: float = 1e-3
    notes: list[str] = field(default_factory=list)


@dataclass
class Row:
    """The measured line of a case: medians in microseconds, and ratios difc / peer."""

    name: str
    goals: dict[str, float]
    median_us: dict[str, float]
    ratio: dict[str, float]
    notes: list[str]

    @classmethod
    def of(cls, case: Case, times: dict[str, list[float]]) -> Row:
        """Return the row of measured seconds."""
        medians = {name: statistics.median(values) * 1e6 for name, values in times.items()}
        ratios = {name: medians["difc"] / value for name, value in medians.items() if name != "difc"}
        return cls(case.name, case.goals, medians, ratios, case.notes)

    @property
    def reached(self) -> bool | None:
        """Say whether every goal is reached; None where there is none, or a peer is missing."""
        if not self.goals or not self.goals.keys() <= self.ratio.keys():
            return None
        return all(self.ratio[name] <= goal for name, goal in self.goals.items())


def check_equal(case: Case) -> None:
    """Check that all contestants compute the same numbers."""
    results = {name: call() for name, call in case.result.items()}
    if "difc" not in results:
        return
    for name, arrays in results.items():
        for a, b in zip(results["difc"], arrays, strict=True):
            scale = max(1e-6, float(np.max(np.abs(b), initial=0)))
            error = float(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)), initial=0)) / scale
            if error > case.tolerance:
                raise AssertionError(f"{case.name}: difc and {name} differ by {error:.1e}")


def measure(case: Case) -> Row:
    """Run all contestants in turn, again and again; return medians and ratios.

    Before its turn, each waits until the threads of the one before are idle. The first half of its turn does not count:
    processors are slow at first after a pause.
    """
    check_equal(case)
    numbers = {name: max(1, round(_TURN / min(_seconds(call) for _ in range(3)))) for name, call in case.run.items()}
    times: dict[str, list[float]] = {name: [] for name in case.run}
    for _ in range(case.repeat):
        for name, call in case.run.items():
            _settle()
            seconds = [_seconds(call) for _ in range(2 * numbers[name])]
            times[name] += seconds[numbers[name] :]
    return Row.of(case, times)


def _settle() -> None:
    """Wait until no thread works: XLA's and OpenBLAS's look for more work for a tenth of a second after a call."""
    end = time.monotonic() + _LONGEST_WAIT
    busy = time.process_time()
    while time.monotonic() < end:
        time.sleep(_SETTLE)
        before, busy = busy, time.process_time()
        if busy - before < 0.01 * _SETTLE:
            return


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def add_jax(case: Case, make: Callable[[Any], Callable[[], Any]], *, double: bool = False) -> None:
    """Add JAX to a case, or a note where it is not installed.

    Args:
      case: what to add to.
      make: gets the module `jax`, and returns the call to measure.
      double: whether JAX has to be told to compute in float64.
    """
    if not has("jax"):
        case.notes.append("jax is not installed: pip install '.[bench]'")
        return
    import jax

    def as_wanted(function: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            with jax.enable_x64(double):
                return function()

        return call if double else function

    call = as_wanted(lambda: make(jax))()
    case.run["jax"] = as_wanted(lambda: jax.block_until_ready(call()))
    case.result["jax"] = as_wanted(lambda: [np.asarray(x) for x in jax.tree_util.tree_leaves(call())])
