# SPDX-License-Identifier: BSD-3-Clause
"""Train a small convolutional network on handwritten digits, with NumPy and npconv alone.

python examples/train_digits.py [--epochs 20] [--output digits.png]

Two 3x3 convolutions, pooling and a dense layer, trained by stochastic gradient descent with momentum on the
1797 digits of 8x8 pixels that come with scikit-learn (Alpaydin and Kaynak, 1998; a quarter is kept for the
test). Forward and backward are written out below: what a framework does is no more than this. Saves a
picture of the learned filters, the feature maps of a digit, and the course of the training.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib
import npconv
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

matplotlib.use("Agg")  # a file, no window
import matplotlib.pyplot as plt

Array = np.ndarray
BATCH, RATE, MOMENTUM, DECAY = 32, 0.02, 0.9, 1e-4
FIRST, SECOND, CLASSES = 16, 32, 10  # channels


class Network:
    """conv 3x3, ReLU, conv 3x3, ReLU, max pooling 2x2, dense; its parameters by name."""

    def __init__(self, rng: np.random.Generator) -> None:
        def he(*shape: int) -> Array:  # He et al., "Delving Deep into Rectifiers", 2015
            scale = np.sqrt(2 / np.prod(shape[1:]))
            return (scale * rng.standard_normal(shape)).astype(np.float32)

        pixels = SECOND * 4 * 4
        self.parameters = {
            "w1": he(FIRST, 1, 3, 3),
            "b1": np.zeros(FIRST, np.float32),
            "w2": he(SECOND, FIRST, 3, 3),
            "b2": np.zeros(SECOND, np.float32),
            "w3": he(CLASSES, pixels),
            "b3": np.zeros(CLASSES, np.float32),
        }

    def forward(self, x: Array) -> dict[str, Array]:
        """Everything that is computed on the way to the scores, which the gradients need."""
        p = self.parameters
        first = npconv.conv2d(x, p["w1"], p["b1"], padding=1, activation="relu")
        second = npconv.conv2d(first, p["w2"], p["b2"], padding=1, activation="relu")
        pooled, places = npconv.max_pool2d(second, 2, return_indices=True)
        flat = pooled.reshape(len(x), -1)
        scores = flat @ p["w3"].T + p["b3"]
        return {"x": x, "first": first, "second": second, "places": places, "flat": flat, "scores": scores}

    def backward(self, seen: dict[str, Array], grad: Array) -> dict[str, Array]:
        """From the gradient of the loss in the scores those in all parameters, by the chain rule."""
        p, first, second = self.parameters, seen["first"], seen["second"]
        gradients = {"w3": grad.T @ seen["flat"], "b3": grad.sum(0)}
        pooled = (grad @ p["w3"]).reshape(seen["places"].shape)
        grad = npconv.grad.max_pool2d(pooled, seen["places"], second.shape) * (second > 0)
        gradients["w2"] = npconv.grad.conv2d_weight(first, p["w2"].shape, grad, padding=1)
        gradients["b2"] = npconv.grad.conv2d_bias(grad)
        grad = npconv.grad.conv2d_input(first.shape, p["w2"], grad, padding=1) * (first > 0)
        gradients["w1"] = npconv.grad.conv2d_weight(seen["x"], p["w1"].shape, grad, padding=1)
        gradients["b1"] = npconv.grad.conv2d_bias(grad)
        return gradients


def softmax(scores: Array) -> Array:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def accuracy(network: Network, x: Array, labels: Array) -> float:
    return float((network.forward(x)["scores"].argmax(1) == labels).mean())


def train(network: Network, x: Array, labels: Array, epochs: int, rng: np.random.Generator) -> list[float]:
    """Stochastic gradient descent on the cross-entropy; the loss of each epoch."""
    velocity = {name: np.zeros_like(a) for name, a in network.parameters.items()}
    losses = []
    steps = -(-len(x) // BATCH)
    with tqdm(total=epochs * steps, unit="step") as bar:
        for epoch in range(epochs):
            rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / epochs))  # Loshchilov and Hutter, 2017
            total = 0.0
            for chosen in np.array_split(rng.permutation(len(x)), steps):
                seen = network.forward(x[chosen])
                likely = softmax(seen["scores"])
                own = np.arange(len(chosen)), labels[chosen]
                total -= float(np.log(likely[own] + 1e-12).sum())
                likely[own] -= 1
                for name, gradient in network.backward(seen, likely / len(chosen)).items():
                    parameter = network.parameters[name]
                    velocity[name] = MOMENTUM * velocity[name] - rate * (gradient + DECAY * parameter)
                    parameter += velocity[name].astype(np.float32)
                bar.update()
            losses.append(total / len(x))
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses


def draw(network: Network, digit: Array, losses: list[float], output: Path) -> None:
    seen = network.forward(digit[None])
    figure = plt.figure(figsize=(10, 6.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    top, bottom = left.subfigures(2, 1, height_ratios=(1.3, 1))

    def tiles(panel: matplotlib.figure.SubFigure, title: str, images: Array, columns: int) -> None:
        panel.suptitle(title, fontsize=10)
        limit = abs(images).max()
        for axis, image in zip(panel.subplots(len(images) // columns, columns).flat, images, strict=True):
            axis.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set_axis_off()

    tiles(top, "the filters of the first convolution", network.parameters["w1"][:, 0], 4)
    axis = bottom.subplots()
    axis.semilogy(range(1, len(losses) + 1), losses)
    axis.set_xlabel("epoch")
    axis.set_ylabel("cross-entropy")
    upper, lower = right.subfigures(2, 1, height_ratios=(1, 1.6))
    maps = np.concatenate([digit, seen["first"][0]])[:FIRST]
    tiles(upper, "a digit, and what the first convolution makes of it", maps, 8)
    tiles(lower, "and the second one", seen["second"][0], 8)
    figure.savefig(output, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=Path("digits.png"))
    arguments = parser.parse_args()

    rng = np.random.default_rng(1)
    digits = load_digits()
    order = rng.permutation(len(digits.images))
    x = (digits.images[order, None] / 16).astype(np.float32)
    labels = digits.target[order]
    kept = len(x) // 4
    network = Network(rng)
    start = time.perf_counter()
    losses = train(network, x[kept:], labels[kept:], arguments.epochs, rng)
    seconds = time.perf_counter() - start
    correct = accuracy(network, x[:kept], labels[:kept])
    draw(network, x[0], losses, arguments.output)
    known = accuracy(network, x[kept:], labels[kept:])
    print(
        f"{correct:.1%} of {kept} test digits, {known:.1%} of those that it was trained on; "
        f"{arguments.epochs} epochs in {seconds:.1f} s; saved as {arguments.output}"
    )


if __name__ == "__main__":
    main()
