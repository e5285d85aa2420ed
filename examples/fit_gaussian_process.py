"""Fits the hyperparameters of `gaussian_process.py` to the diabetes data set through its artifact alone, with SciPy.

python examples/fit_gaussian_process.py gp.vmfb
python examples/fit_gaussian_process.py gp.vulkan.vmfb --points 60 --steps 5
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes

import difc

TRAINING = 353  # of 442 patients; the others test the predictions


def standardized(array):
    return (array - array.mean(axis=0)) / array.std(axis=0)


def as_vector(tree):
    return np.concatenate([np.ravel(tree["length"]), [tree["signal"], tree["noise"]]])


def as_tree(vector):
    return {"length": vector[:10], "signal": vector[10], "noise": vector[11]}


def fit(module, x, y, steps, console):
    """Minimize the negative log evidence with L-BFGS; return the hyperparameters and the minimum."""

    def objective(vector):
        value, gradient = module.evidence(as_tree(vector), x, y)
        return float(value), as_vector(gradient)

    start = as_vector({"length": np.full(10, np.log(3.0)), "signal": 0.0, "noise": np.log(0.7)})
    columns = SpinnerColumn(), TextColumn("step {task.completed}  {task.fields[found]}")
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=None, found="")

        def report(intermediate_result):
            progress.update(task, advance=1, found=f"negative log evidence {intermediate_result.fun:.4f}")

        bounds = [(-3, 6)] * 12
        found = minimize(objective, start, jac=True, bounds=bounds, callback=report, options={"maxiter": steps})
    return as_tree(found.x), found.fun


def main():
    parser = argparse.ArgumentParser(description="Fit a Gaussian process to medical data through a compiled artifact.")
    parser.add_argument("artifact", help="what `difc compile examples/gaussian_process.py` made")
    parser.add_argument("--device", help="local-task, local-sync, vulkan or cuda (default: what the artifact is for)")
    parser.add_argument("--steps", type=int, default=100, help="of the optimizer, at most")
    parser.add_argument("--points", type=int, default=TRAINING, help="patients to fit to")
    options = parser.parse_args()
    if not Path(options.artifact).exists():
        sys.exit(
            f"error: there is no {options.artifact} yet\n"
            f"Remedy: make it with `difc compile examples/gaussian_process.py -o {options.artifact}`"
        )
    data = load_diabetes()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = standardized(data.data)[order], standardized(data.target)[order]
    known = slice(min(options.points, TRAINING))
    console = Console()
    try:
        module = difc.load(options.artifact, options.device)
        params, value = fit(module, x[known], y[known], options.steps, console)
        mean, deviation = map(np.asarray, module.predict(params, x[known], y[known], x[TRAINING:]))
    except difc.errors.DifcError as error:
        sys.exit(f"error: {error}")
    error = y[TRAINING:] - mean
    relevant = [data.feature_names[i] for i in np.argsort(params["length"])[:3]]
    console.print(f"fitted on {module.device.name}; the features that matter most: {', '.join(relevant)}")
    console.print(f"negative log evidence: {value:.6f}", highlight=False)
    console.print(
        f"explained variance of the test patients: {1 - np.mean(error**2) / y[TRAINING:].var():.1%}", highlight=False
    )
    console.print(f"within two standard deviations: {np.mean(np.abs(error) < 2 * deviation):.1%}", highlight=False)


if __name__ == "__main__":
    main()
