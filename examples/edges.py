# SPDX-License-Identifier: BSD-3-Clause
"""Edges of a photograph: smooth, differentiate, measure the gradient. Saves a picture with both.

python examples/edges.py [--output edges.png]

The photograph is matplotlib's sample image of Grace Hopper (public domain, US Navy).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import matplotlib.cbook
import matplotlib.image
import npconv
import numpy as np

matplotlib.use("Agg")  # a file, no window
import matplotlib.pyplot as plt


def gaussian(sigma: float) -> np.ndarray:
    """A kernel whose entries sum to 1 and reach three standard deviations."""
    reach = int(np.ceil(3 * sigma))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = np.outer(line, line)
    return (kernel / kernel.sum()).astype(np.float32)


def edges(gray: np.ndarray) -> np.ndarray:
    """Length of the gradient of a picture (height, width), after Sobel and Feldman (1968)."""
    smooth = npconv.conv2d(gray, gaussian(1.5), padding="same", padding_mode="reflect")
    horizontal = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8
    filters = np.stack([horizontal, horizontal.T])[:, None]  # two output channels, one input channel
    dx, dy = npconv.conv2d(smooth[None], filters, padding=1, padding_mode="replicate")
    return np.hypot(dx, dy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("edges.png"))
    output = parser.parse_args().output

    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = matplotlib.image.imread(file, format="jpg")
    gray = (photograph @ np.array([0.299, 0.587, 0.114]) / 255).astype(np.float32)  # ITU-R BT.601
    found = edges(gray)

    figure, axes = plt.subplots(1, 2, figsize=(9, 5.6), layout="constrained")
    axes[0].imshow(photograph)
    axes[0].set_title(f"photograph, {gray.shape[1]} x {gray.shape[0]}")
    axes[1].imshow(found, cmap="gray_r", vmax=np.quantile(found, 0.99))
    axes[1].set_title("length of the gradient")
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(output, dpi=120)
    print(
        f"edges of {gray.shape[1]} x {gray.shape[0]} pixels, strongest {found.max():.3f}: saved as {output}"
    )


if __name__ == "__main__":
    main()
