# SPDX-License-Identifier: BSD-3-Clause
"""Enlarge a photograph by a transposed convolution with a bilinear kernel, and compare with the textbook.

python examples/upscale.py [--factor 4] [--output upscale.png]

Each pixel is multiplied by a kernel of 2 * factor pixels, a tent, and added to the enlarged picture at a
stride of factor pixels (the upsampling of Long, Shelhamer and Darrell, "Fully Convolutional Networks for
Semantic Segmentation", 2015). The textbook interpolates linearly between the centres of the nearest pixels,
first along columns, then along rows. The photograph is matplotlib's sample image of Grace Hopper (public
domain, US Navy).
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


def tent(factor: int) -> np.ndarray:
    """A bilinear kernel: 1 - distance / factor along each axis, from the centre on."""
    size = 2 * factor - factor % 2
    line = 1 - abs(np.arange(size) - (size - 1) / 2) / factor
    return np.outer(line, line).astype(np.float32)


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """(height, width, channels), factor times as large; beyond its edges the picture goes on as it ends."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    channels = picture.shape[-1]
    weights = np.broadcast_to(tent(factor), (channels, 1, *tent(factor).shape))
    cut = factor + factor // 2  # the padding, and the half of a kernel that stands out
    return npconv.conv_transpose2d(
        padded, weights, stride=factor, padding=cut, groups=channels, layout="channels_last"
    )


def textbook(picture: np.ndarray, factor: int) -> np.ndarray:
    """The same, interpolated: the centre of pixel i is at (i + 0.5) / factor - 0.5 in the original."""
    result = picture.astype(np.float64)
    for axis in (0, 1):
        n = result.shape[axis]
        centres = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
        low = np.minimum(centres.astype(int), n - 2)
        part = np.expand_dims(centres - low, tuple(range(1, 3 - axis)))
        below, above = np.take(result, low, axis), np.take(result, low + 1, axis)
        result = below + part * (above - below)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--output", type=Path, default=Path("upscale.png"))
    arguments = parser.parse_args()
    factor = arguments.factor
    if factor < 2:
        parser.error("--factor begins at 2")

    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = matplotlib.image.imread(file, format="jpg").astype(np.float32) / 255
    small = np.ascontiguousarray(photograph[150:270, 195:315])  # the face
    large, expected = enlarged(small, factor), textbook(small, factor)
    difference = float(abs(large - expected).max())
    assert large.shape == expected.shape, (large.shape, expected.shape)
    assert difference < 1e-5, f"the textbook has something else: {difference}"

    figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
    axes[0].imshow(small, interpolation="nearest")
    axes[0].set_title(f"{small.shape[1]} x {small.shape[0]} pixels")
    axes[1].imshow(np.clip(large, 0, 1), interpolation="nearest")
    axes[1].set_title(f"{large.shape[1]} x {large.shape[0]}, by conv_transpose2d, stride {factor}")
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(arguments.output, dpi=120)
    print(
        f"{small.shape[1]} x {small.shape[0]} pixels to {large.shape[1]} x {large.shape[0]}: at most "
        f"{difference:.1e} from the textbook's interpolation; saved as {arguments.output}"
    )


if __name__ == "__main__":
    main()
