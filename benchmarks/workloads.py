"""The workloads, each written once in NumPy style; `np` is difc's (that is, NumPy itself) or jax.numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy

__all__ = ["cnn_inputs", "cnn_step", "gp_inputs", "gp_likelihood", "lstm_inputs", "lstm_loss", "mlp_inputs", "mlp_step"]

MLP_SIZES = (784, 512, 512, 10)


def mlp_inputs(batch: int = 128) -> tuple[list[dict[str, numpy.ndarray]], numpy.ndarray, numpy.ndarray]:
    """Return parameters, images and one-hot labels of a 784-512-512-10 classifier, float32."""
    random = numpy.random.default_rng(0)
    params = [
        {"w": (random.normal(size=(m, n)) / m**0.5).astype("f4"), "b": numpy.zeros(n, "f4")}
        for m, n in itertools.pairwise(MLP_SIZES)
    ]
    labels = numpy.eye(10, dtype="f4")[random.integers(0, 10, batch)]
    return params, random.normal(size=(batch, MLP_SIZES[0])).astype("f4"), labels


def mlp_step(np: Any, value_and_grad: Any, stop_gradient: Any) -> Any:
    """Return an SGD step: params, x, labels -> new params, loss."""

    def loss(params: Any, x: Any, labels: Any) -> Any:
        for layer in params[:-1]:
            x = np.maximum(x @ layer["w"] + layer["b"], 0.0)
        logits = x @ params[-1]["w"] + params[-1]["b"]
        shifted = logits - stop_gradient(np.max(logits, axis=-1, keepdims=True))
        log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        return -np.mean(np.sum(log_probabilities * labels, axis=-1))

    def step(params: Any, x: Any, labels: Any) -> Any:
        value, gradient = value_and_grad(loss)(params, x, labels)
        new = [{k: layer[k] - 0.01 * g[k] for k in layer} for layer, g in zip(params, gradient, strict=True)]
        return new, value

    return step


def lstm_inputs(
    steps: int = 64, batch: int = 16, features: int = 64, hidden: int = 128
) -> tuple[dict[str, numpy.ndarray], numpy.ndarray]:
    """Return parameters and a sequence [steps, batch, features], float32."""
    random = numpy.random.default_rng(0)
    params = {
        "wx": (random.normal(size=(features, 4 * hidden)) / features**0.5).astype("f4"),
        "wh": (random.normal(size=(hidden, 4 * hidden)) / hidden**0.5).astype("f4"),
        "b": numpy.zeros(4 * hidden, "f4"),
    }
    return params, random.normal(size=(steps, batch, features)).astype("f4")


def lstm_loss(np: Any, scan: Any) -> Any:
    """Return a function of parameters and a sequence: the mean square of an LSTM's hidden states."""

    def sigmoid(x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-x))

    def loss(params: Any, xs: Any) -> Any:
        batch, hidden = xs.shape[1], params["wh"].shape[0]

        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            z = x @ params["wx"] + h @ params["wh"] + params["b"]
            i, f, g, o = (z[:, k * hidden : (k + 1) * hidden] for k in range(4))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            return (h, c), h

        zeros = np.zeros((batch, hidden), "float32")
        _, hs = scan(step, (zeros, zeros), xs)
        return np.mean(hs**2)

    return loss


def cnn_inputs(batch: int = 32) -> tuple[dict[str, numpy.ndarray], numpy.ndarray, numpy.ndarray]:
    """Return parameters, images [batch, 28, 28, 1] and one-hot labels of a convolutional classifier, float32."""
    random = numpy.random.default_rng(0)
    params = {}
    for name, shape in (("c1", (3, 3, 1, 32)), ("c2", (3, 3, 32, 64)), ("d", (7 * 7 * 64, 10))):
        params[name] = (random.normal(size=shape) / numpy.prod(shape[:-1]) ** 0.5).astype("f4")
        params[f"{name}_bias"] = numpy.zeros(shape[-1], "f4")
    labels = numpy.eye(10, dtype="f4")[random.integers(0, 10, batch)]
    return params, random.normal(size=(batch, 28, 28, 1)).astype("f4"), labels


def cnn_step(np: Any, value_and_grad: Any, stop_gradient: Any, conv: Any, max_pool: Any) -> Any:
    """Return an SGD step: params, x, labels -> new params, loss.

    Args:
      conv: of an array and a 3 x 3 kernel, with padding that keeps the size.
      max_pool: of windows of 2 x 2, side by side.
    """

    def loss(params: Any, x: Any, labels: Any) -> Any:
        for name in ("c1", "c2"):
            x = max_pool(np.maximum(conv(x, params[name]) + params[f"{name}_bias"], 0.0))
        logits = x.reshape(x.shape[0], -1) @ params["d"] + params["d_bias"]
        shifted = logits - stop_gradient(np.max(logits, axis=-1, keepdims=True))
        log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        return -np.mean(np.sum(log_probabilities * labels, axis=-1))

    def step(params: Any, x: Any, labels: Any) -> Any:
        value, gradient = value_and_grad(loss)(params, x, labels)
        return {name: params[name] - 0.01 * gradient[name] for name in params}, value

    return step


def gp_inputs(size: int) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Return logarithms of the length scale, amplitude and noise, points [size, 3] and targets, float64."""
    random = numpy.random.default_rng(0)
    points = random.normal(size=(size, 3))
    return numpy.array([0.1, 0.2, -1.0]), points, numpy.sin(points.sum(1)) + 0.3 * random.normal(size=size)


def gp_likelihood(np: Any, linalg: Any) -> Any:
    """Return a function of `gp_inputs`: the negative log likelihood of a Gaussian process. `linalg` is scipy's."""

    def negative_log_likelihood(params: Any, x: Any, y: Any) -> Any:
        scaled = x * np.exp(-params[0])
        squared = np.sum((scaled[:, None, :] - scaled[None, :, :]) ** 2, axis=-1)
        noise = np.exp(params[2]) * numpy.eye(x.shape[0])
        lower = np.linalg.cholesky(np.exp(params[1] - 0.5 * squared) + noise)
        whitened = linalg.solve_triangular(lower, y, lower=True)
        return 0.5 * np.sum(whitened * whitened) + np.sum(np.log(np.diagonal(lower)))

    return negative_log_likelihood
