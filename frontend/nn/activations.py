"""Activations, softmax and one-hot codes. (jax.nn functions of the same names)

Importing this module does not import MLIR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from difc.errors import InputError
from difc.numpy import surface
from difc.scipy import special
from difc.scipy.special import logsumexp

__all__ = [
    "as_array",
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "mish",
    "one_hot",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softmax",
    "softplus",
    "swish",
]


def as_array(x: Any) -> Any:
    """Return an operand as an array, traced where a tracer is in it."""
    if not surface.has_tracer(x):
        return np.asarray(x)
    return np.stack(x) if isinstance(x, (list, tuple)) else x


# ---- activations ---------------------------------------------------------------------------------


def relu(x: Any) -> Any:
    """Return x where it is positive, else 0; the derivative at 0 is 0.

    Example:
      >>> relu([-1.0, 2.0])
      array([0., 2.])
    """
    x = as_array(x)
    return np.where(x <= 0, np.zeros_like(x), x)  # a NaN stays one


def relu6(x: Any) -> Any:
    """Return relu, limited to 6; the derivative at both bends is 0."""
    x = relu(x)
    return np.where(x >= 6, np.full_like(x, 6), x)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """Return x where it is positive, else `negative_slope * x`."""
    x = as_array(x)
    return np.where(x >= 0, x, negative_slope * x)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """Return x where it is positive, else `alpha * (exp(x) - 1)`."""
    x = as_array(x)
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, np.zeros_like(x), x)))


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """Return x where it is positive, else `alpha * (exp(x / alpha) - 1)`."""
    x = as_array(x)
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, np.zeros_like(x), x) / alpha))


def selu(x: Any) -> Any:
    """Return the scaled elu that keeps mean 0 and variance 1."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return special.expit(x)


def log_sigmoid(x: Any) -> Any:
    """Return the logarithm of the sigmoid, precise where that is small."""
    return special.log_expit(x)


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)), without overflow."""
    x = as_array(x)
    return np.logaddexp(x, np.zeros_like(x))


def soft_sign(x: Any) -> Any:
    """Return x / (1 + |x|)."""
    x = as_array(x)
    return x / (1 + np.abs(x))


def silu(x: Any) -> Any:
    """Return `x * sigmoid(x)`; also called swish."""
    return x * sigmoid(x)


swish = silu


def mish(x: Any) -> Any:
    """Return `x * tanh(softplus(x))`."""
    return x * np.tanh(softplus(x))


def hard_tanh(x: Any) -> Any:
    """Return x limited to [-1, 1]."""
    x = as_array(x)
    return np.where(x > 1, np.ones_like(x), np.where(x < -1, -np.ones_like(x), x))


def gelu(x: Any, approximate: bool = True) -> Any:
    """Return x times the normal distribution function, or a tanh approximation of it (the default, as in JAX)."""
    x = as_array(x)
    if approximate:
        return x * (0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))))
    return x * (0.5 * (1 + special.erf(x * math.sqrt(0.5))))


def glu(x: Any, axis: int = -1) -> Any:
    """Return the first half of x along an axis times the sigmoid of the second half."""
    first, second = np.split(as_array(x), 2, axis)
    return first * sigmoid(second)


# ---- over an axis --------------------------------------------------------------------------------


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """Return exp(x) divided by its sum over an axis, without overflow.

    Args:
      where: which elements count, a mask that broadcasts with x; the others become 0.

    Example:
      >>> softmax([[0.0, 0.0, 9.0]], where=np.array([True, True, False]))
      array([[0.5, 0.5, 0. ]])
    """
    return special.softmax(x, axis, where)


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """Return the logarithm of the softmax over an axis, precise where that is small.

    Args:
      where: which elements count, a mask that broadcasts with x; the others become -inf.
    """
    return special.log_softmax(x, axis, where)


def one_hot(x: Any, num_classes: int, *, dtype: Any = np.float32, axis: int = -1) -> Any:
    """Return codes with a 1 at the position that each integer names; all 0 for one out of range.

    The default dtype is float32, which never widens what it is multiplied with.

    Raises:
      InputError: if `x` is not of integers.

    Example:
      >>> one_hot([1, 0], 2)
      array([[0., 1.],
             [1., 0.]], dtype=float32)
    """
    x = as_array(x)
    if x.dtype.kind not in "iub":
        raise InputError(
            f"one_hot: the classes are {x.dtype}, not integers", remedy="convert them with .astype(np.int32)"
        )
    code = np.expand_dims(x, -1) == np.arange(num_classes, dtype=x.dtype if x.dtype.kind == "i" else np.int64)
    return np.moveaxis(code.astype(dtype), -1, axis)
