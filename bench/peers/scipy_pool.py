# SPDX-License-Identifier: BSD-3-Clause
"""SciPy's maximum_filter, minimum_filter and uniform_filter.

Stride 1, as much padding as makes the output as large.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from candidates import Candidate, UnsupportedError
from pool_candidates import PoolProblem

from peers.scipy_peer import MINIMUM, NAME, version

FILTERS = {  # and what stands for the border
    "max": (scipy.ndimage.maximum_filter, -np.inf),
    "min": (scipy.ndimage.minimum_filter, np.inf),
    "avg": (scipy.ndimage.uniform_filter, 0.0),
}

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
    function, border = FILTERS[layer.op]

    def call() -> None:
        function(problem.x, size, output=y, mode="constant", cval=border)

    return [Candidate(NAME, call, lambda: y, function.__name__)]
