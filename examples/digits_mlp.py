"""A classifier of handwritten digits, with its training step: the functions that `difc compile` makes an artifact of.

difc compile examples/digits_mlp.py -o digits.vmfb
python examples/train_digits.py digits.vmfb
"""

import numpy as np

import difc
from difc import f32, i32

# Specs of the arguments: pytrees, as the arguments are. "batch" is a size that is known only at run time.
PARAMS = {
    "w1": f32[64, 128],
    "b1": f32[128],
    "w2": f32[128, 128],
    "b2": f32[128],
    "w3": f32[128, 10],
    "b3": f32[10],
}
ADAM = {"step": f32, "mean": PARAMS, "square": PARAMS}
IMAGES, LABELS = f32["batch", 64], i32["batch"]


def logits(params, images):
    x = difc.nn.relu(images @ params["w1"] + params["b1"])
    x = difc.nn.relu(x @ params["w2"] + params["b2"])
    return x @ params["w3"] + params["b3"]


def cross_entropy(params, images, labels):
    log_probabilities = difc.nn.log_softmax(logits(params, images))
    return -np.mean(np.sum(difc.nn.one_hot(labels, 10) * log_probabilities, axis=1))


def adam(params, grads, state, learning_rate, decay=0.9, square_decay=0.999):
    step = state["step"] + 1
    mean = {k: decay * state["mean"][k] + (1 - decay) * g for k, g in grads.items()}
    square = {k: square_decay * state["square"][k] + (1 - square_decay) * g**2 for k, g in grads.items()}
    rate = learning_rate * np.sqrt(1 - square_decay**step) / (1 - decay**step)
    params = {k: p - rate * mean[k] / (np.sqrt(square[k]) + 1e-8) for k, p in params.items()}
    return params, {"step": step, "mean": mean, "square": square}


@difc.export
def train_step(params: PARAMS, state: ADAM, images: IMAGES, labels: LABELS, learning_rate: f32):
    """One step of Adam: the new parameters, the new state of the optimizer, and the loss before the step."""
    loss, grads = difc.value_and_grad(cross_entropy)(params, images, labels)
    params, state = adam(params, grads, state, learning_rate)
    return params, state, loss


@difc.export
def predict(params: PARAMS, images: IMAGES):
    """The most probable digit of each image."""
    return np.argmax(logits(params, images), axis=1)
