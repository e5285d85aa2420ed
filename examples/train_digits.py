"""Trains the classifier of `digits_mlp.py` through its artifact alone: no compiler, no framework, on any device.

python examples/train_digits.py digits.vmfb
python examples/train_digits.py digits.vulkan.vmfb --epochs 5
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import difc

BATCH = 64


def initial(specs, random):
    """Return parameters for a dict of specs, and the first state of Adam."""
    params = {
        name: (random.normal(size=spec.shape) * np.sqrt(2 / spec.shape[0]) * (len(spec.shape) > 1)).astype(spec.dtype)
        for name, spec in specs.items()
    }
    zeros = {name: np.zeros_like(p) for name, p in params.items()}
    return params, {"step": np.float32(0), "mean": zeros, "square": zeros}


def batches(images, labels, random):
    """Yield the examples in random order; the last batch is smaller."""
    order = random.permutation(len(images))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield images[chosen], labels[chosen]


def accuracy(module, params, images, labels):
    return float(np.mean(np.asarray(module.predict(params, images)) == labels))


def train(module, epochs, learning_rate, console):
    """Train on four fifths of the digits; return the accuracy on the rest."""
    digits = load_digits()
    images, labels = (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    random = np.random.default_rng(0)
    params, state = initial(module.signature("train_step").arguments["params"], random)
    columns = (
        TextColumn("training on {task.fields[device]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[found]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=epochs, device=module.device.name, found="")
        for _ in range(epochs):
            losses = []
            for x, y in batches(train_x, train_y, random):
                params, state, loss = module.train_step(params, state, x, y, np.float32(learning_rate))
                losses.append(float(loss))
            found = f"loss {np.mean(losses):.4f}  test accuracy {accuracy(module, params, test_x, test_y):.1%}"
            progress.update(task, advance=1, found=found)
    return accuracy(module, params, test_x, test_y)


def main():
    parser = argparse.ArgumentParser(
        description="Train a classifier of handwritten digits through a compiled artifact."
    )
    parser.add_argument("artifact", help="what `difc compile examples/digits_mlp.py` made")
    parser.add_argument(
        "--device", help="local-task, local-sync, vulkan or cuda (default: what the artifact is made for)"
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    options = parser.parse_args()
    if not Path(options.artifact).exists():
        sys.exit(
            f"error: there is no {options.artifact} yet\n"
            f"Remedy: make it with `difc compile examples/digits_mlp.py -o {options.artifact}`"
        )
    console = Console()
    try:
        module = difc.load(options.artifact, options.device)
        found = train(module, options.epochs, options.learning_rate, console)
    except difc.errors.DifcError as error:
        sys.exit(f"error: {error}")
    console.print(f"test accuracy: {found:.1%}", highlight=False)


if __name__ == "__main__":
    main()
