"""Gaussian process regression: the evidence of the hyperparameters with its gradient, and predictions, in one artifact.

difc compile examples/gaussian_process.py -o gp.vmfb
python examples/fit_gaussian_process.py gp.vmfb

The formulas are those of Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2 and 5.
"""

import difc
import difc.numpy as np  # NumPy; here the functions that make arrays take sizes that are known at run time only
from difc import f64
from difc.scipy.linalg import solve_triangular

# The logarithms of what must be positive. There is a length scale for each of the ten features.
PARAMS = {"length": f64[10], "signal": f64, "noise": f64}
FEATURES, TARGETS, NEW = f64["n", 10], f64["n"], f64["new", 10]


def kernel(params, a, b):
    """Return the covariances of the points `a` with the points `b`: a squared exponential."""
    a, b = a / np.exp(params["length"]), b / np.exp(params["length"])
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.exp(2 * params["signal"] - np.maximum(squared, 0) / 2)


def factor(params, x):
    """Return the Cholesky factor of the covariance of noisy observations at the points `x`."""
    return np.linalg.cholesky(kernel(params, x, x) + np.exp(2 * params["noise"]) * np.eye(x.shape[0]))


def negative_log_evidence(params, x, y):
    lower = factor(params, x)
    whitened = solve_triangular(lower, y, lower=True)
    return np.sum(whitened**2) / 2 + np.sum(np.log(np.diagonal(lower))) + x.shape[0] * np.log(2 * np.pi) / 2


@difc.export
def evidence(params: PARAMS, x: FEATURES, y: TARGETS):
    """The negative logarithm of the probability of the targets, and its gradient in the hyperparameters."""
    return difc.value_and_grad(negative_log_evidence)(params, x, y)


@difc.export
def predict(params: PARAMS, x: FEATURES, y: TARGETS, new: NEW):
    """Mean and standard deviation of the targets at new points."""
    lower = factor(params, x)
    across = solve_triangular(lower, kernel(params, x, new), lower=True)
    mean = across.T @ solve_triangular(lower, y, lower=True)
    variance = np.exp(2 * params["signal"]) + np.exp(2 * params["noise"]) - np.sum(across**2, axis=0)
    return mean, np.sqrt(variance)
