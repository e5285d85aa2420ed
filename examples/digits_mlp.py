"""A classifier of handwritten digits, with its training step: the functions that `difc compile` makes an artifact of.

    difc compile examples/digits_mlp.py -o digits.vmfb
    python examples/train_digits.py digits.vmfb
"""

import numpy as np

import difc
from difc import f32, i32

SIZES = (64, 128, 128, 10)

# Specs of the arguments: pytrees, as the arguments are. "batch" is a size that is known only at run time.
PARAMS = [{"w": f32[n, m], "b": f32[m]} for n, m in zip(SIZES, SIZES[1:], strict=False)]
ADAM = {"step": f32, "mean": PARAMS, "square": PARAMS}
IMAGES, LABELS = f32["batch", 64], i32["batch"]


def logits(params, images):
    x = images
    for layer in params[:-1]:
        x = difc.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def cross_entropy(params, images, labels):
    log_probabilities = difc.nn.log_softmax(logits(params, images))
    return -np.mean(np.take_along_axis(log_probabilities, labels[:, None], axis=1))


def adam(params, grads, state, learning_rate, decay=0.9, square_decay=0.999):
    step = state["step"] + 1

    def update(p, g, mean, square):
        mean = decay * mean + (1 - decay) * g
        square = square_decay * square + (1 - square_decay) * g**2
        unbiased_mean, unbiased_square = mean / (1 - decay**step), square / (1 - square_decay**step)
        return p - learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + 1e-8), mean, square

    new = [
        {name: update(p[name], g[name], mean[name], square[name]) for name in p}
        for p, g, mean, square in zip(params, grads, state["mean"], state["square"], strict=True)
    ]
    params, mean, square = ([{name: parts[i] for name, parts in layer.items()} for layer in new] for i in range(3))
    return params, {"step": step, "mean": mean, "square": square}


@difc.export
def train_step(params: PARAMS, state: ADAM, images: IMAGES, labels: LABELS, learning_rate: f32):
    """One step of Adam; gives the new parameters, the new state of the optimizer, and the loss before the step."""
    loss, grads = difc.value_and_grad(cross_entropy)(params, images, labels)
    params, state = adam(params, grads, state, learning_rate)
    return params, state, loss


@difc.export
def predict(params: PARAMS, images: IMAGES):
    """The most probable digit of each image."""
    return np.argmax(logits(params, images), axis=1)
