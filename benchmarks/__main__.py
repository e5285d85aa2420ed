"""`python -m benchmarks [NAME...]`: run cases, print a markdown table of ratios; a run of all is saved as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.harness import Case, Row, measure

RESULTS = Path(__file__).with_name("results.json")


def measure_case(case: Case) -> Row:
    """Measure a case; one that times a fresh process itself returns seconds instead of being timed."""
    probe = next(iter(case.run.values()))()
    if not isinstance(probe, float):
        return measure(case)
    times: dict[str, list[float]] = {name: [] for name in case.run}
    for _ in range(case.repeat):
        for name, call in case.run.items():
            seconds = call()
            assert isinstance(seconds, float)
            times[name].append(seconds)
    return Row.of(case, times)


def packages() -> dict[str, str]:
    """Return the versions that the figures hold for."""
    found = {"python": platform.python_version()}
    for name in ("difc", "iree-base-compiler", "torch-mlir", "numpy", "jax", "jaxlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def table(rows: list[Row]) -> str:
    """Return the rows as a markdown table."""
    peers = ("jax", "numpy", "primal")
    heads = ["case", *(head for peer in peers for head in (f"difc / {peer}", "goal")), "reached"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]

    def shown(number: float | None) -> str:
        return "" if number is None else f"{number:.2f}"

    for row in rows:
        ratios = [(row.ratio.get(peer), row.goals.get(peer)) for peer in peers]
        reached = {None: "", True: "yes", False: "no"}[row.reached]
        cells = [row.name, *(shown(number) for pair in ratios for number in pair), reached]
        lines.append(f"| {' | '.join(cells)} |")
        lines += [f"| ({note}) {'| ' * len(heads)}" for note in row.notes]
    return "\n".join(lines)


def main() -> None:
    """Run the cases named on the command line (default: all)."""
    cases = {make.__name__: make for make in CASES()}
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, epilog=f"cases: {', '.join(cases)}")
    parser.add_argument("names", metavar="NAME", nargs="*", help="a case (default: all)")
    names = parser.parse_args().names
    unknown = set(names) - set(cases)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    rows = []
    for name, make in cases.items():
        if not names or name in names:
            print(f"measuring {name} ...", file=sys.stderr)
            rows.append(measure_case(make()))
    print(table(rows))
    if names:
        return  # the file holds whole runs only
    RESULTS.write_text(json.dumps({"packages": packages(), "rows": [asdict(r) for r in rows]}, indent=2) + "\n")
    print(f"\nsaved {RESULTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
