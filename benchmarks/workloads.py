"""The workloads, each written once in NumPy style; `np` is difc's (that is, NumPy itself) or jax.numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy

__all__ = ["lstm_inputs", "lstm_loss", "mlp_inputs", "mlp_step"]

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
