"""Functions of neural networks: activations, convolution, pooling, normalization, softmax, one-hot codes.

Each works on NumPy arrays outside a trace as well; importing this package does not import MLIR.
"""

from typing import Any

from difc.nn.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    logsumexp,
    mish,
    one_hot,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_sign,
    softmax,
    softplus,
    swish,
)
from difc.nn.convolution import conv, conv_transpose
from difc.nn.normalization import batch_norm, group_norm, layer_norm, rms_norm, standardize
from difc.nn.pooling import avg_pool, max_pool, min_pool
from difc.numpy.ranking import top_k
from difc.source import absent_attribute

__all__ = [
    "avg_pool",
    "batch_norm",
    "celu",
    "conv",
    "conv_transpose",
    "elu",
    "gelu",
    "glu",
    "group_norm",
    "hard_tanh",
    "layer_norm",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "max_pool",
    "min_pool",
    "mish",
    "one_hot",
    "relu",
    "relu6",
    "rms_norm",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softmax",
    "softplus",
    "standardize",
    "swish",
    "top_k",
]

#: names that a reader may look for here -> what to do instead
_ABSENT = {
    "tanh": "use np.tanh",
    "erf": "use difc.scipy.special.erf",
    **dict.fromkeys(("linear", "dense", "Linear", "Dense"), "write x @ w + b"),
    "embedding": "index the table: table[ids]",
    "dropout": "multiply by a mask of numbers that NumPy draws, passed as an argument",
    "initializers": "draw the parameters with NumPy",
    "dot_product_attention": "write difc.nn.softmax(q @ k.T / np.sqrt(d)) @ v",
    "cross_entropy": "write -np.sum(difc.nn.one_hot(labels, n) * difc.nn.log_softmax(x), axis=-1)",
    "hard_sigmoid": "write difc.nn.relu6(x + 3) / 6",
    **dict.fromkeys(("hard_swish", "hard_silu"), "write x * difc.nn.relu6(x + 3) / 6"),
    "squareplus": "write (x + np.sqrt(x**2 + 4)) / 2",
}


def __getattr__(name: str) -> Any:
    raise absent_attribute(__name__, name, _ABSENT, lambda: __all__)
