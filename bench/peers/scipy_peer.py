# SPDX-License-Identifier: BSD-3-Clause
"""SciPy: one channel, stride 1. Its direct correlations and, as a variant, its FFT convolution."""

from __future__ import annotations

import numpy as np
import scipy
import scipy.ndimage
import scipy.signal
from candidates import Array, Candidate, Problem, UnsupportedError

NAME = "scipy"
MINIMUM = "1.11"


def version() -> str:
    return str(scipy.__version__)


def prepare(problem: Problem) -> list[Candidate]:
    layer = problem.layer
    steps = {*layer.stride, *layer.dilation}
    if layer.c != 1 or layer.o != 1 or layer.batch != 1 or steps != {1}:
        raise UnsupportedError("one channel, stride 1, dilation 1 only")
    x, w = problem.x.reshape(layer.size), problem.w.reshape(layer.kernel)
    if all(pair == (0, 0) for pair in layer.padding):
        return _signal(problem, x, w, "valid")
    centred = all(2 * a == 2 * b == k - 1 for (a, b), k in zip(layer.padding, layer.kernel, strict=True))
    if centred:
        return [_ndimage(problem, x, w), *_signal(problem, x, w, "same")]
    raise UnsupportedError("no such padding")


def _ndimage(problem: Problem, x: Array, w: Array) -> Candidate:
    y = problem.new_output()
    into = y.reshape(problem.layer.output_size)
    return Candidate(
        NAME, lambda: scipy.ndimage.correlate(x, w, output=into, mode="constant"), lambda: y, "ndimage"
    )


def _signal(problem: Problem, x: Array, w: Array, mode: str) -> list[Candidate]:
    shape = problem.layer.y_shape(problem.layout)
    flipped = np.ascontiguousarray(np.flip(w))
    correlate = scipy.signal.correlate2d if x.ndim == 2 else scipy.signal.correlate
    how = {} if x.ndim == 2 else {"method": "direct"}

    def direct() -> Array:
        return np.asarray(correlate(x, w, mode, **how))

    def fft() -> Array:
        return np.asarray(scipy.signal.oaconvolve(x, flipped, mode))

    return [
        Candidate(NAME, call, lambda call=call: call().reshape(shape), variant)  # type: ignore[misc]
        for call, variant in ((direct, "signal"), (fft, "oaconvolve"))
    ]
