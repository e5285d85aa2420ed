"""Functions of neural networks: activations, convolution, pooling, normalization, softmax, one-hot codes.

Each works on NumPy arrays outside a trace as well; importing this package does not import MLIR.
"""

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
from difc.nn.ranking import top_k

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
