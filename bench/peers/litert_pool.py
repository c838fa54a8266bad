# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite (LiteRT): models of MAX_POOL_2D, AVERAGE_POOL_2D and MEAN, channels last; 1-D of height 1.

Their padding is "SAME" or none. Where a layer's is neither, a PADV2 goes before; maxima are also taken with
"SAME" on the image with its axes reversed, where that makes the padding fit: as much work and the same
result, reversed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from candidates import Array, Candidate, UnsupportedError
from pool_candidates import PoolProblem
from pool_layers import PoolLayer

from peers.litert_peer import MINIMUM, NAME, interpreter, is_same, tf, version

__all__ = ["MINIMUM", "NAME", "prepare", "version"]

Operation = Callable[[Any], Any]
Way = tuple[str, Operation, bool]  # variant, operation, whether the image is reversed


def prepare(problem: PoolProblem) -> list[Candidate]:
    layer = problem.layer
    if layer.gradient:
        raise UnsupportedError("no gradients")
    if not problem.channels_last and layer.c > 1:
        raise UnsupportedError("channels last only")
    if layer.rank == 3:
        raise UnsupportedError("no 3-D pooling")
    if layer.kind == "adaptive":
        raise UnsupportedError("no adaptive pooling")
    if layer.op == "min":
        raise UnsupportedError("no minimum pooling")
    return [_candidate(problem, *way) for way in _ways(layer)]


def _candidate(problem: PoolProblem, variant: str, operation: Operation, reverse: bool) -> Candidate:
    layer = problem.layer
    height = () if layer.rank == 2 else (1,)
    x = problem.x.reshape(1, *height, *layer.size, layer.c)
    invoke, output = interpreter(operation, np.flip(x, (1, 2)) if reverse else x, problem.threads)

    def result() -> Array:
        y = output()
        return np.ascontiguousarray(np.flip(y, (1, 2)) if reverse else y).reshape(problem.result_shape)

    return Candidate(NAME, invoke, result, variant)


def _ways(layer: PoolLayer) -> list[Way]:
    if layer.kind == "global":
        reduce = tf.reduce_mean if layer.op == "avg" else tf.reduce_max
        return [("MEAN", lambda x: reduce(x, (1, 2), keepdims=True), False)]
    ones = (1,) * (2 - layer.rank)
    kernel, stride = (*ones, *layer.kernel), (*ones, *layer.stride)
    function = tf.nn.max_pool2d if layer.op == "max" else tf.nn.avg_pool2d
    border = -np.inf if layer.op == "max" else 0.0
    pads = [(0, 0), *[(0, 0)] * len(ones), *layer.padding, (0, 0)]

    def valid(x: Any) -> Any:
        return function(x, kernel, stride, "VALID")

    def padded(x: Any) -> Any:
        return valid(tf.pad(x, pads, constant_values=border))

    def same(x: Any) -> Any:
        return function(x, kernel, stride, "SAME")

    if not any(map(any, layer.padding)):
        return [("VALID", valid, False)]
    ways: list[Way] = [("PADV2, VALID", padded, False)]
    if layer.op == "avg":
        return ways  # its SAME does not count the padding
    dilation = (1,) * layer.rank
    if is_same(layer.size, layer.kernel, layer.stride, layer.padding, dilation):
        return [("SAME", same, False)]
    if is_same(layer.size, layer.kernel, layer.stride, _reversed(layer), dilation):
        ways.append(("SAME, image reversed", same, True))
    return ways


def _reversed(layer: PoolLayer) -> tuple[tuple[int, int], ...]:
    """The padding of the reversed image: what no window reaches is left out."""
    axes = zip(layer.size, layer.output_size, layer.kernel, layer.stride, layer.padding, strict=True)
    return tuple(((o - 1) * s + k - n - before, before) for n, o, k, s, (before, _) in axes)
