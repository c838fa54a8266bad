# SPDX-License-Identifier: BSD-3-Clause
"""SciPy's maximum_filter and uniform_filter: stride 1, as much padding as makes the output as large."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from candidates import Candidate, UnsupportedError
from pool_candidates import PoolProblem

from peers.scipy_peer import MINIMUM, NAME, version

__all__ = ["MINIMUM", "NAME", "prepare", "version"]


def prepare(problem: PoolProblem) -> list[Candidate]:
    layer = problem.layer
    if layer.gradient:
        raise UnsupportedError("no gradients")
    axes = zip(layer.kernel, layer.stride, layer.padding, strict=True)
    if layer.target or not all(s == 1 and 2 * a == 2 * b == k - 1 for k, s, (a, b) in axes):
        raise UnsupportedError("stride 1 with an output as large as the input only")
    size = [1] * problem.x.ndim
    for axis, k in zip(problem.spatial_axes, layer.kernel, strict=True):
        size[axis] = k
    y = problem.new_output()
    function = scipy.ndimage.maximum_filter if layer.op == "max" else scipy.ndimage.uniform_filter
    border = -np.inf if layer.op == "max" else 0.0

    def call() -> None:
        function(problem.x, size, output=y, mode="constant", cval=border)

    return [Candidate(NAME, call, lambda: y, function.__name__)]
