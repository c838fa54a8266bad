# SPDX-License-Identifier: BSD-3-Clause
"""The results of pooling problems in float64, by NumPy alone, and the error of a candidate against them.

Maxima and averages over windows are taken axis by axis; the gradients of averages are the adjoints of that.
"""

from __future__ import annotations

from math import prod

import numpy as np
from candidates import Array
from figures import relative_error
from numpy.lib.stride_tricks import sliding_window_view
from pool_candidates import PoolProblem


def reference(problem: PoolProblem) -> Array:
    """In float64, but for maxima and minima: these have no rounding."""
    if not problem.layer.gradient:
        return _average(problem) if problem.layer.op == "avg" else _extreme(problem)
    return _average_gradient(problem) if problem.layer.op == "avg" else _extreme_gradient(problem)


def error_of(problem: PoolProblem, y: Array, expected: Array) -> float:
    """Maxima and minima have to be equal bit by bit: 0 or infinity. Else the relative L2 error."""
    if problem.layer.op != "avg" and not problem.layer.gradient:
        same = y.shape == expected.shape and y.dtype == expected.dtype and y.tobytes() == expected.tobytes()
        return 0.0 if same else float("inf")
    return relative_error(y, expected)


def _windows(x: Array, axis: int, kernel: int, stride: int, pads: tuple[int, int], border: float) -> Array:
    """A view of the windows of one axis, their taps last."""
    around = [(0, 0)] * x.ndim
    around[axis] = pads
    padded = np.pad(x, around, constant_values=border)
    at = [slice(None)] * x.ndim
    at[axis] = slice(None, None, stride)
    return sliding_window_view(padded, kernel, axis)[tuple(at)]


def _extreme(problem: PoolProblem) -> Array:
    layer, y = problem.layer, problem.x
    of, border = (np.max, -np.inf) if layer.op == "max" else (np.min, np.inf)
    for axis, k, s, p in zip(problem.spatial_axes, layer.kernel, layer.stride, layer.padding, strict=True):
        y = of(_windows(y, axis, k, s, p, border), -1)
    return y


def _average(problem: PoolProblem) -> Array:
    layer, y = problem.layer, problem.x.astype(np.float64)
    if layer.target:
        for axis, matrix in zip(problem.spatial_axes, _adaptive_matrices(problem), strict=True):
            y = np.moveaxis(np.moveaxis(y, axis, -1) @ matrix.T, -1, axis)
        return y
    for axis, k, s, p in zip(problem.spatial_axes, layer.kernel, layer.stride, layer.padding, strict=True):
        y = _windows(y, axis, k, s, p, 0.0).mean(-1)
    return y


def _average_gradient(problem: PoolProblem) -> Array:
    layer, g = problem.layer, problem.given.astype(np.float64)
    if layer.target:
        for axis, matrix in zip(problem.spatial_axes, _adaptive_matrices(problem), strict=True):
            g = np.moveaxis(np.moveaxis(g, axis, -1) @ matrix, -1, axis)
        return g
    axes = zip(problem.spatial_axes, layer.size, layer.kernel, layer.stride, layer.padding, strict=True)
    for axis, n, k, s, (before, after) in axes:
        outputs = np.moveaxis(g, axis, -1)
        inputs = np.zeros((*outputs.shape[:-1], before + n + after))
        for tap in range(k):
            inputs[..., tap : tap + s * outputs.shape[-1] : s] += outputs / k
        g = np.moveaxis(inputs[..., before : before + n], -1, axis)
    return g


def _adaptive_matrices(problem: PoolProblem) -> list[Array]:
    """For each axis the weights of its inputs in its outputs."""
    matrices = []
    for n, outputs in zip(problem.layer.size, problem.layer.target, strict=True):
        matrix = np.zeros((outputs, n))
        for o in range(outputs):
            start, end = o * n // outputs, -(-(o + 1) * n // outputs)
            matrix[o, start:end] = 1 / (end - start)
        matrices.append(matrix)
    return matrices


def _extreme_gradient(problem: PoolProblem) -> Array:
    """Every value of the output's gradient goes to the first maximum or minimum of its window."""
    layer = problem.layer
    x, g = problem.x[0], problem.given[0]
    if problem.channels_last:
        x, g = np.moveaxis(x, -1, 0), np.moveaxis(g, -1, 0)
    of, border = (np.argmax, -np.inf) if layer.op == "max" else (np.argmin, np.inf)
    windows = np.pad(x, [(0, 0), *layer.padding], constant_values=border)
    windows = sliding_window_view(windows, layer.kernel, tuple(range(1, x.ndim)))
    steps = (slice(None), *(slice(None, None, s) for s in layer.stride))
    windows = windows[steps]
    taps = of(windows.reshape(*g.shape, prod(layer.kernel)), -1)
    at = np.zeros(g.shape, np.int64)
    for axis, tap in enumerate(np.unravel_index(taps, layer.kernel)):
        outputs = np.arange(g.shape[axis + 1]).reshape(-1, *[1] * (layer.rank - axis - 1))
        at = at * layer.size[axis] + outputs * layer.stride[axis] - layer.padding[axis][0] + tap
    plane = prod(layer.size)
    at += plane * np.arange(layer.c).reshape(-1, *[1] * layer.rank)
    sums = np.bincount(at.ravel(), g.ravel(), layer.c * plane).reshape(layer.c, *layer.size)
    return np.moveaxis(sums, 0, -1)[np.newaxis] if problem.channels_last else sums[np.newaxis]
